"""Clocks."""

from __future__ import annotations

from imagegate.domain.time import US_PER_HOUR, US_PER_MS, US_PER_SECOND, FollowingClock


def test_a_clock_that_follows_another_shows_its_time_and_never_moves_for_a_small_difference() -> None:
    monotonic = [7 * US_PER_HOUR]
    start = 1_795_000_000 * US_PER_SECOND
    clock = FollowingClock(start, lambda: monotonic[0])
    assert clock() == start
    monotonic[0] += US_PER_SECOND
    assert clock() == start + US_PER_SECOND
    clock.follow(clock() - 200 * US_PER_MS, monotonic[0])
    assert clock() == start + US_PER_SECOND, "that much may be the time of the read"
    clock.follow(start + US_PER_HOUR, monotonic[0])
    assert clock() == start + US_PER_HOUR, "the other one was set"
    asked = monotonic[0]
    monotonic[0] += 3 * US_PER_SECOND
    clock.follow(start, asked)
    assert clock() == start + US_PER_HOUR + 3 * US_PER_SECOND, "a look that took seconds says nothing"
