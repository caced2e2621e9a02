"""API keys that are created, changed and deleted by other keys.

No key can grant more than it has: it may only manage keys whose scopes it has itself, and a key with limits of its own
may manage none, because a second key would be the way around them.
"""

from __future__ import annotations

from typing import Any

from imagegate.domain.accounts import ApiKey, NewKey, Scope
from imagegate.domain.audit import Actor
from imagegate.domain.errors import NotFound, PermissionDenied, Unauthorized
from imagegate.flows.accounts import create_key
from imagegate.flows.audit import write_act
from imagegate.runtime import Runtime
from imagegate.store import acts, api_keys
from imagegate.store.acts import KeysEnded, MakerEnded


async def make_key(runtime: Runtime, maker: ApiKey, new: NewKey, actor: Actor) -> tuple[str, ApiKey]:
    """The new key's secret, shown only once, and its row."""
    _reject_limited_maker(maker)
    _reject_missing_scopes(maker, new.scopes)
    return await create_key(runtime.db, runtime.keyring, maker.account_id, new, actor, made_by=maker.id)


async def change_key(
    runtime: Runtime, maker: ApiKey, key_id: str, changes: dict[str, Any], end_made_keys: bool, actor: Actor
) -> KeysEnded:
    """The key as it is after these changes of its columns, and the keys that ended with it."""
    _reject_limited_maker(maker)
    _reject_missing_scopes(maker, changes.get("scopes", ()))
    await _find_manageable_key(runtime, maker, key_id)
    changed = _unwrap(
        await write_act(runtime.db, acts.change_key, maker.account_id, key_id, changes, maker.id, end_made_keys, actor)
    )
    runtime.wake_ups.notify_tasks_due()
    return changed


async def delete_key(runtime: Runtime, maker: ApiKey, key_id: str, end_made_keys: bool, actor: Actor) -> KeysEnded:
    _reject_limited_maker(maker)
    await _find_manageable_key(runtime, maker, key_id)
    return _unwrap(
        await write_act(runtime.db, acts.delete_key, maker.account_id, key_id, maker.id, end_made_keys, actor)
    )


def _unwrap(outcome: KeysEnded | MakerEnded | None) -> KeysEnded:
    match outcome:
        case KeysEnded():
            return outcome
        case MakerEnded():
            raise Unauthorized
        case None:
            raise NotFound


async def _find_manageable_key(runtime: Runtime, maker: ApiKey, key_id: str) -> ApiKey:
    """A key of the same account with no scope that its maker lacks; NotFound for another account's key."""
    key = None if "\0" in key_id else await runtime.db.read(api_keys.find_key, maker.account_id, key_id)
    if key is None or key.deleted is not None:
        raise NotFound
    _reject_missing_scopes(maker, key.scopes)
    return key


def _reject_limited_maker(maker: ApiKey) -> None:
    if maker.has_limits:
        raise PermissionDenied("A key with limits of its own cannot create or change keys")


def _reject_missing_scopes(maker: ApiKey, scopes: tuple[Scope, ...]) -> None:
    if not maker.has_scopes(scopes):
        raise PermissionDenied("A key cannot grant a scope it does not have", param="scopes")
