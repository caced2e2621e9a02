"""Closes days: sums up what was booked and what ended on each, in parts that can be done again.

Nobody reads anything of a day before its row in closed_days is there. Entries are never changed, so whoever sums up a
day that is over finds the same: processes that close it side by side do the same twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from imagegate.domain.accounts import SYS_BANK, SYS_UPSTREAM
from imagegate.domain.time import US_PER_DAY, US_PER_HOUR
from imagegate.store.daily_sums import CLOSING_DELAY_US, MARGIN_ACCOUNTS, last_closed_day, sum_entries
from imagegate.store.dialect import indexed_by
from imagegate.store.queries.ended_tasks import EndedTasks
from imagegate.store.transaction import Tx, name_values

OPERATORS_ACCOUNTS = (SYS_BANK, SYS_UPSTREAM, *MARGIN_ACCOUNTS)
_FIRST_END = f"SELECT MIN(ended) AS first FROM tasks {indexed_by('tasks_old')} WHERE state IN ('completed', 'failed')"
MANY_ENTRIES = 20_000  # take some 50 ms to sum up
_KEY = ("account", "day", "kind", "model", "key_id", "route")


class DailySum(msgspec.Struct, frozen=True, kw_only=True):
    """A row of daily_sums."""

    account: str
    day: int
    kind: str
    model: str
    key_id: str
    route: str
    amount: int
    lines: int
    images: int

    @property
    def key(self) -> tuple[str | int, ...]:
        return tuple(getattr(self, name) for name in _KEY)


class DailyBalance(msgspec.Struct, frozen=True, kw_only=True):
    """A row of daily_balances."""

    account: str
    day: int
    balance: int
    used: int
    lines: int


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written for some accounts of a day. `obsolete`: rows that a clock which was set back has left, of
    routes that are not known any more."""

    sums: list[DailySum]
    balances: list[DailyBalance]
    obsolete: list[DailySum]


class AccountsOfDay(msgspec.Struct, frozen=True):
    """Accounts that have entries on the day; the others up to `last` have none. `last` is '' after all of them."""

    ids: list[str]
    last: str


def find_next_day(tx: Tx) -> int | None:
    """The day that can be closed now; None where all are that are over."""
    last = last_closed_day(tx)
    day = _find_first_day(tx) if last is None else last + 1
    return day if day is not None and (day + 1) * US_PER_DAY + CLOSING_DELAY_US <= tx.now else None


def _find_first_day(tx: Tx) -> int | None:
    """The first on which anything was booked or ended. Each entry has its counterpart in one of the operator's."""
    found = [
        tx.fetch_all("SELECT MIN(created) AS first FROM entries WHERE account = :account", {"account": account})
        for account in OPERATORS_ACCOUNTS
    ]
    found.append(tx.fetch_all(_FIRST_END))
    firsts = [row["first"] for rows in found for row in rows if row["first"] is not None]
    return min(firsts) // US_PER_DAY if firsts else None


def is_reopening_due(tx: Tx) -> bool:
    """Whether days or hours are closed that cannot be by the present clock: it was set back."""
    found = tx.fetch_all(
        """SELECT day FROM closed_days WHERE day >= :day UNION ALL SELECT hour FROM closed_hours WHERE hour >= :hour
        LIMIT 1""",
        _first_open(tx),
    )
    return bool(found)


def reopen(tx: Tx) -> None:
    """What was summed up for them stays until they are closed again, and is not read."""
    tx.execute_nowait("DELETE FROM closed_days WHERE day >= :day", _first_open(tx))
    tx.execute_nowait("DELETE FROM closed_hours WHERE hour >= :hour", _first_open(tx))


