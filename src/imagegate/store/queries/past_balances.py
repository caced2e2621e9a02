"""What was available to an account after lines of its statement, found without reading all lines before or after them.

Available is what was posted less what was held. Posted: the balance of an end of the line's day, which is kept for
closed days, and the entries between; or the present balance without newer entries. Held: the holds that existed then.
A hold whose task is purged is gone, and with it both of its lines: it counts as never made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from imagegate.domain.time import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE
from imagegate.store import daily_sums
from imagegate.store.transaction import Params, Tx

# Lines of the same time are ordered by their second value, as they happen: a hold, its release, its charge, its refund.
ENTRY_STEP = "CASE kind WHEN 'charge' THEN 3 WHEN 'refund' THEN 4 ELSE 0 END"
ENTRY_POSITION = f"(created, {ENTRY_STEP}, id)"
HOLD_POSITION = "(created, 1, 'led_hold_' || task_id)"
RELEASE_POSITION = "(closed, 2, 'led_release_' || task_id)"

# Lines this near to each other are told apart by the lines between them.
_NEAR_US = 10 * US_PER_MINUTE
# A hold that existed at a line ended soon after it, or lasted long. Of the long ones few can have existed at a time,
# since an account may have so many tasks unfinished and no more. Each of these classes has an index whose condition is
# repeated here word by word.
_LASTING_US = ((_NEAR_US, 2 * US_PER_HOUR), (2 * US_PER_HOUR, US_PER_DAY), (US_PER_DAY, 2**61))
_NO_DAY = 2**31  # the anchor is the present balance
_FAR_US = 2**62
_LINES_PER_STATEMENT = 16  # psycopg reads a statement of more than 4,096 characters anew each time


class LinePosition(msgspec.Struct, frozen=True, array_like=True):
    """The position of a line in the statement."""

    at: int
    step: int
    id: str


class _Anchor(msgspec.Struct, frozen=True):
    """A balance that is known, that before `day`, and the time between it and a line, which is later (1) or earlier."""

    day: int
    since: int
    until: int
    way: int


_AT_LINE = "(line.at, line.step, line.id)"
_LASTED = "".join(
    f""" + COALESCE((SELECT SUM(amount) FROM holds WHERE account_id = :account_id AND closed - created > {shortest}
        AND closed > line.at + {shortest} AND closed <= line.at + {longest} AND created <= line.at
        AND {HOLD_POSITION} <= {_AT_LINE}), 0)"""
    for shortest, longest in _LASTING_US
)
# The last part of `held`: where the clock was set back, the release of a hold may be older than the hold.
_AT_ANCHORS = f"""SELECT line.number,
    CAST(CASE line.day WHEN {_NO_DAY} THEN (SELECT posted FROM accounts WHERE accounts.id = :account_id)
        ELSE COALESCE((SELECT balance FROM daily_balances WHERE account = :account_id AND daily_balances.day < line.day
            ORDER BY daily_balances.day DESC LIMIT 1), 0) END
        + line.way * COALESCE((SELECT SUM(amount) FROM entries WHERE account = :account_id
            AND created >= line.since AND created <= line.until
            AND ({ENTRY_POSITION} <= {_AT_LINE}) = (line.way = 1)), 0) AS BIGINT) AS posted,
    CAST(COALESCE((SELECT SUM(amount) FROM holds WHERE account_id = :account_id AND state = 'open'
            AND created <= line.at AND {HOLD_POSITION} <= {_AT_LINE}), 0)
        + COALESCE((SELECT SUM(amount) FROM holds WHERE account_id = :account_id
            AND closed >= line.at AND closed <= line.at + {_NEAR_US} AND created <= line.at
            AND {HOLD_POSITION} <= {_AT_LINE} AND {RELEASE_POSITION} > {_AT_LINE}), 0){_LASTED}
        - COALESCE((SELECT SUM(amount) FROM holds WHERE account_id = :account_id AND closed < created
            AND created >= line.at AND closed <= line.at
            AND {RELEASE_POSITION} <= {_AT_LINE} AND {HOLD_POSITION} > {_AT_LINE}), 0) AS BIGINT) AS held
