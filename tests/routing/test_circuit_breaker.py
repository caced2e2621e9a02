"""UP-4: what outcomes do to the health of a route or an upstream."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from imagegate.domain.tasks import FailureKind
from imagegate.domain.time import US_PER_SECOND
from imagegate.routing.circuit_breaker import (
    MAX_OPEN_US,
    MIN_LONG_OPEN_US,
    MIN_OPEN_US,
    Closed,
    HalfOpen,
    Health,
    Open,
    RateLimited,
    breaker_state,
    on_failure,
    on_success,
)

NOW = 1_795_000_000 * US_PER_SECOND


def fail(*failures: FailureKind, health: Health | None = None, step_us: int = US_PER_SECOND) -> tuple[Health, int]:
    health, now = health or Health(), NOW
    for failure in failures:
        now += step_us
        health = on_failure(health, failure, now)
    return health, now


def test_up_4_five_failures_in_a_row_open_the_breaker() -> None:
    health, now = fail(*[FailureKind.failing] * 4)
    assert breaker_state(health, now) == Closed()
    health, now = fail(*[FailureKind.failing] * 5)
    assert breaker_state(health, now) == Open(now + MIN_OPEN_US, "failing")


def test_up_4_half_of_ten_calls_in_half_a_minute_open_it() -> None:
    health, now = Health(), NOW
    for number in range(10):
        now += US_PER_SECOND
        health = on_success(health, now) if number % 2 == 0 else on_failure(health, FailureKind.failing, now)
    assert isinstance(breaker_state(health, now), Open)


def test_up_4_half_of_ten_calls_over_a_longer_time_do_not() -> None:
    health, now = Health(), NOW
    for number in range(30):
        now += 10 * US_PER_SECOND
        health = on_success(health, now) if number % 2 == 0 else on_failure(health, FailureKind.failing, now)
    assert breaker_state(health, now) == Closed()


def test_up_4_one_trial_then_double_the_time_up_to_five_minutes() -> None:
    health, now = fail(*[FailureKind.failing] * 5)
    waits = []
    for _ in range(7):
        state = breaker_state(health, now)
        assert isinstance(state, Open)
        waits.append(state.until - now)
        now = state.until
        assert breaker_state(health, now) == HalfOpen()
        health = on_failure(health, FailureKind.failing, now)
    assert waits == [min(MIN_OPEN_US * 2**number, MAX_OPEN_US) for number in range(7)]
    assert breaker_state(on_success(health, now), now) == Closed()


def test_up_4_throttling_waits_for_retry_after_and_is_no_failure() -> None:
    health = on_failure(Health(), FailureKind.throttled, NOW, retry_after_us=7 * US_PER_SECOND)
    assert breaker_state(health, NOW) == RateLimited(NOW + 7 * US_PER_SECOND)
    assert breaker_state(health, NOW + 7 * US_PER_SECOND) == Closed()
    assert health.consecutive_failures == 0
    without_retry_after = on_failure(Health(), FailureKind.throttled, NOW)
    assert breaker_state(without_retry_after, NOW) == RateLimited(NOW + 10 * US_PER_SECOND)


def test_out_of_funds_opens_for_half_an_hour_and_longer_each_time() -> None:
    health = on_failure(Health(), FailureKind.out_of_funds, NOW)
    assert breaker_state(health, NOW) == Open(NOW + MIN_LONG_OPEN_US, "the operator's account there is out of funds")
    again = on_failure(health, FailureKind.out_of_funds, NOW + MIN_LONG_OPEN_US)
    assert breaker_state(again, NOW + MIN_LONG_OPEN_US) == Open(NOW + 3 * MIN_LONG_OPEN_US, health.reason)


def test_a_refused_key_is_out_until_it_changes() -> None:
    health = on_failure(Health(), FailureKind.bad_key, NOW, key="old")
    assert isinstance(breaker_state(health, NOW + 10**12, "old"), Open)
    assert breaker_state(health, NOW, "new") == Closed()
    assert on_success(health, NOW).refused_key == ""


def test_our_own_trouble_says_nothing_about_the_upstream() -> None:
    assert on_failure(Health(), FailureKind.internal, NOW) == Health()


@given(st.lists(st.one_of(st.sampled_from(list(FailureKind)), st.none()), max_size=60), st.integers(0, 60))
def test_every_history_ends_in_a_state_that_a_success_heals(history: list[FailureKind | None], step: int) -> None:
    health, now = Health(), NOW
    for failure in history:
        now += step * US_PER_SECOND
        health = on_success(health, now) if failure is None else on_failure(health, failure, now, key="k")
        assert isinstance(breaker_state(health, now, "k"), Closed | HalfOpen | RateLimited | Open)
    assert breaker_state(on_success(health, now), now, "k") == Closed()


def test_stored_health_keeps_the_keys_that_databases_hold() -> None:
    stored = b'{"fails":2,"since":3,"calls":4,"bad":5,"opens":6,"broken_until":7,"cooled_until":8,"trial_until":9,'
    stored += b'"reason":"failing","key":"k","flags":10,"flag":"size"}'
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
        anomalies=10,
        last_anomaly="size",
    )
    assert msgspec.json.decode(stored, type=Health) == health
    assert msgspec.json.encode(health) == stored
