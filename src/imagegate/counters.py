"""What this process has done since its start, counted where it happens and read by whoever monitors it."""

from __future__ import annotations

import asyncio
import threading
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Sequence

from imagegate.domain.tasks import AttemptOutcome

_CALL_BOUNDS_S = (1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600)
_TASK_BOUNDS_S = (1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1800, 3600)
_REQUEST_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_COMMIT_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_LAG_LOOK_S = 0.5
_LAG_LOOKS_KEPT = 120  # a minute


class Histogram:
    """How many durations are at most each of `bounds_s`, not counting those of a lower bound; the last is above all."""

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self.bounds_s = bounds_s
        self.counts = [0] * (len(bounds_s) + 1)
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds_s, seconds)] += 1
        self.total_s += seconds


class RequestCounters:
    """`answered` by route, method and status; `answer_s` by route, until the first byte of those that waited for no
    task."""

    def __init__(self) -> None:
        self.answered: Counter[tuple[str, str, int]] = Counter()
        self.answer_s: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(_REQUEST_BOUNDS_S))

    def count(self, route: str, method: str, status: int, answer_s: float | None) -> None:
        """`answer_s` is None where the request waited for a task."""
        self.answered[route, method, status] += 1
        if answer_s is not None:
            self.answer_s[route].add(answer_s)


class WorkCounters:
    """`calls` to upstreams that ended and their `cost_nanos` (what they cost or may have cost) by route and outcome,
    `call_s` by route; `tasks` that ended by error code, empty where they completed, and `task_s` from create to end;
    `webhooks`: attempts by what became of them; `storage_errors`: results that could not be stored."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, AttemptOutcome]] = Counter()
        self.cost_nanos: Counter[tuple[str, AttemptOutcome]] = Counter()
        self.call_s: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(_CALL_BOUNDS_S))
        self.tasks: Counter[str] = Counter()
        self.task_s = Histogram(_TASK_BOUNDS_S)
        self.webhooks: Counter[str] = Counter()
        self.storage_errors = 0

    def count_call(self, route: str, outcome: AttemptOutcome, nanos: int, seconds: float) -> None:
        self.calls[route, outcome] += 1
        self.cost_nanos[route, outcome] += nanos
        self.call_s[route].add(seconds)

    def count_task(self, error: str, seconds: float) -> None:
        self.tasks[error] += 1
        if not error:
            self.task_s.add(seconds)


class DatabaseCounters:
    """`commit_s`: commits of the writers; `errors` of reads and writes. Threads count: hence the lock."""

    def __init__(self) -> None:
        self.commit_s = Histogram(_COMMIT_BOUNDS_S)
        self.errors: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count_commit(self, seconds: float) -> None:
        with self._lock:
            self.commit_s.add(seconds)

    def count_error(self, operation: str) -> None:
        with self._lock:
            self.errors[operation] += 1


class LoopLag:
    """How late the event loop was at most in the last minute: while it is busy, every request and every task waits."""

    def __init__(self) -> None:
        self._looks: deque[float] = deque([0.0], maxlen=_LAG_LOOKS_KEPT)
        self._watching: asyncio.Task[None] | None = None

    def watch(self) -> None:
        """From the first call on, until the loop ends."""
        self._watching = self._watching or asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LAG_LOOK_S
            await asyncio.sleep(_LAG_LOOK_S)
            self._looks.append(max(0.0, loop.time() - due))

    @property
    def max_s(self) -> float:
        return max(self._looks)
