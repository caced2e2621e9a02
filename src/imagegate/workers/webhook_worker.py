"""Sends due webhooks concurrently, host by host. Deliveries take no worker slots from tasks."""

from __future__ import annotations

import asyncio

from imagegate.flows.clock import follow_clock
from imagegate.flows.webhooks.deliver import claim_deliveries, deliver, reclaim_deliveries
from imagegate.logging import log_error
from imagegate.runtime import Runtime
from imagegate.store.deliveries import ClaimedDelivery, list_due_hosts
from imagegate.workers.loop import next_in_turn, run_periodically

MAX_CONCURRENT_DELIVERIES = 256
_HOST_BATCH_SIZE = 128
# Retries are due to the second, whatever the interval of tasks is.
_MAX_POLL_S = 1.0
# How long a stop waits for receivers that are about to answer. Names that nobody answers for and receivers that never
# respond would hold it for the whole time-out.
_STOP_GRACE_S = 2.0


class WebhookWorker:
    """One per process. Call `start`, then `stop` once."""

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
        loops = [
            run_periodically("webhooks", poll_s, self._claim, self._stop, wake),
            run_periodically("lost_webhooks", self._settings.sweep_s, self._reclaim, self._stop),
        ]
        self._loops = [asyncio.create_task(loop) for loop in loops]

    async def stop(self) -> None:
        """Start no more attempts; those that do not end at once count as interrupted and are made again later."""
        self._stop.set()
        await asyncio.gather(*self._loops)
        if self._running:
            _, left = await asyncio.wait(self._running, timeout=_STOP_GRACE_S)
            for one in left:
                one.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _claim(self) -> None:
        """Claim what is due, host by host, within each host's own limit."""
        hosts = await self._runtime.db.read(next_in_turn, list_due_hosts, self._last_host, _HOST_BATCH_SIZE)
        for host in hosts:
            free = MAX_CONCURRENT_DELIVERIES - len(self._running)
            if free < 1:
                return
            self._last_host = host
            for claimed in await claim_deliveries(self._runtime, host, free):
                self._start(claimed)
        if len(hosts) >= _HOST_BATCH_SIZE:
            self._runtime.wake_ups.webhooks_due.set()

    def _start(self, claimed: ClaimedDelivery) -> None:
        attempt = asyncio.create_task(self._run(claimed))
        self._running.add(attempt)
        attempt.add_done_callback(self._running.discard)

    async def _run(self, claimed: ClaimedDelivery) -> None:
        """Make one attempt. An error is logged; the attempt then ends with its lease."""
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
        await follow_clock(self._runtime)  # else a step would end the leases of requests under way
        await reclaim_deliveries(self._runtime)
        self._runtime.wake_ups.webhooks_due.set()
