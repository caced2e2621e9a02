"""A clock that is set fails no task and keeps none waiting: tasks run on elapsed time while a process lives."""

from __future__ import annotations

from imagegate.domain.time import US_PER_SECOND, FollowingClock, monotonic_us
from imagegate.logging import log_warning
from imagegate.runtime import Runtime
from imagegate.settings import Work
from imagegate.store import clock_steps
from imagegate.store.clock_steps import Horizons
from imagegate.store.dialect import wall_clock

# A requeued task looks again after this long at the latest: its route may have recovered sooner.
MAX_REQUEUE_US = 60 * US_PER_SECOND


async def follow_clock(runtime: Runtime) -> None:
    """Where the clock was set since the last call, move along what is due at a time of it."""
    if not _is_real(runtime):
        return  # a clock that a test turns is meant to pass
    asked = monotonic_us()
    now = await runtime.db.read(lambda tx: tx.now)
    if isinstance(runtime.clock, FollowingClock):
        runtime.clock.follow(now, asked)
    step = runtime.clock_watch.find_step(now, monotonic_us())
    if step is not None:
        log_warning("clock_was_set", seconds=step.size / US_PER_SECOND)
        await runtime.db.write(clock_steps.follow_step, step, _horizons(runtime.settings.work))


async def pull_in(runtime: Runtime) -> None:
    """What a clock that ran ahead has put off, before this process was there to see it set."""
    horizons = _horizons(runtime.settings.work)
    if _is_real(runtime) and await runtime.db.read_report(clock_steps.is_too_far_ahead, horizons):
        await runtime.db.write(clock_steps.pull_in, horizons)


def _is_real(runtime: Runtime) -> bool:
    return runtime.clock is wall_clock or isinstance(runtime.clock, FollowingClock)


def _horizons(work: Work) -> Horizons:
    return Horizons(
        deadline_us=int(work.deadline_s * US_PER_SECOND),
        lease_us=int(work.lease_s * US_PER_SECOND),
        requeue_us=MAX_REQUEUE_US,
        retry_us=int(max(work.webhook_retry_s, default=0) * US_PER_SECOND),
        webhook_lease_us=int(work.webhook_lease_s * US_PER_SECOND),
        spool_wait_us=MAX_REQUEUE_US + work.spool_wait_us,
    )
