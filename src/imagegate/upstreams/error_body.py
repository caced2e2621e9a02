"""The error object of an answer, whichever shape it came in.

Knows: the shapes that servers use. Refuses to know what any of them means.
"""

from __future__ import annotations

from typing import Any

import msgspec

from imagegate.catalog.routes import Dialect

_MAX_DETAIL_CHARS = 400
_MAX_MESSAGE_CHARS = 2000


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """What was said. `code`, `type` and `inner_code` are lower case; `status` is a code that is a number.

    `is_readable`: some error shape was found. `is_own_shape`: it is the server's own shape, so the server itself spoke
    and no
    intermediary. `is_flagged`: its metadata names a moderation. `raw` is the object, for what else it may say.
    """

    message: str = ""
    code: str = ""
    type: str = ""
    param: str = ""
    inner_code: str = ""
    status: int = 0
    is_readable: bool = False
    is_own_shape: bool = False
    is_flagged: bool = False
    raw: dict[str, Any] = {}

    def describe(self, status: int) -> str:
        """One line for the operator."""
        words = " ".join(filter(None, (self.code or self.type, self.message or "no error object")))
        return f"{status}: {words}"[:_MAX_DETAIL_CHARS]


def read_error_body(body: bytes, dialect: Dialect) -> ErrorBody:
    """From a body that may be anything."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return ErrorBody(message=_printable(body[:200].decode("utf-8", "replace")))
    return parse_error(decoded, dialect) or ErrorBody(message=_printable(body[:200].decode("utf-8", "replace")))


def parse_error(decoded: Any, dialect: Dialect) -> ErrorBody | None:
    """The error in a decoded answer, None where there is none."""
    if not isinstance(decoded, dict):
        return None
    error, detail = decoded.get("error"), decoded.get("detail")
    if isinstance(error, dict):
        return _from_object(error)
    if isinstance(error, str) and error:
        alone = decoded.keys() == {"error"} and dialect.error_shape == "string"
        return ErrorBody(
            message=_printable(error), code=_lowercase_code(decoded.get("code")), is_readable=True, is_own_shape=alone
        )
    if isinstance(detail, str | list) and detail:
        alone = decoded.keys() == {"detail"} and dialect.error_shape == "detail"
        return ErrorBody(message=_detail(detail), is_readable=True, is_own_shape=alone)
    if decoded.get("object") == "error":
        return _from_object(decoded)
    return None


def _from_object(error: dict[str, Any]) -> ErrorBody:
    inner = error.get("inner_error", error.get("innererror"))
    metadata = error.get("metadata")
    return ErrorBody(
        message=_printable(_text(error.get("message"))),
        code=_lowercase_code(error.get("code")),
        type=_lowercase_code(error.get("type")),
        param=_text(error.get("param"))[:64],
        inner_code=_lowercase_code(inner.get("code")) if isinstance(inner, dict) else "",
        status=_status_in_code(error.get("code")),
        is_readable=True,
        is_own_shape=any(error.get(name) for name in ("message", "code", "type")),
        is_flagged=isinstance(metadata, dict) and bool(metadata.get("flagged_input") or metadata.get("reasons")),
        raw=error,
    )


def _detail(detail: str | list[Any]) -> str:
    if isinstance(detail, str):
        return _printable(detail)
    parts = [part for part in detail if isinstance(part, dict)]
    return _printable("; ".join(f"{part.get('loc')}: {part.get('msg')}" for part in parts))


def _status_in_code(code: Any) -> int:
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3:
        code = int(code)
    return code if isinstance(code, int) and 400 <= code <= 599 else 0


def _lowercase_code(value: Any) -> str:
    return _printable(value).lower()[:100] if isinstance(value, str) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _printable(text: str) -> str:
    return "".join(mark if mark.isprintable() else " " for mark in text[:_MAX_MESSAGE_CHARS])
