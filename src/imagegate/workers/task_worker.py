"""Claims due tasks, carries them out side by side, renews their leases and drains at the end.

Knows: how many tasks at once, whose turn it is, and what is still ours. Refuses to know: what carrying out means.
"""

from __future__ import annotations

import asyncio

from imagegate.crash_points import point
from imagegate.domain.tasks import Task
from imagegate.egress.fetch_limits import PER_ACCOUNT
from imagegate.flows.execution.lease import Lease
from imagegate.flows.execution.run import FAULT, execute, fail
from imagegate.flows.maintenance import delete_orphans, forget_old, reclaim, sweep
from imagegate.logging import log_error
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.store import claims
from imagegate.store.accounts import accounts_with_work
from imagegate.store.engines import StoreFailure
from imagegate.workers.loop import every

_ACCOUNTS_AT_ONCE = 64


class Carried:
    """A task in our hands: its lease and the coroutine that carries it out."""

    def __init__(self, task: Task, lease: Lease) -> None:
        self.task = task
        self.lease = lease
        self.work: asyncio.Task[None] | None = None
        self.broken = False


class Runner:
    """One per process. `start`, then `stop` once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._work = runtime.settings.work
        self._carried: dict[str, Carried] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self._last_account = ""

    async def start(self) -> None:
        """Take back what died before us, then begin to claim."""
        await reclaim(self._runtime)
        wake = self._runtime.signals.work
        self._runtime.signals.working = True
        self._loops = [
            asyncio.create_task(every("claim", self._work.poll_s, self._claim, self._stop, wake)),
            asyncio.create_task(every("renew", self._work.lease_s / 4, self._renew, self._stop)),
            asyncio.create_task(every("orphans", 3600, lambda: delete_orphans(self._runtime), self._stop)),
            asyncio.create_task(every("history", self._work.sweep_s, lambda: forget_old(self._runtime), self._stop)),
            asyncio.create_task(every("sweep", self._work.sweep_s, lambda: sweep(self._runtime), self._stop)),
        ]

    async def stop(self) -> None:
        """Claim nothing more, let running tasks finish for a while, hand the rest back to the queue."""
        self._stop.set()
        self._runtime.signals.working = False
        await asyncio.gather(*self._loops)
        works = [carried.work for carried in self._carried.values() if carried.work]
        if works:
            await self._drain(works)

    async def _drain(self, works: list[asyncio.Task[None]]) -> None:
        renewing = asyncio.create_task(every("renew", self._work.lease_s / 4, self._renew, asyncio.Event()))
        _, left = await asyncio.wait(works, timeout=self._work.drain_s)
        renewing.cancel()
        for work in left:
            work.cancel()
        await asyncio.gather(*left, renewing, return_exceptions=True)

    async def _claim(self) -> None:
        """Fill the free places, one account after the other, so that a long queue holds nobody else up."""
        places = self._runtime.places
        while (free := places.free) > 0:
            turn = await self._whose_turn()
            claimed = 0
            for account_id in turn:
                share = max(1, free // len(turn))
                claimed += await self._claim_for(account_id, min(share, places.free))
            if claimed == 0:
                return

    async def _whose_turn(self) -> list[str]:
        read = self._runtime.db.read
        turn = await read(accounts_with_work, self._last_account, _ACCOUNTS_AT_ONCE)
        if len(turn) < _ACCOUNTS_AT_ONCE:
            turn += [name for name in await read(accounts_with_work, "", _ACCOUNTS_AT_ONCE) if name not in turn]
        return turn

    async def _claim_for(self, account_id: str, limit: int) -> int:
        self._last_account = account_id
        # Whose tasks wait for their references already would only wait with more.
        if limit < 1 or self._runtime.places.away(account_id) >= PER_ACCOUNT:
            return 0
        lease_us = int(self._work.lease_s * PER_SECOND)
        lease = Lease(self._work.lease_s)
        claimed = await self._runtime.db.write(claims.claim_due, account_id, self._runtime.boot_id, lease_us, limit)
        if claimed:
            point("claim.post_commit")
        for task in claimed:
            self._carry(task, lease if len(claimed) == 1 else Lease(self._work.lease_s))
        return len(claimed)

    def _carry(self, task: Task, lease: Lease) -> None:
        carried = self._carried[task.id] = Carried(task, lease)
        self._runtime.places.take()
        self._runtime.signals.task_changed(task.id)
        carried.work = asyncio.create_task(self._execute(carried))

    async def _execute(self, carried: Carried) -> None:
        """The edge of one task: whatever it raises ends that task and no other."""
        try:
            done = await self._executed(carried)
            while not done:
                await asyncio.sleep(min(1.0, self._work.poll_s))
                done = await self._executed(carried)
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(carried.task))
            raise
        finally:
            del self._carried[carried.task.id]
            self._runtime.places.give()

    async def _executed(self, carried: Carried) -> bool:
        """False where the database could not take it: the spool keeps what was made until it can."""
        task = carried.task
        try:
            if carried.broken:
                await fail(self._runtime, task, FAULT)
            else:
                await execute(self._runtime, task, carried.lease)
        except StoreFailure as error:
            log_error("the database refuses; the task waits", task=task.id, error=str(error))
            return False
        except Exception as error:  # noqa: BLE001  the edge of a task
            log_error("task failed by a fault of ours", task=task.id, exc_info=error)
            carried.broken = True
            return False
        return True

    async def _give_back(self, task: Task) -> None:
        await self._runtime.db.write(claims.hand_back, task.account_id, task.id, task.claim_no)

    async def _renew(self) -> None:
        """Extend every lease at once; work on a task that is no longer ours stops."""
        carried = list(self._carried.values())
        if not carried:
            return
        moments = [(one, Lease(self._work.lease_s)) for one in carried]
        held = [(one.task.id, one.task.claim_no) for one in carried]
        lease_us = int(self._work.lease_s * PER_SECOND)
        lost = await self._runtime.db.write(claims.renew_leases, self._runtime.boot_id, held, lease_us)
        for one, renewed in moments:
            if one.task.id not in lost:
                one.lease.renew_as(renewed)
            elif one.work:
                one.work.cancel()
