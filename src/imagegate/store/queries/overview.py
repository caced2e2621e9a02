"""What the operator sees first: each day's amounts and ended tasks, and what waits now, over all accounts.

It crosses accounts; only callers that require the scope `admin` may show it.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.tasks import TaskState
from imagegate.store.queries.ended_tasks import count_ended_on_days
from imagegate.store.queries.margin import MarginSum, sum_margin_by_day
from imagegate.store.queries.stats import COUNT_UNFINISHED, COUNT_WEBHOOKS
from imagegate.store.transaction import Tx


class DaySum(msgspec.Struct, kw_only=True):
    """A day since 1970 in UTC. Cancelled tasks are neither completed nor failed."""

    day: int
    margin: MarginSum = msgspec.field(default_factory=MarginSum)
    completed: int = 0
    failed: int = 0


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """`oldest`: since when it waits, in microseconds since 1970; None where nothing does."""

    count: int
    oldest: int | None


class OverviewSums(msgspec.Struct, frozen=True, kw_only=True):
    """Days on which nothing ended and nothing was booked are left out."""

    days: list[DaySum]
    queued: Waiting
    running: int
    webhooks: Waiting


def load_overview(tx: Tx, first_day: int, last_day: int) -> OverviewSums:
    unfinished = tx.fetch_all(COUNT_UNFINISHED)
    queued = [row for row in unfinished if row["state"] == TaskState.queued]
    count = sum(row["number"] for row in queued)
    webhooks = tx.fetch_all(COUNT_WEBHOOKS)[0]
    return OverviewSums(
        days=_load_days(tx, first_day, last_day),
        queued=Waiting(count=count, oldest=min((row["oldest"] for row in queued), default=None)),
        running=sum(row["number"] for row in unfinished) - count,
        webhooks=Waiting(count=webhooks["number"], oldest=webhooks["oldest"]),
    )


def _load_days(tx: Tx, first_day: int, last_day: int) -> list[DaySum]:
    found: dict[int, DaySum] = {}
    for day, margin in sum_margin_by_day(tx, first_day, last_day).items():
        found[day] = DaySum(day=day, margin=margin)
    for day, ended in count_ended_on_days(tx, first_day, last_day).items():
        one = found.setdefault(day, DaySum(day=day))
        one.completed, one.failed = ended.completed, ended.failed
    return [found[day] for day in sorted(found)]
