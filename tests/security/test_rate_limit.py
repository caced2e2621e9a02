"""KEY-5: how often: a quota at once, then evenly, and never more; in memory and in shared buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.domain.time import US_PER_MINUTE, US_PER_SECOND
from imagegate.security.rate_limit import MAX_REQUESTS_PER_MINUTE, Allowed, Denied, Quota, RateLimiter, take

START = 1_795_000_000_000_000
RATES = [1, 2, 7, 60, 999, MAX_REQUESTS_PER_MINUTE]


def allowed_moments(quota: Quota, moments: list[int]) -> list[int]:
    """The moments whose request passes."""
    state: dict[str, int] = {}
    found = []
    for now in moments:
        result = take((quota,), state, now)
        if isinstance(result, Allowed):
            state |= result.full_at
            found.append(now)
    return found


@pytest.mark.parametrize("requests", [1, 2, 7, 60, 999])
def test_a_whole_quota_passes_at_once_and_then_one_each_step(requests: int) -> None:
    quota = Quota("key", "k", requests)
    assert len(allowed_moments(quota, [START] * (requests + 5))) == requests
    over = [START] * requests + [START + quota.interval_us - 1, START + quota.interval_us, START + quota.interval_us]
    assert allowed_moments(quota, over)[requests:] == [START + quota.interval_us]


@given(
    requests=st.sampled_from(RATES[:5]),
    gaps=st.lists(st.integers(0, US_PER_MINUTE // 4), min_size=1, max_size=300),
)
def test_over_any_minutes_no_more_than_a_quota_more_than_minutes(requests: int, gaps: list[int]) -> None:
    moments = [START]
    for gap in gaps:
        moments.append(moments[-1] + gap)
    found = allowed_moments(Quota("key", "k", requests), moments)
    for first in range(len(found)):
        for last in range(first, len(found)):
            stretch = found[last] - found[first]
            assert last - first + 1 <= requests + stretch * requests // US_PER_MINUTE


@given(requests=st.sampled_from(RATES), used=st.integers(1, 2000), wait=st.integers(0, 2 * US_PER_MINUTE))
def test_a_request_passes_at_its_retry_after_and_not_before(requests: int, used: int, wait: int) -> None:
    quota, now = Quota("key", "k", requests), START
    state: dict[str, int] = {}
    for _ in range(min(used, requests) + 1):
        result = take((quota,), state, now)
        if isinstance(result, Denied):
            assert isinstance(take((quota,), state, now + result.retry_after_us - 1), Denied)
            now += result.retry_after_us
            result = take((quota,), state, now)
        assert isinstance(result, Allowed)
        state |= result.full_at
    left = result.statuses[0]
    assert left.remaining == len(allowed_now(quota, state, now))
    assert isinstance(take((quota,), state, now + left.next_request_us), Allowed)
    whole = take((quota,), state, now + left.reset_us + wait)
    assert whole.statuses[0].remaining == requests - 1


def allowed_now(quota: Quota, state: dict[str, int], now: int) -> list[int]:
    """How many more pass at this moment; only counted where they are few."""
    state = dict(state)
    found = []
    while isinstance(result := take((quota,), state, now), Allowed):
        state |= result.full_at
        found.append(now)
        if len(found) >= 2000:
            return [now] * result.statuses[0].remaining + found
    return found


def test_two_quotas_are_taken_together_or_not_at_all() -> None:
    narrow, wide = Quota("key", "k", 1), Quota("account", "a", 10)
    first = take((narrow, wide), {}, START)
    assert isinstance(first, Allowed)
    assert [one.remaining for one in first.statuses] == [0, 9]
    again = take((narrow, wide), first.full_at, START + 1)
    assert isinstance(again, Denied)
    assert [one.remaining for one in again.statuses] == [0, 9]
    assert again.retry_after_us == US_PER_MINUTE - 1


def test_a_clock_that_is_set_back_blocks_nobody_for_long() -> None:
    quota, hour = Quota("key", "k", 5), 60 * US_PER_MINUTE
    assert isinstance(take((quota,), {"k": START + hour}, START), Allowed)
    near = take((quota,), {"k": START + US_PER_MINUTE + 1}, START)
    assert isinstance(near, Denied)
    assert near.retry_after_us <= US_PER_MINUTE
    assert near.statuses[0].remaining == 0


@given(rate=st.integers(1, 1000), costs=st.lists(st.integers(1, 10), min_size=1, max_size=60))
def test_requests_of_a_higher_cost_are_paid_for_by_those_that_follow(rate: int, costs: list[int]) -> None:
    """Whatever the costs: each request comes as soon as it may, and no minute passes more than rate and burst."""
    burst = max(1, rate // 5)
    quota, now, state = Quota("rate", "u", rate, burst=burst, max_cost=10), START, dict[str, int]()
    passed: list[tuple[int, int]] = []
    for cost in costs:
        result = take((quota,), state, now, cost)
        if isinstance(result, Denied):
            assert isinstance(take((quota,), state, now + result.retry_after_us - 1, cost), Denied)
            now += result.retry_after_us
            result = take((quota,), state, now, cost)
        assert isinstance(result, Allowed)
        state |= result.full_at
        passed.append((now, cost))
    for first, (begin, _) in enumerate(passed):
        within = [cost for moment, cost in passed[first:] if moment < begin + US_PER_MINUTE]
        assert sum(within[:-1]) <= rate + burst


async def test_a_limiter_keeps_its_buckets_in_memory() -> None:
    clock = FakeClock()
    limiter = RateLimiter(clock)
    key, account = Quota("key", "k", 2), Quota("account", "a", 10)
    assert [isinstance(await limiter.take(key, account), Allowed) for _ in range(3)] == [True, True, False]
    assert isinstance(await limiter.take(account), Allowed)
    clock.now += key.interval_us
    assert isinstance(await limiter.take(key), Allowed)


async def test_a_refusal_by_shared_buckets_is_remembered_until_it_ends() -> None:
    clock, asked, state = FakeClock(), [], dict[str, int]()

    async def take_shared(quotas: tuple[Quota, ...]) -> Allowed | Denied:
        asked.append(quotas)
        result = take(quotas, state, clock.now)
        if isinstance(result, Allowed):
            state.update(result.full_at)
        return result

    limiter = RateLimiter(clock, take_shared, monotonic=lambda: clock.now / US_PER_SECOND)
    quota = Quota("key", "k", 1)
    assert isinstance(await limiter.take(quota), Allowed)
    first = await limiter.take(quota)
    assert isinstance(first, Denied)
    clock.now += US_PER_MINUTE // 2
    later = await limiter.take(quota)
    assert isinstance(later, Denied)
    assert later == first.after(US_PER_MINUTE // 2)
    assert len(asked) == 2
    clock.now += US_PER_MINUTE // 2
    assert isinstance(await limiter.take(quota), Allowed)
    assert len(asked) == 3


class FakeClock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now
