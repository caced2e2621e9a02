"""How many requests: counted per key and per account, and told in headers.

Knows: which quotas a key has, where their buckets are kept, and how what is left is written. Refuses to know: the
arithmetic, and what a request asks for. Whoever has no limit is not counted at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from imagegate.domain.accounts import ApiKey
from imagegate.domain.errors import RateLimitExceeded
from imagegate.domain.time import US_PER_SECOND
from imagegate.runtime import Runtime
from imagegate.security.rate_limit import Allowed, Denied, Quota, QuotaStatus, take
from imagegate.store.rate_buckets import order_of, take_shared

Headers = list[tuple[bytes, bytes]]
_MAX_REMEMBERED = 10_000


class RequestRateLimiter:
    """One process serves from SQLite, so its memory is the truth; several serve from PostgreSQL and share a table.

    There a refusal is remembered until it ends: a caller who hammers costs the database nothing.
    """

    def __init__(self, runtime: Runtime, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._runtime = runtime
        self._monotonic = monotonic
        self._whole_at: dict[str, int] = {}
        self._refused: dict[tuple[Quota, ...], tuple[float, Denied]] = {}
        self._prune_at = _MAX_REMEMBERED

    def quotas(self, key: ApiKey) -> tuple[Quota, ...]:
        """The narrower one first."""
        account_limit = self._runtime.settings.limits.account_requests_per_minute
        found = []
        if key.rate_per_minute is not None:
            found.append(Quota("key", key.id, key.rate_per_minute))
        if account_limit:
            found.append(Quota("account", key.account_id, account_limit))
        return tuple(found)

    async def take_request(self, key: ApiKey) -> Allowed | Denied | None:
        """Take this request from the key's quotas; None where it has none."""
        quotas = self.quotas(key)
        if not quotas:
            return None
        return await self._take_shared(quotas) if self._runtime.db.engine.shared else self._take_local(quotas)

    def _take_local(self, quotas: tuple[Quota, ...]) -> Allowed | Denied:
        now = self._runtime.clock()
        result = take(quotas, self._whole_at, now)
        if isinstance(result, Allowed):
            self._whole_at.update(result.full_at)
        if len(self._whole_at) > self._prune_at:
            self._whole_at = {bucket: moment for bucket, moment in self._whole_at.items() if moment > now}
            self._prune_at = max(_MAX_REMEMBERED, 2 * len(self._whole_at))
        return result

    async def _take_shared(self, quotas: tuple[Quota, ...]) -> Allowed | Denied:
        until, refused = self._refused.get(quotas, (0.0, None))
        left_us = int((until - self._monotonic()) * US_PER_SECOND)
        if refused is not None and left_us > 0:
            return refused.after(refused.retry_after_us - left_us)
        self._refused.pop(quotas, None)
        result = await self._runtime.db.write(take_shared, order_of(quotas), quotas)
        if isinstance(result, Denied):
            self._remember(quotas, result)
        return result

    def _remember(self, quotas: tuple[Quota, ...], refused: Denied) -> None:
        now = self._monotonic()
        if len(self._refused) > self._prune_at:
            self._refused = {known: one for known, one in self._refused.items() if one[0] > now}
            self._prune_at = max(_MAX_REMEMBERED, 2 * len(self._refused))
        self._refused[quotas] = (now + refused.retry_after_us / US_PER_SECOND, refused)


def rate_limit_problem(refused: Denied) -> RateLimitExceeded:
    tightest = min(refused.statuses, key=lambda one: one.remaining)
    whose = "key" if tightest.quota.policy == "key" else "account"
    return RateLimitExceeded(
        f"Too many requests: this {whose} may make {tightest.quota.requests:,} a minute; please try again later",
        headers={"Retry-After": str(_ceil_seconds(refused.retry_after_us))},
    )


def rate_limit_headers(result: Allowed | Denied) -> Headers:
    """The headers of an answer, whether the request passed or not.

    `t` of RateLimit: seconds until there is another request where none is left, else until the quota is whole.
    `x-ratelimit-*` speak of the quota that ends first; their reset is a duration such as `12s`.
    """
    first = min(result.statuses, key=lambda one: (one.remaining, -one.reset_us))
    fields = {
        "RateLimit-Policy": ", ".join(f'"{one.quota.policy}";q={one.quota.requests};w=60' for one in result.statuses),
        "RateLimit": ", ".join(f'"{one.quota.policy}";r={one.remaining};t={_reset_s(one)}' for one in result.statuses),
        "x-ratelimit-limit-requests": str(first.quota.requests),
        "x-ratelimit-remaining-requests": str(first.remaining),
        "x-ratelimit-reset-requests": f"{_ceil_seconds(first.reset_us)}s",
    }
    return [(name.lower().encode(), value.encode()) for name, value in fields.items()]


def _reset_s(one: QuotaStatus) -> int:
    return _ceil_seconds(one.reset_us if one.remaining else one.next_request_us)


def _ceil_seconds(microseconds: int) -> int:
    """Whole seconds, never too few."""
    return -(-microseconds // US_PER_SECOND)
