"""Sums of the ledger over any time: of closed days and hours from the rows that were made when they were closed, of the
rest from the entries themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from imagegate.domain.accounts import SYS_COST, SYS_OVERRUN, SYS_REVENUE, SYS_WASTE
from imagegate.domain.time import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE
from imagegate.store.dialect import Row
from imagegate.store.transaction import Tx, name_values

# What is booked has the time at which its transaction began, and no transaction takes so long. Where the clock is set
# back, the sweep sees it within this time.
CLOSING_DELAY_US = 10 * US_PER_MINUTE
FOR_EVER = 1 << 62  # later than any entry
EARNED_ACCOUNTS, _SPENT_ACCOUNTS = (SYS_REVENUE, SYS_OVERRUN), (SYS_COST, SYS_WASTE)
MARGIN_ACCOUNTS = EARNED_ACCOUNTS + _SPENT_ACCOUNTS


# Of the index entries_account alone.
SUM_ENTRIES = """SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS balance,
        CAST(COALESCE(SUM(CASE WHEN kind IN ('charge', 'refund') THEN -amount ELSE 0 END), 0) AS BIGINT) AS used,
        COUNT(*) AS lines
    FROM entries WHERE account = :account AND created >= :start AND created < :end"""


class PastBalance(NamedTuple):
    """The sum of an account's entries up to a moment, their number, and what it was charged by then less refunds; in
    nanos."""

    balance: int
    used: int
    lines: int


def last_closed_day(tx: Tx) -> int | None:
    """The day, since 1970 in UTC, up to which there are sums; None where no day is closed.

    A day that cannot be closed yet by the present clock does not count: it was set back, and more entries may come.
    """
    day = (tx.now - CLOSING_DELAY_US) // US_PER_DAY
    row = tx.fetch_one("SELECT MAX(day) AS day FROM closed_days WHERE day < :day", {"day": day})
    return row["day"] if row else None


def open_since(tx: Tx) -> int:
    """The moment from which on no day is closed; 0 where none is."""
    last = last_closed_day(tx)
    return 0 if last is None else (last + 1) * US_PER_DAY


def balance_at_day_start(tx: Tx, account: str, day: int) -> PastBalance:
    """Of the account's entries of all days before this one."""
    return balance_before(tx, account, day * US_PER_DAY)


