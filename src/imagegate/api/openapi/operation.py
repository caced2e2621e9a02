"""How an endpoint says of itself what it takes and gives. Beside the handler, so that both change together."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from imagegate.domain.accounts import Scope
from imagegate.domain.errors import Problem

_NONE: Mapping[str, str] = MappingProxyType({})


class Parameter(msgspec.Struct, frozen=True):
    """A query, path or header parameter, or a header of an answer; `schema` is JSON Schema."""

    name: str
    location: str
    schema: dict[str, Any]
    description: str
    required: bool = False


class ResponseLink(msgspec.Struct, frozen=True):
    """What can be done with an answer: the handler `operation_id`, its parameters and body as OpenAPI runtime
    expressions."""

    operation_id: str
    description: str
    parameters: Mapping[str, str] = _NONE
    body: Any = None


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path. `response_type` None means bytes, `error_type` None the usual error.

    A tuple of answers means one of them. `statuses` are the good ones with their meaning. `request_type` is a JSON
    body and
    `request_example` one of it, `form_type` a multipart one; `response_example` is an example of the answer. `scope`
    None: any key will do.
    """

    summary: str
    tag: str
    description: str = ""
    request_type: Any = None
    form_type: Any = None
    response_type: Any = None
    error_type: Any = None
    media_type: str = "application/json"
    public: bool = False
    scope: Scope | None = None
    parameters: tuple[Parameter, ...] = ()
    response_headers: tuple[Parameter, ...] = ()
    errors: tuple[type[Problem], ...] = ()
    request_example: Any = None
    response_example: Any = None
    links: tuple[ResponseLink, ...] = ()
    statuses: Mapping[int, str] = MappingProxyType({200: "Done"})


def query(name: str, schema: dict[str, Any], description: str) -> Parameter:
    return Parameter(name, "query", schema, description)


def header(name: str, schema: dict[str, Any], description: str, *, required: bool = False) -> Parameter:
    return Parameter(name, "header", schema, description, required)


def path(name: str, schema: dict[str, Any], description: str) -> Parameter:
    return Parameter(name, "path", schema, description, required=True)


def response_header(name: str, schema: dict[str, Any], description: str, *, required: bool = False) -> Parameter:
    """A header of the answer."""
    return Parameter(name, "answer", schema, description, required)


def page_parameters(what: str, max_limit: int = 200, default_limit: int = 50) -> tuple[Parameter, Parameter]:
    """`limit` and `cursor` of a list."""
    size = {"type": "integer", "minimum": 1, "maximum": max_limit, "default": default_limit}
    return (
        query("limit", size, f"{what} in an answer"),
        query("cursor", {"type": "string", "maxLength": 1000}, "next_cursor of the answer before"),
    )


def described(operation: Operation) -> dict[str, Any]:
    """For a handler's `opt`."""
    return {"operation": operation}
