"""An account's statement: every change of its available balance, newest first.

Knows: that entries and holds together explain the balance, and how a page of them is found. Holds are no entries: their
lines are read from the hold rows. Refuses to know: how amounts are printed.
"""

from __future__ import annotations

import msgspec

from imagegate.store.engines import Row
from imagegate.store.transaction import Tx

TYPES = ("grant", "hold", "release", "charge", "refund", "adjustment")

# Lines of one moment stand in the order in which they happen: a hold, its release, its charge, its refund.
_PARTS = (
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
_EARLIER = "(at < :at OR (at = :at AND (step < :step OR (step = :step AND id < :id))))"
_NEWEST_FIRST = "ORDER BY at DESC, step DESC, id DESC"


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a line stands in the order of the statement; the end of a page."""

    at: int
    step: int
    id: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines; empty text means all."""

    task_id: str = ""
    type: str = ""
    below: Place | None = None
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

    @property
    def place(self) -> Place:
        return Place(self.at, self.step, self.id)


def statement(tx: Tx, account_id: str, wanted: Wanted) -> list[StatementLine]:
    """Up to `limit` lines, newest first. Ask for it in a snapshot: balance and lines must be of one moment."""
    rows = _page(tx, account_id, wanted)
    after = _available_after(tx, account_id, rows) if rows else {}
    return [StatementLine(**row, available_after=after[row["id"]]) for row in rows]


def _page(tx: Tx, account_id: str, wanted: Wanted) -> list[Row]:
    where = ["1 = 1"]
    where += [_EARLIER] if wanted.below else []
    where += ["task_id = :task_id"] if wanted.task_id else []
    where += ["type = :type"] if wanted.type else []
    below = wanted.below or Place(0, 0, "")
    limited = (
        f"SELECT * FROM (SELECT * FROM ({text}{_not_after(column, wanted.below)}) AS one WHERE {' AND '.join(where)}"
        f" {_NEWEST_FIRST} LIMIT :limit) AS part_{number}"
        for number, (column, text) in enumerate(_PARTS)
    )
    return tx.all(
        f"""SELECT line.id, type, task_id, at, step, amount,
            COALESCE(line.price_version, t.price_version) AS price_version
        FROM ({" UNION ALL ".join(limited)}) AS line LEFT JOIN tasks t ON t.id = line.task_id
        ORDER BY at DESC, step DESC, line.id DESC LIMIT :limit""",
        account_id=account_id,
        task_id=wanted.task_id,
        type=wanted.type,
        limit=wanted.limit,
        at=below.at,
        step=below.step,
        id=below.id,
    )


def _not_after(column: str, below: Place | None) -> str:
    """The same bound on the bare column, so that the index finds it."""
    return f" AND {column} <= :at" if below else ""


def _available_after(tx: Tx, account_id: str, page: list[Row]) -> dict[str, int]:
    """The balance of now without every line that is newer: looks at no line older than the page."""
    lines = " UNION ALL ".join(f"{text} AND {column} >= :oldest" for column, text in _PARTS)
    rows = tx.all(
        f"""SELECT id, newer FROM (SELECT id, at, step,
            CAST(SUM(amount) OVER ({_NEWEST_FIRST} ROWS UNBOUNDED PRECEDING) - amount AS BIGINT) AS newer
            FROM ({lines}) AS line) AS summed
        WHERE at <= :newest""",
        account_id=account_id,
        oldest=page[-1]["at"],
        newest=page[0]["at"],
    )
    balance = tx.count("SELECT posted - held AS balance FROM accounts WHERE id = :id", id=account_id)
    return {row["id"]: balance - row["newer"] for row in rows}
