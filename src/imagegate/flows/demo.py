"""The first start: an account with demo credits, and its key in the data folder."""

from __future__ import annotations

from imagegate.domain.money import parse_credits
from imagegate.flows.accounts import NewKey, create_key, grant_credits, open_account
from imagegate.runtime import Runtime
from imagegate.security.api_keys import hash_key, is_well_formed
from imagegate.security.keyring import write_private_file
from imagegate.store.accounts import find_key_by_digest

DEMO_ACCOUNT = "demo"


async def ensure_demo_key(runtime: Runtime) -> str:
    """The demo account's key; created where the file is missing or its key is no longer live."""
    file = runtime.settings.data_dir / "demo-key"
    value = file.read_text().strip() if file.exists() else ""
    if is_well_formed(value) and await _is_live(runtime, value):
        return value
    account = await open_account(runtime.db, DEMO_ACCOUNT)
    amount = parse_credits(str(runtime.settings.credit.demo_credits), runtime.credits_per_usd)
    await grant_credits(runtime.db, account, amount, "first start", ref="demo")
    value, _ = await create_key(runtime.db, runtime.keyring, account, NewKey(name=DEMO_ACCOUNT))
    file.unlink(missing_ok=True)
    write_private_file(file, value + "\n")
    return value


async def _is_live(runtime: Runtime, value: str) -> bool:
    key = await runtime.db.read(find_key_by_digest, hash_key(runtime.keyring.derive_key("pepper"), value))
    return key is not None and key.is_active(runtime.clock())
