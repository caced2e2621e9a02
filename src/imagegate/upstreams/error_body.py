"""The error object of a response, in whichever of the servers' shapes it comes."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from imagegate.catalog.routes import Dialect

CONTENT_POLICY_CODES: Final = frozenset(
    {
        "content_filter",
        "content_moderated",
        "content_policy_violation",
        "contentfilter",
        "moderation_blocked",
        "responsibleaipolicyviolation",
    }
)
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_MAX_DETAIL_CHARS: Final = 400
_MAX_MESSAGE_CHARS: Final = 2000
_MAX_CODE_CHARS: Final = 100
_MAX_PARAM_CHARS: Final = 64


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """What an error object says. `code` (or `type` in its place), `type` and `inner_code` are lower case.

    `status` is a code that is an HTTP status, else 0. `is_readable`: some error shape was found. `is_own_shape`: it is
    the dialect's own shape, so the server itself answered and no intermediary. `is_flagged`: its metadata names a
    moderation. `raw` is the object as it came.
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
        words = " ".join(filter(None, (self.code, self.message or "no error object")))
        return f"{status}: {words}"[:_MAX_DETAIL_CHARS]


def read_error_body(body: bytes, dialect: Dialect) -> ErrorBody:
    """The error in a body that may be anything; not readable where there is none."""
    try:
        error = parse_error(msgspec.json.decode(body), dialect)
    except UNREADABLE:
        error = None
    return error or ErrorBody(message=_printable(body[:200].decode("utf-8", "replace")))


def parse_error(decoded: Any, dialect: Dialect) -> ErrorBody | None:
    """The error in a decoded response, None where there is none."""
    if not isinstance(decoded, dict):
        return None
    error, detail = decoded.get("error"), decoded.get("detail")
    if isinstance(error, dict):
        return _from_object(error)
    if isinstance(error, str) and error:
        is_own = decoded.keys() == {"error"} and dialect.error_shape == "string"
        code = _lowercase(decoded.get("code"))
        return ErrorBody(message=_printable(error), code=code, is_readable=True, is_own_shape=is_own)
    if isinstance(detail, str | list) and detail:
        is_own = decoded.keys() == {"detail"} and dialect.error_shape == "detail"
        return _from_detail(detail, _lowercase(decoded.get("error_type")), is_own)
    if decoded.get("object") == "error":
        return _from_object(decoded)
    return None


def _from_object(error: dict[str, Any]) -> ErrorBody:
    inner = error.get("inner_error", error.get("innererror"))
    metadata = error.get("metadata")
    kind = _lowercase(error.get("type"))
    return ErrorBody(
        message=_printable(_text(error.get("message"))),
        code=_lowercase(error.get("code")) or kind,
        type=kind,
        param=_text(error.get("param"))[:_MAX_PARAM_CHARS],
        inner_code=_lowercase(inner.get("code")) if isinstance(inner, dict) else "",
        status=_status_in_code(error.get("code")),
        is_readable=True,
        is_own_shape=any(error.get(name) for name in ("message", "code", "type")),
        is_flagged=isinstance(metadata, dict) and bool(metadata.get("flagged_input") or metadata.get("reasons")),
        raw=error,
    )


def _from_detail(detail: str | list[Any], code: str, is_own_shape: bool) -> ErrorBody:
    """FastAPI's shapes: a text, or a list of complaints. The one about content counts most, else the first."""
    if isinstance(detail, str):
        return ErrorBody(message=_printable(detail), code=code, is_readable=True, is_own_shape=is_own_shape)
    complaints = [part for part in detail if isinstance(part, dict)]
    complaints.sort(key=lambda part: _lowercase(part.get("type")) not in CONTENT_POLICY_CODES)
    message = "; ".join(_text(part.get("msg") or part.get("message")) for part in complaints)
    return ErrorBody(
        message=_printable(message),
        code=_lowercase(complaints[0].get("type")) if complaints else code,
        is_readable=True,
        is_own_shape=is_own_shape,
    )


def _status_in_code(code: Any) -> int:
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3:
        code = int(code)
    return code if isinstance(code, int) and 400 <= code <= 599 else 0


def _lowercase(value: Any) -> str:
    return _printable(value).lower()[:_MAX_CODE_CHARS] if isinstance(value, str) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text[:_MAX_MESSAGE_CHARS])
