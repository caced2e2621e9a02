"""How many calls of a route run at once: it follows what the upstream bears."""

from __future__ import annotations

import itertools

import pytest

from imagegate.domain.tasks import AttemptOutcome, FailureKind
from imagegate.routing.call_limits import FIRST_LIMIT, CallLimits, CallPlace

PLACE = CallPlace("gpt-image-2@first")


class Calls:
    """Calls of one route, at times that only ever grow."""

    def __init__(self, most: int = 10_000) -> None:
        self.frees = 0
        self.limits = CallLimits(most, self._on_free)
        self._times = itertools.count(1)

    def _on_free(self) -> None:
        self.frees += 1

    @property
    def limit(self) -> int:
        return self.limits.free(PLACE)

    def run(self, count: int, outcome: AttemptOutcome = AttemptOutcome.produced, failure: str = "") -> None:
        """So many calls begin, then all of them end."""
        started = []
        for _ in range(count):
            started.append(next(self._times))
            self.limits.take(PLACE, started[-1])
        for at in started:
            self.limits.release(PLACE)
            self.limits.learn(PLACE, outcome, failure, at, next(self._times))


def test_a_route_that_is_never_full_keeps_its_first_limit() -> None:
    calls = Calls()
    calls.run(FIRST_LIMIT - 1)
    assert calls.limit == FIRST_LIMIT
    assert calls.frees == FIRST_LIMIT - 1


def test_a_full_route_doubles_its_limit_in_the_time_of_a_call_up_to_the_most() -> None:
    calls = Calls(most=1_000)
    for limit in (512, 1_000, 1_000):
        calls.run(calls.limit)
        assert calls.limit == limit


def test_too_many_requests_halve_the_limit_once_for_all_that_were_under_way() -> None:
    calls = Calls()
    calls.run(FIRST_LIMIT, AttemptOutcome.unavailable, FailureKind.throttled)
    assert calls.limit == FIRST_LIMIT // 2
    calls.run(calls.limit, AttemptOutcome.unavailable, FailureKind.throttled)
    assert calls.limit == FIRST_LIMIT // 4


def test_the_limit_never_falls_below_one() -> None:
    calls = Calls(most=2)
    for _ in range(5):
        calls.run(1, AttemptOutcome.unavailable, FailureKind.throttled)
    assert calls.limit == 1


def test_after_it_was_halved_it_grows_by_one_in_the_time_of_a_call() -> None:
    calls = Calls()
    calls.run(1, AttemptOutcome.unavailable, FailureKind.throttled)
    for limit in (129, 130, 131):
        calls.run(calls.limit)
        assert calls.limit in (limit - 1, limit)


@pytest.mark.parametrize("outcome", [AttemptOutcome.unavailable, AttemptOutcome.unknown])
def test_it_does_not_grow_by_calls_during_which_others_failed(outcome: AttemptOutcome) -> None:
    limits = CallLimits(10_000, lambda: None)
    for at in range(FIRST_LIMIT):
        limits.take(PLACE, at)
    limits.release(PLACE)
    limits.learn(PLACE, outcome, "failing" if outcome is AttemptOutcome.unavailable else "", 0, FIRST_LIMIT)
    for at in range(1, FIRST_LIMIT):
        limits.release(PLACE)
        limits.learn(PLACE, AttemptOutcome.produced, "", at, FIRST_LIMIT + at)
    assert limits.free(PLACE) == FIRST_LIMIT


def test_a_limit_that_is_configured_does_not_move() -> None:
    calls, fixed = Calls(), CallPlace("upstream", 3)
    for _ in range(5):
        calls.limits.take(fixed, 1)
    assert calls.limits.free(fixed) == 0, "never below nothing"
    for _ in range(4):
        calls.limits.release(fixed)
        calls.limits.learn(fixed, AttemptOutcome.produced, "", 1, 2)
    assert calls.limits.free(fixed) == 2
