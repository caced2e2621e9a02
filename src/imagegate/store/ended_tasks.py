"""How many tasks of all accounts have ended: on closed days by their rows, on later ones as the tasks say."""

from __future__ import annotations

import msgspec

from imagegate.domain.time import US_PER_DAY
from imagegate.store.daily_sums import FOR_EVER, open_since
from imagegate.store.dialect import indexed_by
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


def count_ended(tx: Tx, start: int, end: int) -> dict[int, EndedTasks]:
    """By day since 1970 in UTC, of the tasks that ended from `start` on and before `end` and are still there."""
    rows = tx.fetch_all(COUNT_ENDED, {"start": start, "end": end})
    return {row["day"]: EndedTasks(**{status: row[status] for status in _STATUSES}) for row in rows}


def count_ended_on_days(tx: Tx, first_day: int, last_day: int) -> dict[int, EndedTasks]:
    """By day, both ends included."""
    start, end = first_day * US_PER_DAY, (last_day + 1) * US_PER_DAY
    closed = max(start, min(end, open_since(tx)))
    rows = tx.fetch_all(
        "SELECT day, completed, failed, cancelled FROM closed_days WHERE day >= :first AND day < :open",
        {"first": first_day, "open": closed // US_PER_DAY},
    )
    found = {row["day"]: EndedTasks(**{status: row[status] for status in _STATUSES}) for row in rows}
    return found | count_ended(tx, closed, end)


def count_all_ended(tx: Tx) -> EndedTasks:
    """Of all days; those that were purged before their day was closed are not known any more."""
    closed = open_since(tx)
    sums = tx.fetch_all(f"SELECT {_SUMS} FROM closed_days WHERE day < :open", {"open": closed // US_PER_DAY})[0]
    return sum(count_ended(tx, closed, FOR_EVER).values(), EndedTasks(**sums))
