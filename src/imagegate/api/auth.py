"""Authentication: from the Authorization header to the key, and the scope that an endpoint declares.

The endpoint checks both before every handler of the API. It reads the declared operation, so no handler can ask for a
scope that its document does not name.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from imagegate.api.body import ApiRequest
from imagegate.api.client_address import client_address, is_listed
from imagegate.api.rate_limits import rate_limit_headers, rate_limit_problem, request_quotas
from imagegate.domain.accounts import ApiKey
from imagegate.domain.audit import Actor
from imagegate.domain.errors import InvalidRequest, IpRestricted, RateLimitExceeded, Unauthorized
from imagegate.domain.time import US_PER_MINUTE, US_PER_SECOND, ceil_seconds
from imagegate.runtime import Runtime
from imagegate.security.api_keys import PREFIXES, hash_key, is_well_formed
from imagegate.security.rate_limit import Allowed, Denied, Quota, RateLimiter
from imagegate.security.signing import TOKEN_PREFIX, PageToken, verify_page_token
from imagegate.store.api_keys import find_key_by_digest
from imagegate.store.rate_buckets import bucket_table
from imagegate.store.sessions import find_session_key

_MAX_CACHED = 10_000
_KEY_QUERY_PARAMETERS = ("key", "api_key", "apikey", "access_token", "token")


class Authenticator:
    """Remembers good keys for `key_cache_s` and counts failed tries per address and minute."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._limiter = RateLimiter(runtime.clock, bucket_table(runtime.db))
        self._failed_logins = RateLimiter(runtime.clock)
        self._pepper = runtime.keyring.pepper
        self._cached_keys: OrderedDict[str, tuple[float, ApiKey]] = OrderedDict()

    async def authenticate(self, request: ApiRequest) -> ApiKey:
        """The live key of this request. Unknown, disabled, expired and malformed keys get the same answer."""
        if request.scope["query_string"]:
            _refuse_key_in_query(request)
        header = request.header("authorization")
        key = await self._find_live_key(bearer(header)) if header is not None else None
        if key is None:
            if header is not None:
                request_id = request.scope["state"]["request_id"]
                self._runtime.failed_logins.record("key", self.client_address(request), request_id)
            await self._count_failure(self.client_address(request))
            raise Unauthorized("Authentication required" if header is None else "")
        if key.ips is not None and not is_listed(self.client_address(request), key.ips):
            raise IpRestricted
        await self._check_rate_limit(request, key)
        return key

    def client_address(self, request: ApiRequest) -> str:
        return client_address(request, self._runtime.settings.server.trusted_proxies)

    async def _check_rate_limit(self, request: ApiRequest, key: ApiKey) -> None:
        """Counted before the body is read or anything is looked up: a refused request costs next to nothing."""
        quotas = request_quotas(self._runtime.settings.limits, key)
        if not quotas:
            return
        result = await self._limiter.take(*quotas)
        request.scope["state"]["limits"] = rate_limit_headers(result)
        if isinstance(result, Denied):
            raise rate_limit_problem(result)

    async def _find_live_key(self, value: str) -> ApiKey | None:
        """A key or session that was ended elsewhere keeps working for at most `key_cache_s`."""
        token, name, clock = None, value, self._runtime.clock
        if value.startswith(TOKEN_PREFIX):
            now_s, keys = clock() // US_PER_SECOND, self._runtime.keyring.accepted_keys("page-token", clock())
            token = next((one for key in keys if (one := verify_page_token(key, value, now_s))), None)
            if token is None:
                return None
        elif is_well_formed(value):
            name = hash_key(self._pepper, value)
        else:
            return None
        now = time.monotonic()
        until, key = self._cached_keys.get(name, (0.0, None))
        if key is None or until < now:
            key = await self._load_key(name, token)
            if key is not None and key.is_active(clock()):
                self._cache_key(name, now + self._runtime.settings.limits.key_cache_s, key)
        return key if key and key.is_active(clock()) else None

    async def _load_key(self, digest: str, token: PageToken | None) -> ApiKey | None:
        """A page token stands for its key while its session lives."""
        read = self._runtime.db.read
        if token is None:
            return await read(find_key_by_digest, digest)
        return await read(find_session_key, token.account_id, token.key_id, token.session)

    def _cache_key(self, hashed: str, until: float, key: ApiKey) -> None:
        self._cached_keys[hashed] = (until, key)
        self._cached_keys.move_to_end(hashed)
        if len(self._cached_keys) > _MAX_CACHED:
            self._cached_keys.popitem(last=False)

    async def _count_failure(self, address: str) -> None:
        """429 above the limit of the address, which slows down guessing. Each process counts for itself."""
        limit = self._runtime.settings.limits.failed_logins_per_minute
        result = await self._failed_logins.take(Quota("failed_logins", address, limit)) if limit else None
        if isinstance(result, Allowed):
            return
        retry_after_us = result.retry_after_us if result else US_PER_MINUTE
        raise RateLimitExceeded(
            "Too many failed authentications, please try again in a minute",
            reason="failed_logins",
            headers={"Retry-After": str(ceil_seconds(retry_after_us))},
        )


def _refuse_key_in_query(request: ApiRequest) -> None:
    query = request.query_params
    if any(name in query for name in _KEY_QUERY_PARAMETERS) or any(
        value.startswith((*PREFIXES, TOKEN_PREFIX)) for value in query.values()
    ):
        raise InvalidRequest("Send the key in the Authorization header, never in the URL", param="Authorization")


def bearer(header: str) -> str:
    """The credential of an Authorization header; empty for another scheme."""
    scheme, _, value = header.partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def build_actor_provider(authenticator: Authenticator) -> Callable[[ApiRequest], Actor]:
    def provide_actor(request: ApiRequest) -> Actor:
        """The argument `actor` of handlers: whom the audit log names."""
        key: ApiKey = request.scope["state"]["key"]
        through_page = bearer(request.headers.get("authorization", "")).startswith(TOKEN_PREFIX)
        return Actor(
            name=f"key:{key.id}",
            via="page" if through_page else "api",
            address=authenticator.client_address(request),
            request_id=request.scope["state"]["request_id"],
        )

    return provide_actor


def authenticated_key(request: ApiRequest) -> ApiKey:
    """The argument `key` of handlers: what the endpoint found."""
    key: ApiKey = request.scope["state"]["key"]
    return key
