"""How much there is of everything, at one moment, for whoever watches the gateway.

Knows: counts and ages over all accounts together. Refuses to know: any single account.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.tasks import TaskState
from imagegate.store.transaction import Tx


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts in nanos, the age in microseconds; 0 where nothing is queued."""

    tasks: dict[str, int]
    open_holds: int
    held: int
    oldest_queued: int
    overruns: int
    overrun: int


def standing(tx: Tx) -> Standing:
    found = tx.all("SELECT state, COUNT(*) AS number FROM tasks GROUP BY state")
    counted = {row["state"]: row["number"] for row in found}
    holds = tx.all(
        "SELECT COUNT(*) AS number, CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS total FROM holds WHERE state = 'open'"
    )[0]
    overruns = tx.all(
        """SELECT COUNT(*) AS number, CAST(COALESCE(SUM(-amount), 0) AS BIGINT) AS total FROM entries
        WHERE account = 'sys:overrun'"""
    )[0]
    oldest = tx.count("SELECT COALESCE(MIN(created), 0) AS oldest FROM tasks WHERE state = 'queued'")
    return Standing(
        tasks={state.value: counted.get(state.value, 0) for state in TaskState},
        open_holds=holds["number"],
        held=holds["total"],
        oldest_queued=max(0, tx.now - oldest) if oldest else 0,
        overruns=overruns["number"],
        overrun=overruns["total"],
    )
