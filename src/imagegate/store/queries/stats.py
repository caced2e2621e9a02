"""Counts, amounts and ages over all accounts together, for whoever monitors the gateway."""

from __future__ import annotations

import msgspec

from imagegate.domain.accounts import SYS_COST, SYS_OVERRUN, SYS_REVENUE, SYS_WASTE
from imagegate.domain.tasks import TaskState
from imagegate.domain.time import US_PER_DAY
from imagegate.store import installation, ledger
from imagegate.store.transaction import Tx


class StoreStats(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts in nanos, ages in microseconds: `oldest_queued` is 0 where nothing is queued, `backup_age` None where no
    backup was made."""

    tasks: dict[str, int]
    open_holds: int
    held: int
    oldest_queued: int
    overruns: int
    overrun: int
    duplicates: int
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


COUNT_ENDED = "SELECT state, COUNT(*) AS number FROM tasks WHERE state IN ('completed', 'failed') GROUP BY state"
COUNT_UNFINISHED = """SELECT state, COUNT(*) AS number, MIN(created) AS oldest FROM tasks
    WHERE state IN ('queued', 'running') GROUP BY state"""


def load_stats(tx: Tx) -> StoreStats:
    # In two statements, each with the condition of an index: together they would read every task.
    ended = tx.fetch_all(COUNT_ENDED)
    unfinished = tx.fetch_all(COUNT_UNFINISHED)
    counted = {row["state"]: row["number"] for row in ended + unfinished}
    oldest = {row["state"]: row["oldest"] for row in unfinished}.get(TaskState.queued, 0)
    holds = tx.fetch_all(
        "SELECT COUNT(*) AS number, CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS total FROM holds WHERE state = 'open'"
    )[0]
    overruns = tx.fetch_all(
        """SELECT COUNT(*) AS number, CAST(COALESCE(SUM(-amount), 0) AS BIGINT) AS total FROM entries
        WHERE account = 'sys:overrun'"""
    )[0]
    return StoreStats(
        tasks={state.value: counted.get(state.value, 0) for state in TaskState},
        open_holds=holds["number"],
        held=holds["total"],
        oldest_queued=max(0, tx.now - oldest) if oldest else 0,
        overruns=overruns["number"],
        overrun=overruns["total"],
        duplicates=tx.fetch_int("SELECT COUNT(*) AS number FROM attempts WHERE duplicate = 1"),
        backup_age=installation.backup_age(tx),
        today=_load_day_totals(tx),
    )


def _load_day_totals(tx: Tx) -> DayTotals:
    """Overruns stand against revenue: what was cut from a bill was never charged."""
    midnight = tx.now - tx.now % US_PER_DAY
    return DayTotals(
        charged=ledger.sum_since(tx, SYS_REVENUE, midnight) + ledger.sum_since(tx, SYS_OVERRUN, midnight),
        cost=ledger.sum_since(tx, SYS_COST, midnight),
        waste=ledger.sum_since(tx, SYS_WASTE, midnight),
    )
