"""Who calls: from the Authorization header to the key and its account.

Knows: the header, a short memory of keys, the brake on guessing, and when a key's requests are counted. Refuses to
know: how they are counted, and what the key may do to money.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any

from litestar import Request

from imagegate.api.client_address import Proxies, listed
from imagegate.api.rate_limits import Turnstile, told, too_many
from imagegate.domain.accounts import Key, Scope
from imagegate.domain.errors import InvalidRequest, IpRestricted, PermissionDenied, RateLimitExceeded, Unauthorized
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.security.api_keys import PREFIXES, digest, well_formed
from imagegate.security.page_token import PREFIX as TOKEN_PREFIX
from imagegate.security.page_token import BadToken, PageToken, read_token
from imagegate.security.rate_limit import Refused
from imagegate.store.accounts import find_key, key_by_digest
from imagegate.store.sessions import key_of_session

_REMEMBERED = 10_000
_QUERY_NAMES = ("key", "api_key", "apikey", "access_token", "token")


class Gatekeeper:
    """Remembers good keys for `key_cache_s` and counts failed tries per address and minute."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._proxies = Proxies(runtime.settings.server.trusted_proxies)
        self._turnstile = Turnstile(runtime)
        self._pepper = runtime.keyring.key("pepper")
        self._token_key = runtime.keyring.key("page-token")
        self._known: OrderedDict[str, tuple[float, Key]] = OrderedDict()
        self._failures: OrderedDict[tuple[str, int], int] = OrderedDict()

    async def admit(self, request: Request[Any, Any, Any]) -> Key:
        """The live key of this request. Unknown, disabled, expired and malformed keys get the same answer."""
        query = request.query_params
        if any(name in query for name in _QUERY_NAMES) or any(
            value.startswith((*PREFIXES, TOKEN_PREFIX)) for value in query.values()
        ):
            raise InvalidRequest(
                "A key is sent in the Authorization header, never in the address", param="Authorization"
            )
        header = request.headers.get("authorization")
        key = await self._live_key(_bearer(header)) if header is not None else None
        if key is None:
            self._count_failure(self._proxies.client_of(request))
            raise Unauthorized("Authentication required" if header is None else "")
        if key.ips is not None and not listed(self._proxies.client_of(request), key.ips):
            raise IpRestricted
        await self._count(request, key)
        return key

    async def _count(self, request: Request[Any, Any, Any], key: Key) -> None:
        """Before the body is read and anything is looked up: behind a refusal there is nothing."""
        result = await self._turnstile.count(key)
        if result is None:
            return
        request.scope["state"]["limits"] = told(result)
        if isinstance(result, Refused):
            raise too_many(result)

    async def _live_key(self, value: str) -> Key | None:
        """What is remembered may be `key_cache_s` old: a key or a session that was ended works no longer than that."""
        token = value.startswith(TOKEN_PREFIX)
        if not token and not well_formed(value):
            return None
        if token and isinstance(self._token(value), BadToken):
            return None
        now, hashed = time.monotonic(), value if token else digest(self._pepper, value)
        until, key = self._known.get(hashed, (0.0, None))
        if key is None or until < now:
            key = await self._key_of_token(value) if token else await self._runtime.db.read(key_by_digest, hashed)
            if key is not None and key.live(self._runtime.clock()):
                self._remember(hashed, now + self._runtime.settings.limits.key_cache_s, key)
        return key if key and key.live(self._runtime.clock()) else None

    def _token(self, value: str) -> PageToken | BadToken:
        return read_token(self._token_key, value, self._runtime.clock() // PER_SECOND)

    async def _key_of_token(self, value: str) -> Key | None:
        """The page's token stands for its key for as long as the session lives; the local account has no session."""
        match self._token(value):
            case PageToken(account_id, key_id, ""):
                return await self._runtime.db.read(find_key, account_id, key_id)
            case PageToken(account_id, key_id, session):
                return await self._runtime.db.read(key_of_session, account_id, key_id, session)
            case BadToken():
                return None

    def _remember(self, hashed: str, until: float, key: Key) -> None:
        self._known[hashed] = (until, key)
        self._known.move_to_end(hashed)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def _count_failure(self, address: str) -> None:
        """Guessing is slowed down: past the limit of a minute the answer is 429."""
        place = (address, int(time.monotonic() // 60))
        self._failures[place] = self._failures.get(place, 0) + 1
        if len(self._failures) > _REMEMBERED:
            self._failures.popitem(last=False)
        if self._failures[place] > self._runtime.settings.limits.failed_logins_per_minute:
            left = {"Retry-After": str(60 - int(time.monotonic() % 60))}
            message = "Too many failed authentications, please try again in a minute"
            raise RateLimitExceeded(message, reason="failed_logins", headers=left)


def _bearer(header: str) -> str:
    scheme, _, value = header.partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def need(key: Key, scope: Scope) -> None:
    """PermissionDenied unless the key has the scope; `admin` has all."""
    if scope not in key.scopes and Scope.admin not in key.scopes:
        raise PermissionDenied(f"This key lacks the scope {scope}")