def _first_open(tx: Tx) -> dict[str, int]:
    """Days whose entries are in the file of an archive stay closed: they cannot be summed up again."""
    moment = tx.now - CLOSING_DELAY_US
    archived = tx.fetch_int("SELECT COALESCE(MAX(last_day), -1) AS day FROM ledger_archives")
    return {"day": max(moment // US_PER_DAY, archived + 1), "hour": moment // US_PER_HOUR}


def list_accounts_of_day(tx: Tx, day: int, after: str, limit: int) -> AccountsOfDay:
    """Look at the next `limit` accounts, in the order of their ids, from the one after `after`."""
    # A subquery with a LIMIT is asked for each account by the index, whatever a planner thinks of joins.
    rows = tx.fetch_all(
        """SELECT id, (SELECT 1 FROM entries e WHERE e.account = found.id AND e.created >= :start AND e.created < :end
            LIMIT 1) AS is_active
        FROM (SELECT id FROM accounts WHERE id > :after ORDER BY id LIMIT :limit) AS found ORDER BY id""",
        {"start": day * US_PER_DAY, "end": (day + 1) * US_PER_DAY, "after": after, "limit": limit},
    )
    last = rows[-1]["id"] if len(rows) == limit else ""
    return AccountsOfDay([row["id"] for row in rows if row["is_active"]], last)


def split_day(tx: Tx, day: int, many: int) -> list[tuple[int, int]]:
    """The times, from when to when, whose entries of the operator's accounts are summed up in one go: the day, or its
    hours where it has `many`."""
    start, end = day * US_PER_DAY, (day + 1) * US_PER_DAY
    listed, named = name_values("account", OPERATORS_ACCOUNTS)
    count = tx.fetch_int(
        f"""SELECT COUNT(*) AS number FROM (SELECT 1 AS one FROM entries
            WHERE account IN ({listed}) AND created >= :start AND created < :end LIMIT :limit) AS few""",
        named | {"start": start, "end": end, "limit": many},
    )
    size = US_PER_HOUR if count == many else US_PER_DAY
    return [(first, first + size) for first in range(start, end, size)]


def sum_part(tx: Tx, accounts: Sequence[str], start: int, end: int) -> list[DailySum]:
    """Sum up the entries of these accounts of a part of a day."""
    rows = sum_entries(tx, accounts, start, end, ("model", "key_id", "route"), ("amount", "lines", "images"))
    return [DailySum(day=start // US_PER_DAY, **row) for row in rows]


def add_parts(parts: Iterable[DailySum]) -> list[DailySum]:
    found: dict[tuple[str | int, ...], list[DailySum]] = defaultdict(list)
    for one in parts:
        found[one.key].append(one)
    return [_add_up(found[key]) for key in sorted(found)]


def _add_up(same: list[DailySum]) -> DailySum:
    added = {name: sum(getattr(one, name) for one in same) for name in ("amount", "lines", "images")}
    return msgspec.structs.replace(same[0], **added)


def prepare_closing(tx: Tx, day: int, accounts: Sequence[str], sums: list[DailySum]) -> Closing:
    """`sums` is what these accounts have on the day. All days before it are closed."""
    listed, named = name_values("account", accounts)
    columns = ", ".join(DailySum.__struct_fields__)
    there = tx.fetch_structs(
        DailySum,
        f"SELECT {columns} FROM daily_sums WHERE account IN ({listed}) AND day = :day",
        named | {"day": day},
    )
    new = {one.key for one in sums}
    by_account: dict[str, list[DailySum]] = defaultdict(list)
    for one in sums:
        by_account[one.account].append(one)
    balances = [_add_to_balance(tx, account, day, its_sums) for account, its_sums in by_account.items()]
    return Closing(sums=sums, balances=balances, obsolete=[one for one in there if one.key not in new])


def _add_to_balance(tx: Tx, account: str, day: int, sums: list[DailySum]) -> DailyBalance:
    before = tx.fetch_one(
        """SELECT balance, used, lines FROM daily_balances WHERE account = :account AND day < :day
        ORDER BY day DESC LIMIT 1""",
        {"account": account, "day": day},
    ) or {"balance": 0, "used": 0, "lines": 0}
    return DailyBalance(
        account=account,
        day=day,
        balance=before["balance"] + sum(one.amount for one in sums),
        used=before["used"] - sum(one.amount for one in sums if one.kind in ("charge", "refund")),
        lines=before["lines"] + sum(one.lines for one in sums),
    )


def write_closing(tx: Tx, day: int, closing: Closing) -> bool:
    """False, and nothing is written, where another process has closed the day meanwhile."""
    if tx.fetch_one("SELECT day FROM closed_days WHERE day >= :day LIMIT 1", {"day": day}) is not None:
        return False
    for gone in closing.obsolete:
        where = " AND ".join(f"{name} = :{name}" for name in _KEY)
        tx.execute_nowait(f"DELETE FROM daily_sums WHERE {where}", msgspec.structs.asdict(gone))
    tx.insert_rows("daily_sums", [msgspec.structs.asdict(one) for one in closing.sums], replacing=_KEY)
    balances = [msgspec.structs.asdict(one) for one in closing.balances]
    tx.insert_rows("daily_balances", balances, replacing=("account", "day"))
    return True


def close_day(tx: Tx, day: int, ended: EndedTasks) -> None:
    """The sums of all accounts are written: from this commit on they are what is read of the day."""
    tx.insert("closed_days", unless_exists="day", day=day, closed=tx.now, **msgspec.structs.asdict(ended))
