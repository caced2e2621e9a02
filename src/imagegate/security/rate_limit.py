"""How often something may be done: GCRA, as arithmetic on whole microseconds.

Knows: a quota, the moment at which a bucket is whole again, and what one more request makes of that moment. Refuses to
know: whose bucket it is, where the moment is kept and what the time is.

A bucket that has not been used for a while takes its whole quota at once and then one more every `step`; over any m
minutes at most (m + 1) quotas pass. One number per bucket is all that is kept.
"""

from __future__ import annotations

import msgspec

MINUTE_US = 60_000_000
MOST_PER_MINUTE = 1_000_000


class Quota(msgspec.Struct, frozen=True):
    """At most `requests` (1 to MOST_PER_MINUTE) a minute out of `bucket`; `policy` is its name in answers."""

    policy: str
    bucket: str
    requests: int

    @property
    def step(self) -> int:
        """Between two requests at the full rate, in microseconds, rounded up: never more than the quota."""
        return -(-MINUTE_US // self.requests)

    @property
    def depth(self) -> int:
        """How far ahead of now a bucket may be spent."""
        return self.step * self.requests


class Spent(msgspec.Struct, frozen=True):
    """What is left of a quota: `remaining` requests now, one more in `next_us`, all of them in `whole_us`."""

    quota: Quota
    remaining: int
    next_us: int
    whole_us: int


class Passed(msgspec.Struct, frozen=True):
    """The request passes; `whole_at` is what its buckets hold from now on."""

    whole_at: dict[str, int]
    spent: tuple[Spent, ...]


class Refused(msgspec.Struct, frozen=True):
    """Too soon: nothing was taken from any bucket. Come again in `retry_us` microseconds, at least 1."""

    retry_us: int
    spent: tuple[Spent, ...]

    def later(self, passed_us: int) -> Refused:
        """The same refusal, this much nearer to its end."""
        spent = tuple(
            Spent(one.quota, one.remaining, max(0, one.next_us - passed_us), max(0, one.whole_us - passed_us))
            for one in self.spent
        )
        return Refused(max(1, self.retry_us - passed_us), spent)


def take(quotas: tuple[Quota, ...], whole_at: dict[str, int], now: int) -> Passed | Refused:
    """One request out of every quota, or out of none. A bucket that is not in `whole_at` is whole."""
    before = [_within(quota, whole_at.get(quota.bucket, now), now) for quota in quotas]
    after = [moment + quota.step for quota, moment in zip(quotas, before, strict=True)]
    late = max(moment - now - quota.depth for quota, moment in zip(quotas, after, strict=True))
    if late > 0:
        return Refused(late, _spent(quotas, before, now))
    return Passed(
        {quota.bucket: moment for quota, moment in zip(quotas, after, strict=True)}, _spent(quotas, after, now)
    )


def _within(quota: Quota, moment: int, now: int) -> int:
    """A moment further ahead than any request can put it was written before the clock was set back: begin anew."""
    return moment if now < moment <= now + 2 * quota.depth else now


def _spent(quotas: tuple[Quota, ...], moments: list[int], now: int) -> tuple[Spent, ...]:
    return tuple(_left(quota, moment - now) for quota, moment in zip(quotas, moments, strict=True))


def _left(quota: Quota, ahead: int) -> Spent:
    free = max(0, quota.depth - ahead)
    return Spent(quota, free // quota.step, max(0, quota.step - quota.depth + ahead), ahead)