FROM line"""

_SINCE_OLDER = "(line.old_at, line.old_step, line.old_id)"
_BETWEEN = " + ".join(
    f"""COALESCE((SELECT SUM({amount}) FROM {table} WHERE {owner} = :account_id
        AND {column} >= line.old_at AND {column} <= line.at
        AND {position} > {_SINCE_OLDER} AND {position} <= {_AT_LINE}), 0)"""
    for amount, table, owner, column, position in (
        ("amount", "entries", "account", "created", ENTRY_POSITION),
        ("-amount", "holds", "account_id", "created", HOLD_POSITION),
        ("amount", "holds", "account_id", "closed", RELEASE_POSITION),
    )
)
_OF_GAPS = f"SELECT line.number, CAST({_BETWEEN} AS BIGINT) AS total FROM line"


def load_available_after(tx: Tx, account_id: str, positions: Sequence[LinePosition]) -> list[int]:
    """Return what was available after each of these lines, which are newest first. Read it in a snapshot."""
    anchors = {number: position for number, position in enumerate(positions) if number == 0}
    gaps = {}
    for number, (newer, older) in enumerate(pairwise(positions), 1):
        if newer.at - older.at > _NEAR_US:
            anchors[number] = older
        else:
            gaps[number] = (newer, older)
    known = _load_at_anchors(tx, account_id, anchors)
    between = _sum_gaps(tx, account_id, gaps)
    available: list[int] = []
    for number in range(len(positions)):
        available.append(known[number] if number in known else available[-1] - between[number])
    return available


def _load_at_anchors(tx: Tx, account_id: str, lines: dict[int, LinePosition]) -> dict[int, int]:
    last_closed = daily_sums.last_closed_day(tx)
    rows = [
        {"number": number}
        | msgspec.structs.asdict(line)
        | msgspec.structs.asdict(_nearest_anchor(line.at, last_closed, tx.now))
        for number, line in lines.items()
    ]
    found = _fetch_for_lines(tx, account_id, rows, _AT_ANCHORS)
    return {row["number"]: row["posted"] - row["held"] for row in found}


def _nearest_anchor(at: int, last_closed: int | None, now: int) -> _Anchor:
    day = at // US_PER_DAY
    if last_closed is None:
        return _Anchor(_NO_DAY, at, _FAR_US, -1)
    is_closed = day <= last_closed
    start = day if is_closed else last_closed + 1
    begin, end = start * US_PER_DAY, (start + 1) * US_PER_DAY if is_closed else now
    if at - begin < end - at:
        return _Anchor(start, begin, at, 1)
    return _Anchor(start + 1, at, end - 1, -1) if is_closed else _Anchor(_NO_DAY, at, _FAR_US, -1)


def _sum_gaps(tx: Tx, account_id: str, gaps: dict[int, tuple[LinePosition, LinePosition]]) -> dict[int, int]:
    """Sum the lines from the newer of each two to the one after the older."""
    rows = [
        {"number": number}
        | msgspec.structs.asdict(newer)
        | {"old_at": older.at, "old_step": older.step, "old_id": older.id}
        for number, (newer, older) in gaps.items()
    ]
    return {row["number"]: row["total"] for row in _fetch_for_lines(tx, account_id, rows, _OF_GAPS)}


def _fetch_for_lines(tx: Tx, account_id: str, rows: list[Params], select: str) -> Iterator[Params]:
    """Run the statement with `rows` as the table `line`, some at a time."""
    for first in range(0, len(rows), _LINES_PER_STATEMENT):
        some = rows[first : first + _LINES_PER_STATEMENT]
        # Filled up to a power of two: few statements are prepared.
        size = 1 << (len(some) - 1).bit_length()
        params = {f"{name}_{n}": value for n in range(size) for name, value in some[min(n, len(some) - 1)].items()}
        values = ", ".join(f"(:{f'_{n}, :'.join(some[0])}_{n})" for n in range(size))
        names = ", ".join(some[0])
        yield from tx.fetch_all(
            f"WITH line ({names}) AS (VALUES {values}) {select}", {"account_id": account_id, **params}
        )
