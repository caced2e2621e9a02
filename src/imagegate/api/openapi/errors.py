"""The error answers of an operation: every status that it can give, with an example of each code.

Knows: which errors every endpoint shares, and how one is shown. Refuses to know: when they are raised; that stands in
docs/errors.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from imagegate.api.openapi.operation import Operation
from imagegate.api.problems import FILES_API, RETRY_AFTER_S, STATUS, ErrorAnswer, problem_body
from imagegate.domain import errors
from imagegate.domain.errors import Problem
from imagegate.domain.money import number

_KEY_ERRORS: tuple[type[Problem], ...] = (
    errors.Unauthorized,
    errors.PermissionDenied,
    errors.IpRestricted,
    errors.RateLimitExceeded,
)
_BODY_ERRORS: tuple[type[Problem], ...] = (
    errors.InvalidRequest,
    errors.RequestTooLarge,
    errors.UnsupportedMediaType,
)
_ALWAYS: tuple[type[Problem], ...] = (errors.InvalidRequest, errors.InternalError, errors.ServiceUnavailable)
_REQUEST_ID = "req_847d20a4dc389caf632961cc"
_SHORT = {"estimated_credits": number("29.623248"), "remaining_credits": number("12.5")}
# What an example says beyond its default message.
_MORE: dict[type[Problem], dict[str, Any]] = {
    errors.InvalidTaskId: {"param": "task_id"},
    errors.InsufficientQuota: {"limit_scope": "account", **_SHORT},
    errors.InsufficientTokenQuota: {"limit_scope": "key", **_SHORT},
    errors.TokenDailyQuotaExceeded: {"limit_scope": "key_daily", **_SHORT},
    errors.ModelNotFound: {"param": "model", "fallback_suggestion": "gpt-image-2"},
    errors.ModelAccessDenied: {"param": "model"},
    errors.IdempotencyConflict: {"param": "Idempotency-Key"},
    errors.RangeNotSatisfiable: {"param": "Range"},
}
_RETRY = {"description": "Seconds", "required": True, "schema": {"type": "string", "pattern": "^[1-9][0-9]*$"}}
_HEADERS: Mapping[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"description": "Bearer", "required": True, "schema": {"enum": ["Bearer"]}}},
    429: {"Retry-After": _RETRY},
    503: {"Retry-After": {**_RETRY, "description": f"Seconds, usually {RETRY_AFTER_S}"}},
}


def failures(one: Operation, schema: Mapping[str, Any], always: Mapping[str, Any]) -> dict[str, Any]:
    """The error answers by status. `schema` is that of the body, `always` the headers of every answer."""
    by_status: dict[int, list[type[Problem]]] = {}
    for kind in dict.fromkeys(_kinds(one)):
        if STATUS[kind][0] not in one.statuses:
            by_status.setdefault(STATUS[kind][0], []).append(kind)
    return {
        str(status): {
            "description": ", ".join(dict.fromkeys(kind.code for kind in kinds)),
            "headers": {**always, **_HEADERS.get(status, {})},
            "content": {"application/json": {"schema": schema, "examples": _named(kinds, one.failure is not None)}},
        }
        for status, kinds in sorted(by_status.items())
    }


def body_of_failure(one: Operation) -> Any:
    return one.failure or ErrorAnswer


def failure_examples(operations: Iterable[Operation]) -> dict[str, Any]:
    """The components that the answers above refer to."""
    wanted = {(kind, one.failure is not None) for one in operations for kind in _kinds(one)}
    shown = {_name(kind, in_files): _example(kind, in_files) for kind, in_files in wanted}
    return dict(sorted(shown.items()))


def _kinds(one: Operation) -> tuple[type[Problem], ...]:
    with_body = _BODY_ERRORS if one.takes or one.form else ()
    return (*one.errors, *_ALWAYS, *(() if one.open else _KEY_ERRORS), *with_body)


def _named(kinds: list[type[Problem]], in_files: bool) -> dict[str, Any]:
    return {kind.code: {"$ref": f"#/components/examples/{_name(kind, in_files)}"} for kind in kinds}


def _name(kind: type[Problem], in_files: bool) -> str:
    return f"Files{kind.__name__}" if in_files else kind.__name__


def _example(kind: type[Problem], in_files: bool) -> dict[str, Any]:
    body = problem_body(kind(**_MORE.get(kind, {})), _REQUEST_ID, FILES_API if in_files else "")
    return {"summary": kind.default_message, "value": msgspec.json.decode(msgspec.json.encode(body))}
