"""How tasks share one process: wake-ups, places and a short-lived cache."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import msgspec

from imagegate.domain.time import US_PER_SECOND

T = TypeVar("T")
DRAIN_WAIT_S = 1.0
HEARTBEAT_S = 15.0  # of silence, then an event stream sends a sign of life
_TICKS_PER_INTERVAL = 60
_LOOKS_PER_S = 50
_LOOKS_KEPT_S = 120
# Python's own is 5 ms, which each step of a request may wait for a list that is being read. Beside four searches one in
# a hundred that read a task takes more than 1.6 ms with this, more than 9 ms with half a millisecond.
_SWITCH_S = 0.0001
_NICE = 10  # what the command of this name adds


@functools.cache
def prepare_structs() -> tuple[type[msgspec.Struct], ...]:
    """Let msgspec build its tables of our structs: call it, with every module imported, before threads share structs.

    Returns those that can be decoded. The others, with a field that msgspec does not know, must never be: their tables
    cannot be built, so that every attempt is a first one.

    msgspec publishes the table of a struct before it has filled it in, and the filling runs Python code. A second
    thread that decodes the same struct for the first time at that moment reads a null pointer, and the process dies.
    """
    structs: list[type[msgspec.Struct]] = [msgspec.Struct]
    for struct in structs:  # grows while it is walked
        structs += struct.__subclasses__()
    ours = []
    for struct in structs:
        if struct.__module__.startswith("imagegate."):
            with contextlib.suppress(TypeError):
                msgspec.json.Decoder(struct)
                ours.append(struct)
    return tuple(ours)


def share_processor() -> None:
    """Have threads of this process that compute make room for others in time."""
    sys.setswitchinterval(_SWITCH_S)


def give_way() -> None:
    """Let another thread have this processor now, if one wants it: Linux may have it wait for up to 4 ms.

    Not by a lower priority: a thread that waits for the processor behind other programs can have Python's lock, for
    which the whole process then waits.
    """
    if sys.platform == "linux":
        os.sched_yield()


def yield_to_others() -> None:
    """Have this thread get what the other threads of the process leave of the processor, on Linux."""
    if sys.platform == "linux":  # elsewhere it would be the whole process
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):  # a sandbox may not allow it
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _NICE)


class News(msgspec.Struct, omit_defaults=True):
    """What one process tells the others. By id: tasks that have `changed`, tasks that `moved` and did not end, and
    tasks that are to be `cancelled`. `everything`: too much to name."""

    sender: str = ""
    changed: set[str] = msgspec.field(default_factory=set)
    moved: set[str] = msgspec.field(default_factory=set)
    cancelled: set[str] = msgspec.field(default_factory=set)
    tasks_due: bool = False
    webhooks_due: bool = False
    everything: bool = False


class OutgoingNews:
    """What is to be told, each thing once, however often it changes before it is told."""

    MAX_IDS = 10_000  # while nobody takes them; then everything has changed

    def __init__(self) -> None:
        self._news = News()
        self._is_filled = asyncio.Event()

    @property
    def everything(self) -> bool:
        return self._news.everything

    @everything.setter
    def everything(self, value: bool) -> None:
        self._news.everything = value
        self._is_filled.set()

    def add_changed(self, task_id: str) -> None:
        self._news.moved.discard(task_id)
        self._add(self._news.changed, task_id)

    def add_moved(self, task_id: str) -> None:
        if task_id not in self._news.changed:
            self._add(self._news.moved, task_id)

    def add_cancelled(self, task_id: str) -> None:
        self._add(self._news.cancelled, task_id)

    def _add(self, ids: set[str], task_id: str) -> None:
        if len(ids) < self.MAX_IDS:
            ids.add(task_id)
        else:
            self._news.everything = True
        self._is_filled.set()

    def add_tasks_due(self) -> None:
        self._news.tasks_due = True
        self._is_filled.set()

    def add_webhooks_due(self) -> None:
        self._news.webhooks_due = True
        self._is_filled.set()

    async def wait(self) -> None:
        """Until there is something to tell."""
        await self._is_filled.wait()

    def take(self) -> News:
        news, self._news = self._news, News()
        self._is_filled.clear()
        return news


class WakeUps:
    """Wake-ups inside this process. They only shorten waiting: whoever wakes reads the database. `news`: where other
    processes share the database, what they are told of them.

    `place_wanted`: tasks may wait in the queue because no call could begin. `worker_running`: this process claims tasks
    at the moment. `closing`: it is about to end. `waits_ended`: nobody waits for a task any more. `broken_invariants`:
    what the last sweep found, `broken_books` and `database_damage` what the checks after an unclean stop found;
    `file_check_running`: the second of these goes on. `running`: the tasks that this process carries out. Of them,
    `cancel_requested` are those that their customers have asked to cancel, and `sent_tasks` those of which an upstream
    has or had a call. `drain_requested`: no call begins any more. `drain_at_once`: nothing is waited for. `drained`: no
    task runs. `last_ended`: when a task last ended here, or the process began, by `time.monotonic()`. `heartbeats`
    pings event streams that are silent.
    """

    def __init__(self) -> None:
        self.news: OutgoingNews | None = None
        self.tasks_due = asyncio.Event()
        self.webhooks_due = asyncio.Event()
        self.routes_back = asyncio.Event()
        self.place_wanted = False
        self.worker_running = False
        self.closing = False
        self.waits_ended = False
        self.broken_invariants: frozenset[str] = frozenset()
        self.broken_books: frozenset[str] = frozenset()
        self.database_damage = ""
        self.file_check_running = False
        self.running: set[str] = set()
        self.cancel_requested: set[str] = set()
        self.sent_tasks: set[str] = set()
        self.drain_requested = asyncio.Event()
        self.drain_at_once = asyncio.Event()
        self.drained = asyncio.Event()
        self.last_ended = time.monotonic()
        self._looks: Counter[int] = Counter()
        self._watches: defaultdict[str, list[TaskWatch]] = defaultdict(list)
        self.heartbeats = Ticker(HEARTBEAT_S)

    def request_drain(self) -> None:
        """Begin no call any more. Waits end after `DRAIN_WAIT_S`: most tasks would not end in this process."""
        self.drain_requested.set()
        asyncio.get_running_loop().call_later(DRAIN_WAIT_S, self._end_waits)

    def close(self) -> None:
        """End every wait and every stream now; whoever waits answers with the task as it is."""
        self.closing = True
        self._end_waits()

    def _end_waits(self) -> None:
        self.waits_ended = True
        for task_id in list(self._watches):
            self._wake_watches(task_id)

    @property
    def draining(self) -> bool:
        return self.drain_requested.is_set()

    def wake_at(self, delay_us: int) -> None:
        """Look for due tasks after this long."""
        asyncio.get_running_loop().call_later(max(delay_us, 0) / US_PER_SECOND, self.notify_tasks_due)

    def reserve_look(self, earliest: int, latest: int) -> int:
        """When a task that waits for a route is looked at again, in UTC microseconds: from `earliest` on.

        At most `_LOOKS_PER_S` tasks a second: thousands that wait must not keep the process busy with looking.
        """
        second = earliest // US_PER_SECOND
        for passed in [one for one in self._looks if one < second - _LOOKS_KEPT_S]:
            del self._looks[passed]
        while self._looks[second] >= _LOOKS_PER_S:
            second += 1
        self._looks[second] += 1
        return min(max(earliest, second * US_PER_SECOND), latest)

    def notify_place_free(self) -> None:
        if self.place_wanted:
            self.tasks_due.set()

    def notify_tasks_due(self) -> None:
        """Tasks that any process may claim: the first one with room takes them."""
        self.tasks_due.set()
        if self.news is not None:
            self.news.add_tasks_due()

    def notify_webhooks_due(self) -> None:
        self.webhooks_due.set()
        if self.news is not None and not self.worker_running:  # else they are sent from here
            self.news.add_webhooks_due()

    def notify_cancel_requested(self, task_id: str) -> None:
        """Its worker is to stop; where it waits in the queue, whoever claims it ends it."""
        self._request_cancel(task_id)
        if self.news is not None:
            self.news.add_cancelled(task_id)
        self.notify_tasks_due()

    def _request_cancel(self, task_id: str) -> None:
        if task_id in self.running:
            self.cancel_requested.add(task_id)

    def hear(self, news: News) -> None:
        """What another process tells, or a look at the database."""
        for task_id in news.cancelled:
            self._request_cancel(task_id)
        for task_id in news.changed:
            self._wake_watches(task_id)
        for task_id in news.moved:
            self._wake_watches_of_moves(task_id)
        if news.tasks_due:
            self.tasks_due.set()
        if news.webhooks_due:
            self.webhooks_due.set()

    def notify_task_changed(self, task_id: str) -> None:
        self._wake_watches(task_id)
        if self.news is not None:
            self.news.add_changed(task_id)

    def _wake_watches(self, task_id: str) -> None:
        for watch in self._watches.pop(task_id, ()):
            watch.notify()

    def notify_task_moved(self, task_id: str) -> None:
        """It has changed and not ended: whoever waits for its end sleeps on."""
        self._wake_watches_of_moves(task_id)
        if self.news is not None:
            self.news.add_moved(task_id)

    def _wake_watches_of_moves(self, task_id: str) -> None:
        if task_id not in self._watches:
            return
        watches = self._watches.pop(task_id, [])
        if still := [watch for watch in watches if watch.only_end]:
            self._watches[task_id] = still
        for watch in watches:
            if not watch.only_end:
                watch.notify()

    def notify_task_ended(self, task_id: str) -> None:
        """Its webhook is due too."""
        self.last_ended = time.monotonic()
        self.cancel_requested.discard(task_id)
        self.notify_task_changed(task_id)
        self.notify_webhooks_due()

    def watch_task(self, task_id: str, *, only_end: bool = False) -> TaskWatch:
        """A context manager: enter it before the task is read, so that no change is missed."""
        return TaskWatch(self._watches, task_id, only_end=only_end)

    def watched_tasks(self) -> dict[str, int | None]:
        """The last step that each task's watchers have all seen, or None where they wait for its end."""
        seen: dict[str, int | None] = {}
        for task_id, watches in self._watches.items():
            numbers = [watch.seen for watch in watches if watch.seen is not None]
            seen[task_id] = min(numbers, default=None)
        return seen


