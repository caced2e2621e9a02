"""Worker slots, the short-lived cache and wake-ups, without a gateway around them."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
from collections import Counter

import pytest

from imagegate.concurrency import SharedRuns, Ticker, TtlCache, WakeUps
from imagegate.domain.time import US_PER_SECOND

# Threads that switch as often as they can, each decoding every struct for the first time.
_DECODE_AT_ONCE = """
import contextlib, sys, threading
import msgspec
import imagegate.app
from imagegate.concurrency import prepare_structs
from imagegate.settings import Settings

database = imagegate.app.connect_database(Settings())
assert prepare_structs.cache_info().currsize == 1, "nobody has prepared the structs"
ours = prepare_structs()
barrier = threading.Barrier(4)

def decode_all():
    for struct in ours:
        barrier.wait()
        with contextlib.suppress(Exception):
            msgspec.convert({name: {} for name in struct.__struct_fields__}, struct)

sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=decode_all) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(ours) > 100
"""


def test_threads_that_decode_the_same_struct_for_the_first_time_do_not_end_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", _DECODE_AT_ONCE], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (done.returncode, done.stderr)


def test_concurrent_callers_share_one_load_and_a_failure_is_not_cached() -> None:
    async def scenario() -> None:
        cache: TtlCache[int] = TtlCache(60)
        loads = 0

        async def load() -> int:
            nonlocal loads
            loads += 1
            await asyncio.sleep(0)
            if loads == 1:
                raise ConnectionError("refused")
            return loads

        with pytest.raises(ConnectionError):
            await cache.get(load)
        assert await asyncio.gather(*(cache.get(load) for _ in range(5))) == [2] * 5
        assert await cache.get(load) == 2

    asyncio.run(scenario())


def test_a_slow_load_is_shared_while_it_lasts_and_its_value_kept_in_proportion() -> None:
    async def scenario() -> None:
        cache: TtlCache[int] = TtlCache(0, max_loads=1000)
        loads, release = 0, asyncio.Event()

        async def load() -> int:
            nonlocal loads
            loads += 1
            await asyncio.sleep(0.05)
            await release.wait()
            return loads

        callers = [asyncio.create_task(cache.get(load)) for _ in range(3)]
        await asyncio.sleep(0.1)
        callers.append(asyncio.create_task(cache.get(load)))
        await asyncio.sleep(0)
        release.set()
        assert await asyncio.gather(*callers) == [1] * 4, "the fourth came after the value's age, and shared the load"
        assert await cache.get(load) == 1, "kept for a thousand times what it cost"

    asyncio.run(scenario())


def test_watches_of_a_silent_task_are_pinged_by_one_timer() -> None:
    async def scenario() -> None:
        wake_ups, ticker, pings = WakeUps(), Ticker(0.01), Counter[str]()
        with wake_ups.watch_task("task_1") as one, wake_ups.watch_task("task_1") as two:
            for watch, name in ((one, "one"), (two, "two")):
                ticker.add(watch, functools.partial(pings.update, [name]))
            waits = asyncio.gather(one.wait(), two.wait())
            while min(pings["one"], pings["two"]) < 3:
                await asyncio.sleep(0.01)
            assert wake_ups.watched_tasks() == {"task_1": None}
            one.seen, two.seen = 3, 2
            assert wake_ups.watched_tasks() == {"task_1": 2}
            wake_ups.notify_task_changed("task_1")
            await waits
            told = pings.copy()
            await one.wait()  # at once: it has changed already
            await asyncio.sleep(0.05)
            assert pings == told, "who waits no longer is not pinged"
        assert wake_ups.watched_tasks() == {}

    asyncio.run(scenario())


def test_closing_ends_every_wait() -> None:
    async def scenario() -> None:
        wake_ups = WakeUps()
        with wake_ups.watch_task("task_1") as one, wake_ups.watch_task("task_2") as two:
            wake_ups.notify_task_changed("task_1")
            assert (one.changed, two.changed) == (True, False)
            waits = asyncio.gather(one.wait(), two.wait())
            await asyncio.sleep(0)
            wake_ups.close()
            await waits

    asyncio.run(scenario())


def test_thousands_that_wait_are_looked_at_fifty_a_second_and_never_after_their_last_look() -> None:
    wake_ups, start = WakeUps(), 1_795_000_000 * US_PER_SECOND
    looks = [wake_ups.reserve_look(start, start + 10 * US_PER_SECOND) for _ in range(1_000)]
    seconds = Counter((look - start) // US_PER_SECOND for look in looks)
    assert all(seconds[second] == 50 for second in range(10))
    assert max(looks) == start + 10 * US_PER_SECOND
    soon = wake_ups.reserve_look(start - 5 * US_PER_SECOND, start)
    assert soon == start - 5 * US_PER_SECOND, "who is due before does not queue behind them"


def test_runs_of_one_key_are_shared_and_go_on_when_a_caller_leaves() -> None:
    async def scenario() -> None:
        runs, began, release = SharedRuns(), [], asyncio.Event()

        async def run() -> None:
            began.append(1)
            await release.wait()

        first, second = runs.start("one", run), runs.start("one", run)
        await asyncio.sleep(0)
        first.cancel()
        release.set()
        await second
        assert (len(began), "one" in runs) == (1, False)

        release.clear()
        left = runs.start("one", run)
        await asyncio.sleep(0)
        await runs.close()
        assert left.cancelled()
        assert len(began) == 2

    asyncio.run(scenario())
