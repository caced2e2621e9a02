"""Counts, amounts and ages over all accounts together, for whoever monitors the gateway."""

from __future__ import annotations

from collections import Counter

import msgspec

from imagegate.domain.accounts import SYS_COST, SYS_OVERRUN, SYS_REVENUE, SYS_WASTE
from imagegate.domain.tasks import TaskState
from imagegate.domain.time import US_PER_DAY
from imagegate.store import installation
from imagegate.store.daily_sums import FOR_EVER, MARGIN_ACCOUNTS, balance_before, sum_days
from imagegate.store.dialect import indexed_by
from imagegate.store.queries.ended_tasks import count_all_ended
from imagegate.store.transaction import Tx


class StoreStats(msgspec.Struct, frozen=True, kw_only=True):
    """`tasks` by state: those that are unfinished, and all that ever ended. Amounts in nanos; `oldest_…` are ages in
    microseconds, 0 where there is none. `waiting`: unfinished tasks by why they wait; `webhooks`: those that are to be
    sent. `backup_age` is None where no backup was made."""

    tasks: dict[str, int]
    waiting: dict[str, int]
    oldest_queued: int
    open_holds: int
    held: int
    oldest_hold: int
    overruns: int
    overrun: int
    duplicates: int
    webhooks: int
    oldest_webhook: int
    backup_age: int | None
    today: DayTotals


class DayTotals(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger since midnight UTC, in nanos: charges less refunds, cost of calls, and cost that bought nothing."""

    charged: int
    cost: int
    waste: int

    @property
    def margin(self) -> int:
        return self.charged - self.cost - self.waste


COUNT_UNFINISHED = """SELECT state, COALESCE(waiting_reason, '') AS reason, COUNT(*) AS number, MIN(created) AS oldest
    FROM tasks WHERE state IN ('queued', 'running') GROUP BY state, COALESCE(waiting_reason, '')"""
COUNT_WEBHOOKS = f"""SELECT COUNT(*) AS number, MIN(created) AS oldest FROM deliveries {indexed_by("deliveries_due")}
    WHERE state = 'waiting' AND owner IS NULL"""


def load_stats(tx: Tx) -> StoreStats:
    ended = count_all_ended(tx)
    unfinished = tx.fetch_all(COUNT_UNFINISHED)
    counted, waiting = Counter[str](), Counter[str]()
    counted.update(completed=ended.completed, failed=ended.failed + ended.cancelled)
    for row in unfinished:
        counted[row["state"]] += row["number"]
        waiting[row["reason"]] += row["number"]
    del waiting[""]
    queued = [row["oldest"] for row in unfinished if row["state"] == TaskState.queued]
    holds = tx.fetch_all(
        """SELECT COUNT(*) AS number, CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS total, MIN(created) AS oldest
        FROM holds WHERE state = 'open'"""
    )[0]
    webhooks = tx.fetch_all(COUNT_WEBHOOKS)[0]
    overruns = balance_before(tx, SYS_OVERRUN, FOR_EVER)
    return StoreStats(
        tasks={state.value: counted[state.value] for state in TaskState},
        waiting=dict(waiting),
        oldest_queued=_age(tx, min(queued, default=None)),
        open_holds=holds["number"],
        held=holds["total"],
        oldest_hold=_age(tx, holds["oldest"]),
        overruns=overruns.lines,
        overrun=-overruns.balance,
        duplicates=tx.fetch_int("SELECT COUNT(*) AS number FROM attempts WHERE duplicate = 1"),
        webhooks=webhooks["number"],
        oldest_webhook=_age(tx, webhooks["oldest"]),
        backup_age=installation.backup_age(tx),
        today=_load_day_totals(tx),
    )


def _age(tx: Tx, since: int | None) -> int:
    return 0 if since is None else max(0, tx.now - since)


def _load_day_totals(tx: Tx) -> DayTotals:
    """Overruns stand against revenue: what was cut from a bill was never charged."""
    today = tx.now // US_PER_DAY
    sums = Counter[str]()
    for row in sum_days(tx, MARGIN_ACCOUNTS, today, today):
        sums[row["account"]] += row["amount"]
    return DayTotals(charged=sums[SYS_REVENUE] + sums[SYS_OVERRUN], cost=sums[SYS_COST], waste=sums[SYS_WASTE])
