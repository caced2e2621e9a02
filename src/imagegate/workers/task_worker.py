"""Claims due tasks, carries them out concurrently, renews their leases and drains at shutdown."""

from __future__ import annotations

import asyncio

from imagegate.blobs import StorageUnavailable
from imagegate.crash_points import crash_point
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import Attempt, Task
from imagegate.domain.time import US_PER_SECOND
from imagegate.egress.fetch_limits import MAX_PER_ACCOUNT
from imagegate.flows.clock import follow_clock
from imagegate.flows.closing import cancel_unsent
from imagegate.flows.disk_space import is_disk_full
from imagegate.flows.execution.route_selection import first_call_planner, free_calls
from imagegate.flows.execution.run import execute
from imagegate.flows.execution.settlement import fail_task
from imagegate.flows.execution.state import Lease
from imagegate.flows.execution.storage_wait import StorageWait
from imagegate.flows.maintenance import (
    PurgeWalk,
    delete_orphan_blobs,
    purge_old,
    reclaim_lost_tasks,
    sweep,
    wake_waiting,
)
from imagegate.flows.search_index import check_index, follow_tasks
from imagegate.logging import log_error
from imagegate.routing.planner import WaitReason
from imagegate.runtime import Runtime
from imagegate.store import claims
from imagegate.store.accounts import list_accounts_with_work
from imagegate.store.claims import Claimed, PlanFirstCall
from imagegate.store.dialect import DatabaseError
from imagegate.workers.loop import CLOCK_LOOK_S, next_in_turn, run_periodically

SERVICE_ERROR = TaskError(TaskErrorCode.service_error, "The service failed to carry out this task.")
_ACCOUNT_BATCH_SIZE = 64
_CLAIM_BATCH_SIZE = 64  # some 20 ms of the writer: creates do not wait longer for a claim


class RunningTask:
    """A claimed task: its lease, and the asyncio task that carries it out."""

    def __init__(self, task: Task, lease: Lease, begun: Attempt | None) -> None:
        self.task = task
        self.lease = lease
        self.begun = begun
        self.job: asyncio.Task[None] | None = None
        self.has_crashed = False
        self.storage_wait: StorageWait | None = None


