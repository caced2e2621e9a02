"""Accounts, keys and grants, for the operator and the first start."""

from __future__ import annotations

import msgspec

from imagegate.domain import ids
from imagegate.domain.accounts import Account, ApiKey, NewKey
from imagegate.runtime import Runtime
from imagegate.security.api_keys import generate_key, hash_key, is_well_formed, mask_key
from imagegate.security.keyring import Keyring
from imagegate.store import accounts, api_keys, ledger
from imagegate.store.database import Database
from imagegate.store.dialect import wall_clock


async def open_account(db: Database, name: str) -> Account:
    """The account of this name, made where it is absent."""
    return await db.write(accounts.open_account, ids.new_id("acc", wall_clock()), name)


async def create_key(db: Database, keyring: Keyring, account: Account, new: NewKey) -> tuple[str, ApiKey]:
    """The key's secret, which is shown only once, and its row."""
    now = wall_clock()
    secret = generate_key()
    key = ApiKey(
        id=ids.new_id("key", now),
        account_id=account.id,
        hint=mask_key(secret),
        created=now,
        **msgspec.structs.asdict(new),
    )
    await db.write(api_keys.create_key, account.id, key, hash_key(keyring.derive_key("pepper"), secret))
    return secret, key


async def find_live_key(runtime: Runtime, secret: str) -> ApiKey | None:
    """The key with this secret; None for unknown, disabled, expired and malformed keys alike."""
    if not is_well_formed(secret):
        return None
    key = await runtime.db.read(api_keys.find_key_by_digest, hash_key(runtime.keyring.derive_key("pepper"), secret))
    return key if key and key.is_active(runtime.clock()) else None


async def grant_credits(
    db: Database, account: Account, amount: int, actor: str, ref: str | None = None
) -> ledger.GrantPosted | ledger.GrantRefused:
    """Grant `amount` nanos to the account; the same `ref` is granted once. `actor` is kept with the entry."""
    ref = ref or ids.new_id("grant", wall_clock())
    return await db.write(ledger.grant, account.id, amount, f"grant:{ref}", actor)