def balance_before(tx: Tx, account: str, moment: int) -> PastBalance:
    """Of the account's entries that were made before this moment."""
    closed = min(open_since(tx), moment - moment % US_PER_DAY)
    before = tx.fetch_one(
        """SELECT balance, used, lines FROM daily_balances WHERE account = :account AND day < :day
        ORDER BY day DESC LIMIT 1""",
        {"account": account, "day": closed // US_PER_DAY},
    ) or {"balance": 0, "used": 0, "lines": 0}
    later = tx.fetch_all(SUM_ENTRIES, {"account": account, "start": closed, "end": moment})[0]
    return PastBalance(**{name: before[name] + later[name] for name in PastBalance._fields})


def sum_used(tx: Tx, account: str) -> int:
    """What the account was charged in all less refunds, in nanos."""
    return balance_before(tx, account, FOR_EVER).used


def closed_hours(tx: Tx, start: int, end: int) -> tuple[int, int]:
    """The part of this time whose hours are closed: from when to when, both `end` where none is."""
    row = tx.fetch_all(
        "SELECT MIN(hour) AS first, MAX(hour) AS last FROM closed_hours WHERE hour < :hour",
        {"hour": (tx.now - CLOSING_DELAY_US) // US_PER_HOUR},
    )[0]
    if row["first"] is None:
        return end, end
    first = max(row["first"] * US_PER_HOUR, -(-start // US_PER_HOUR) * US_PER_HOUR)
    after = min((row["last"] + 1) * US_PER_HOUR, end // US_PER_HOUR * US_PER_HOUR)
    return (first, after) if first < after else (end, end)


def sum_days(
    tx: Tx,
    accounts: Sequence[str],
    first_day: int,
    last_day: int,
    columns: tuple[str, ...] = (),
    sums: tuple[str, ...] = ("amount",),
) -> list[Row]:
    """Sum up the entries of these accounts on these days, both ends included, by account, kind and `columns`.

    A combination can have several rows. Columns are day, model, key_id and route, sums amount, lines (how many entries)
    and images (what they are about); the route of entries of tasks that are purged is ''.
    """
    start, end = first_day * US_PER_DAY, (last_day + 1) * US_PER_DAY
    closed = max(start, min(end, open_since(tx)))
    listed, named = name_values("account", accounts)
    group = ", ".join(("account", "kind", *columns))
    rows = tx.fetch_all(
        f"""SELECT {group}, {_totals(sums)} FROM daily_sums
        WHERE account IN ({listed}) AND day >= :first AND day < :open GROUP BY {group}""",
        named | {"first": first_day, "open": closed // US_PER_DAY},
    )
    if set(accounts) <= set(MARGIN_ACCOUNTS):
        return rows + sum_margin_entries(tx, accounts, closed, end, columns)
    return rows + sum_entries(tx, accounts, closed, end, columns, sums)


def sum_margin_entries(
    tx: Tx, accounts: Sequence[str], start: int, end: int, columns: tuple[str, ...] = ()
) -> list[Row]:
    """The amounts of those of MARGIN_ACCOUNTS that were booked from `start` on and before `end`."""
    first, after = closed_hours(tx, start, end)
    listed, named = name_values("account", accounts)
    names = ("account", "kind", *columns)
    selected = ", ".join("hour / 24 AS day" if name == "day" else name for name in names)
    rows = tx.fetch_all(
        f"""SELECT {selected}, {_totals(("amount",))} FROM hourly_sums
        WHERE hour >= :first AND hour < :after AND account IN ({listed})
        GROUP BY {", ".join(str(position + 1) for position in range(len(names)))}""",
        named | {"first": first // US_PER_HOUR, "after": after // US_PER_HOUR},
    )
    for some_start, some_end in ((start, first), (after, end)):
        if some_start < some_end:
            rows += sum_entries(tx, accounts, some_start, some_end, columns, ("amount",))
    return rows


def sum_entries(
    tx: Tx, accounts: Sequence[str], start: int, end: int, columns: tuple[str, ...], sums: tuple[str, ...]
) -> list[Row]:
    """The same of the entries that were made from `start` on and before `end`. Read from the index alone where it has
    what is asked for: account, kind, day and amount."""
    group = ", ".join(("account", "kind", *columns))
    lines, named = _lines(accounts, ("account", "kind", *columns, *sums))
    return tx.fetch_all(
        f"SELECT {group}, {_totals(sums)} FROM ({lines}) AS line GROUP BY {group}",
        named | {"start": start, "end": end},
    )


def _totals(sums: tuple[str, ...]) -> str:
    return ", ".join(f"CAST(SUM({name}) AS BIGINT) AS {name}" for name in sums)


_OF_ENTRY = {
    "account": "e.account",
    "kind": "e.kind",
    "day": f"e.created / {US_PER_DAY}",
    "model": "COALESCE(e.model, '')",
    "key_id": "COALESCE(e.key_id, '')",
    "route": "''",
    "amount": "e.amount",
    "lines": "1",
    "images": "COALESCE(e.images, 0)",
}
_OF_OPERATORS_ENTRY = _OF_ENTRY | {"key_id": "''"}
_OF_SPENT_ENTRY = _OF_OPERATORS_ENTRY | {"route": "COALESCE(a.route, '')"}
_SPENT_ENTRIES = "entries e LEFT JOIN attempts a ON a.id = substr(e.ref, length(e.kind) + 2) WHERE {where}"
# Routes that share a task share its charge by images. `upto` and what was before it are whole shares, so that no nano
# is lost by dividing; what is counted is counted with the first share.
_OF_EARNED_ENTRY = _OF_OPERATORS_ENTRY | {
    "route": "COALESCE(e.route, '')",
    "amount": "COALESCE(e.amount * e.upto / e.whole - e.amount * (e.upto - e.share) / e.whole, e.amount)",
    "lines": "CASE WHEN e.upto > e.share THEN 0 ELSE 1 END",
    "images": "CASE WHEN e.upto > e.share THEN 0 ELSE COALESCE(e.images, 0) END",
}
_EARNED_ENTRIES = """(SELECT e.account, e.kind, e.created, e.model, e.amount, e.images, a.route, a.images AS share,
        CAST(SUM(a.images) OVER (PARTITION BY e.id ORDER BY a.id) AS BIGINT) AS upto,
        CAST(SUM(a.images) OVER (PARTITION BY e.id) AS BIGINT) AS whole
    FROM entries e LEFT JOIN attempts a ON a.task_id = e.task_id AND a.outcome = 'produced' AND a.images > 0
    WHERE {where}) AS e"""


def _lines(accounts: Sequence[str], columns: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """A SELECT of the entries of `accounts` from :start to :end, and the names of the accounts."""
    kinds = {account: _source(account, by_route="route" in columns) for account in accounts}
    selects: list[str] = []
    named: dict[str, str] = {}
    for kind, (source, values) in _SOURCES.items():
        some = [account for account, its_kind in kinds.items() if its_kind == kind]
        if some:
            listed, names = name_values(kind, some)
            where = f"e.account IN ({listed}) AND e.created >= :start AND e.created < :end"
            wanted = ", ".join(f"{values[column]} AS {column}" for column in columns)
            selects.append(f"SELECT {wanted} FROM {source.format(where=where)}")
            named |= names
    return " UNION ALL ".join(selects), named


_SOURCES = {
    "customer": ("entries e WHERE {where}", _OF_ENTRY),
    "operator": ("entries e WHERE {where}", _OF_OPERATORS_ENTRY),
    "spent": (_SPENT_ENTRIES, _OF_SPENT_ENTRY),
    "earned": (_EARNED_ENTRIES, _OF_EARNED_ENTRY),
}


def _source(account: str, *, by_route: bool) -> str:
    if not is_operators(account):
        return "customer"
    if by_route and account in _SPENT_ACCOUNTS:
        return "spent"
    return "earned" if by_route and account in EARNED_ACCOUNTS else "operator"


def is_operators(account: str) -> bool:
    """Whether it is one of the accounts of the gateway itself."""
    return account.startswith("sys:")
