"""Days whose entries are in a file: what is left of them sums up by the month, no more by the day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from imagegate.domain.time import US_PER_DAY
from imagegate.store.dialect import Row
from imagegate.store.transaction import Tx


class Days(NamedTuple):
    """From the first to the last, days since 1970 in UTC, both included."""

    first: int
    last: int


def list_archived_months(tx: Tx) -> list[Days]:
    """Oldest first. Also of months of which not all lines are replaced yet."""
    rows = tx.fetch_all("SELECT first_day AS first, last_day AS last FROM ledger_archives ORDER BY first_day")
    return [Days(**row) for row in rows]


def widen(day: int, months: Sequence[Days]) -> Days:
    """The archived month in which the day is; else the day alone.

    Entries add up from one balance of closed days to another only where both are outside of such a month, or its ends.
    """
    return next((month for month in months if month.first <= day <= month.last), Days(day, day))


def compare_month(tx: Tx, account: str, month: Days) -> tuple[int, list[Row]]:
    """Compare what is left of an archived month with the sums of its days: the number of entries, and what differs."""
    params: dict[str, str | int] = {
        "account": account,
        "first": month.first,
        "last": month.last,
        "start": month.first * US_PER_DAY,
        "end": (month.last + 1) * US_PER_DAY,
    }
    wrong = tx.fetch_all(
        """SELECT :account AS account, CAST(:first AS BIGINT) AS first_day, kind,
            CAST(SUM(amount) AS BIGINT) AS amount_too_much
        FROM (SELECT kind, amount FROM daily_sums WHERE account = :account AND day >= :first AND day <= :last
            UNION ALL SELECT kind, -amount FROM entries
                WHERE account = :account AND created >= :start AND created < :end) AS line
        GROUP BY kind HAVING SUM(amount) <> 0 ORDER BY kind""",
        params,
    )
    left = tx.fetch_all(
        """SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS balance,
            CAST(COALESCE(SUM(CASE WHEN kind IN ('charge', 'refund') THEN -amount ELSE 0 END), 0) AS BIGINT) AS used,
            COUNT(*) AS lines
        FROM entries WHERE account = :account AND created >= :start AND created < :end""",
        params,
    )[0]
    before, after = (_balance_up_to(tx, account, day) for day in (month.first - 1, month.last))
    added = {name: after[name] - before[name] for name in ("balance", "used")}
    if any(added[name] != left[name] for name in added):
        expected = {f"expected_{name}": before[name] + left[name] for name in added}
        wrong.append({"account": account, "day": month.last, **after, **expected})
    return left["lines"], wrong


def _balance_up_to(tx: Tx, account: str, day: int) -> Row:
    found = tx.fetch_one(
        """SELECT balance, used FROM daily_balances WHERE account = :account AND day <= :day
        ORDER BY day DESC LIMIT 1""",
        {"account": account, "day": day},
    )
    return found or {"balance": 0, "used": 0}
