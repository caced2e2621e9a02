"""Signing in and out, and the token with which the page calls the public API.

Sessions work under `/web` alone: `/v1` reads no cookie.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Request, Response, delete, post
from litestar.datastructures import Cookie

from imagegate.domain.errors import InvalidRequest, PermissionDenied, RateLimitExceeded, Unauthorized
from imagegate.domain.time import US_PER_SECOND, ceil_seconds
from imagegate.flows.accounts import find_live_key
from imagegate.flows.sessions import (
    Anonymous,
    Visitor,
    issue_page_token,
    local_visitor,
    resume_session,
    sign_in,
    sign_out,
    sign_out_everywhere,
)
from imagegate.runtime import LOOPBACK, Runtime
from imagegate.security.rate_limit import Denied, Quota, RateLimiter
from imagegate.store.rate_buckets import bucket_table
from imagegate.store.sessions import MAX_LIFETIME_US

MAX_SIGN_INS_PER_MINUTE = 5
_MAX_BODY_BYTES = 4096


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    key: str


class Account(msgspec.Struct, kw_only=True):
    """What the page knows about its visitor. `local`: the account that needs no sign-in."""

    name: str
    key_name: str
    key_shown: str
    scopes: list[str]
    local: bool


class TokenResponse(msgspec.Struct, kw_only=True):
    """`token` is null where nobody is signed in; it expires at `expires_at`, Unix seconds."""

    token: str | None = None
    expires_at: int | None = None
    account: Account | None = None


class SignInLimiter:
    """Counts sign-ins by address and by account, successful or not."""

    def __init__(self, runtime: Runtime) -> None:
        self._limiter = RateLimiter(runtime.clock, bucket_table(runtime.db))

    async def check(self, bucket: str) -> None:
        """RateLimitExceeded where there were too many."""
        result = await self._limiter.take(Quota("sign_in", f"sign-in:{bucket}", MAX_SIGN_INS_PER_MINUTE))
        if isinstance(result, Denied):
            wait = {"Retry-After": str(ceil_seconds(result.retry_after_us))}
            raise RateLimitExceeded("Too many sign-ins, please try again in a minute", reason="sign_in", headers=wait)


@post("/web/session", request_max_body_size=_MAX_BODY_BYTES, status_code=200)
async def open_session(
    request: Request[Any, Any, Any], runtime: Runtime, sign_in_limiter: SignInLimiter, client: str
) -> Response[bytes]:
    """Exchange a key for a session, always a new one, whatever session the browser had before."""
    check_origin(request, runtime)
    _check_transport(runtime)
    await sign_in_limiter.check(f"address:{client}")
    key = await find_live_key(runtime, await _read_key(request))
    if key is None:
        raise Unauthorized
    await sign_in_limiter.check(f"account:{key.account_id}")
    opened = await sign_in(runtime, key, request.cookies.get(cookie_name(runtime), ""))
    return _token_response(
        _issue_token(runtime, opened.visitor),
        [_session_cookie(runtime, opened.session_id, MAX_LIFETIME_US // US_PER_SECOND)],
    )


@post("/web/session/token", status_code=200)
async def exchange_token(request: Request[Any, Any, Any], runtime: Runtime) -> Response[bytes]:
    """Exchange the session for a token of ten minutes; nulls where nobody is signed in."""
    check_origin(request, runtime)
    visitor = await _visitor(request, runtime)
    return _token_response(TokenResponse() if isinstance(visitor, Anonymous) else _issue_token(runtime, visitor))


@delete("/web/session", status_code=200)
async def close_session(request: Request[Any, Any, Any], runtime: Runtime) -> Response[bytes]:
    return await _end_sessions(request, runtime, sign_out)


@delete("/web/sessions", status_code=200)
async def close_all_sessions(request: Request[Any, Any, Any], runtime: Runtime) -> Response[bytes]:
    """On every device where the same key signed in."""
    return await _end_sessions(request, runtime, sign_out_everywhere)


async def _end_sessions(
    request: Request[Any, Any, Any], runtime: Runtime, end: Callable[[Runtime, Visitor], Awaitable[None]]
) -> Response[bytes]:
    check_origin(request, runtime)
    visitor = await resume_session(runtime, request.cookies.get(cookie_name(runtime), ""))
    if isinstance(visitor, Visitor):
        await end(runtime, visitor)
    return _token_response(TokenResponse(), [_session_cookie(runtime, "", 0)])


def check_origin(request: Request[Any, Any, Any], runtime: Runtime) -> None:
    """PermissionDenied unless one of our own pages sent the request."""
    site = request.headers.get("sec-fetch-site")
    ours = site in ("same-origin", "none") if site is not None else request.headers.get("origin") == runtime.origin
    if not ours:
        raise PermissionDenied("Only the page itself may request this", reason="cross_site")


def cookie_name(runtime: Runtime) -> str:
    return "imagegate" if _is_plain_http(runtime) else "__Host-imagegate"


async def _visitor(request: Request[Any, Any, Any], runtime: Runtime) -> Visitor | Anonymous:
    visitor = await resume_session(runtime, request.cookies.get(cookie_name(runtime), ""))
    return await local_visitor(runtime) if isinstance(visitor, Anonymous) and _is_local(request) else visitor


def _is_local(request: Request[Any, Any, Any]) -> bool:
    """Sent on this machine, to a name of this machine, and not through a proxy."""
    host = request.headers.get("host", "")
    named = (host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host) in LOOPBACK
    through = any(name in request.headers for name in ("x-forwarded-for", "forwarded", "via"))
    return named and not through and (request.client.host if request.client else "") in LOOPBACK


def _check_transport(runtime: Runtime) -> None:
    """Over plain http a browser would drop the cookie, and anybody on the network could read the key."""
    if not (runtime.origin.startswith("https://") or runtime.is_loopback_only):
        raise PermissionDenied("Signing in needs https: set public_url to the https origin", reason="needs_https")


def _is_plain_http(runtime: Runtime) -> bool:
    return runtime.is_loopback_only and runtime.origin.startswith("http://")


def _session_cookie(runtime: Runtime, value: str, max_age_s: int) -> Cookie:
    return Cookie(
        cookie_name(runtime),
        value=value,
        max_age=max_age_s,
        path="/",
        secure=not _is_plain_http(runtime),
        httponly=True,
        samesite="lax",
    )


async def _read_key(request: Request[Any, Any, Any]) -> str:
    try:
        return msgspec.json.decode(await request.body(), type=SignIn).key.strip()
    except msgspec.DecodeError as error:
        raise InvalidRequest('Send {"key": "…"}', param="key") from error


def _issue_token(runtime: Runtime, visitor: Visitor) -> TokenResponse:
    token, exp = issue_page_token(runtime, visitor)
    key = visitor.key
    account = Account(
        name=visitor.account_name,
        key_name=key.name,
        key_shown=key.hint,
        scopes=list(key.scopes),
        local=visitor.is_local,
    )
    return TokenResponse(token=token, expires_at=exp, account=account)


def _token_response(body: TokenResponse, cookies: list[Cookie] | None = None) -> Response[bytes]:
    headers = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(body), headers=headers, cookies=cookies, media_type="application/json")
