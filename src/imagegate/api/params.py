"""Parameters of a request, declared once: in the signature of the handler.

`limit: Annotated[int, QueryParameter(), Meta(ge=1, le=200, description="Tasks on a page")] = 20` is checked and
converted before the handler runs, and the API document describes it from the same annotation.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec
from litestar.params import HeaderParameter, ParameterKwarg, QueryParameter
from litestar.types import Scope
from msgspec import Meta

from imagegate.api.body import ApiRequest, header_of
from imagegate.api.validation import requirement
from imagegate.domain.errors import InvalidRequest

MAX_WAIT_S = 60
_MAX_DIGITS = 4000  # Python converts no number of more than 4,300
_PREFER_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*([0-9]+)(?=$|[,;\s])", re.IGNORECASE)

IDEMPOTENCY_KEY = HeaderParameter(name="Idempotency-Key")
IdempotencyKey = Annotated[
    str, Meta(pattern=r"^[\x21-\x7e]{1,255}$", extra={"rule": "must be 1 to 255 visible ASCII characters"})
]
PageNumber = Annotated[int, QueryParameter(name="page"), Meta(ge=1, le=1_000_000, description="From 1")]
Cursor = Annotated[
    str, QueryParameter(name="cursor"), Meta(max_length=1000, description="next_cursor of the previous page")
]
PageLimit = Annotated[int, QueryParameter(name="limit"), Meta(ge=1, le=200, description="Entries on a page")]


class Parameter(msgspec.Struct, frozen=True):
    """`argument` is its name in the signature, `location` path, query or header; `schema` is JSON Schema without the
    description."""

    argument: str
    name: str
    location: str
    type: Any
    required: bool
    schema: dict[str, Any]
    description: str


@functools.cache
def type_hints(handler: Callable[..., Any]) -> dict[str, Any]:
    """Of a handler's arguments and what it returns: reading them takes longer than a request."""
    return typing.get_type_hints(handler, include_extras=True)


@functools.cache
def parameters_of(handler: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters that the signature of a handler declares, without injected dependencies."""
    hints = type_hints(handler)
    return tuple(_parameters(hints, inspect.signature(handler)))


def _parameters(hints: dict[str, Any], signature: inspect.Signature) -> Iterator[Parameter]:
    for argument in signature.parameters.values():
        annotation = hints[argument.name]
        metadata = getattr(annotation, "__metadata__", ())
        marker = next((one for one in metadata if isinstance(one, ParameterKwarg)), None)
        if marker is not None:
            name, required = marker.name or argument.name, argument.default is inspect.Parameter.empty
            described = _schema(annotation, argument.default)
            description = described.pop("description")
            # Without the web framework's part, whose hash takes longer than the check.
            base, metas = typing.get_args(annotation)[0], [one for one in metadata if isinstance(one, Meta)]
            checked: Any = functools.reduce(lambda kind, meta: Annotated[kind, meta], metas, base)
            yield Parameter(argument.name, name, marker.param_type.value, checked, required, described, description)


def _schema(annotation: Any, default: Any) -> dict[str, Any]:
    """A parameter is absent or a text, never null; a default of None or "" means absent and is not shown."""
    described = msgspec.json.schema(annotation)
    for alternative in described.pop("anyOf", []):
        if alternative != {"type": "null"}:
            described = {**alternative, **described}
    if default not in (inspect.Parameter.empty, None, ""):
        described["default"] = default
    return described


class ParameterReader:
    """Reads the arguments that the parameters of a handler are given by a request."""

    def __init__(self, handler: Callable[..., Any]) -> None:
        declared = parameters_of(handler)
        self._path = tuple((one.argument, one.name) for one in declared if one.location == "path")
        self._others = tuple((one, one.name.lower().encode()) for one in declared if one.location != "path")

    def read(self, scope: Scope) -> dict[str, Any]:
        """InvalidRequest names the first query parameter or header that is missing or breaks its declaration.

        A malformed path names nothing that exists: that is for the handler to say. Of several values the last counts.
        """
        arguments: dict[str, Any] = {argument: scope["path_params"][name] for argument, name in self._path}
        if not self._others:
            return arguments
        query = ApiRequest(scope).query_params if scope["query_string"] else None
        for parameter, key in self._others:
            if parameter.location == "header":
                text = header_of(scope, key)
            else:
                text = query.getall(parameter.name, [None])[-1] if query is not None else None
            if text is not None:
                arguments[parameter.argument] = _convert(parameter, text)
            elif parameter.required:
                raise InvalidRequest(f"{parameter.name} is required", param=parameter.name)
        return arguments


def _convert(parameter: Parameter, text: str) -> Any:
    is_integer = parameter.schema.get("type") == "integer"
    # int() reads "+1", "1_0" and the digits of other scripts
    is_valid = not is_integer or (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS)
    if is_valid and text in parameter.schema.get("enum", (text,)):
        with contextlib.suppress(msgspec.ValidationError):
            return msgspec.convert(int(text) if is_integer else text, parameter.type)
    raise InvalidRequest(f"{parameter.name} {requirement(parameter.type)}", param=parameter.name)


def preferred_wait_s(prefer: str) -> int | None:
    """`wait=n` of a Prefer header in seconds, at most 60; None where it is absent or malformed."""
    match = _PREFER_WAIT.search(prefer)
    if match is None:
        return None
    digits = match[1].lstrip("0") or "0"
    return MAX_WAIT_S if len(digits) > 2 else min(int(digits), MAX_WAIT_S)
