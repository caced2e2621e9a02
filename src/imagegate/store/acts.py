"""Commands of the operator, and on accounts, keys, secrets and routes: each with its audit rows in one transaction.

An act that changed nothing, as a repeat does, leaves no row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from imagegate.domain.accounts import Account, ApiKey, NewKey
from imagegate.domain.audit import Action, Actor, AuditEntry
from imagegate.domain.webhooks import SecretVersion
from imagegate.store import (
    accounts,
    api_keys,
    closing,
    deletion,
    deliveries,
    installation,
    ledger,
    refunds,
    route_health,
)
from imagegate.store.audit import record
from imagegate.store.queries import admin
from imagegate.store.transaction import Tx

T = TypeVar("T")


class Act(msgspec.Struct, Generic[T], frozen=True):
    """The result of a command, and what was recorded of it."""

    result: T
    entries: list[AuditEntry]


class MakerEnded(msgspec.Struct, frozen=True):
    """The key that wants to manage keys has ended since it was looked up."""


class AccountClosed(msgspec.Struct, frozen=True):
    """The account is closed: it gets no credits and no keys."""


class ClosingChanged(msgspec.Struct, frozen=True):
    """The account as it is now, and how many keys ended with it. `changed`: it was not so before."""

    account: Account
    ended_keys: int
    changed: bool


class KeysEnded(msgspec.Struct, frozen=True):
    """The key as it is now, and the keys made by it that ended with it."""

    key: ApiKey
    made_keys: list[ApiKey]


def open_account(tx: Tx, account_id: str, name: str, actor: Actor) -> Act[Account]:
    account = accounts.open_account(tx, account_id, name)
    if account.id != account_id:
        return Act(account, [])
    entry = record(tx, actor, Action.account_create, account_id=account_id, target=account_id, after={"name": name})
    return Act(account, [entry])


def close_account(tx: Tx, account_id: str, actor: Actor) -> Act[ClosingChanged | None]:
    """None where there is no such account. A row for the account, and one for each key that ends with it."""
    closing.lock_for_closing(tx, account_id)
    before = accounts.find_account(tx, account_id)
    if before is None or before.closed is not None:
        return Act(None if before is None else ClosingChanged(before, 0, changed=False), [])
    ended = closing.close_account(tx, account_id)
    entries = [
        _record_disabled(tx, actor, account_id, key_id, {"disabled": tx.now, "with": account_id}) for key_id in ended
    ]
    entries.append(_record_closed(tx, actor, Action.account_close, before, tx.now))
    return Act(_closing_changed(tx, account_id, len(ended)), entries)


def reopen_account(tx: Tx, account_id: str, actor: Actor) -> Act[ClosingChanged | None]:
    """None where there is no such account. Its keys stay ended: whoever had them gets new ones, or none."""
    before = _lock_account(tx, account_id)
    if before is None or before.closed is None:
        return Act(None if before is None else ClosingChanged(before, 0, changed=False), [])
    closing.reopen_account(tx, account_id)
    entry = _record_closed(tx, actor, Action.account_reopen, before, None)
    return Act(_closing_changed(tx, account_id, 0), [entry])


def _record_closed(tx: Tx, actor: Actor, action: Action, before: Account, closed: int | None) -> AuditEntry:
    was, became = {"closed": before.closed}, {"closed": closed}
    return record(tx, actor, action, account_id=before.id, target=before.id, before=was, after=became)


def _closing_changed(tx: Tx, account_id: str, ended_keys: int) -> ClosingChanged:
    account = accounts.find_account(tx, account_id)
    assert account is not None
    return ClosingChanged(account, ended_keys, changed=True)


def grant(
    tx: Tx, account_id: str, amount: int, ref: str, actor: Actor
) -> Act[ledger.GrantPosted | ledger.GrantRefused | AccountClosed]:
    """AccountClosed also where the same grant was posted before; credits can still be taken back."""
    before = _lock_account(tx, account_id)
    if _is_closed_to(before, amount):
        return Act(AccountClosed(), [])
    result = ledger.grant(tx, account_id, amount, ref, actor.name)
    return Act(result, _record_grant(tx, actor, before, account_id, amount))


def grant_once(
    tx: Tx, account_id: str, amount: int, ref: str, actor: Actor
) -> Act[admin.GrantEntry | ledger.GrantRefused | admin.GrantConflict | admin.NoSuchAccount | AccountClosed]:
    before = _lock_account(tx, account_id)
    if _is_closed_to(before, amount) and not ledger.is_posted(tx, ref):
        return Act(AccountClosed(), [])
    result = admin.grant_once(tx, account_id, amount, ref, actor.name)
    return Act(result, _record_grant(tx, actor, before, account_id, amount))


def _lock_account(tx: Tx, account_id: str) -> Account | None:
    """As it is until the commit."""
    tx.lock_row("SELECT id FROM accounts WHERE id = :id", {"id": account_id})
    return accounts.find_account(tx, account_id)


def _is_closed_to(account: Account | None, amount: int) -> bool:
    """Whether the account gets no credits; what it has left can be taken back."""
    return account is not None and account.closed is not None and amount > 0


def _record_grant(tx: Tx, actor: Actor, before: Account | None, account_id: str, amount: int) -> list[AuditEntry]:
    after = accounts.find_account(tx, account_id)
    if before is None or after is None or before.posted == after.posted:
        return []
    entry = record(
        tx,
        actor,
        Action.credits_grant,
        account_id=account_id,
        target=account_id,
        before={"posted": before.posted},
        after={"posted": after.posted, "amount": amount},
    )
    return [entry]


def refund_task(tx: Tx, account_id: str, new: refunds.NewRefund, actor: Actor) -> Act[refunds.RefundOutcome]:
    outcome = refunds.refund_task(tx, account_id, new)
    if not isinstance(outcome, refunds.Refund) or outcome.replayed:
        return Act(outcome, [])
    after = {"refund": outcome.id, "amount": outcome.amount, "reason": outcome.reason}
    entry = record(tx, actor, Action.credits_refund, account_id=account_id, target=new.task_id, after=after)
    return Act(outcome, [entry])


def delete_task(
    tx: Tx, account_id: str, task_id: str, actor: Actor
) -> Act[deletion.TaskDeleted | deletion.NotEnded | deletion.NotThere]:
    result = deletion.delete_task(tx, account_id, task_id)
    if not isinstance(result, deletion.TaskDeleted) or result.is_repeat:
        return Act(result, [])
    return Act(result, [record(tx, actor, Action.task_delete, account_id=account_id, target=task_id)])


def create_key(
    tx: Tx, account_id: str, key: ApiKey, digest: str, actor: Actor
) -> Act[ApiKey | MakerEnded | AccountClosed]:
    """MakerEnded where `key.made_by` has ended: a key that was ended leaves nothing behind."""
    account = _lock_account(tx, account_id)  # a close comes before this, or ends this key too
    if key.made_by is not None and not _is_live(tx, account_id, key.made_by):
        return Act(MakerEnded(), [])
    if account is not None and account.closed is not None:
        return Act(AccountClosed(), [])
    api_keys.create_key(tx, account_id, key, digest)
    entry = record(tx, actor, Action.key_create, account_id=account_id, target=key.id, after=_values(key))
    return Act(key, [entry])


def change_key(
    tx: Tx, account_id: str, key_id: str, changes: dict[str, Any], maker_id: str, end_made_keys: bool, actor: Actor
) -> Act[KeysEnded | MakerEnded | None]:
    """None where there is no such key. Disabling it disables the keys that it made, unless they are to stay."""
    if not _is_live(tx, account_id, maker_id):
        return Act(MakerEnded(), [])
    before = api_keys.find_key(tx, account_id, key_id)
    after = api_keys.update_key(tx, account_id, key_id, changes)
    if before is None or after is None:
        return Act(None, [])
    action = Action.key_change
    if (before.disabled is None) != (after.disabled is None):
        action = Action.key_enable if after.disabled is None else Action.key_disable
    old, new = _values(before), _values(after)
    changed = {name for name in old if old[name] != new[name]}
    entries = []
    if changed:
        was, became = ({name: values[name] for name in sorted(changed)} for values in (old, new))
        entries.append(record(tx, actor, action, account_id=account_id, target=key_id, before=was, after=became))
    ends = action == Action.key_disable and end_made_keys
    ended, more = _end_made_keys(tx, account_id, key_id, actor) if ends else ([], [])
    return Act(KeysEnded(after, ended), entries + more)


def disable_key(tx: Tx, account_id: str, key_id: str, end_made_keys: bool, actor: Actor) -> Act[KeysEnded | None]:
    before = _lock_key(tx, account_id, key_id)
    if before is None or not api_keys.disable_key(tx, account_id, key_id):
        return Act(None, [])
    ended, entries = _end_made_keys(tx, account_id, key_id, actor) if end_made_keys else ([], [])
    if before.disabled is None:
        entries.append(_record_disabled(tx, actor, account_id, key_id, {"disabled": tx.now}))
    return Act(KeysEnded(before, ended), entries)


def delete_key(
    tx: Tx, account_id: str, key_id: str, maker_id: str | None, end_made_keys: bool, actor: Actor
) -> Act[KeysEnded | MakerEnded | None]:
    """None where there is no such key. `maker_id` is None where no key asks for it."""
    if maker_id is not None and not _is_live(tx, account_id, maker_id):
        return Act(MakerEnded(), [])
    before = _lock_key(tx, account_id, key_id)
    if before is None or not api_keys.delete_key(tx, account_id, key_id):
        return Act(None, [])
    entry = record(tx, actor, Action.key_delete, account_id=account_id, target=key_id, before=_values(before))
    ended, more = _end_made_keys(tx, account_id, key_id, actor) if end_made_keys else ([], [])
    return Act(KeysEnded(before, ended), [entry, *more])


def _end_made_keys(tx: Tx, account_id: str, key_id: str, actor: Actor) -> tuple[list[ApiKey], list[AuditEntry]]:
    """Disable the live keys that this one made, and those that they made."""
    live = [key for key in api_keys.list_made_keys(tx, account_id, key_id) if key.disabled is None]
    entries = []
    for key in live:
        api_keys.disable_key(tx, account_id, key.id)
        entries.append(_record_disabled(tx, actor, account_id, key.id, {"disabled": tx.now, "with": key_id}))
    return live, entries


def _record_disabled(tx: Tx, actor: Actor, account_id: str, key_id: str, after: dict[str, Any]) -> AuditEntry:
    before = {"disabled": None}
    return record(tx, actor, Action.key_disable, account_id=account_id, target=key_id, before=before, after=after)


def _is_live(tx: Tx, account_id: str, key_id: str) -> bool:
    """Whether the key works at this moment. A process may remember for seconds that one does that has been ended."""
    key = _lock_key(tx, account_id, key_id)
    return key is not None and key.deleted is None and key.is_active(tx.now)


def _lock_key(tx: Tx, account_id: str, key_id: str) -> ApiKey | None:
    """By its account, as everything that changes keys and holds does: acts on keys of one account are in a line."""
    _lock_account(tx, account_id)
    return api_keys.find_key(tx, account_id, key_id)


def _values(key: ApiKey) -> dict[str, Any]:
    """What may be changed of a key; amounts in nanos, times in microseconds."""
    values = msgspec.to_builtins(key)
    return {name: values[name] for name in (*NewKey.__struct_fields__, "disabled", "made_by")}


def rotate_secret(tx: Tx, account_id: str, expected_version: int, actor: Actor) -> Act[SecretVersion]:
    before = deliveries.load_secret_version(tx, account_id).version
    current = deliveries.rotate_secret(tx, account_id, expected_version)
    if current.version == before:
        return Act(current, [])
    entry = record(
        tx,
        actor,
        Action.secret_rotate,
        account_id=account_id,
        target=account_id,
        before={"version": before},
        after={"version": current.version},
    )
    return Act(current, [entry])


def reset_health(tx: Tx, name: str, scopes: list[str], states: dict[str, str], actor: Actor) -> Act[None]:
    """Forget what was observed of these scopes: the next call passes. `states` are those before."""
    for scope in scopes:
        route_health.reset_health(tx, scope)
    after = dict.fromkeys(states, "healthy")
    return Act(None, [record(tx, actor, Action.route_reset, target=name, before=dict(states), after=after)])


def accept_secret(tx: Tx, check_value: str, actor: Actor) -> Act[bool]:
    """False where it is the one of this database already."""
    if installation.find_value(tx, installation.SECRET_CHECK) == check_value:
        return Act(False, [])
    installation.replace_value(tx, installation.SECRET_CHECK, check_value)
    installation.delete_value(tx, installation.FORMER_CHECK)
    return Act(True, [record(tx, actor, Action.secret_accept)])


def rotate_installation_secret(
    tx: Tx, old_check: str, new_check: str, seal: Callable[[int], str], actor: Actor
) -> Act[bool]:
    """False where the old secret is not the one of the database. `seal(now)` is what the new one keeps of it."""
    # Rotations are in a line: two that both found the old secret would each believe that theirs is the new one.
    tx.lock_row("SELECT name FROM installation WHERE name = :name", {"name": installation.SECRET_CHECK})
    if installation.find_value(tx, installation.SECRET_CHECK) != old_check:
        return Act(False, [])
    installation.replace_value(tx, installation.SECRET_CHECK, new_check)
    installation.replace_value(tx, installation.FORMER_CHECK, old_check)
    installation.replace_value(tx, installation.formers_of(new_check), seal(tx.now))
    return Act(True, [record(tx, actor, Action.installation_secret_rotate)])


def record_reload(tx: Tx, before: list[str], after: list[str], actor: Actor) -> Act[None]:
    return Act(None, [record(tx, actor, Action.routes_reload, before={"routes": before}, after={"routes": after})])
