"""GET /openapi.json: OpenAPI 3.1, built from the handlers' own descriptions and the structs that they answer with.

Knows: the shape of an OpenAPI document. Refuses to know: any endpoint by name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from imagegate import __version__
from imagegate.api.operations import Operation, Parameter, described
from imagegate.api.problems import STATUS, ErrorAnswer
from imagegate.domain import errors
from imagegate.domain.errors import Problem

_REF = "#/components/schemas/{name}"
_KEY_ERRORS: tuple[type[Problem], ...] = (errors.Unauthorized, errors.PermissionDenied, errors.RateLimitExceeded)
_BODY_ERRORS: tuple[type[Problem], ...] = (
    errors.InvalidRequest,
    errors.RequestTooLarge,
    errors.UnsupportedMediaType,
)
_ALWAYS: tuple[type[Problem], ...] = (errors.InvalidRequest, errors.InternalError, errors.ServiceUnavailable)


def build_document(handlers: Sequence[HTTPRouteHandler], origin: str) -> bytes:
    """The whole document for these handlers; a handler without a description is a fault of the program."""
    operations = [(handler, _operation(handler)) for handler in handlers]
    schemas = _Schemas(
        [kind for _, one in operations for kind in (one.takes, one.answer, one.failure) if kind is not None]
    )
    paths: dict[str, dict[str, Any]] = {}
    for handler, one in operations:
        for place in sorted(handler.paths):
            entry = paths.setdefault(_template(place), {})
            for method in sorted(handler.http_methods):
                entry[method.lower()] = _describe(one, f"{handler.handler_name}_{method.lower()}", schemas)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "imagegate", "version": __version__, "license": {"name": "MIT", "identifier": "MIT"}},
        "servers": [{"url": origin}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key."}},
        },
    }
    return msgspec.json.encode(document)


def _operation(handler: HTTPRouteHandler) -> Operation:
    one = handler.opt.get("operation")
    assert isinstance(one, Operation), f"{handler.handler_name} does not say what it takes and gives"
    return one


def _template(place: str) -> str:
    """`/v1/tasks/{task_id:str}` -> `/v1/tasks/{task_id}`"""
    return re.sub(r":(str|int)\}", "}", place)


class _Schemas:
    """JSON Schemas of all structs that are spoken of, by name."""

    def __init__(self, kinds: list[Any]) -> None:
        single = [one for kind in [*kinds, ErrorAnswer] for one in _alternatives(kind)]
        kinds = list({repr(kind): kind for kind in single}.values())
        found, self.components = msgspec.json.schema_components(kinds, ref_template=_REF)
        self._found = {repr(kind): schema for kind, schema in zip(kinds, found, strict=True)}

    def of(self, kind: Any) -> dict[str, Any]:
        found = [self._found[repr(one)] for one in _alternatives(kind)]
        return found[0] if len(found) == 1 else {"anyOf": found}


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return kind if isinstance(kind, tuple) else (kind,)


def _describe(one: Operation, name: str, schemas: _Schemas) -> dict[str, Any]:
    entry: dict[str, Any] = {"operationId": name, "summary": one.summary, "tags": [one.tag]}
    if one.open:
        entry["security"] = []
    if one.parameters:
        entry["parameters"] = [_parameter(parameter) for parameter in one.parameters]
    if one.takes is not None:
        content: dict[str, Any] = {"schema": schemas.of(one.takes)}
        if one.example is not None:
            content["example"] = one.example
        entry["requestBody"] = {"required": True, "content": {"application/json": content}}
    entry["responses"] = {**_good(one, schemas), **_bad(one, schemas)}
    return entry


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.about,
        "schema": parameter.schema,
    }


def _good(one: Operation, schemas: _Schemas) -> dict[str, Any]:
    schema = {} if one.answer is None else {"schema": schemas.of(one.answer)}
    return {
        str(status): {"description": about, **({"content": {one.media: schema}} if status < 300 else {})}
        for status, about in one.statuses.items()
    }


def _bad(one: Operation, schemas: _Schemas) -> dict[str, Any]:
    """Grouped by status, naming every code that may come."""
    kinds = [*one.errors, *_ALWAYS, *([] if one.open else _KEY_ERRORS), *(_BODY_ERRORS if one.takes else ())]
    by_status: dict[int, list[str]] = {}
    for kind in kinds:
        codes = by_status.setdefault(STATUS[kind][0], [])
        if kind.code not in codes:
            codes.append(kind.code)
    content = {"application/json": {"schema": schemas.of(one.failure or ErrorAnswer)}}
    return {
        str(status): {"description": ", ".join(codes), "content": content}
        for status, codes in sorted(by_status.items())
        if status not in one.statuses
    }


@get(
    "/openapi.json",
    opt=described(Operation(summary="This document", tag="operations", answer=dict[str, Any], open=True)),
)
async def openapi_json(document: bytes) -> Response[bytes]:
    return Response(document, media_type="application/json", status_code=200)
