"""What is counted for whoever monitors the process."""

from __future__ import annotations

import asyncio
import time

from imagegate.counters import Histogram, LoopLag


def test_a_histogram_counts_a_bound_with_what_is_below_it() -> None:
    histogram = Histogram((1, 5))
    for seconds in (0.5, 1, 1.5, 5, 6):
        histogram.add(seconds)
    assert histogram.counts == [2, 2, 1]
    assert histogram.total_s == 14


def test_a_loop_that_is_held_up_is_seen_to_lag() -> None:
    async def hold_up() -> float:
        lag = LoopLag()
        lag.watch()
        await asyncio.sleep(0.1)
        time.sleep(0.6)  # longer than between two looks
        while not lag.max_s:
            await asyncio.sleep(0.01)
        return lag.max_s

    assert asyncio.run(hold_up()) >= 0.1
