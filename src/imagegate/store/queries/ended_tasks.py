"""How many tasks of all accounts have ended: on closed days by their rows, on later ones as the tasks say."""

from __future__ import annotations

from collections import defaultdict

import msgspec

from imagegate.domain.time import US_PER_DAY, US_PER_HOUR
from imagegate.store.daily_sums import FOR_EVER, closed_hours, open_since
from imagegate.store.dialect import Row, indexed_by
from imagegate.store.queries.task_filter import STATUS_SQL
from imagegate.store.transaction import Tx

_STATUSES = ("completed", "failed", "cancelled")
_COUNTS = ", ".join(
    f"CAST(COALESCE(SUM(CASE WHEN {STATUS_SQL[status]} THEN 1 ELSE 0 END), 0) AS BIGINT) AS {status}"
    for status in _STATUSES
)
_SUMS = ", ".join(f"CAST(COALESCE(SUM({status}), 0) AS BIGINT) AS {status}" for status in _STATUSES)
# The index of ended tasks by time finds them.
COUNT_ENDED = f"""SELECT ended / {US_PER_DAY} AS day, {_COUNTS} FROM tasks {indexed_by("tasks_old")}
    WHERE state IN ('completed', 'failed') AND ended >= :start AND ended < :end GROUP BY 1"""


class EndedTasks(msgspec.Struct, frozen=True, kw_only=True):
    """Cancelled tasks are neither completed nor failed."""

    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    def __add__(self, other: EndedTasks) -> EndedTasks:
        return EndedTasks(**{status: getattr(self, status) + getattr(other, status) for status in _STATUSES})


def count_ended(tx: Tx, start: int, end: int) -> EndedTasks:
    """Of the tasks that ended from `start` on and before `end` and are still there."""
    return sum(_by_day(tx.fetch_all(COUNT_ENDED, {"start": start, "end": end})).values(), EndedTasks())


def count_ended_on_days(tx: Tx, first_day: int, last_day: int) -> dict[int, EndedTasks]:
    """By day since 1970 in UTC, both ends included."""
    start, end = first_day * US_PER_DAY, (last_day + 1) * US_PER_DAY
    closed = max(start, min(end, open_since(tx)))
    rows = tx.fetch_all(
        "SELECT day, completed, failed, cancelled FROM closed_days WHERE day >= :first AND day < :open",
        {"first": first_day, "open": closed // US_PER_DAY},
    )
    return _by_day(rows + _count_open(tx, closed, end))


def count_all_ended(tx: Tx) -> EndedTasks:
    """Of all days; those that were purged before their day was closed are not known any more."""
    closed = open_since(tx)
    sums = tx.fetch_all(f"SELECT {_SUMS} FROM closed_days WHERE day < :open", {"open": closed // US_PER_DAY})[0]
    return sum(_by_day(_count_open(tx, closed, FOR_EVER)).values(), EndedTasks(**sums))


def _count_open(tx: Tx, start: int, end: int) -> list[Row]:
    first, after = closed_hours(tx, start, end)
    rows = tx.fetch_all(
        f"SELECT hour / 24 AS day, {_SUMS} FROM closed_hours WHERE hour >= :first AND hour < :after GROUP BY 1",
        {"first": first // US_PER_HOUR, "after": after // US_PER_HOUR},
    )
    for some_start, some_end in ((start, first), (after, end)):
        if some_start < some_end:
            rows += tx.fetch_all(COUNT_ENDED, {"start": some_start, "end": some_end})
    return rows


def _by_day(rows: list[Row]) -> dict[int, EndedTasks]:
    found: dict[int, EndedTasks] = defaultdict(EndedTasks)
    for row in rows:
        found[row["day"]] += EndedTasks(**{status: row[status] for status in _STATUSES})
    return dict(found)
