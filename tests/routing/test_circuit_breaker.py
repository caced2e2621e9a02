"""UP-4: what outcomes do to the health of a route or an upstream."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.domain.tasks import FailureKind
from imagegate.domain.time import US_PER_DAY, US_PER_HOUR, US_PER_SECOND
from imagegate.routing.circuit_breaker import (
    MAX_RETRY_AFTER_US,
    MAX_TRIAL_US,
    MIN_RETRY_AFTER_US,
    OPEN_US,
    Closed,
    HalfOpen,
    Health,
    Open,
    RateLimited,
    breaker_state,
    end_trial,
    on_failure,
    on_success,
)

NOW = 1_795_000_000 * US_PER_SECOND
MIN_OPEN_US, MAX_OPEN_US = OPEN_US[FailureKind.failing]
MIN_LONG_OPEN_US, _ = OPEN_US[FailureKind.out_of_funds]


def fail(*failures: FailureKind, health: Health | None = None, step_us: int = US_PER_SECOND) -> tuple[Health, int]:
    health, now = health or Health(), NOW
    for failure in failures:
        now += step_us
        health = on_failure(health, failure, now, now)
    return health, now


def test_up_4_five_failures_in_a_row_open_the_breaker() -> None:
    health, now = fail(*[FailureKind.failing] * 4)
    assert breaker_state(health, now) == Closed()
    health, now = fail(*[FailureKind.failing] * 5)
    assert breaker_state(health, now) == Open(now + MIN_OPEN_US, "failing", is_temporary=True)


def test_up_4_half_of_ten_calls_in_half_a_minute_open_it() -> None:
    health, now = Health(), NOW
    for number in range(10):
        now += US_PER_SECOND
        health = on_success(health, now, now) if number % 2 == 0 else on_failure(health, FailureKind.failing, now, now)
    assert isinstance(breaker_state(health, now), Open)


def test_up_4_half_of_ten_calls_over_a_longer_time_do_not() -> None:
    health, now = Health(), NOW
    for number in range(30):
        now += 10 * US_PER_SECOND
        health = on_success(health, now, now) if number % 2 == 0 else on_failure(health, FailureKind.failing, now, now)
    assert breaker_state(health, now) == Closed()


def test_up_4_one_trial_then_double_the_time_up_to_half_a_minute() -> None:
    health, now = fail(*[FailureKind.failing] * 5)
    waits = []
    for _ in range(7):
        state = breaker_state(health, now)
        assert isinstance(state, Open)
        waits.append(state.until - now)
        now = state.until
        assert breaker_state(health, now) == HalfOpen(now)
        health = on_failure(health, FailureKind.failing, now, now)
    assert waits == [min(MIN_OPEN_US * 2**number, MAX_OPEN_US) for number in range(7)]
    assert breaker_state(on_success(health, health.open_until, now), now) == Closed()


def test_up_4_throttling_waits_for_retry_after_and_is_no_failure() -> None:
    health = on_failure(Health(), FailureKind.throttled, NOW, NOW, retry_after_us=7 * US_PER_SECOND)
    assert breaker_state(health, NOW) == RateLimited(NOW + 7 * US_PER_SECOND)
    assert breaker_state(health, NOW + 7 * US_PER_SECOND) == Closed()
    assert health.consecutive_failures == 0
    without_retry_after = on_failure(Health(), FailureKind.throttled, NOW, NOW)
    assert breaker_state(without_retry_after, NOW) == RateLimited(NOW + 10 * US_PER_SECOND)


def test_a_throttling_upstream_is_left_alone_for_a_second_at_least_and_a_shorter_wait_ends_no_longer_one() -> None:
    health = on_failure(Health(), FailureKind.throttled, NOW, NOW, retry_after_us=1_000)
    assert breaker_state(health, NOW) == RateLimited(NOW + MIN_RETRY_AFTER_US)
    longer = on_failure(health, FailureKind.throttled, NOW, NOW, retry_after_us=40 * US_PER_SECOND)
    assert on_failure(longer, FailureKind.throttled, NOW, NOW, retry_after_us=1_000) == longer
    assert breaker_state(on_success(longer, NOW, NOW), NOW) == RateLimited(NOW + 40 * US_PER_SECOND)


def test_outcomes_of_calls_that_began_before_the_break_change_nothing() -> None:
    """Ten calls that fail together are one break of a second, not one of five minutes."""
    began, (health, now) = NOW, fail(*[FailureKind.failing] * 5)
    opened = health
    for _ in range(20):
        health = on_failure(health, FailureKind.failing, began, now)
    assert health == opened
    assert breaker_state(on_success(health, began, now), now) == breaker_state(opened, now)
    trial = opened.open_until
    assert breaker_state(on_success(health, trial, trial + 1), trial + 1) == Closed()


def test_a_completed_call_is_remembered_whatever_it_changes() -> None:
    health, now = fail(*[FailureKind.failing] * 5)
    assert health.completed_at == 0
    assert on_success(health, NOW, now).completed_at == now


def test_a_trial_without_a_verdict_makes_room_for_another() -> None:
    health, _ = fail(*[FailureKind.failing] * 5)
    trial = msgspec.structs.replace(health, half_open_until=health.open_until + 600 * US_PER_SECOND)
    assert isinstance(breaker_state(trial, health.open_until), RateLimited)
    assert breaker_state(end_trial(trial), health.open_until) == HalfOpen(health.open_until)


def test_out_of_funds_opens_for_half_an_hour_and_longer_each_time() -> None:
    health = on_failure(Health(), FailureKind.out_of_funds, NOW, NOW)
    assert breaker_state(health, NOW) == Open(NOW + MIN_LONG_OPEN_US, "the operator's account there is out of funds")
    again = on_failure(health, FailureKind.out_of_funds, NOW + MIN_LONG_OPEN_US, NOW + MIN_LONG_OPEN_US)
    assert breaker_state(again, NOW + MIN_LONG_OPEN_US) == Open(NOW + 3 * MIN_LONG_OPEN_US, health.reason)


def test_a_refused_key_is_out_until_it_changes() -> None:
    health = on_failure(Health(), FailureKind.bad_key, NOW, NOW, key="old")
    assert isinstance(breaker_state(health, NOW + 10**12, "old"), Open)
    assert breaker_state(health, NOW, "new") == Closed()
    assert on_success(health, NOW, NOW).refused_key == ""


def test_our_own_trouble_says_nothing_about_the_upstream() -> None:
    assert on_failure(Health(), FailureKind.internal, NOW, NOW) == Health()


@given(st.lists(st.one_of(st.sampled_from(list(FailureKind)), st.none()), max_size=60), st.integers(0, 60))
def test_every_history_ends_in_a_state_that_a_success_heals(history: list[FailureKind | None], step: int) -> None:
    health, now = Health(), NOW
    for failure in history:
        now += step * US_PER_SECOND
        health = on_success(health, now, now) if failure is None else on_failure(health, failure, now, now, key="k")
        assert isinstance(breaker_state(health, now, "k"), Closed | HalfOpen | RateLimited | Open)
    # What the upstream said of waiting holds beyond a success of another call.
    healed = on_success(health, max(now, health.open_until), now)
    assert isinstance(breaker_state(healed, now, "k"), Closed | RateLimited)
    assert breaker_state(healed, max(now, health.rate_limited_until), "k") == Closed()


def test_stored_health_keeps_the_keys_that_databases_hold() -> None:
    stored = b'{"fails":2,"since":3,"calls":4,"bad":5,"opens":6,"broken_until":7,"cooled_until":8,"trial_until":9,'
    stored += b'"reason":"failing","key":"k","done":11,"flags":10,"flag":"size"}'
    health = Health(
        consecutive_failures=2,
        window_start=3,
        window_calls=4,
        window_failures=5,
        times_opened=6,
        open_until=7,
        rate_limited_until=8,
        half_open_until=9,
        reason="failing",
        refused_key="k",
        completed_at=11,
        anomalies=10,
        last_anomaly="size",
    )
    assert msgspec.json.decode(stored, type=Health) == health
    assert msgspec.json.encode(health) == stored


@pytest.mark.parametrize("back", [2 * US_PER_HOUR, 400 * US_PER_DAY])
@pytest.mark.parametrize(
    "failure", [kind for kind in FailureKind if kind not in (FailureKind.internal, FailureKind.bad_key)]
)
def test_a_clock_that_is_set_back_holds_no_route(failure: FailureKind, back: int) -> None:
    now = 2_000_000_000 * US_PER_SECOND
    health = Health()
    for _ in range(5):
        health = on_failure(health, failure, now, now, retry_after_us=MAX_RETRY_AFTER_US)
    assert not isinstance(breaker_state(health, now), Closed)
    then = now - back
    assert isinstance(breaker_state(health, then), Closed | HalfOpen)
    assert isinstance(breaker_state(on_success(health, then, then + 1), then + 1), Closed)
    failed_again = on_failure(health, FailureKind.failing, then, then + 1)
    assert breaker_state(failed_again, then + US_PER_HOUR) in (Closed(), HalfOpen(failed_again.open_until))


@pytest.mark.parametrize("kind", OPEN_US)
@pytest.mark.parametrize("opened", range(1, 9))
def test_a_break_lasts_as_long_as_it_was_made(kind: FailureKind, opened: int) -> None:
    """What is taken for a clock set back must be longer than any wait that a break can have."""
    now, health = 2_000_000_000 * US_PER_SECOND, Health()
    while health.times_opened < opened:
        now = max(now, health.open_until) + 1
        health = on_failure(health, kind, now, now)
    for at in (now, health.open_until - 1):
        assert isinstance(breaker_state(health, at), Open)


def test_a_trial_that_began_before_the_clock_was_set_back_keeps_nobody_out() -> None:
    now = 2_000_000_000 * US_PER_SECOND
    health = Health(times_opened=1, half_open_until=now + MAX_TRIAL_US)
    assert isinstance(breaker_state(health, now), RateLimited)
    assert isinstance(breaker_state(health, now - US_PER_HOUR), HalfOpen)
