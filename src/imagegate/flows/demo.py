"""The first start: an account with demo credits, and its key in the data folder."""

from __future__ import annotations

from pathlib import Path

from imagegate.domain.accounts import NewKey
from imagegate.domain.money import parse_credits
from imagegate.flows.accounts import create_key, find_live_key, grant_credits, open_account
from imagegate.flows.audit import program_actor
from imagegate.runtime import Runtime
from imagegate.security.keyring import write_private_file

DEMO_ACCOUNT = "demo"
DEMO_KEY_FILE = "demo-key"


async def ensure_demo_key(runtime: Runtime) -> str | None:
    """The demo account's key; created where the file is missing or its key is no longer live.

    None where the operator has closed the demo account: a start does not reopen it.
    """
    if await find_live_key(runtime, secret := read_demo_key(runtime)):
        return secret
    actor = program_actor("first start")
    account = await open_account(runtime.db, DEMO_ACCOUNT, actor)
    if account.closed is not None:
        return None
    amount = parse_credits(str(runtime.settings.credit.demo_credits), runtime.credits_per_usd)
    await grant_credits(runtime.db, account, amount, actor, ref="demo")
    secret, _ = await create_key(runtime.db, runtime.keyring, account.id, NewKey(name=DEMO_ACCOUNT), actor)
    file = _key_file(runtime)
    file.unlink(missing_ok=True)
    write_private_file(file, secret + "\n")
    return secret


def read_demo_key(runtime: Runtime) -> str:
    """The secret in the file; empty where there is none. The key may have been disabled since."""
    file = _key_file(runtime)
    return file.read_text().strip() if file.exists() else ""


def _key_file(runtime: Runtime) -> Path:
    return runtime.settings.data_dir / DEMO_KEY_FILE
