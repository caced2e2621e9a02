"""The audit log: rows are added with the acts that they describe, listed for the operator, and purged by age."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from imagegate.domain import ids
from imagegate.domain.audit import Action, Actor, AuditEntry
from imagegate.domain.pages import NEWEST, Page, Position, paged
from imagegate.domain.time import US_PER_MINUTE
from imagegate.store.dialect import SKIP_LOCKED, Row
from imagegate.store.transaction import Tx

Values = dict[str, Any] | None


def record(
    tx: Tx,
    actor: Actor,
    action: Action,
    *,
    account_id: str = "",
    target: str = "",
    before: Values = None,
    after: Values = None,
) -> AuditEntry:
    """Add the row of an act to its transaction."""
    entry = AuditEntry(
        id=ids.new_id("aud", tx.now),
        created=tx.now,
        action=action,
        actor=actor.name,
        via=actor.via,
        address=actor.address,
        request_id=actor.request_id,
        account_id=account_id,
        target=target,
        before=before,
        after=after,
    )
    tx.insert("audit", **msgspec.structs.asdict(entry) | {"before": _to_column(before), "after": _to_column(after)})
    return entry


def count_failed_sign_in(tx: Tx, address: str, request_id: str, kind: str) -> None:
    """One row for each address and minute: however many are tried, the table grows slowly."""
    row = {
        "id": f"aud_{tx.now // US_PER_MINUTE}_{kind}_{address}",
        "action": str(Action.sign_in_failed),
        "kind": kind,
        "address": address,
        "request_id": request_id,
    }
    tx.execute_nowait(
        """INSERT INTO audit (id, created, action, actor, via, address, request_id, account_id, target)
        VALUES (:id, :now, :action, '', 'page', :address, :request_id, '', :kind)
        ON CONFLICT (id) DO UPDATE SET times = audit.times + 1""",
        row,
    )


def list_audit_page(
    tx: Tx, after: Position | None, limit: int, account_id: str = "", action: str = ""
) -> Page[AuditEntry, Position]:
    """Every act, newest first; only those on the account and of the kind that are given. Only for callers that require
    the scope `admin`."""
    given = {"account_id": account_id, "action": action}
    wanted = "".join(f" AND {name} = :{name}" for name, value in given.items() if value)
    rows = tx.fetch_all(
        f"""SELECT * FROM audit WHERE (created, id) < (:created, :id){wanted}
        ORDER BY created DESC, id DESC LIMIT :limit""",
        {"limit": limit + 1, **given} | msgspec.structs.asdict(after or NEWEST),
    )
    return paged([_entry_from_row(row) for row in rows], limit, lambda one: Position(one.created, one.id))


def purge_audit(tx: Tx, retention_us: int, limit: int) -> int:
    """Delete rows older than that; return how many."""
    return tx.execute(
        f"""DELETE FROM audit WHERE id IN (
            SELECT id FROM audit WHERE created < :before ORDER BY created LIMIT :limit {SKIP_LOCKED})""",
        {"before": tx.now - retention_us, "limit": limit},
    )


def _to_column(values: Values) -> str | None:
    return None if values is None else json.dumps(values, ensure_ascii=False)


def _entry_from_row(row: Row) -> AuditEntry:
    decoded = {name: json.loads(row[name]) for name in ("before", "after") if row[name] is not None}
    return msgspec.convert({**row, **decoded}, AuditEntry)
