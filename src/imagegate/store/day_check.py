"""I22: the sums of closed days are those of their entries. Checked account by account, some days at a time."""

from __future__ import annotations

from typing import Any

import msgspec

from imagegate.domain.time import US_PER_DAY
from imagegate.store.check_parts import Piece
from imagegate.store.dialect import Row
from imagegate.store.transaction import Params, Tx

_NOTHING = {"balance": 0, "used": 0, "lines": 0}


class _Days(msgspec.Struct, frozen=True):
    """Days of an account, both ends included. `archived`: one month, of which opening lines stand for entries."""

    account: str
    first: int
    last: int
    archived: bool = False

    @property
    def params(self) -> Params:
        return {
            "account": self.account,
            "first": self.first,
            "last": self.last,
            "start": self.first * US_PER_DAY,
            "end": (self.last + 1) * US_PER_DAY,
        }


def check_days(tx: Tx, after: str, size: int) -> Piece:
    """`after` is `day|account`: the last day that was checked.

    Only days are checked that are over by the clock: where it was set back, more entries may come. Of a copy that
    nobody serves, whose time is 0, all are.
    """
    closed = tx.fetch_all(
        "SELECT MAX(day) AS day FROM closed_days WHERE day < :today OR :now = 0", {"today": tx.now // US_PER_DAY}
    )[0]["day"]
    if closed is None:
        return Piece([], 0, None)
    months = tx.fetch_all("SELECT first_day, last_day FROM ledger_archives ORDER BY first_day")
    day, _, account = after.partition("|")
    place = (account, int(day)) if after else _next_account(tx, "")
    found: list[Row] = []
    rows = 0
    while place and rows < size:
        days = _next_days(tx, place[0], place[1] + 1, closed, months, size - rows)
        if days is None:
            place = _next_account(tx, place[0])
            continue
        read, wrong = _compare(tx, days)
        rows += max(1, read)
        found += wrong
        place = (days.account, days.last)
    return Piece([("I22", found)], rows, f"{place[1]}|{place[0]}" if place else None)


def _next_account(tx: Tx, account: str) -> tuple[str, int] | None:
    """The next one that has entries or sums, and the day before its first."""
    parts = " UNION ALL ".join(
        f"SELECT MIN(account) AS account FROM {table} WHERE account > :account"
        for table in ("entries", "daily_sums", "daily_balances")
    )
    found = tx.fetch_all(f"SELECT MIN(account) AS account FROM ({parts}) AS one", {"account": account})[0]["account"]
    return None if found is None else (found, -1)


def _next_days(tx: Tx, account: str, first: int, closed: int, months: list[Row], rows: int) -> _Days | None:
    """The days from `first` on on which the account has that many entries, one day at least; None after the last."""
    if first > closed:
        return None
    month = next((month for month in months if month["last_day"] >= first), None)
    if month is not None and month["first_day"] <= first:
        if month["last_day"] > closed:  # the clock was set back into it: its days are summed up again
            return None
        return _Days(account, first, month["last_day"], archived=True)
    last = closed if month is None else min(closed, month["first_day"] - 1)
    beyond = tx.fetch_one(
        """SELECT created FROM entries WHERE account = :account AND created >= :start ORDER BY created
        LIMIT 1 OFFSET :rows""",
        {"account": account, "start": first * US_PER_DAY, "rows": rows},
    )
    return _Days(account, first, last if beyond is None else min(last, max(first, beyond["created"] // US_PER_DAY - 1)))


def _compare(tx: Tx, days: _Days) -> tuple[int, list[Row]]:
    """The number of rows that were read, and what differs: sums first, then balances."""
    if days.archived:
        source = """SELECT day, amount, kind, lines FROM daily_sums
            WHERE account = :account AND day >= :first AND day <= :last"""
    else:
        source = f"""SELECT created / {US_PER_DAY} AS day, amount, kind, 1 AS lines FROM entries
            WHERE account = :account AND created >= :start AND created < :end"""
    made = tx.fetch_all(
        f"""SELECT day, CAST(SUM(amount) AS BIGINT) AS balance, CAST(SUM(lines) AS BIGINT) AS lines,
            CAST(SUM(CASE WHEN kind IN ('charge', 'refund') THEN -amount ELSE 0 END) AS BIGINT) AS used
        FROM ({source}) AS line GROUP BY day""",
        days.params,
    )
    wrong = _compare_months(tx, days) if days.archived else _compare_sums(tx, days)
    return sum(row["lines"] for row in made), wrong + _compare_balances(tx, days, made)


def _compare_sums(tx: Tx, days: _Days) -> list[Row]:
    # The operator's sums are by route instead of by key, which the entries do not say.
    key = "''" if days.account.startswith("sys:") else "COALESCE(key_id, '')"
    return tx.fetch_all(
        f"""SELECT :account AS account, day, kind, model, key_id, CAST(SUM(amount) AS BIGINT) AS amount_too_much,
            CAST(SUM(lines) AS BIGINT) AS lines_too_many, CAST(SUM(images) AS BIGINT) AS images_too_many
        FROM (SELECT day, kind, model, key_id, amount, lines, images FROM daily_sums
                WHERE account = :account AND day >= :first AND day <= :last
            UNION ALL SELECT created / {US_PER_DAY}, kind, COALESCE(model, ''), {key}, -amount, -1, -COALESCE(images, 0)
                FROM entries WHERE account = :account AND created >= :start AND created < :end) AS line
        GROUP BY day, kind, model, key_id HAVING SUM(amount) <> 0 OR SUM(lines) <> 0 OR SUM(images) <> 0
        ORDER BY day, kind, model, key_id""",
        days.params,
    )


def _compare_months(tx: Tx, days: _Days) -> list[Row]:
    """Of an archived month the ledger has one line of each kind. Where the check came to its middle before, nothing."""
    return tx.fetch_all(
        """SELECT :account AS account, month, kind, CAST(SUM(amount) AS BIGINT) AS amount_too_much
        FROM (SELECT kind, amount FROM daily_sums WHERE account = :account AND day >= :first AND day <= :last
            UNION ALL SELECT kind, -amount FROM entries
                WHERE account = :account AND created >= :start AND created < :end) AS line
        JOIN ledger_archives ON first_day = :first GROUP BY month, kind HAVING SUM(amount) <> 0 ORDER BY month, kind""",
        days.params,
    )


def _compare_balances(tx: Tx, days: _Days, made: list[Row]) -> list[Row]:
    """`made`: what each day adds to the balance before it."""
    columns = "day, balance, used, lines FROM daily_balances WHERE account = :account"
    before: Any = tx.fetch_one(f"SELECT {columns} AND day < :first ORDER BY day DESC LIMIT 1", days.params) or _NOTHING
    stored = tx.fetch_all(f"SELECT {columns} AND day >= :first AND day <= :last", days.params)
    balances, added = {row["day"]: row for row in stored}, {row["day"]: row for row in made}
    wrong = []
    for day in sorted(balances.keys() | added.keys()):
        expected = {name: before[name] + added.get(day, _NOTHING)[name] for name in _NOTHING}
        found = balances.get(day)
        if day not in added or found != {"day": day, **expected}:
            wrong.append(
                {"account": days.account, "day": day, **(found or {})}
                | {f"expected_{name}": value for name, value in expected.items()}
            )
        before = found or expected  # what follows from a wrong one is not wrong too
    return wrong
