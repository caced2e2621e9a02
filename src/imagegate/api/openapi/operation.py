"""What an endpoint declares beyond its signature: scope, errors, examples and links.

Parameters, request body and response come from the handler's own annotations.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from litestar import Response
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.response import Stream
from litestar.types import AnyCallable, Empty, Method

from imagegate.api.params import type_hints
from imagegate.domain.accounts import Scope
from imagegate.domain.errors import Problem

_NONE: Mapping[str, str] = MappingProxyType({})


class ResponseHeader(msgspec.Struct, frozen=True):
    """`schema` is JSON Schema."""

    name: str
    schema: dict[str, Any]
    description: str
    required: bool = False


class ResponseLink(msgspec.Struct, frozen=True):
    """What can be done next: the operation, and its parameters and body as OpenAPI runtime expressions."""

    operation_id: str
    description: str
    parameters: Mapping[str, str] = _NONE
    body: Any = None


class Operation(msgspec.Struct, frozen=True):
    """A decorator that makes a handler. `scope` None: any key; `public`: no key; `key_optional`: visitors too, who are
    limited by their address, and for whom the argument `key` is None.

    `streamed_type` describes a body that the handler reads itself, of `streamed_media_type`, and limits itself.
    `statuses` are the successful ones. `error_type` None is the usual error.
    """

    methods: tuple[Method, ...]
    path: str | list[str]
    summary: str
    tag: str
    description: str = ""
    scope: Scope | None = None
    public: bool = False
    key_optional: bool = False
    streamed_type: Any = None
    streamed_media_type: str = "application/json"
    request_example: Any = None
    response_example: Any = None
    media_type: str = "application/json"
    statuses: Mapping[int, str] = MappingProxyType({200: "Done"})
    response_headers: tuple[ResponseHeader, ...] = ()
    links: tuple[ResponseLink, ...] = ()
    errors: tuple[type[Problem], ...] = ()
    error_type: Any = None

    def __call__(self, handler: AnyCallable) -> HTTPRouteHandler:
        limit = Empty if self.streamed_type is None else None
        declare = HTTPRouteHandler(
            self.path, http_method=self.methods, status_code=200, request_max_body_size=limit, operation=self
        )
        return declare(handler)

    def __deepcopy__(self, memo: object) -> Operation:
        """Litestar copies the handlers of a router, with what they declare."""
        return self


get, post = functools.partial(Operation, ("GET",)), functools.partial(Operation, ("POST",))
patch, delete = functools.partial(Operation, ("PATCH",)), functools.partial(Operation, ("DELETE",))
get_or_head = functools.partial(Operation, ("GET", "HEAD"))


def operation_of(handler: BaseRouteHandler) -> Operation:
    operation = handler.opt.get("operation")
    assert isinstance(operation, Operation), f"{handler} declares no operation"
    return operation


def request_type(handler: BaseRouteHandler) -> Any:
    """The type of the body, None without one."""
    return type_hints(handler.fn).get("data", operation_of(handler).streamed_type)


def response_types(handler: BaseRouteHandler) -> tuple[Any, ...]:
    """The types of a JSON response, several where it is one of them; empty for bytes."""
    returned = type_hints(handler.fn)["return"]
    if isinstance(returned, types.UnionType):
        return typing.get_args(returned)
    if typing.get_origin(returned) is Response:
        (returned,) = typing.get_args(returned)
    return () if returned in (bytes, Any, Stream) else (returned,)
