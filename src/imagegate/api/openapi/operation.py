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
    place: str
    schema: dict[str, Any]
    about: str
    required: bool = False


class Follow(msgspec.Struct, frozen=True):
    """What can be done with an answer: the handler `to`, its parameters and body as OpenAPI runtime expressions."""

    to: str
    about: str
    parameters: Mapping[str, str] = _NONE
    body: Any = None


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path. `answer` None means bytes, `failure` None the usual error.

    A tuple of answers means one of them. `statuses` are the good ones with their meaning. `takes` is a JSON body and
    `example` one of it, `form` a multipart one; `gives` is an example of the answer. `scope` None: any key will do.
    """

    summary: str
    tag: str
    about: str = ""
    takes: Any = None
    form: Any = None
    answer: Any = None
    failure: Any = None
    media: str = "application/json"
    open: bool = False
    scope: Scope | None = None
    parameters: tuple[Parameter, ...] = ()
    headers: tuple[Parameter, ...] = ()
    errors: tuple[type[Problem], ...] = ()
    example: Any = None
    gives: Any = None
    follow: tuple[Follow, ...] = ()
    statuses: Mapping[int, str] = MappingProxyType({200: "Done"})


def query(name: str, schema: dict[str, Any], about: str) -> Parameter:
    return Parameter(name, "query", schema, about)


def header(name: str, schema: dict[str, Any], about: str, *, required: bool = False) -> Parameter:
    return Parameter(name, "header", schema, about, required)


def path(name: str, schema: dict[str, Any], about: str) -> Parameter:
    return Parameter(name, "path", schema, about, required=True)


def answered(name: str, schema: dict[str, Any], about: str, *, required: bool = False) -> Parameter:
    """A header of the answer."""
    return Parameter(name, "answer", schema, about, required)


def page_of(what: str, most: int = 200, usual: int = 50) -> tuple[Parameter, Parameter]:
    """`limit` and `cursor` of a list."""
    size = {"type": "integer", "minimum": 1, "maximum": most, "default": usual}
    return (
        query("limit", size, f"{what} in an answer"),
        query("cursor", {"type": "string", "maxLength": 1000}, "next_cursor of the answer before"),
    )


def described(operation: Operation) -> dict[str, Any]:
    """For a handler's `opt`."""
    return {"operation": operation}
