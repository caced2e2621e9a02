"""GET /openapi.json: OpenAPI 3.1, built from the handlers' own descriptions and the structs that they answer with.

Knows: the shape of an OpenAPI document. Refuses to know: any endpoint by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from imagegate import __version__
from imagegate.api.openapi.errors import error_body_type, error_examples, error_responses
from imagegate.api.openapi.operation import Operation, Parameter, ResponseLink, described
from imagegate.api.openapi.webhooks import BODY_TYPES, webhooks_section
from imagegate.api.schemas import Schemas
from imagegate.domain.fields import RequestIdText

_ABOUT = """A self-hosted gateway for image generation: a client sends a prompt, gets a task id at once and collects \
finished images. The price is known before the run and the bill never exceeds the quoted maximum; retries and crashes \
never buy an image twice; a task that was acknowledged comes to an end.

Send a key as `Authorization: Bearer <key>`. Bodies are JSON in UTF-8, strict in types; unknown fields are ignored and \
`null` means absent. Times are Unix seconds (RFC 3339 in the files API), sizes are bytes. Money is exact: amounts are \
decimal strings whose `nanos` (10⁻⁹ USD) are the truth. Programs decide by an error's `code`. Every answer has the \
header `x-request-id`. New versions only add fields, endpoints and reasons."""
TAGS = {
    "images": "Price a request, then make it a task.",
    "tasks": "What became of it: by id, as a list, as events; and the end of it.",
    "files": "Pictures of your own as references and masks, and the links of results.",
    "webhooks": "What the gateway sends to a `callback_url`, the log of it, and the secret that signs it.",
    "credits": "What is left, and every line that explains it.",
    "keys": "Who may act for the account, and within what limits.",
    "models": "What is sold, what it accepts, and what it costs.",
    "admin": "For the operator: accounts, grants and overruns. Keys with the scope `admin`.",
    "operations": "For whoever keeps the gateway running.",
}
_KEY = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "imk_live_…",
    "description": "An API key. What it may do are its scopes: images:write, tasks:read, files:write, billing:read;"
    " admin may do all.",
}
_ALWAYS = {"x-request-id": {"$ref": "#/components/headers/x-request-id"}}


def build_document(handlers: Sequence[HTTPRouteHandler], origin: str) -> bytes:
    """The whole document for these handlers; a handler without a description is a fault of the program."""
    operations = [_operation(handler) for handler in handlers]
    schemas = Schemas(
        [kind for one in operations for kind in (one.request_type, one.form_type) if kind is not None],
        [
            RequestIdText,
            *BODY_TYPES,
            *(kind for one in operations for kind in (one.response_type, error_body_type(one)) if kind),
        ],
    )
    paths: dict[str, dict[str, Any]] = {}
    for handler, one in zip(handlers, operations, strict=True):
        for name, place, method in _addresses(handler):
            paths.setdefault(place, {})[method] = _describe(one, name, schemas)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "imagegate",
            "version": __version__,
            "summary": "The quote is the bill, one image is one purchase, nothing acknowledged is lost.",
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": origin, "description": "This gateway"}],
        "security": [{"key": []}],
        "tags": [{"name": name, "description": about} for name, about in TAGS.items()],
        "paths": paths,
        "webhooks": webhooks_section(schemas),
        "components": {
            "schemas": schemas.components,
            "examples": error_examples(operations),
            "securitySchemes": {"key": _KEY},
            "headers": {
                "x-request-id": {"description": "To ask about", "required": True, "schema": schemas.of(RequestIdText)}
            },
        },
    }
    return msgspec.json.encode(document)


def _operation(handler: HTTPRouteHandler) -> Operation:
    one = handler.opt.get("operation")
    assert isinstance(one, Operation), f"{handler.handler_name} does not say what it takes and gives"
    return one


def _addresses(handler: HTTPRouteHandler) -> Iterator[tuple[str, str, str]]:
    """Name, path and method of each operation of a handler; the first has the handler's own name."""
    for alias, place in enumerate(sorted(handler.paths, key=len, reverse=True)):
        for other, method in enumerate(sorted(handler.http_methods)):
            name = handler.handler_name + ("_alias" if alias else "") + (f"_{method.lower()}" if other else "")
            yield name, _template(place), method.lower()


def _template(place: str) -> str:
    """`/v1/tasks/{task_id:str}` -> `/v1/tasks/{task_id}`"""
    return re.sub(r":(str|int)\}", "}", place)


def _describe(one: Operation, name: str, schemas: Schemas) -> dict[str, Any]:
    entry: dict[str, Any] = {"operationId": name, "summary": one.summary, "tags": [one.tag]}
    about = [one.description, f"Needs the scope `{one.scope}`." if one.scope else ""]
    if any(about):
        entry["description"] = " ".join(filter(None, about))
    if one.public:
        entry["security"] = []
    if one.parameters:
        entry["parameters"] = [_parameter(parameter) for parameter in one.parameters]
    if one.request_type is not None or one.form_type is not None:
        entry["requestBody"] = _body(one, schemas)
    entry["responses"] = {**_good(one, schemas), **error_responses(one, schemas.of(error_body_type(one)), _ALWAYS)}
    return entry


def _parameter(parameter: Parameter) -> dict[str, Any]:
    known = parameter.schema.get("examples")
    return {
        "name": parameter.name,
        "in": parameter.location,
        "required": parameter.required,
        "description": parameter.description,
        "schema": {name: value for name, value in parameter.schema.items() if name != "examples"},
        **({"example": known[0]} if known else {}),
    }


def _body(one: Operation, schemas: Schemas) -> dict[str, Any]:
    if one.form_type is not None:
        return {"required": True, "content": {"multipart/form-data": {"schema": schemas.of(one.form_type)}}}
    example = {} if one.request_example is None else {"example": one.request_example}
    return {"required": True, "content": {"application/json": {"schema": schemas.of(one.request_type), **example}}}


def _good(one: Operation, schemas: Schemas) -> dict[str, Any]:
    headers = {**_ALWAYS, **{header.name: _header(header) for header in one.response_headers}}
    content: dict[str, Any] = {} if one.response_type is None else {"schema": schemas.of(one.response_type)}
    if one.response_example is not None:
        content["example"] = one.response_example
    links = {f"{number}_{follow.operation_id}": _link(follow) for number, follow in enumerate(one.links, 1)}
    return {
        str(status): {
            "description": about,
            "headers": headers,
            **({"content": {one.media_type: content}} if status not in (204, 304) else {}),
            **({"links": links} if links and status == 200 else {}),
        }
        for status, about in one.statuses.items()
    }


def _header(header: Parameter) -> dict[str, Any]:
    return {"description": header.description, "required": header.required, "schema": header.schema}


def _link(follow: ResponseLink) -> dict[str, Any]:
    link: dict[str, Any] = {"operationId": follow.operation_id, "description": follow.description}
    if follow.parameters:
        link["parameters"] = dict(follow.parameters)
    if follow.body is not None:
        link["requestBody"] = follow.body
    return link


@get(
    "/openapi.json",
    opt=described(Operation(summary="This document", tag="operations", response_type=dict[str, Any], public=True)),
)
async def openapi_json(document: bytes) -> Response[bytes]:
    return Response(document, media_type="application/json", status_code=200)
