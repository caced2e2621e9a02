"""What the background loops share: their pacing, and taking turns between accounts or hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from imagegate.logging import log_error
from imagegate.store.transaction import Tx

CLOCK_LOOK_S = 1.0  # until a step is seen, what compares times may be wrong


async def run_periodically(
    name: str,
    interval_s: float,
    step: Callable[[], Awaitable[object]],
    stop: asyncio.Event,
    wake: asyncio.Event | None = None,
) -> None:
    """Run `step` now and every `interval_s` seconds, sooner when `wake` is set, until `stop` is set.

    An error of one step is logged and does not end the loop.
    """
    wake = wake or asyncio.Event()
    while not stop.is_set():
        wake.clear()
        try:
            await step()
        except Exception as error:  # noqa: BLE001  the edge of a loop: it must go on
            log_error("loop_step_failed", loop=name, exc_info=error)
        await _wait_for_either(wake, stop, interval_s)


async def _wait_for_either(wake: asyncio.Event, stop: asyncio.Event, timeout_s: float) -> None:
    waits = [asyncio.create_task(wake.wait()), asyncio.create_task(stop.wait())]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def next_in_turn(tx: Tx, list_after: Callable[[Tx, str, int], list[str]], last: str, limit: int) -> list[str]:
    """Up to `limit` names after `last`, then from the beginning: nobody is served twice while another waits."""
    names = list_after(tx, last, limit)
    if len(names) < limit:
        names += [name for name in list_after(tx, "", limit) if name not in names]
    return names
