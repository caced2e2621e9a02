"""How a request of the API is answered: by an `Endpoint`, one for each handler, with what it needs worked out before.

Litestar knows the handlers and finds the one of a path. What it would do for each request after that (open a group of
tasks for the injected values, read the signature's types, copy what the layers above declare) depends on the handler
alone, so it is done here at the start; the pages, unknown paths and OPTIONS are Litestar's own.
"""

from __future__ import annotations

import asyncio
import typing
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from litestar import Litestar, Response
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send
from litestar.utils import normalize_path

from imagegate.api.auth import Authenticator
from imagegate.api.body import ApiRequest, read_json
from imagegate.api.client_connection import is_client_gone
from imagegate.api.openapi.operation import Operation, operation_of
from imagegate.api.params import ParameterReader, type_hints
from imagegate.domain.accounts import ApiKey
from imagegate.domain.errors import PermissionDenied
from imagegate.settings import Server

Provide = Callable[[Scope], Any]
HandleError = Callable[[ApiRequest, Exception], Response[bytes]]

_JSON = (b"content-type", b"application/json")


class Services(typing.NamedTuple):
    """What handlers are given beside what the request says: by the name of the argument."""

    values: Mapping[str, Any]
    by_request: Mapping[str, Provide]


class Endpoint:
    """The key, its scope, the parameters, then the body: a request that is refused costs next to nothing."""

    def __init__(
        self,
        handler: HTTPRouteHandler,
        services: Services,
        authenticator: Authenticator,
        server: Server,
        handle_error: HandleError,
    ) -> None:
        operation = operation_of(handler)
        wanted = type_hints(handler.fn)
        self._function = handler.fn
        self._authenticate = _authenticate_with(operation, authenticator)
        self._scope = operation.scope
        self._parameters = ParameterReader(handler.fn)
        self._values = {name: value for name, value in services.values.items() if name in wanted}
        self._by_request = [(name, provide) for name, provide in services.by_request.items() if name in wanted]
        self._takes_request = "request" in wanted
        self._body_type = wanted.get("data")
        self._server = server
        self._handle_error = handle_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = _encode(await self._call(scope, receive, send), scope)
        except Exception as error:  # noqa: BLE001  every error is somebody's answer
            answer = _encode(self._handle_error(ApiRequest(scope), error), scope)
        except asyncio.CancelledError:
            if is_client_gone(scope):
                return
            raise
        if not isinstance(answer, tuple):
            await answer(scope, receive, send)
            return
        headers, body = answer
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> Any:
        if self._authenticate is not None:
            key = await self._authenticate(scope)
            if key is not None and self._scope is not None and not key.has_scopes((self._scope,)):
                raise PermissionDenied(f"This key lacks the scope {self._scope}")
        arguments = self._parameters.read(scope)
        if self._body_type is not None:
            limits = self._server
            arguments["data"] = await read_json(
                scope, receive, self._body_type, limits.max_body_bytes, limits.body_timeout_s
            )
        for name, provide in self._by_request:
            arguments[name] = provide(scope)
        if self._takes_request:
            arguments["request"] = ApiRequest(scope, receive, send)
        return await self._function(**self._values, **arguments)


def _authenticate_with(
    operation: Operation, authenticator: Authenticator
) -> Callable[[Scope], Awaitable[ApiKey | None]] | None:
    if operation.public:
        return None
    return authenticator.authenticate_if_given if operation.key_optional else authenticator.authenticate


def _encode(result: Any, scope: Scope) -> tuple[list[tuple[bytes, bytes]], bytes] | ASGIApp:
    """Headers and body of a plain 200 with JSON, which nearly all are; else Litestar's own response."""
    headers: list[tuple[bytes, bytes]] = []
    if isinstance(result, Response):
        if not _is_plain(result):
            return result.to_asgi_response(None, ApiRequest(scope))
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in result.headers.items()]
        result = result.content
    body = msgspec.json.encode(result)
    return [*headers, _JSON, (b"content-length", b"%d" % len(body))], body


def _is_plain(response: Response[Any]) -> bool:
    return (
        type(response) is Response
        and isinstance(response.content, msgspec.Struct)
        and response.status_code in (None, 200)
        and response.media_type is None
        and not response.cookies
    )


class Endpoints:
    """ASGI middleware: answers what has an endpoint, and leaves the rest to the application inside."""

    def __init__(
        self,
        app: Litestar,
        services: Services,
        authenticator: Authenticator,
        server: Server,
        handle_error: HandleError,
    ) -> None:
        self._app = app
        handlers = (handler for route in app.routes for handler in getattr(route, "route_handlers", ()))
        self._endpoints = {
            handler: Endpoint(handler, services, authenticator, server, handle_error)
            for handler in handlers
            if "operation" in handler.opt
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._find(scope) if scope["type"] == ScopeType.HTTP else None
        await (endpoint or self._app)(scope, receive, send)

    def _find(self, scope: Scope) -> ASGIApp | None:
        """Litestar's own look-up, and what it leaves in the scope for its Request."""
        try:
            _, handler, path, path_params, template = self._app.asgi_router.handle_routing(
                path=normalize_path(scope["path"]), method=scope.get("method")
            )
        except HTTPException:
            return None  # unknown, or another method: Litestar says so
        endpoint = self._endpoints.get(handler)
        if endpoint is not None:
            scope["app"] = scope["litestar_app"] = self._app
            scope["route_handler"], scope["path_template"] = handler, template
            scope["path"], scope["path_params"] = path, path_params
        return endpoint


def refuse_unguarded(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """The guard of the handlers in Litestar: a request that came around its endpoint has shown no key."""
    assert "operation" not in handler.opt, f"{handler} was called without its endpoint"
