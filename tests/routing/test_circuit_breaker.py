"""UP-4: what outcomes do to the health of a route or an upstream."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imagegate.domain.tasks import Trouble
from imagegate.routing.circuit_breaker import (
    FIRST_US,
    LONG_FIRST_US,
    LONGEST_US,
    SECOND,
    Broken,
    Cooling,
    Free,
    Health,
    Trial,
    on_success,
    on_trouble,
    state,
)

NOW = 1_795_000_000 * SECOND


def after(*troubles: Trouble, health: Health | None = None, step_us: int = SECOND) -> tuple[Health, int]:
    health, now = health or Health(), NOW
    for trouble in troubles:
        now += step_us
        health = on_trouble(health, trouble, now)
    return health, now


def test_up_4_five_failures_in_a_row_break_a_route() -> None:
    health, now = after(*[Trouble.failing] * 4)
    assert state(health, now) == Free()
    health, now = after(*[Trouble.failing] * 5)
    assert state(health, now) == Broken(now + FIRST_US, "failing")


def test_up_4_half_of_ten_calls_in_half_a_minute_break_it() -> None:
    health, now = Health(), NOW
    for turn in range(10):
        now += SECOND
        health = on_success(health, now) if turn % 2 == 0 else on_trouble(health, Trouble.failing, now)
    assert isinstance(state(health, now), Broken)


def test_up_4_half_of_ten_calls_over_a_longer_time_do_not() -> None:
    health, now = Health(), NOW
    for turn in range(30):
        now += 10 * SECOND
        health = on_success(health, now) if turn % 2 == 0 else on_trouble(health, Trouble.failing, now)
    assert state(health, now) == Free()


def test_up_4_one_trial_then_double_the_time_up_to_five_minutes() -> None:
    health, now = after(*[Trouble.failing] * 5)
    waits = []
    for _ in range(7):
        broken = state(health, now)
        assert isinstance(broken, Broken)
        waits.append(broken.until - now)
        now = broken.until
        assert state(health, now) == Trial()
        health = on_trouble(health, Trouble.failing, now)
    assert waits == [min(FIRST_US * 2**turn, LONGEST_US) for turn in range(7)]
    assert state(on_success(health, now), now) == Free()


def test_up_4_throttling_cools_by_retry_after_and_is_no_failure() -> None:
    health = on_trouble(Health(), Trouble.throttled, NOW, retry_after_us=7 * SECOND)
    assert state(health, NOW) == Cooling(NOW + 7 * SECOND)
    assert state(health, NOW + 7 * SECOND) == Free()
    assert health.fails == 0
    unsaid = on_trouble(Health(), Trouble.throttled, NOW)
    assert state(unsaid, NOW) == Cooling(NOW + 10 * SECOND)


def test_an_unpaid_account_stays_shut_for_half_an_hour_and_longer_each_time() -> None:
    health = on_trouble(Health(), Trouble.unpaid, NOW)
    assert state(health, NOW) == Broken(NOW + LONG_FIRST_US, "the operator's account there is out of funds")
    again = on_trouble(health, Trouble.unpaid, NOW + LONG_FIRST_US)
    assert state(again, NOW + LONG_FIRST_US) == Broken(NOW + 3 * LONG_FIRST_US, health.reason)


def test_a_refused_key_is_out_until_it_changes() -> None:
    health = on_trouble(Health(), Trouble.bad_key, NOW, key="old")
    assert isinstance(state(health, NOW + 10**12, "old"), Broken)
    assert state(health, NOW, "new") == Free()
    assert on_success(health, NOW).key == ""


def test_our_own_trouble_says_nothing_about_the_upstream() -> None:
    assert on_trouble(Health(), Trouble.ours, NOW) == Health()


@given(st.lists(st.one_of(st.sampled_from(list(Trouble)), st.none()), max_size=60), st.integers(0, 60))
def test_every_history_ends_in_a_state_that_a_success_heals(history: list[Trouble | None], step: int) -> None:
    health, now = Health(), NOW
    for trouble in history:
        now += step * SECOND
        health = on_success(health, now) if trouble is None else on_trouble(health, trouble, now, key="k")
        assert isinstance(state(health, now, "k"), Free | Trial | Cooling | Broken)
    assert state(on_success(health, now), now, "k") == Free()
