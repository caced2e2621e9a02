"""Sends webhooks: as many at once as there are places, host by host, and none of them in a worker's place.

Knows: whose turn it is and when to look again. Refuses to know: what is sent and what an answer means.
"""

from __future__ import annotations

import asyncio

from imagegate.flows.webhooks.deliver import claim_deliveries, deliver, reclaim_deliveries
from imagegate.logging import log_error
from imagegate.runtime import Runtime
from imagegate.store.deliveries import ClaimedDelivery, list_due_hosts
from imagegate.workers.loop import run_periodically

MAX_CONCURRENT_DELIVERIES = 256
_HOST_BATCH_SIZE = 128
_MAX_POLL_S = 1.0
_GRACE_S = 1.0


class WebhookWorker:
    """One per process. `start`, then `stop` once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._settings = runtime.settings.work
        self._running: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self._last_host = ""

    async def start(self) -> None:
        poll_s = min(_MAX_POLL_S, self._settings.poll_s)
        wake = self._runtime.wake_ups.webhooks_due
        self._loops = [
            asyncio.create_task(run_periodically("webhooks", poll_s, self._claim, self._stop, wake)),
            asyncio.create_task(run_periodically("lost webhooks", self._settings.sweep_s, self._reclaim, self._stop)),
        ]

    async def stop(self) -> None:
        """Begin nothing more and let what is under way be answered; the rest counts as interrupted."""
        self._stop.set()
        await asyncio.gather(*self._loops)
        if self._running:
            _, left = await asyncio.wait(self._running, timeout=self._settings.webhook_timeout_s + _GRACE_S)
            for one in left:
                one.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _claim(self) -> None:
        """One turn over the hosts that something is due for; each gets what its own limit leaves."""
        hosts = await self._next_hosts()
        for host in hosts:
            free = MAX_CONCURRENT_DELIVERIES - len(self._running)
            if free < 1:
                return
            self._last_host = host
            for claimed in await claim_deliveries(self._runtime, host, free):
                self._start(claimed)
        if len(hosts) >= _HOST_BATCH_SIZE:
            self._runtime.wake_ups.webhooks_due.set()

    async def _next_hosts(self) -> list[str]:
        """Hosts behind the last one first: nobody waits twice while others are served twice."""
        read = self._runtime.db.read
        hosts = await read(list_due_hosts, self._last_host, _HOST_BATCH_SIZE)
        if len(hosts) < _HOST_BATCH_SIZE:
            hosts += [host for host in await read(list_due_hosts, "", _HOST_BATCH_SIZE) if host not in hosts]
        return hosts

    def _start(self, claimed: ClaimedDelivery) -> None:
        attempt = asyncio.create_task(self._run(claimed))
        self._running.add(attempt)
        attempt.add_done_callback(self._running.discard)

    async def _run(self, claimed: ClaimedDelivery) -> None:
        """The edge of one attempt: what it raises is logged, and its lease ends it."""
        wake = self._runtime.wake_ups.webhooks_due
        try:
            wait_s = await deliver(self._runtime, claimed)
        except Exception as error:  # noqa: BLE001  the edge of an attempt
            log_error("webhook_attempt_crashed", delivery=claimed.delivery.id, exc_info=error)
            return
        if wait_s is not None:
            asyncio.get_running_loop().call_later(wait_s, wake.set)
        wake.set()

    async def _reclaim(self) -> None:
        await reclaim_deliveries(self._runtime)
        self._runtime.wake_ups.webhooks_due.set()
