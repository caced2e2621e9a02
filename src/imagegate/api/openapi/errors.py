"""The error responses of an operation: every status that it can have, with an example of each code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from imagegate.api.openapi.operation import operation_of, request_type
from imagegate.api.problems import DEFAULT_RETRY_AFTER_S, FILES_PATH, STATUS, ErrorResponse, problem_body
from imagegate.domain import errors
from imagegate.domain.errors import Problem
from imagegate.domain.money import json_number

_KEY_ERRORS: tuple[type[Problem], ...] = (
    errors.Unauthorized,
    errors.PermissionDenied,
    errors.IpRestricted,
    errors.RateLimitExceeded,
)
_BODY_ERRORS: tuple[type[Problem], ...] = (errors.InvalidRequest, errors.RequestTooLarge, errors.UnsupportedMediaType)
_COMMON_ERRORS: tuple[type[Problem], ...] = (errors.InvalidRequest, errors.InternalError, errors.ServiceUnavailable)
_REQUEST_ID = "req_847d20a4dc389caf632961cc"
_QUOTA_AMOUNTS = {"estimated_credits": json_number("29.623248"), "remaining_credits": json_number("12.5")}
# What an example says beyond its default message.
_EXAMPLE_DETAILS: dict[type[Problem], dict[str, Any]] = {
    errors.InvalidTaskId: {"param": "task_id"},
    errors.InsufficientQuota: {"limit_scope": "account", **_QUOTA_AMOUNTS},
    errors.InsufficientTokenQuota: {"limit_scope": "key", **_QUOTA_AMOUNTS},
    errors.TokenDailyQuotaExceeded: {"limit_scope": "key_daily", **_QUOTA_AMOUNTS},
    errors.ModelNotFound: {"param": "model", "fallback_suggestion": "gpt-image-2"},
    errors.ModelAccessDenied: {"param": "model"},
    errors.IdempotencyConflict: {"param": "Idempotency-Key"},
    errors.RangeNotSatisfiable: {"param": "Range"},
}
_RETRY_AFTER_HEADER = {
    "description": "Seconds",
    "required": True,
    "schema": {"type": "string", "pattern": "^[1-9][0-9]*$"},
}
_HEADERS: Mapping[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"description": "Bearer", "required": True, "schema": {"enum": ["Bearer"]}}},
    429: {"Retry-After": _RETRY_AFTER_HEADER},
    503: {"Retry-After": {**_RETRY_AFTER_HEADER, "description": f"Seconds, usually {DEFAULT_RETRY_AFTER_S}"}},
}


def error_responses(
    handler: HTTPRouteHandler, schema: Mapping[str, Any], common_headers: Mapping[str, Any]
) -> dict[str, Any]:
    """The error responses by status. `schema` is that of the body, `common_headers` those of every response."""
    operation = operation_of(handler)
    in_files = operation.error_type is not None
    by_status: dict[int, list[type[Problem]]] = {}
    for kind in dict.fromkeys(_problem_types(handler)):
        if STATUS[kind][0] not in operation.statuses:
            by_status.setdefault(STATUS[kind][0], []).append(kind)
    return {
        str(status): {
            "description": ", ".join(dict.fromkeys(kind.code for kind in kinds)),
            "headers": {**common_headers, **_HEADERS.get(status, {})},
            "content": {
                "application/json": {
                    "schema": schema,
                    "examples": {
                        one.code: {"$ref": f"#/components/examples/{_example_name(one, in_files)}"} for one in kinds
                    },
                }
            },
        }
        for status, kinds in sorted(by_status.items())
    }


def error_type(handler: HTTPRouteHandler) -> Any:
    return operation_of(handler).error_type or ErrorResponse


def error_examples(handlers: Iterable[HTTPRouteHandler]) -> dict[str, Any]:
    """The components that the responses above refer to."""
    used = {(kind, operation_of(one).error_type is not None) for one in handlers for kind in _problem_types(one)}
    examples = {_example_name(kind, in_files): _example(kind, in_files) for kind, in_files in used}
    return dict(sorted(examples.items()))


def _problem_types(handler: HTTPRouteHandler) -> tuple[type[Problem], ...]:
    operation = operation_of(handler)
    body = () if request_type(handler) is None else _BODY_ERRORS
    return (*operation.errors, *_COMMON_ERRORS, *(() if operation.public else _KEY_ERRORS), *body)


def _example_name(kind: type[Problem], in_files: bool) -> str:
    return f"Files{kind.__name__}" if in_files else kind.__name__


def _example(kind: type[Problem], in_files: bool) -> dict[str, Any]:
    body = problem_body(kind(**_EXAMPLE_DETAILS.get(kind, {})), _REQUEST_ID, FILES_PATH if in_files else "")
    return {"summary": kind.default_message, "value": msgspec.json.decode(msgspec.json.encode(body))}
