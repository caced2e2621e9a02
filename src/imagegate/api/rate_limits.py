"""Request quotas of a key and its account, limits of what costs no credits, and what tells callers of them."""

from __future__ import annotations

from imagegate.domain.accounts import ApiKey
from imagegate.domain.errors import RateLimitExceeded
from imagegate.domain.time import ceil_seconds
from imagegate.runtime import Runtime
from imagegate.security.rate_limit import Allowed, Denied, Quota, QuotaStatus, RateLimiter
from imagegate.settings import Limits
from imagegate.store.rate_buckets import bucket_table

Headers = list[tuple[bytes, bytes]]


def request_quotas(limits: Limits, key: ApiKey) -> tuple[Quota, ...]:
    """The quotas that a request of this key takes from, the narrower one first; empty where nothing limits it."""
    quotas = []
    if key.rate_per_minute is not None:
        quotas.append(Quota("key", key.id, key.rate_per_minute))
    if limits.account_requests_per_minute:
        quotas.append(Quota("account", key.account_id, limits.account_requests_per_minute))
    return tuple(quotas)


def rate_limit_problem(denied: Denied) -> RateLimitExceeded:
    tightest = min(denied.statuses, key=lambda one: one.remaining)
    whose = "key" if tightest.quota.policy == "key" else "account"
    return RateLimitExceeded(
        f"Too many requests: this {whose} may make {tightest.quota.requests:,} a minute; please try again later",
        headers={"Retry-After": str(ceil_seconds(denied.retry_after_us))},
    )


def rate_limit_headers(result: Allowed | Denied) -> Headers:
    """The headers of a response, whether the request passed or not.

    `t` of RateLimit: seconds until there is another request where none is left, else until all of them are.
    `x-ratelimit-*` speak of the quota that ends first; their reset is a duration such as `12s`.
    """
    first = min(result.statuses, key=lambda one: (one.remaining, -one.reset_us))
    fields = {
        "RateLimit-Policy": ", ".join(f'"{one.quota.policy}";q={one.quota.requests};w=60' for one in result.statuses),
        "RateLimit": ", ".join(f'"{one.quota.policy}";r={one.remaining};t={_reset_s(one)}' for one in result.statuses),
        "x-ratelimit-limit-requests": str(first.quota.requests),
        "x-ratelimit-remaining-requests": str(first.remaining),
        "x-ratelimit-reset-requests": f"{ceil_seconds(first.reset_us)}s",
    }
    return [(name.lower().encode(), value.encode()) for name, value in fields.items()]


class ActionLimiter:
    """Bounds, for each account, what costs no credits but makes rows or connections."""

    def __init__(self, runtime: Runtime) -> None:
        self._limits = runtime.settings.limits
        self._limiter = RateLimiter(runtime.clock, bucket_table(runtime.db))

    async def count_webhook_send(self, account_id: str) -> None:
        """A test or a replay. RateLimitExceeded."""
        await self._take(
            "webhook_sends", account_id, self._limits.webhook_sends_per_minute, "webhook tests and replays"
        )

    async def count_new_key(self, account_id: str) -> None:
        """RateLimitExceeded."""
        await self._take("new_keys", account_id, self._limits.new_keys_per_minute, "new keys")

    async def _take(self, policy: str, account_id: str, per_minute: int, actions: str) -> None:
        if per_minute == 0:
            return
        result = await self._limiter.take(Quota(policy, f"{policy}:{account_id}", per_minute))
        if isinstance(result, Denied):
            raise RateLimitExceeded(
                f"Too many {actions}: this account may make {per_minute:,} a minute; please try again later",
                reason=policy,
                headers={"Retry-After": str(ceil_seconds(result.retry_after_us))},
            )


def _reset_s(one: QuotaStatus) -> int:
    return ceil_seconds(one.reset_us if one.remaining else one.next_request_us)
