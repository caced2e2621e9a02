"""The progress of calls whose server reports none: the bar follows the time that such images take.

One timer for all calls. Each step is a write, so with many calls under way the steps are larger.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from imagegate.upstreams.base import Call, ProgressHook

_INTERVAL_S: Final = 1.0
_MIN_STEP: Final = 5
_MAX_STEP: Final = 50
_MAX_PERCENT: Final = 95  # the bar never reaches its end
_CALLS_OF_SMALLEST_STEP: Final = 200


class _Bar:
    def __init__(self, call: Call, report: ProgressHook, started: float) -> None:
        self.report = report
        self.started = started
        self.typical_s = _typical_duration_s(call)
        self.reported = 0


class ProgressBars:
    """Of the calls of one upstream."""

    def __init__(self) -> None:
        self._bars: set[_Bar] = set()
        self._reports: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def follow(self, call: Call, report: ProgressHook) -> Iterator[None]:
        """Report its progress for as long as the block lasts."""
        loop = asyncio.get_running_loop()
        bar = _Bar(call, report, loop.time())
        self._bars.add(bar)
        if self._timer is None:
            self._timer = loop.call_later(_INTERVAL_S, self._tick, loop)
        try:
            yield
        finally:
            self._bars.discard(bar)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        step = min(_MAX_STEP, _MIN_STEP * max(1, len(self._bars) // _CALLS_OF_SMALLEST_STEP))
        for bar in self._bars:
            percent = int(_MAX_PERCENT * (1 - math.exp(-2 * (loop.time() - bar.started) / bar.typical_s)))
            if percent >= bar.reported + step:
                bar.reported = percent
                report = loop.create_task(_report(bar, percent))
                self._reports.add(report)
                report.add_done_callback(self._reports.discard)
        self._timer = loop.call_later(_INTERVAL_S, self._tick, loop) if self._bars else None

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*self._reports, return_exceptions=True)


async def _report(bar: _Bar, percent: int) -> None:
    await bar.report(percent)


def _typical_duration_s(call: Call) -> float:
    """From public reports: 10, 48 and 126 s for low, medium and high at 1024x1024; edits take longer."""
    tokens = call.expected.image_output / max(1, call.expected.images)
    return (8.0 + 0.017 * tokens) * (1.5 if call.references else 1.0)
