"""Accounts, keys and grants, for the operator and the first start."""

from __future__ import annotations

import msgspec

from imagegate.domain import ids
from imagegate.domain.accounts import Account, ApiKey, NewKey
from imagegate.domain.audit import Actor
from imagegate.domain.errors import AccountClosed, Unauthorized
from imagegate.flows.audit import write_act
from imagegate.runtime import Runtime
from imagegate.security.api_keys import generate_key, hash_key, is_well_formed, mask_key
from imagegate.security.keyring import Keyring
from imagegate.store import acts, api_keys, ledger
from imagegate.store.acts import MakerEnded
from imagegate.store.database import Database
from imagegate.store.dialect import wall_clock


async def open_account(db: Database, name: str, actor: Actor) -> Account:
    """The account of this name, made where it is absent."""
    return await write_act(db, acts.open_account, ids.new_id("acc", wall_clock()), name, actor)


async def create_key(
    db: Database, keyring: Keyring, account_id: str, new: NewKey, actor: Actor, made_by: str | None = None
) -> tuple[str, ApiKey]:
    """The key's secret, which is shown only once, and its row.

    Unauthorized where the key that makes it has ended, AccountClosed where the account is closed.
    """
    now = wall_clock()
    secret = generate_key()
    key = ApiKey(
        id=ids.new_id("key", now),
        account_id=account_id,
        hint=mask_key(secret),
        created=now,
        made_by=made_by,
        **msgspec.structs.asdict(new),
    )
    digest = hash_key(keyring.pepper, secret)
    made = await write_act(db, acts.create_key, account_id, key, digest, actor)
    match made:
        case MakerEnded():
            raise Unauthorized
        case acts.AccountClosed():
            raise AccountClosed
        case _:
            return secret, key


async def find_live_key(runtime: Runtime, secret: str) -> ApiKey | None:
    """The key with this secret; None for unknown, disabled, expired and malformed keys alike."""
    if not is_well_formed(secret):
        return None
    key = await runtime.db.read(api_keys.find_key_by_digest, hash_key(runtime.keyring.pepper, secret))
    return key if key and key.is_active(runtime.clock()) else None


async def grant_credits(
    db: Database, account: Account, amount: int, actor: Actor, ref: str | None = None
) -> ledger.GrantPosted | ledger.GrantRefused:
    """Grant `amount` nanos to the account; the same `ref` is granted once. `actor` is kept with the entry.

    AccountClosed where the account is closed; a negative amount takes back what it has left.
    """
    ref = ref or ids.new_id("grant", wall_clock())
    granted = await write_act(db, acts.grant, account.id, amount, f"grant:{ref}", actor)
    if isinstance(granted, acts.AccountClosed):
        raise AccountClosed
    return granted
