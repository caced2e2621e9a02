"""Rate limiting: the GCRA (generic cell rate algorithm), and a limiter that keeps its buckets.

A bucket is one number: the moment, in microseconds, at which it is full again. One that has rested passes its whole
burst at once and then one request every `interval_us`; over any m minutes at most (m + 1) quotas pass.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import msgspec

from imagegate.domain.time import US_PER_MINUTE, US_PER_SECOND

MAX_REQUESTS_PER_MINUTE = 1_000_000
_TIDY_SIZE = 10_000


class Quota(msgspec.Struct, frozen=True):
    """At most `requests` (1 to MAX_REQUESTS_PER_MINUTE) a minute out of `bucket`; `policy` is its name in headers.

    `burst`: how many may come at once, a minute's worth where it is 0. `max_cost`: what one request takes at most.
    """

    policy: str
    bucket: str
    requests: int
    burst: int = 0
    max_cost: int = 1

    @property
    def interval_us(self) -> int:
        """Between two requests at the full rate, rounded up: never more than the quota."""
        return -(-US_PER_MINUTE // self.requests)

    @property
    def burst_us(self) -> int:
        """How far ahead of now the bucket may be."""
        return self.interval_us * (self.burst or self.requests)


class QuotaStatus(msgspec.Struct, frozen=True):
    """What is left of a quota: `remaining` requests now, one more in `next_request_us`, all in `reset_us`."""

    quota: Quota
    remaining: int
    next_request_us: int
    reset_us: int


class Allowed(msgspec.Struct, frozen=True):
    """The request passes; `full_at` is what its buckets hold from now on."""

    full_at: dict[str, int]
    statuses: tuple[QuotaStatus, ...]


class Denied(msgspec.Struct, frozen=True):
    """Too soon, and nothing was taken from any bucket. The same request passes in `retry_after_us`, at least 1."""

    retry_after_us: int
    statuses: tuple[QuotaStatus, ...]

    def after(self, elapsed_us: int) -> Denied:
        """The same refusal as it reads `elapsed_us` later."""
        statuses = tuple(
            QuotaStatus(
                one.quota, one.remaining, max(0, one.next_request_us - elapsed_us), max(0, one.reset_us - elapsed_us)
            )
            for one in self.statuses
        )
        return Denied(max(1, self.retry_after_us - elapsed_us), statuses)


def take(quotas: tuple[Quota, ...], full_at: dict[str, int], now: int, cost: int = 1) -> Allowed | Denied:
    """One request out of every quota, or out of none. A bucket that is not in `full_at` is full.

    A request of a higher `cost` passes where one of cost 1 would, and is paid for by those that follow.
    """
    before = [_clamp(quota, full_at.get(quota.bucket, now), now) for quota in quotas]
    ahead = [moment + quota.interval_us - now - quota.burst_us for quota, moment in zip(quotas, before, strict=True)]
    if max(ahead) > 0:
        return Denied(max(ahead), _statuses(quotas, before, now))
    after = [moment + cost * quota.interval_us for quota, moment in zip(quotas, before, strict=True)]
    return Allowed(
        {quota.bucket: moment for quota, moment in zip(quotas, after, strict=True)}, _statuses(quotas, after, now)
    )


def _clamp(quota: Quota, moment: int, now: int) -> int:
    """A moment further ahead than any request can put it was written before the clock was set back: start anew."""
    furthest = now + quota.burst_us + max(quota.burst_us, quota.max_cost * quota.interval_us)
    return moment if now < moment <= furthest else now


def _statuses(quotas: tuple[Quota, ...], moments: list[int], now: int) -> tuple[QuotaStatus, ...]:
    return tuple(_status(quota, moment - now) for quota, moment in zip(quotas, moments, strict=True))


def _status(quota: Quota, ahead_us: int) -> QuotaStatus:
    free_us = max(0, quota.burst_us - ahead_us)
    next_request_us = max(0, quota.interval_us - quota.burst_us + ahead_us)
    return QuotaStatus(quota, free_us // quota.interval_us, next_request_us, ahead_us)


TakeShared = Callable[[tuple[Quota, ...]], Awaitable[Allowed | Denied]]


class RateLimiter:
    """Takes requests out of buckets that it keeps in memory, or that `take_shared` keeps for several processes.

    `clock` gives UTC microseconds. A refusal by shared buckets is remembered until it ends: a caller who hammers costs
    the database nothing.
    """

    def __init__(
        self,
        clock: Callable[[], int],
        take_shared: TakeShared | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._take_shared = take_shared
        self._monotonic = monotonic
        self._full_at: dict[str, int] = {}
        self._denied: dict[tuple[Quota, ...], tuple[float, Denied]] = {}
        self._tidy_at = _TIDY_SIZE

    async def take(self, *quotas: Quota) -> Allowed | Denied:
        """One request out of every quota, or out of none."""
        if self._take_shared is None:
            return self._take_local(quotas)
        until, denied = self._denied.get(quotas, (0.0, None))
        left_us = int((until - self._monotonic()) * US_PER_SECOND)
        if denied is not None and left_us > 0:
            return denied.after(denied.retry_after_us - left_us)
        self._denied.pop(quotas, None)
        result = await self._take_shared(quotas)
        if isinstance(result, Denied):
            self._remember(quotas, result)
        return result

    def _take_local(self, quotas: tuple[Quota, ...]) -> Allowed | Denied:
        now = self._clock()
        result = take(quotas, self._full_at, now)
        if isinstance(result, Allowed):
            self._full_at.update(result.full_at)
        if len(self._full_at) > self._tidy_at:  # a full bucket says no more than an absent one
            self._full_at = {bucket: moment for bucket, moment in self._full_at.items() if moment > now}
            self._tidy_at = max(_TIDY_SIZE, 2 * len(self._full_at))
        return result

    def _remember(self, quotas: tuple[Quota, ...], denied: Denied) -> None:
        now = self._monotonic()
        if len(self._denied) > self._tidy_at:
            self._denied = {known: entry for known, entry in self._denied.items() if entry[0] > now}
            self._tidy_at = max(_TIDY_SIZE, 2 * len(self._denied))
        self._denied[quotas] = (now + denied.retry_after_us / US_PER_SECOND, denied)
