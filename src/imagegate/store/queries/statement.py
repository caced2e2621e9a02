"""An account's statement: every change of its available balance, newest first.

Holds are not ledger entries: their lines are read from the hold rows, and together both explain the balance.
"""

from __future__ import annotations

from itertools import accumulate

import msgspec

from imagegate.domain.pages import Page, paged
from imagegate.store.dialect import Row
from imagegate.store.queries.past_balances import (
    ENTRY_POSITION,
    ENTRY_STEP,
    HOLD_POSITION,
    RELEASE_POSITION,
    LinePosition,
    load_available_after,
)
from imagegate.store.transaction import Tx

LINE_TYPES = ("grant", "hold", "release", "charge", "refund", "adjustment")
# Among an account's entries nearly all are charges: the others have an index of their own, with this condition.
_RARE = ("grant", "adjustment", "refund")
_IS_RARE = "kind IN ('grant', 'adjustment', 'refund')"
# Without a bound SQLite would sort all holds of the account: no line is newer than 2^62.
_NEWEST = LinePosition(2**62, 0, "")


class StatementFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines; empty text means all."""

    task_id: str = ""
    type: str = ""
    before: LinePosition | None = None
    limit: int = 50


class StatementLine(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the available balance, and what was available after it, in nanos."""

    id: str
    type: str
    task_id: str | None
    at: int
    step: int
    amount: int
    available_after: int
    price_version: str | None


class _Source(msgspec.Struct, frozen=True):
    """Where lines of some types come from: `moment` is the column of their time, each of `of_task` finds at most one of
    a task."""

    types: tuple[str, ...]
    select: str
    moment: str
    position: str
    of_task: tuple[str, ...]


_SOURCES = (
    _Source(
        types=("grant", "charge", "refund", "adjustment"),
        select=f"""SELECT id, kind AS type, task_id, created AS at, {ENTRY_STEP} AS step, amount, price_version
            FROM entries WHERE account = :account_id""",
        moment="created",
        position=ENTRY_POSITION,
        # By the unique index on ref and account; one by task would be as large as all others together. One ref at a
        # time: with a list of them SQLite would read all of the account's entries instead.
        of_task=(
            "ref = 'settle:' || :task_id AND task_id = :task_id",
            "ref = 'refund:' || :task_id AND task_id = :task_id",
        ),
    ),
    _Source(
        types=("hold",),
        select="""SELECT 'led_hold_' || task_id AS id, 'hold' AS type, task_id, created AS at, 1 AS step,
            -amount AS amount, NULL AS price_version FROM holds WHERE account_id = :account_id""",
        moment="created",
        position=HOLD_POSITION,
        of_task=("task_id = :task_id",),
    ),
    _Source(
        types=("release",),
        select="""SELECT 'led_release_' || task_id AS id, 'release' AS type, task_id, closed AS at, 2 AS step,
            amount, NULL AS price_version FROM holds WHERE account_id = :account_id AND closed IS NOT NULL""",
        moment="closed",
        position=RELEASE_POSITION,
        of_task=("task_id = :task_id",),
    ),
)


def list_statement_lines(tx: Tx, account_id: str, filters: StatementFilter) -> Page[StatementLine, LinePosition]:
    """Return up to `limit` lines, newest first. Read it in a snapshot: balance and lines must agree."""
    rows = _fetch_page(tx, account_id, filters)
    after = _load_available_after(tx, account_id, filters, rows)
    lines = [StatementLine(**row, available_after=available) for row, available in zip(rows, after, strict=True)]
    return paged(lines, filters.limit, lambda line: LinePosition(line.at, line.step, line.id))


def _fetch_page(tx: Tx, account_id: str, filters: StatementFilter) -> list[Row]:
    """Up to `limit` lines, and one more where the list goes on."""
    parts = [
        part
        for source in _SOURCES
        if filters.type in ("", *source.types)
        for part in (_select_of_task(source, filters) if filters.task_id else [_select_newest(source, filters)])
    ]
    return tx.fetch_all(
        f"""SELECT line.id, type, line.task_id, at, step, amount,
            COALESCE(line.price_version, t.price_version) AS price_version
        FROM (SELECT * FROM ({_union(parts)}) AS found ORDER BY at DESC, step DESC, id DESC LIMIT :limit
        ) AS line LEFT JOIN tasks t ON t.id = line.task_id
        ORDER BY at DESC, step DESC, line.id DESC""",
        {
            "account_id": account_id,
            "task_id": filters.task_id,
            "type": filters.type,
            "limit": filters.limit + 1,
            **msgspec.structs.asdict(filters.before or _NEWEST),
        },
    )


def _select_newest(source: _Source, filters: StatementFilter) -> str:
    where = [f"{source.moment} <= :at", *_conditions(source, filters)]
    where += [_IS_RARE] if filters.type in _RARE else []
    order = f"{source.moment} DESC, step DESC, id DESC"
    return f"{source.select} AND {' AND '.join(where)} ORDER BY {order} LIMIT :limit"


def _select_of_task(source: _Source, filters: StatementFilter) -> list[str]:
    where = " AND ".join(_conditions(source, filters))
    return [f"{source.select} AND {found} AND {where}" for found in source.of_task]


def _conditions(source: _Source, filters: StatementFilter) -> list[str]:
    is_one_of_several = filters.type and len(source.types) > 1
    return [f"{source.position} < (:at, :step, :id)", *(["kind = :type"] if is_one_of_several else [])]


def _union(parts: list[str]) -> str:
    """Each part may have an order and a limit of its own."""
    return " UNION ALL ".join(f"SELECT * FROM ({part}) AS part_{number}" for number, part in enumerate(parts))


def _load_available_after(tx: Tx, account_id: str, filters: StatementFilter, page: list[Row]) -> list[int]:
    """What was available after each line of the page."""
    if not page:
        return []
    positions = [LinePosition(row["at"], row["step"], row["id"]) for row in page]
    if filters.type or filters.task_id:
        return load_available_after(tx, account_id, positions)
    # No line is missing between those of the page.
    [newest] = load_available_after(tx, account_id, positions[:1])
    return list(accumulate((-row["amount"] for row in page[:-1]), initial=newest))
