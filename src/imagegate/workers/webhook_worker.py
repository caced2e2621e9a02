"""Sends webhooks: as many at once as there are places, host by host, and none of them in a worker's place.

Knows: whose turn it is and when to look again. Refuses to know: what is sent and what an answer means.
"""

from __future__ import annotations

import asyncio

from imagegate.flows.webhooks.deliver import claim_hooks, deliver, reclaim_hooks
from imagegate.logging import log_error
from imagegate.runtime import Runtime
from imagegate.store.deliveries import Claimed, hosts_due
from imagegate.workers.loop import every

PLACES = 256
_HOSTS_AT_ONCE = 128
_LOOK_S = 1.0
_GRACE_S = 1.0


class Courier:
    """One per process. `start`, then `stop` once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._work = runtime.settings.work
        self._sending: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self._last_host = ""

    async def start(self) -> None:
        look = min(_LOOK_S, self._work.poll_s)
        wake = self._runtime.signals.hooks
        self._loops = [
            asyncio.create_task(every("webhooks", look, self._claim, self._stop, wake)),
            asyncio.create_task(every("lost webhooks", self._work.sweep_s, self._reclaim, self._stop)),
        ]

    async def stop(self) -> None:
        """Begin nothing more and let what is under way be answered; the rest counts as interrupted."""
        self._stop.set()
        await asyncio.gather(*self._loops)
        if self._sending:
            _, left = await asyncio.wait(self._sending, timeout=self._work.hook_timeout_s + _GRACE_S)
            for one in left:
                one.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _claim(self) -> None:
        """One turn over the hosts that something is due for; each gets what its own limit leaves."""
        turn = await self._turn()
        for host in turn:
            free = PLACES - len(self._sending)
            if free < 1:
                return
            self._last_host = host
            for claimed in await claim_hooks(self._runtime, host, free):
                self._send(claimed)
        if len(turn) >= _HOSTS_AT_ONCE:
            self._runtime.signals.hooks.set()

    async def _turn(self) -> list[str]:
        """Hosts behind the last one first: nobody waits twice while others are served twice."""
        read = self._runtime.db.read
        turn = await read(hosts_due, self._last_host, _HOSTS_AT_ONCE)
        if len(turn) < _HOSTS_AT_ONCE:
            turn += [host for host in await read(hosts_due, "", _HOSTS_AT_ONCE) if host not in turn]
        return turn

    def _send(self, claimed: Claimed) -> None:
        sending = asyncio.create_task(self._deliver(claimed))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def _deliver(self, claimed: Claimed) -> None:
        """The edge of one attempt: what it raises is logged, and its lease ends it."""
        wake = self._runtime.signals.hooks
        try:
            wait_s = await deliver(self._runtime, claimed)
        except Exception as error:  # noqa: BLE001  the edge of an attempt
            log_error("webhook failed by a fault of ours", delivery=claimed.delivery.id, exc_info=error)
            return
        if wait_s is not None:
            asyncio.get_running_loop().call_later(wait_s, wake.set)
        wake.set()

    async def _reclaim(self) -> None:
        await reclaim_hooks(self._runtime)
        self._runtime.signals.hooks.set()
