"""Signing in and out, and the token with which the page calls the public API.

Sessions work under `/web` alone: `/v1` reads no cookie.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

import msgspec
from litestar import Request, Response, delete, post
from litestar.datastructures import Cookie
from msgspec import UNSET, UnsetType

from imagegate.domain.accounts import ApiKey
from imagegate.domain.errors import InvalidRequest, PermissionDenied, RateLimitExceeded, Unauthorized
from imagegate.domain.time import US_PER_SECOND, ceil_seconds
from imagegate.flows.accounts import find_live_key
from imagegate.flows.sessions import (
    Anonymous,
    Visitor,
    find_local_key,
    issue_page_token,
    resume_session,
    sign_in,
    sign_out,
    sign_out_everywhere,
)
from imagegate.runtime import LOOPBACK, Runtime
from imagegate.security.failed_logins import network_of
from imagegate.security.origins import host_name, is_forwarded
from imagegate.security.rate_limit import Denied, Quota, RateLimiter
from imagegate.store.audit import count_failed_sign_in
from imagegate.store.rate_buckets import bucket_table
from imagegate.store.sessions import MAX_LIFETIME_US

MAX_SIGN_INS_PER_MINUTE = 5
_MAX_BODY_BYTES = 4096
T = TypeVar("T", bound=msgspec.Struct)


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    key: str


class PageLink(msgspec.Struct, forbid_unknown_fields=True):
    """The secret of the link that the start printed."""

    secret: str


class Account(msgspec.Struct, kw_only=True):
    """What the page knows about its visitor. `local`: the demo account of this machine."""

    name: str
    key_name: str
    key_shown: str
    scopes: list[str]
    local: bool


class TokenResponse(msgspec.Struct, kw_only=True):
    """`token` is null where nobody is signed in; it expires at `expires_at`, Unix seconds.

    `sign_in` tells the dialog what to say before the key is typed: `link`: the start printed a link that needs no key;
    `plain`: the cookie is sent over plain http; `https`: the cookie needs https.
    """

    token: str | None = None
    expires_at: int | None = None
    account: Account | None = None
    sign_in: Literal["link", "plain", "https"] | UnsetType = UNSET


class SignInLimiter:
    """Counts sign-ins by address and by account, successful or not, and links that were not ours."""

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
    _check_transport(request, runtime)
    await sign_in_limiter.check(f"address:{client}")
    key = await find_live_key(runtime, (await _read_body(request, SignIn)).key.strip())
    if key is None:
        await _record_failure(request, runtime, "sign_in", client)
        raise Unauthorized
    await sign_in_limiter.check(f"account:{key.account_id}")
    return await _open_session(request, runtime, key)


@post("/web/session/link", request_max_body_size=_MAX_BODY_BYTES, status_code=200)
async def open_local_session(
    request: Request[Any, Any, Any], runtime: Runtime, sign_in_limiter: SignInLimiter, client: str
) -> Response[bytes]:
    """Exchange the secret of the link that the start printed for a session of the demo account.

    Only a wrong secret is counted: nobody can shut the person out who has the right one.
    """
    check_origin(request, runtime)
    key = None
    if _is_local(request):
        key = await find_local_key(runtime, (await _read_body(request, PageLink)).secret)
    if key is None:
        await sign_in_limiter.check(f"link:{client}")
        await _record_failure(request, runtime, "link", client)
        raise Unauthorized
    return await _open_session(request, runtime, key)


async def _record_failure(
    request: Request[Any, Any, Any], runtime: Runtime, kind: Literal["sign_in", "link"], client: str
) -> None:
    request_id = request.scope["state"]["request_id"]
    runtime.failed_logins.record(kind, client, request_id)
    await runtime.db.write(count_failed_sign_in, network_of(client), request_id, kind)


async def _open_session(request: Request[Any, Any, Any], runtime: Runtime, key: ApiKey) -> Response[bytes]:
    opened = await sign_in(runtime, key, _session_id(request, runtime))
    cookie = _session_cookie(request, runtime, opened.session_id, MAX_LIFETIME_US // US_PER_SECOND)
    return _token_response(_issue_token(runtime, opened.visitor), [cookie])


@post("/web/session/token", status_code=200)
async def exchange_token(request: Request[Any, Any, Any], runtime: Runtime) -> Response[bytes]:
    """Exchange the session for a token of ten minutes; nulls where nobody is signed in."""
    check_origin(request, runtime)
    visitor = await resume_session(runtime, _session_id(request, runtime))
    if isinstance(visitor, Anonymous):
        return _token_response(TokenResponse(sign_in=_sign_in_notice(request, runtime)))
    return _token_response(_issue_token(runtime, visitor))


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
    visitor = await resume_session(runtime, _session_id(request, runtime))
    if isinstance(visitor, Visitor):
        await end(runtime, visitor)
    return _token_response(TokenResponse(), [_session_cookie(request, runtime, "", 0)])


def check_origin(request: Request[Any, Any, Any], runtime: Runtime) -> None:
    """PermissionDenied unless one of our own pages sent the request.

    Over plain http browsers send no Sec-Fetch-Site, except to loopback: there `Origin` must be that of the page, which
    is the Host that the middleware has accepted.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin", "")
    if site is not None:
        ours = site in ("same-origin", "none")
    else:
        ours = origin in (runtime.origin, f"http://{request.headers.get('host', '').lower()}")
    if not ours:
        raise PermissionDenied("Only the page itself may request this", reason="cross_site")


