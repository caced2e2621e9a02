"""Authentication: from the Authorization header to the key, and the scope that an endpoint declares.

The endpoint checks both before every handler of the API. It reads the declared operation, so no handler can ask for a
scope that its document does not name.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

from litestar.types import Scope

from imagegate.api.body import ApiRequest, header_of
from imagegate.api.client_address import client_address, is_listed
from imagegate.api.problems import is_openai_path
from imagegate.api.rate_limits import rate_limit_headers, rate_limit_problem, request_quotas
from imagegate.domain.accounts import ApiKey
from imagegate.domain.audit import Actor
from imagegate.domain.errors import InvalidRequest, IpRestricted, RateLimitExceeded, Unauthorized
from imagegate.domain.time import US_PER_MINUTE, US_PER_SECOND, ceil_seconds
from imagegate.runtime import Runtime
from imagegate.security.api_keys import PREFIXES, hash_key, is_well_formed
from imagegate.security.failed_logins import network_of
from imagegate.security.rate_limit import Allowed, Denied, Quota, RateLimiter
from imagegate.security.signing import TOKEN_PREFIX, verify_page_token
from imagegate.store.api_keys import find_key_by_digest
from imagegate.store.rate_buckets import bucket_table
from imagegate.store.sessions import find_session_key

_MAX_CACHED = 10_000
_KEY_QUERY_PARAMETERS = ("key", "api_key", "apikey", "access_token", "token")


class _CachedKey(NamedTuple):
    """`until` is of the monotonic clock; `expires`, UTC microseconds, of the page token that stands for the key."""

    until: float
    expires: float
    key: ApiKey


class Authenticator:
    """Remembers good keys for `key_cache_s` and counts failed tries per address and minute."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._limiter = RateLimiter(runtime.clock, bucket_table(runtime.db))
        self._failed_logins = RateLimiter(runtime.clock)
        self._visitors = RateLimiter(runtime.clock)
        self._pepper = runtime.keyring.pepper
        self._cache_secret = secrets.token_bytes(16)
        self._cached: dict[bytes, _CachedKey] = {}  # the one that was looked up last comes last
        self._loading: dict[bytes, asyncio.Future[_CachedKey | None]] = {}

    async def authenticate(self, scope: Scope) -> ApiKey:
        """The live key of this request. Unknown, disabled, expired and malformed keys get the same answer."""
        if scope["query_string"]:
            _refuse_key_in_query(scope)
        header = _credential(scope)
        key = await self._find_live_key(header) if header is not None else None
        if key is None:
            if header is not None:
                request_id = scope["state"]["request_id"]
                self._runtime.failed_logins.record("key", self.client_address(scope), request_id)
            await self._count_failure(self.client_address(scope))
            raise Unauthorized("Authentication required" if header is None else "")
        scope["state"]["key"] = key
        if key.ips is not None and not is_listed(self.client_address(scope), key.ips):
            raise IpRestricted
        await self._check_rate_limit(scope, key)
        return key

    async def authenticate_if_given(self, scope: Scope) -> ApiKey | None:
        """None for a visitor, who sends no key at all. RateLimitExceeded above what an address may ask for."""
        if _credential(scope) is not None:
            return await self.authenticate(scope)
        if scope["query_string"]:
            _refuse_key_in_query(scope)
        limit = self._runtime.settings.limits.visitor_requests_per_minute
        if limit == 0:
            raise Unauthorized("Authentication required")
        result = await self._visitors.take(Quota("visitors", network_of(self.client_address(scope)), limit))
        if isinstance(result, Denied):
            raise RateLimitExceeded(
                f"Without a key {limit:,} requests a minute are answered for one address; please try again later",
                reason="visitors",
                headers={"Retry-After": str(ceil_seconds(result.retry_after_us))},
            )
        scope["state"]["key"] = None
        return None

    def client_address(self, scope: Scope) -> str:
        return client_address(scope, self._runtime.settings.server.trusted_proxies)

    async def _check_rate_limit(self, scope: Scope, key: ApiKey) -> None:
        """Counted before the body is read or anything is looked up: a refused request costs next to nothing."""
        quotas = request_quotas(self._runtime.settings.limits, key)
        if not quotas:
            return
        result = await self._limiter.take(*quotas)
        scope["state"]["limits"] = rate_limit_headers(result)
        if isinstance(result, Denied):
            raise rate_limit_problem(result)

    async def _find_live_key(self, header: str) -> ApiKey | None:
        """A key or session that was ended elsewhere keeps working for at most `key_cache_s`."""
        # By a secret of this process: the cache holds nothing that a customer typed. A header that is known costs
        # neither its checksum nor its HMAC.
        name = hashlib.blake2b(header.encode(), digest_size=16, key=self._cache_secret).digest()
        found = self._cached.get(name)
        if found is None or found.until < time.monotonic():
            found = await self._load_once(name, header)
        now = self._runtime.clock()
        return found.key if found is not None and now < found.expires and found.key.is_active(now) else None

    async def _load_once(self, name: bytes, header: str) -> _CachedKey | None:
        """Requests that come at the same time share one look-up, which outlives those that are given up."""
        loading = self._loading.get(name)
        if loading is None:
            loading = self._loading[name] = asyncio.ensure_future(self._load(name, header))
            loading.add_done_callback(lambda done: self._end_load(name, done))
        return await asyncio.shield(loading)

    def _end_load(self, name: bytes, done: asyncio.Future[_CachedKey | None]) -> None:
        del self._loading[name]
        _ = done.cancelled() or done.exception()  # nobody may be left to hear it

    async def _load(self, name: bytes, header: str) -> _CachedKey | None:
        value, now, began = bearer(header), self._runtime.clock(), time.monotonic()
        read, expires = self._runtime.db.read, math.inf
        if value.startswith(TOKEN_PREFIX):
            keys = self._runtime.keyring.accepted_keys("page-token", now)
            verified = (verify_page_token(key, value, now // US_PER_SECOND) for key in keys)
            token = next((one for one in verified if one is not None), None)
            if token is None:
                return None
            expires = token.exp * US_PER_SECOND
            key = await read(find_session_key, token.account_id, token.key_id, token.session)
        elif is_well_formed(value):
            key = await read(find_key_by_digest, hash_key(self._pepper, value))
        else:
            return None
        if key is None or not key.is_active(now):
            return None
        found = _CachedKey(began + self._runtime.settings.limits.key_cache_s, expires, key)
        self._cached.pop(name, None)  # so that the new one is the last
        self._cached[name] = found
        if len(self._cached) > _MAX_CACHED:
            del self._cached[next(iter(self._cached))]
        return found

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


def _credential(scope: Scope) -> str | None:
    """The Authorization header. Clients of OpenAI may send the key alone, as `api-key`; no page token works there."""
    header = header_of(scope, b"authorization")
    if not is_openai_path(scope["path"]):
        return header
    if header is None and (key := header_of(scope, b"api-key")) is not None:
        header = f"Bearer {key}"
    return "" if header is not None and bearer(header).startswith(TOKEN_PREFIX) else header


def _refuse_key_in_query(scope: Scope) -> None:
    query = ApiRequest(scope).query_params
    if any(name in query for name in _KEY_QUERY_PARAMETERS) or any(
        value.startswith((*PREFIXES, TOKEN_PREFIX)) for value in query.values()
    ):
        raise InvalidRequest("Send the key in the Authorization header, never in the URL", param="Authorization")


def bearer(header: str) -> str:
    """The credential of an Authorization header; empty for another scheme."""
    scheme, _, value = header.partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def build_actor_provider(authenticator: Authenticator) -> Callable[[Scope], Actor]:
    def provide_actor(scope: Scope) -> Actor:
        """The argument `actor` of handlers: whom the audit log names."""
        key: ApiKey = scope["state"]["key"]
        through_page = bearer(header_of(scope, b"authorization") or "").startswith(TOKEN_PREFIX)
        return Actor(
            name=f"key:{key.id}",
            via="page" if through_page else "api",
            address=authenticator.client_address(scope),
            request_id=scope["state"]["request_id"],
        )

    return provide_actor


def authenticated_key(scope: Scope) -> ApiKey | None:
    """The argument `key` of handlers: what the endpoint found; None for a visitor, where those are let in."""
    key: ApiKey | None = scope["state"]["key"]
    return key
