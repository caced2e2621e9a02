"""How an endpoint says of itself what it takes and gives. Beside the handler, so that both change together."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from imagegate.domain.errors import Problem


class Parameter(msgspec.Struct, frozen=True):
    """A query, path or header parameter; `schema` is JSON Schema."""

    name: str
    place: str
    schema: dict[str, Any]
    about: str
    required: bool = False


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path. `answer` None means bytes, `failure` None the usual error.

    A tuple of answers means one of them. `statuses` are the good ones with their meaning.
    """

    summary: str
    tag: str
    takes: Any = None
    answer: Any = None
    failure: Any = None
    media: str = "application/json"
    open: bool = False
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[type[Problem], ...] = ()
    example: Any = None
    statuses: Mapping[int, str] = MappingProxyType({200: "Done"})


def query(name: str, schema: dict[str, Any], about: str) -> Parameter:
    return Parameter(name, "query", schema, about)


def header(name: str, schema: dict[str, Any], about: str) -> Parameter:
    return Parameter(name, "header", schema, about)


def path(name: str, schema: dict[str, Any], about: str) -> Parameter:
    return Parameter(name, "path", schema, about, required=True)


def described(operation: Operation) -> dict[str, Any]:
    """For a handler's `opt`."""
    return {"operation": operation}