class TaskWorker:
    """One per process. Call `start`, then `stop` once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._settings = runtime.settings.work
        self._running: dict[str, RunningTask] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._claiming: list[asyncio.Task[None]] = []
        self._stop, self._drained, self._index_behind = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._purge_walk, self._purge_left = PurgeWalk(), asyncio.Event()
        self._last_account = ""

    async def start(self) -> None:
        """Reclaim the tasks of dead processes, then begin to claim."""
        await reclaim_lost_tasks(self._runtime)
        wake = self._runtime.wake_ups.tasks_due
        self._runtime.wake_ups.worker_running = True
        self._claiming = [
            asyncio.create_task(run_periodically("claim", self._settings.poll_s, self._claim, self._stop, wake))
        ]
        loops = [
            self._drain_when_requested(),
            # At the start too: what stood in the way of waiting tasks may have been the configuration.
            run_periodically(
                "waiting",
                3600,
                lambda: wake_waiting(self._runtime),
                self._drained,
                self._runtime.wake_ups.routes_back,
            ),
            # Three renewals may fail before the lease ends.
            run_periodically("renew", self._settings.lease_s / 4, self._renew, self._drained),
            run_periodically("orphans", 3600, lambda: delete_orphan_blobs(self._runtime), self._drained),
            run_periodically("search", self._settings.sweep_s, self._index_words, self._drained, self._index_behind),
            run_periodically("purge", self._settings.sweep_s, self._purge, self._drained, self._purge_left),
            run_periodically("clock", CLOCK_LOOK_S, lambda: follow_clock(self._runtime), self._drained),
            run_periodically("sweep", self._settings.sweep_s, lambda: sweep(self._runtime), self._drained),
            # For accounts that the command line closed, and what was left when a process died: while every place for a
            # call is taken, nobody claims.
            run_periodically("closed", self._settings.poll_s, lambda: cancel_unsent(self._runtime), self._drained),
        ]
        self._loops = [asyncio.create_task(loop) for loop in loops]

    async def _index_words(self) -> None:
        """Of a few thousand tasks at a time: a drain does not wait for an index that is far behind."""
        if await follow_tasks(self._runtime):
            self._index_behind.set()
        else:
            await check_index(self._runtime)

    async def stop(self) -> None:
        """Drain, unless that was done, and end at once what is left."""
        self._runtime.wake_ups.drain_requested.set()
        self._runtime.wake_ups.drain_at_once.set()
        await asyncio.gather(*self._loops)

    async def _purge(self) -> None:
        if await purge_old(self._runtime, self._purge_walk):
            self._purge_left.set()

    async def _drain_when_requested(self) -> None:
        """Claim nothing more, return unsent tasks to the queue, and wait for the calls that were sent.

        A call is bounded by its own time-out; `drain_s` can shorten that. What is cut off is taken up again or recorded
        as unknown by the next claim.
        """
        wake_ups = self._runtime.wake_ups
        await wake_ups.drain_requested.wait()
        wake_ups.worker_running = False
        self._stop.set()
        await asyncio.gather(*self._claiming)
        running = [one for one in self._running.values() if one.job]
        for one in running:
            if one.job and one.task.id not in wake_ups.sent_tasks:
                one.job.cancel()
        jobs = [one.job for one in running if one.job]
        at_once = asyncio.create_task(wake_ups.drain_at_once.wait())
        if jobs:
            finished = asyncio.ensure_future(asyncio.wait(jobs))
            await asyncio.wait(
                [finished, at_once], timeout=self._settings.drain_s or None, return_when=asyncio.FIRST_COMPLETED
            )
            finished.cancel()
        at_once.cancel()
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        self._drained.set()
        wake_ups.drained.set()

    async def _claim(self) -> None:
        """Take as many tasks as calls may begin, account by account, so that one long queue does not delay others."""
        if self._runtime.wake_ups.database_damage:
            return
        # What is bought while the storage is away is kept in the spool alone.
        if self._runtime.blobs.is_out and is_disk_full(self._runtime):
            return
        # A drain returns tasks to the queue, due at once: without the look at it this loop would claim them for ever.
        while not self._stop.is_set():
            free = free_calls(self._runtime)
            room = min(
                # Those that were claimed and want a place still come first.
                sum(free.values()) - len(self._runtime.call_limits.wanted),
                self._settings.workers - len(self._running) + self._idle_count(),
            )
            # Before anything is awaited: a place that is given up meanwhile must wake us.
            self._runtime.wake_ups.place_wanted = room <= 0 or not all(free.values())
            if room <= 0:
                return
            accounts = await self._runtime.db.read(
                next_in_turn, list_accounts_with_work, self._last_account, _ACCOUNT_BATCH_SIZE
            )
            accounts = accounts[:room]
            if not accounts:
                return
            self._last_account = accounts[-1]
            share = min(max(1, room // len(accounts)), _CLAIM_BATCH_SIZE)
            plan = first_call_planner(self._runtime, free)
            claims_of_round = (self._claim_for_account(account, share, plan) for account in accounts)
            # All of them to their end: what one has claimed must begin, also where another fails.
            counts = await asyncio.gather(*claims_of_round, return_exceptions=True)
            for failed in (count for count in counts if isinstance(count, BaseException)):
                raise failed
            # What was claimed begins its calls before room is judged again.
            await asyncio.sleep(0)
            if not any(counts):
                return

    def _idle_count(self) -> int:
        """Running tasks that wait for something other than a call."""
        return max(sum(self._runtime.fetching.values()), len(self._runtime.waiting_for_storage))

    async def _claim_for_account(self, account_id: str, limit: int, plan: PlanFirstCall) -> int:
        runtime = self._runtime
        # More tasks of an account that already fetches as much as it may would only wait too.
        if runtime.fetching[account_id] >= MAX_PER_ACCOUNT:
            return 0
        lease_us = int(self._settings.lease_s * US_PER_SECOND)
        lease_s = self._settings.lease_s
        asked = Lease(lease_s)  # a lease runs from when it was asked for
        claimed = await runtime.db.write(
            claims.claim_due_tasks,
            account_id,
            runtime.boot_id,
            lease_us,
            limit,
            plan,
            [],
            runtime.spool.folder_id,
        )
        if claimed:
            crash_point("claim.post_commit")
        for one in claimed:
            lease = Lease(lease_s)
            lease.renew_from(asked)
            self._start(one, lease)
        return len(claimed)

    def _start(self, claimed: Claimed, lease: Lease) -> None:
        task = claimed.task
        running = self._running[task.id] = RunningTask(task, lease, claimed.attempt)
        self._runtime.wake_ups.running.add(task.id)
        if claimed.attempt is not None:
            # Before the call begins: a drain must not cut it off.
            self._runtime.wake_ups.sent_tasks.add(task.id)
        else:
            self._runtime.call_limits.wanted.add(task.id)
        self._runtime.wake_ups.notify_task_moved(task.id)
        running.job = asyncio.create_task(self._run(running))

    async def _run(self, running: RunningTask) -> None:
        """Carry out one task to its end; an error ends this task only."""
        try:
            pause_s: float | None = 0.0
            while pause_s is not None:
                await asyncio.sleep(pause_s)
                pause_s = await self._run_once(running)
        except asyncio.CancelledError:
            await asyncio.shield(self._release(running.task))
            raise
        finally:
            del self._running[running.task.id]
            self._runtime.wake_ups.running.discard(running.task.id)
            self._runtime.wake_ups.cancel_requested.discard(running.task.id)
            self._runtime.wake_ups.sent_tasks.discard(running.task.id)
            self._runtime.call_limits.wanted.discard(running.task.id)
            self._runtime.wake_ups.notify_place_free()

    async def _run_once(self, running: RunningTask) -> float | None:
        """The seconds after which the task must be run again: database or storage were not available, or the task has
        to be failed. None where it has ended here.

        What was bought stays in the spool meanwhile.
        """
        task, pause_s = running.task, min(1.0, self._settings.poll_s)
        try:
            if running.has_crashed:
                await fail_task(self._runtime, task, SERVICE_ERROR)
            else:
                begun, running.begun = running.begun, None
                await execute(self._runtime, task, running.lease, begun)
        except DatabaseError as error:
            log_error("task_waiting_for_database", task=task.id, error=str(error))
            return pause_s
        except StorageUnavailable as error:
            return await self._wait_for_storage(running, error)
        except Exception as error:  # noqa: BLE001  the edge of a task
            log_error("task_crashed", task=task.id, exc_info=error)
            running.has_crashed = True
            return pause_s
        return None

    async def _wait_for_storage(self, running: RunningTask, error: StorageUnavailable) -> float | None:
        """As `_run_once`; a drain returns the task to the queue, and the next start goes on from its spool."""
        running.storage_wait = running.storage_wait or StorageWait(self._runtime, running.task)
        try:
            await running.storage_wait.wait(error)
        except StorageUnavailable:
            await self._release(running.task, WaitReason.storage)
            return None
        except DatabaseError as failure:
            log_error("task_waiting_for_database", task=running.task.id, error=str(failure))
            return min(1.0, self._settings.poll_s)
        return 0.0

    async def _release(self, task: Task, reason: str | None = None) -> None:
        reason = reason or task.waiting_reason
        await self._runtime.db.write(
            claims.release_task,
            task.account_id,
            task.id,
            task.claim_no,
            0,
            task.waiting_since,
            reason,
            self._settings.spool_wait_us,
        )
        self._runtime.wake_ups.notify_tasks_due()

    async def _renew(self) -> None:
        """Extend all leases in one command; a task that is no longer ours is cancelled."""
        running = list(self._running.values())
        if not running:
            return
        # Made before the command: a lease runs from when its renewal was requested.
        renewals = [(one, Lease(self._settings.lease_s)) for one in running]
        held = [(one.task.id, one.task.claim_no) for one in running]
        lease_us = int(self._settings.lease_s * US_PER_SECOND)
        lost = await self._runtime.db.write(claims.renew_leases, self._runtime.boot_id, held, lease_us)
        for one, renewed in renewals:
            if one.task.id not in lost:
                one.lease.renew_from(renewed)
            elif one.job:
                one.job.cancel()
