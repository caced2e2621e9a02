"""A store that does not answer: who still asks it, and who waits."""

from __future__ import annotations

import asyncio

import pytest

from imagegate.blobs import StorageUnavailable
from imagegate.blobs.base import Outage


def fail(outage: Outage) -> None:
    outage.begin_call()
    outage.failed("away")


def is_closed(outage: Outage) -> bool:
    return outage.is_closed


def test_one_failure_is_nothing_yet() -> None:
    outage = Outage()
    fail(outage)
    outage.begin_call()
    outage.succeeded()
    fail(outage)
    outage.begin_call()
    assert not outage.is_on


def test_in_an_outage_calls_fail_at_once_but_for_one_trial_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("imagegate.blobs.base.time.monotonic", lambda: now)
    outage = Outage()
    fail(outage)
    fail(outage)
    waits = []
    for _ in range(8):
        with pytest.raises(StorageUnavailable, match="away") as refused:
            outage.begin_call()
        assert not refused.value.was_tried
        began = now
        while is_closed(outage):
            now += 0.1
        waits.append(now - began)
        outage.begin_call()
        assert is_closed(outage), "one at a time"
        outage.failed("still away")
    assert waits == sorted(waits)
    assert waits[0] < 0.3
    assert waits[-1] == pytest.approx(5, abs=0.2)
    now += 5.1
    outage.begin_call()
    outage.succeeded()
    outage.begin_call()


async def test_whoever_waits_goes_on_with_the_first_success(monkeypatch: pytest.MonkeyPatch) -> None:
    outage = Outage()
    fail(outage)
    fail(outage)
    monkeypatch.setattr(outage, "_next_trial", asyncio.get_running_loop().time() + 3600)
    waiting = [asyncio.create_task(outage.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    outage.succeeded()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in done] == [type(None), asyncio.CancelledError, type(None)]
