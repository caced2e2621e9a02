"""An account's statement: every change of its available balance, newest first.

Holds are not ledger entries: their lines are read from the hold rows, and together both explain the balance.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.pages import Page, paged
from imagegate.store.dialect import Row
from imagegate.store.transaction import Tx

LINE_TYPES = ("grant", "hold", "release", "charge", "refund", "adjustment")

# Lines of the same time are ordered by `step`, as they happen: a hold, its release, its charge, its refund.
_LINE_SOURCES = (
    (
        "created",
        """SELECT id, kind AS type, task_id, created AS at,
        CASE kind WHEN 'charge' THEN 3 WHEN 'refund' THEN 4 ELSE 0 END AS step, amount, price_version
        FROM entries WHERE account = :account_id""",
    ),
    (
        "created",
        """SELECT 'led_hold_' || task_id AS id, 'hold' AS type, task_id, created AS at,
        1 AS step, -amount AS amount, NULL AS price_version FROM holds WHERE account_id = :account_id""",
    ),
    (
        "closed",
        """SELECT 'led_release_' || task_id AS id, 'release' AS type, task_id, closed AS at,
        2 AS step, amount, NULL AS price_version FROM holds WHERE account_id = :account_id AND closed IS NOT NULL""",
    ),
)
_BEFORE_CURSOR = "(at, step, id) < (:at, :step, :id)"
_NEWEST_FIRST = "ORDER BY at DESC, step DESC, id DESC"


class LinePosition(msgspec.Struct, frozen=True, array_like=True):
    """The position of a line in the statement."""

    at: int
    step: int
    id: str


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


def list_statement_lines(tx: Tx, account_id: str, filters: StatementFilter) -> Page[StatementLine, LinePosition]:
    """Return up to `limit` lines, newest first. Read it in a snapshot: balance and lines must agree."""
    rows = _fetch_page(tx, account_id, filters)
    after = _load_balances_after(tx, account_id, rows) if rows else {}
    lines = [StatementLine(**row, available_after=after[row["id"]]) for row in rows]
    return paged(lines, filters.limit, lambda line: LinePosition(line.at, line.step, line.id))


def _fetch_page(tx: Tx, account_id: str, filters: StatementFilter) -> list[Row]:
    where = ["1 = 1"]
    where += [_BEFORE_CURSOR] if filters.before else []
    where += ["task_id = :task_id"] if filters.task_id else []
    where += ["type = :type"] if filters.type else []
    before = filters.before or LinePosition(0, 0, "")
    conditions = " AND ".join(where)
    limited = (
        f"SELECT * FROM (SELECT * FROM ({text}{_index_bound(column, filters.before)}) AS one WHERE {conditions}"
        f" {_NEWEST_FIRST} LIMIT :limit) AS part_{number}"
        for number, (column, text) in enumerate(_LINE_SOURCES)
    )
    return tx.fetch_all(
        f"""SELECT line.id, type, task_id, at, step, amount,
            COALESCE(line.price_version, t.price_version) AS price_version
        FROM ({" UNION ALL ".join(limited)}) AS line LEFT JOIN tasks t ON t.id = line.task_id
        ORDER BY at DESC, step DESC, line.id DESC LIMIT :limit""",
        {
            "account_id": account_id,
            "task_id": filters.task_id,
            "type": filters.type,
            "limit": filters.limit + 1,
            "at": before.at,
            "step": before.step,
            "id": before.id,
        },
    )


def _index_bound(column: str, before: LinePosition | None) -> str:
    """Repeat the bound on the bare column, so that the index can be used."""
    return f" AND {column} <= :at" if before else ""


def _load_balances_after(tx: Tx, account_id: str, page: list[Row]) -> dict[str, int]:
    """Return the balance after each line of the page: the current one without the lines that are newer."""
    lines = " UNION ALL ".join(f"{text} AND {column} >= :oldest" for column, text in _LINE_SOURCES)
    rows = tx.fetch_all(
        f"""SELECT id, newer FROM (SELECT id, at, step,
            CAST(SUM(amount) OVER ({_NEWEST_FIRST} ROWS UNBOUNDED PRECEDING) - amount AS BIGINT) AS newer
            FROM ({lines}) AS line) AS summed
        WHERE at <= :newest""",
        {"account_id": account_id, "oldest": page[-1]["at"], "newest": page[0]["at"]},
    )
    balance = tx.fetch_int("SELECT posted - held AS balance FROM accounts WHERE id = :id", {"id": account_id})
    return {row["id"]: balance - row["newer"] for row in rows}