class TaskWatch:
    """Waits for the next change of a task, or for its end alone. `seen` is the last step that its reader knows."""

    __slots__ = ("_future", "_task_id", "_watches", "changed", "only_end", "seen")

    def __init__(self, watches: defaultdict[str, list[TaskWatch]], task_id: str, *, only_end: bool) -> None:
        self._watches = watches
        self._task_id = task_id
        self._future: asyncio.Future[None] | None = None
        self.changed = False
        self.only_end = only_end
        self.seen: int | None = None

    def __enter__(self) -> Self:
        self._watches[self._task_id].append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        watches = self._watches.get(self._task_id, [])
        if self in watches:
            watches.remove(self)
        if not watches:
            self._watches.pop(self._task_id, None)

    def notify(self) -> None:
        self.changed = True
        self.wake()

    def wake(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    @property
    def is_waiting(self) -> bool:
        return self._future is not None and not self._future.done()

    async def wait(self) -> None:
        """Until the task has changed or `wake` is called; at once where it has changed already."""
        if not self.changed:
            self._future = asyncio.get_running_loop().create_future()
            await self._future


class LiveAnswers:
    """The tasks whose answers connections to this process wait for (`waited_for`), and those whose answers are written
    and may still turn out to be lost (`undecided`). The thread that submits tasks asks too: hence the lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.waited_for: Counter[str] = Counter()
        self.undecided: Counter[str] = Counter()

    def task_ids(self) -> list[str]:
        with self.lock:
            return [*self.waited_for.keys() | self.undecided.keys()]


class LiveAnswer:
    """What one request waits for: the task that it is about to create, or one that it joins in place of that.

    `joined_task` is the latter, also where the commit is not certain.
    """

    def __init__(self, all_answers: LiveAnswers) -> None:
        self.joined_task = ""
        self._all = all_answers
        self._task_id = ""
        self._counter = all_answers.waited_for

    def wait_for(self, task_id: str) -> None:
        """Before the commit: from its first moment nobody takes the task for one that is waited for by nobody."""
        self._move(task_id, self._all.waited_for)

    def join(self, task_id: str) -> None:
        self.joined_task = task_id
        self._move(task_id, self._all.waited_for)

    def mark_written(self) -> None:
        """The last byte is on its way."""
        self._move(self._task_id, self._all.undecided)

    def end(self) -> None:
        self._move("", self._all.waited_for)

    def is_waited_for(self, task_id: str) -> bool:
        """By another request."""
        return self._count(self._all.waited_for, task_id) > 0

    def is_undecided(self, task_id: str) -> bool:
        return self._count(self._all.undecided, task_id) > 0

    def _count(self, counter: Counter[str], task_id: str) -> int:
        with self._all.lock:
            return counter[task_id] - (self._counter is counter and self._task_id == task_id)

    def _move(self, task_id: str, counter: Counter[str]) -> None:
        with self._all.lock:
            if self._task_id:
                self._counter[self._task_id] -= 1
                if not self._counter[self._task_id]:
                    del self._counter[self._task_id]
            self._task_id, self._counter = task_id, counter
            if task_id:
                counter[task_id] += 1


class Ticker:
    """Calls a function every `interval_s` while a watch waits for its change, with one timer for all watches: a task
    that wakes for it costs twice as much, and thousands wait in silence."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._queue: deque[tuple[float, TaskWatch, Callable[[], None]]] = deque()
        self._is_armed = False

    def add(self, watch: TaskWatch, ping: Callable[[], None]) -> None:
        self._queue.append((asyncio.get_running_loop().time() + self._interval_s, watch, ping))
        self._arm()

    def _arm(self) -> None:
        if self._queue and not self._is_armed:
            self._is_armed = True
            loop = asyncio.get_running_loop()
            loop.call_at(max(self._queue[0][0], loop.time() + self._interval_s / _TICKS_PER_INTERVAL), self._tick)

    def _tick(self) -> None:
        self._is_armed = False
        now = asyncio.get_running_loop().time()
        try:
            while self._queue and self._queue[0][0] <= now:
                _, watch, ping = self._queue.popleft()
                if watch.is_waiting:
                    self._queue.append((now + self._interval_s, watch, ping))
                    ping()
        finally:
            self._arm()


class TtlCache(Generic[T]):
    """A value that may be `max_age_s` seconds old, or `max_loads` times as old as its load took, where that is more.

    Callers share one load.
    """

    def __init__(self, max_age_s: float, max_loads: float = 0) -> None:
        self._max_age_s = max_age_s
        self._max_loads = max_loads
        self._expires = 0.0
        self._value: asyncio.Future[T] | None = None

    async def get(self, load: Callable[[], Awaitable[T]]) -> T:
        """The cached value, or what `load` returns. A failure is not cached."""
        if self._value is None or (self._value.done() and time.monotonic() > self._expires):
            self._value = asyncio.ensure_future(self._load(load))
        # One cancelled caller must not cancel the load that others wait for.
        return await asyncio.shield(self._value)

    async def _load(self, load: Callable[[], Awaitable[T]]) -> T:
        began, self._expires = time.monotonic(), 0.0
        value = await load()
        self._expires = max(began + self._max_age_s, time.monotonic() + self._max_loads * (time.monotonic() - began))
        return value


class Sample(Generic[T]):
    """What was measured at most `max_age_s` seconds ago: for a question of each request that costs system calls."""

    def __init__(self, max_age_s: float) -> None:
        self._max_age_s = max_age_s
        self._taken: tuple[float, T] | None = None

    def get(self, measure: Callable[[], T]) -> T:
        now = time.monotonic()
        if self._taken is None or now - self._taken[0] > self._max_age_s:
            self._taken = (now, measure())
        return self._taken[1]


class KeyedSlots:
    """At most `size` holders at a time for each key; others wait in order. Keys that nobody holds take no memory."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._users: Counter[str] = Counter()

    def count(self, key: str) -> int:
        """How many hold a slot of the key or wait for one."""
        return self._users[key]

    @contextlib.asynccontextmanager
    async def slot(self, key: str) -> AsyncIterator[None]:
        line = self._slots.setdefault(key, asyncio.Semaphore(self._size))
        self._users[key] += 1
        try:
            async with line:
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._slots[key]


class SharedRuns:
    """Runs by key: who asks for one that is under way shares it. A caller that goes away leaves it running."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._running

    def start(self, key: str, run: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Future[None]:
        """The run of this key, behind a shield: cancelling it ends the wait, not the run."""
        if key not in self._running:
            self._running[key] = asyncio.create_task(run())
            self._running[key].add_done_callback(lambda done: self._forget(key, done))
        return asyncio.shield(self._running[key])

    def _forget(self, key: str, done: asyncio.Task[None]) -> None:
        del self._running[key]
        done.cancelled() or done.exception()  # nobody may be left to hear it

    async def close(self) -> None:
        """End them all."""
        running = list(self._running.values())
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
