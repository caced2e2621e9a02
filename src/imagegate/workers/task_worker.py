"""Claims due tasks, carries them out side by side, renews their leases and drains at the end.

Knows: how many tasks at once, whose turn it is, and what is still ours. Refuses to know: what carrying out means.
"""

from __future__ import annotations

import asyncio

from imagegate.crash_points import crash_point
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import Task
from imagegate.domain.time import US_PER_SECOND
from imagegate.egress.fetch_limits import MAX_PER_ACCOUNT
from imagegate.flows.execution.lease import Lease
from imagegate.flows.execution.run import execute
from imagegate.flows.execution.settlement import fail_task
from imagegate.flows.maintenance import delete_orphan_blobs, purge_old, reclaim_lost_tasks, sweep
from imagegate.logging import log_error
from imagegate.runtime import Runtime
from imagegate.store import claims
from imagegate.store.accounts import list_accounts_with_work
from imagegate.store.engines import DatabaseError
from imagegate.workers.loop import run_periodically

SERVICE_ERROR = TaskError(TaskErrorCode.service_error, "The service failed to carry out this task.")
_ACCOUNT_BATCH_SIZE = 64


class RunningTask:
    """A task in our hands: its lease and the coroutine that carries it out."""

    def __init__(self, task: Task, lease: Lease) -> None:
        self.task = task
        self.lease = lease
        self.job: asyncio.Task[None] | None = None
        self.failed = False


class TaskWorker:
    """One per process. `start`, then `stop` once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._settings = runtime.settings.work
        self._running: dict[str, RunningTask] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self._last_account = ""

    async def start(self) -> None:
        """Take back what died before us, then begin to claim."""
        await reclaim_lost_tasks(self._runtime)
        wake = self._runtime.wake_ups.tasks_due
        self._runtime.wake_ups.worker_running = True
        self._loops = [
            asyncio.create_task(run_periodically("claim", self._settings.poll_s, self._claim, self._stop, wake)),
            asyncio.create_task(run_periodically("renew", self._settings.lease_s / 4, self._renew, self._stop)),
            asyncio.create_task(
                run_periodically("orphans", 3600, lambda: delete_orphan_blobs(self._runtime), self._stop)
            ),
            asyncio.create_task(
                run_periodically("history", self._settings.sweep_s, lambda: purge_old(self._runtime), self._stop)
            ),
            asyncio.create_task(
                run_periodically("sweep", self._settings.sweep_s, lambda: sweep(self._runtime), self._stop)
            ),
        ]

    async def stop(self) -> None:
        """Claim nothing more, let running tasks finish for a while, hand the rest back to the queue."""
        self._stop.set()
        self._runtime.wake_ups.worker_running = False
        await asyncio.gather(*self._loops)
        jobs = [carried.job for carried in self._running.values() if carried.job]
        if jobs:
            await self._drain(jobs)

    async def _drain(self, jobs: list[asyncio.Task[None]]) -> None:
        renewing = asyncio.create_task(
            run_periodically("renew", self._settings.lease_s / 4, self._renew, asyncio.Event())
        )
        _, left = await asyncio.wait(jobs, timeout=self._settings.drain_s)
        renewing.cancel()
        for work in left:
            work.cancel()
        await asyncio.gather(*left, renewing, return_exceptions=True)

    async def _claim(self) -> None:
        """Fill the free places, one account after the other, so that a long queue holds nobody else up."""
        slots = self._runtime.worker_slots
        while (free := slots.free) > 0:
            accounts = await self._next_accounts()
            claimed = 0
            for account_id in accounts:
                share = max(1, free // len(accounts))
                claimed += await self._claim_for_account(account_id, min(share, slots.free))
            if claimed == 0:
                return

    async def _next_accounts(self) -> list[str]:
        read = self._runtime.db.read
        accounts = await read(list_accounts_with_work, self._last_account, _ACCOUNT_BATCH_SIZE)
        if len(accounts) < _ACCOUNT_BATCH_SIZE:
            accounts += [
                name for name in await read(list_accounts_with_work, "", _ACCOUNT_BATCH_SIZE) if name not in accounts
            ]
        return accounts

    async def _claim_for_account(self, account_id: str, limit: int) -> int:
        self._last_account = account_id
        # Whose tasks wait for their references already would only wait with more.
        if limit < 1 or self._runtime.worker_slots.waiting_count(account_id) >= MAX_PER_ACCOUNT:
            return 0
        lease_us = int(self._settings.lease_s * US_PER_SECOND)
        lease = Lease(self._settings.lease_s)
        claimed = await self._runtime.db.write(
            claims.claim_due_tasks, account_id, self._runtime.boot_id, lease_us, limit
        )
        if claimed:
            crash_point("claim.post_commit")
        for task in claimed:
            self._start(task, lease if len(claimed) == 1 else Lease(self._settings.lease_s))
        return len(claimed)

    def _start(self, task: Task, lease: Lease) -> None:
        running = self._running[task.id] = RunningTask(task, lease)
        self._runtime.worker_slots.acquire()
        self._runtime.wake_ups.notify_task_changed(task.id)
        running.job = asyncio.create_task(self._run(running))

    async def _run(self, running: RunningTask) -> None:
        """The edge of one task: whatever it raises ends that task and no other."""
        try:
            done = await self._run_once(running)
            while not done:
                await asyncio.sleep(min(1.0, self._settings.poll_s))
                done = await self._run_once(running)
        except asyncio.CancelledError:
            await asyncio.shield(self._release(running.task))
            raise
        finally:
            del self._running[running.task.id]
            self._runtime.worker_slots.release()

    async def _run_once(self, running: RunningTask) -> bool:
        """False where the database could not take it: the spool keeps what was made until it can."""
        task = running.task
        try:
            if running.failed:
                await fail_task(self._runtime, task, SERVICE_ERROR)
            else:
                await execute(self._runtime, task, running.lease)
        except DatabaseError as error:
            log_error("task_waiting_for_database", task=task.id, error=str(error))
            return False
        except Exception as error:  # noqa: BLE001  the edge of a task
            log_error("task_crashed", task=task.id, exc_info=error)
            running.failed = True
            return False
        return True

    async def _release(self, task: Task) -> None:
        await self._runtime.db.write(claims.release_task, task.account_id, task.id, task.claim_no)

    async def _renew(self) -> None:
        """Extend every lease at once; work on a task that is no longer ours stops."""
        running = list(self._running.values())
        if not running:
            return
        renewals = [(one, Lease(self._settings.lease_s)) for one in running]
        held = [(one.task.id, one.task.claim_no) for one in running]
        lease_us = int(self._settings.lease_s * US_PER_SECOND)
        lost = await self._runtime.db.write(claims.renew_leases, self._runtime.boot_id, held, lease_us)
        for one, renewed in renewals:
            if one.task.id not in lost:
                one.lease.renew_from(renewed)
            elif one.job:
                one.job.cancel()
