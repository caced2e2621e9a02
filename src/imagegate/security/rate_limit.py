"""How often something may be done: GCRA, as arithmetic on whole microseconds.

Knows: a quota, the moment at which a bucket is whole again, and what one more request makes of that moment. Refuses to
know: whose bucket it is, where the moment is kept and what the time is.

A bucket that has not been used for a while takes its whole quota at once and then one more every `interval_us`; over
any m
minutes at most (m + 1) quotas pass. One number per bucket is all that is kept.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.time import US_PER_MINUTE

MAX_REQUESTS_PER_MINUTE = 1_000_000


class Quota(msgspec.Struct, frozen=True):
    """At most `requests` (1 to MOST_PER_MINUTE) a minute out of `bucket`; `policy` is its name in answers."""

    policy: str
    bucket: str
    requests: int

    @property
    def interval_us(self) -> int:
        """Between two requests at the full rate, in microseconds, rounded up: never more than the quota."""
        return -(-US_PER_MINUTE // self.requests)

    @property
    def burst_us(self) -> int:
        """How far ahead of now a bucket may be spent."""
        return self.interval_us * self.requests


class QuotaStatus(msgspec.Struct, frozen=True):
    """What is left of a quota: `remaining` requests now, one more in `next_request_us`, all of them in `reset_us`."""

    quota: Quota
    remaining: int
    next_request_us: int
    reset_us: int


class Allowed(msgspec.Struct, frozen=True):
    """The request passes; `full_at` is what its buckets hold from now on."""

    full_at: dict[str, int]
    statuses: tuple[QuotaStatus, ...]


class Denied(msgspec.Struct, frozen=True):
    """Too soon: nothing was taken from any bucket. Come again in `retry_after_us` microseconds, at least 1."""

    retry_after_us: int
    statuses: tuple[QuotaStatus, ...]

    def after(self, elapsed_us: int) -> Denied:
        """The same refusal, this much nearer to its end."""
        statuses = tuple(
            QuotaStatus(
                one.quota, one.remaining, max(0, one.next_request_us - elapsed_us), max(0, one.reset_us - elapsed_us)
            )
            for one in self.statuses
        )
        return Denied(max(1, self.retry_after_us - elapsed_us), statuses)


def take(quotas: tuple[Quota, ...], full_at: dict[str, int], now: int) -> Allowed | Denied:
    """One request out of every quota, or out of none. A bucket that is not in `full_at` is whole."""
    before = [_clamp(quota, full_at.get(quota.bucket, now), now) for quota in quotas]
    after = [moment + quota.interval_us for quota, moment in zip(quotas, before, strict=True)]
    wait_us = max(moment - now - quota.burst_us for quota, moment in zip(quotas, after, strict=True))
    if wait_us > 0:
        return Denied(wait_us, _statuses(quotas, before, now))
    return Allowed(
        {quota.bucket: moment for quota, moment in zip(quotas, after, strict=True)}, _statuses(quotas, after, now)
    )


def _clamp(quota: Quota, moment: int, now: int) -> int:
    """A moment further ahead than any request can put it was written before the clock was set back: begin anew."""
    return moment if now < moment <= now + 2 * quota.burst_us else now


def _statuses(quotas: tuple[Quota, ...], moments: list[int], now: int) -> tuple[QuotaStatus, ...]:
    return tuple(_status(quota, moment - now) for quota, moment in zip(quotas, moments, strict=True))


def _status(quota: Quota, ahead_us: int) -> QuotaStatus:
    free_us = max(0, quota.burst_us - ahead_us)
    return QuotaStatus(
        quota, free_us // quota.interval_us, max(0, quota.interval_us - quota.burst_us + ahead_us), ahead_us
    )