def _session_id(request: Request[Any, Any, Any], runtime: Runtime) -> str:
    return request.cookies.get(_cookie_name(request, runtime), "")


def _cookie_name(request: Request[Any, Any, Any], runtime: Runtime) -> str:
    return "__Host-imagegate" if _needs_https(request, runtime) else "imagegate"


def _needs_https(request: Request[Any, Any, Any], runtime: Runtime) -> bool:
    """Whether the session's cookie is Secure. What the request says of its own scheme is not trusted.

    Behind a proxy that the operator told us nothing about the browser may well speak https.
    """
    return runtime.origin.startswith("https://") or is_forwarded(request.headers.keys())


def _is_local(request: Request[Any, Any, Any]) -> bool:
    """Sent on this machine, to a name of this machine, and not through a proxy that says so."""
    named = host_name(request.headers.get("host", "")) in LOOPBACK
    sender = request.client.host if request.client else ""
    return named and sender in LOOPBACK and not is_forwarded(request.headers.keys())


def _check_transport(request: Request[Any, Any, Any], runtime: Runtime) -> None:
    """On a page that came over plain http the browser would drop a Secure cookie: better no sign-in than half of one.

    Browsers treat loopback as secure.
    """
    if _needs_https(request, runtime) and _is_plain_page(request):
        raise PermissionDenied("Signing in needs https: open the page by its https address", reason="needs_https")


def _is_plain_page(request: Request[Any, Any, Any]) -> bool:
    origin = request.headers.get("origin", "")
    return origin.startswith("http://") and host_name(origin.removeprefix("http://")) not in LOOPBACK


def _sign_in_notice(request: Request[Any, Any, Any], runtime: Runtime) -> Literal["link", "plain", "https"] | UnsetType:
    if _is_plain_page(request):
        return "https" if _needs_https(request, runtime) else "plain"
    return "link" if runtime.is_loopback_only and not is_forwarded(request.headers.keys()) else UNSET


def _session_cookie(request: Request[Any, Any, Any], runtime: Runtime, value: str, max_age_s: int) -> Cookie:
    return Cookie(
        _cookie_name(request, runtime),
        value=value,
        max_age=max_age_s,
        path="/",
        secure=_needs_https(request, runtime),
        httponly=True,
        samesite="lax",
    )


async def _read_body(request: Request[Any, Any, Any], kind: type[T]) -> T:
    field = kind.__struct_fields__[0]
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f'Send {{"{field}": "…"}}', param=field) from error


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
