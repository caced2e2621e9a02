"""GET /openapi.json: OpenAPI 3.1, generated from the signatures of the handlers and what they declare."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from imagegate import __version__
from imagegate.api.openapi.errors import error_examples, error_responses, error_type
from imagegate.api.openapi.operation import (
    ResponseHeader,
    ResponseLink,
    get,
    operation_of,
    request_type,
    response_types,
)
from imagegate.api.openapi.schemas import Schemas
from imagegate.api.openapi.webhooks import BODY_TYPES, webhooks_section
from imagegate.api.params import Parameter, parameters_of
from imagegate.api_docs.schema import RequestIdText, schema

_DESCRIPTION = """A self-hosted gateway for image generation: a client sends a prompt, gets a task id at once and \
collects finished images. The price is known before the run and the charge never exceeds the quoted maximum; retries \
and crashes never buy an image twice; every acknowledged task comes to an end.

Send a key as `Authorization: Bearer <key>`. Bodies are JSON in UTF-8, strict in types; unknown fields are ignored and \
`null` means absent. Times are Unix seconds (RFC 3339 in the files API), sizes are bytes. Money is exact: amounts are \
decimal strings whose `nanos` (10⁻⁹ USD) are the truth. Programs decide by an error's `code`. Every response has \
the header `x-request-id`. New versions only add fields, endpoints and reasons."""
TAGS = {
    "images": "Price a request, then create a task.",
    "tasks": "Read tasks by id, as a list or as events, and cancel them.",
    "files": "Images of your own as references and masks, and the links to results.",
    "webhooks": "What the gateway sends to a `callback_url`, its deliveries, and the secret that signs them.",
    "credits": "The balance, and every ledger line that explains it.",
    "keys": "The keys of the account, their scopes and limits.",
    "models": "The models, what they accept, and what they cost.",
    "admin": "For the operator: accounts, grants, refunds, overruns and routes; needs the scope `admin`.",
    "operations": "Health, metrics and documentation of the gateway.",
}
_KEY = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "imk_live_…",
    "description": "An API key. Its scopes say what it may do: images:write, tasks:read, files:write, billing:read,"
    " keys:write; admin may do all.",
}
_COMMON_HEADERS = {"x-request-id": {"$ref": "#/components/headers/x-request-id"}}


def build_document(handlers: Sequence[HTTPRouteHandler], origin: str) -> bytes:
    """The whole document for these handlers; AssertionError for one that declares no operation."""
    schemas = Schemas(
        [kind for kind in map(request_type, handlers) if kind is not None],
        [RequestIdText, *BODY_TYPES, *(kind for one in handlers for kind in (*response_types(one), error_type(one)))],
    )
    paths: dict[str, dict[str, Any]] = {}
    for handler in handlers:
        for name, path, method in _operations(handler):
            paths.setdefault(path, {})[method] = _describe(handler, name, schemas)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "imagegate",
            "version": __version__,
            "summary": "The quote is the bill, one image is one purchase, nothing acknowledged is lost.",
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": origin, "description": "This gateway"}],
        "security": [{"key": []}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": paths,
        "webhooks": webhooks_section(schemas),
        "components": {
            "schemas": schemas.components,
            "examples": error_examples(handlers),
            "securitySchemes": {"key": _KEY},
            "headers": {
                "x-request-id": {
                    "description": "Identifies the request in questions to the operator",
                    "required": True,
                    "schema": schemas.of(RequestIdText),
                }
            },
        },
    }
    return msgspec.json.encode(document)


def _operations(handler: HTTPRouteHandler) -> Iterator[tuple[str, str, str]]:
    """Operation id, path and method of each operation of a handler; the first has the handler's own name."""
    for alias, path in enumerate(sorted(handler.paths, key=len, reverse=True)):
        for other, method in enumerate(sorted(handler.http_methods)):
            name = handler.handler_name + ("_alias" if alias else "") + (f"_{method.lower()}" if other else "")
            yield name, re.sub(r":(str|int)\}", "}", path), method.lower()


def _describe(handler: HTTPRouteHandler, name: str, schemas: Schemas) -> dict[str, Any]:
    operation = operation_of(handler)
    entry: dict[str, Any] = {"operationId": name, "summary": operation.summary, "tags": [operation.tag]}
    scope = f"Needs the scope `{operation.scope}`." if operation.scope else ""
    if operation.description or scope:
        entry["description"] = " ".join(filter(None, (operation.description, scope)))
    if operation.public:
        entry["security"] = []
    elif operation.key_optional:
        entry["security"] = [{"key": []}, {}]
    parameters = parameters_of(handler.fn)
    if parameters:
        entry["parameters"] = [_parameter(parameter) for parameter in parameters]
    body = request_type(handler)
    if body is not None:
        example = {} if operation.request_example is None else {"example": operation.request_example}
        content = {operation.streamed_media_type: {"schema": schemas.of(body), **example}}
        entry["requestBody"] = {"required": True, "content": content}
    errors = error_responses(handler, schemas.of(error_type(handler)), _COMMON_HEADERS)
    entry["responses"] = {**_successes(handler, schemas), **errors}
    return entry


def _parameter(parameter: Parameter) -> dict[str, Any]:
    examples = parameter.schema.get("examples")
    return {
        "name": parameter.name,
        "in": parameter.location,
        "required": parameter.required,
        "description": parameter.description,
        "schema": {name: value for name, value in parameter.schema.items() if name != "examples"},
        **({"example": examples[0]} if examples else {}),
    }


def _successes(handler: HTTPRouteHandler, schemas: Schemas) -> dict[str, Any]:
    operation, kinds = operation_of(handler), response_types(handler)
    headers = {**_COMMON_HEADERS, **{header.name: _header(header) for header in operation.response_headers}}
    content: dict[str, Any] = {"schema": schemas.of(*kinds)} if kinds else {}
    if operation.response_example is not None:
        content["example"] = operation.response_example
    links = {f"{number}_{link.operation_id}": _link(link) for number, link in enumerate(operation.links, 1)}
    return {
        str(status): {
            "description": description,
            "headers": headers,
            **({"content": {operation.media_type: content}} if status not in (204, 302, 304) else {}),
            **({"links": links} if links and status == 200 else {}),
        }
        for status, description in operation.statuses.items()
    }


def _header(header: ResponseHeader) -> dict[str, Any]:
    return {"description": header.description, "required": header.required, "schema": header.schema}


def _link(link: ResponseLink) -> dict[str, Any]:
    entry: dict[str, Any] = {"operationId": link.operation_id, "description": link.description}
    if link.parameters:
        entry["parameters"] = dict(link.parameters)
    if link.body is not None:
        entry["requestBody"] = link.body
    return entry


@get("/openapi.json", summary="This document", tag="operations", public=True)
async def openapi_json(document: bytes) -> Annotated[msgspec.Raw, schema(type="object")]:
    return msgspec.Raw(document)
