"""Request bodies: limited in size and time; JSON is strict in types, and an error names the field."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import AsyncIterator
from typing import Any, TypeVar, cast

import msgspec
from litestar import Request
from litestar.exceptions import HTTPException
from litestar.types import Receive, Scope

from imagegate.api.client_connection import is_request_whole
from imagegate.api.validation import requirement
from imagegate.domain.errors import InvalidRequest, Problem, RequestTooLarge, UnsupportedMediaType

T = TypeVar("T")

_ERROR = re.compile(r"(?P<expected>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_CONSTRAINT = re.compile(r"Expected `[^`]*` (>=|<=|of length|matching regex)")
_CHARSETS = ("", "utf-8", "utf8", "us-ascii")


class ApiRequest(Request[Any, Any, Any]):
    """A request of the API, for the handlers that ask for one."""


def header_of(scope: Scope, name: bytes) -> str | None:
    """The last header of this name, given in lower case; without building the table that a Request has."""
    value = scope["state"]["headers"].get(name)
    return None if value is None else str(value, "latin-1")


async def read_json(scope: Scope, receive: Receive, kind: type[T], max_bytes: int, timeout_s: float) -> T:
    """415 for another type, 413 above the limit, 400 for a slow, an empty or an invalid body."""
    check_json_type(header_of(scope, b"content-type") or "")
    if is_request_whole(scope):  # nearly always: a time-out that cannot come costs more than the decoding
        body = await _read_body(scope, receive, max_bytes)
    else:
        try:
            async with asyncio.timeout(timeout_s):
                body = await _read_body(scope, receive, max_bytes)
        except TimeoutError:
            raise InvalidRequest(f"The body did not arrive within {timeout_s:g} seconds") from None
    if not body:
        raise InvalidRequest("The body is not valid JSON in UTF-8")
    return decode_json(body, kind)


async def _read_body(scope: Scope, receive: Receive, max_bytes: int) -> bytes:
    """A length that is announced is believed where it is too much; what arrives is counted all the same."""
    if int(header_of(scope, b"content-length") or 0) > max_bytes:
        raise RequestTooLarge
    body = bytearray()
    while True:
        message = cast("dict[str, Any]", await receive())
        if message["type"] == "http.disconnect":
            raise InvalidRequest("The request body was truncated")
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise RequestTooLarge
        if not message.get("more_body"):
            return bytes(body)


async def stream_body(
    request: ApiRequest, max_bytes: int, too_large: Problem, *, idle_s: float, total_s: float
) -> AsyncIterator[bytes]:
    """The body as it comes: counted, each piece within `idle_s`, the whole within `total_s`.

    A length that is announced is believed where it is too much.
    """
    if (request.content_length or 0) > max_bytes:
        raise too_large
    received_bytes, deadline = 0, asyncio.get_running_loop().time() + total_s
    stream = aiter(request.stream())
    while chunk := await _next_chunk(stream, idle_s, deadline):
        received_bytes += len(chunk)
        if received_bytes > max_bytes:
            raise too_large
        yield chunk


async def _next_chunk(stream: AsyncIterator[bytes], idle_s: float, deadline: float) -> bytes:
    """Empty at the end of the body."""
    try:
        async with asyncio.timeout_at(min(asyncio.get_running_loop().time() + idle_s, deadline)):
            return await anext(stream, b"")
    except TimeoutError:
        raise InvalidRequest("The body did not arrive in time") from None
    except HTTPException:
        raise InvalidRequest("The request body was truncated") from None


def decode_json(body: bytes, kind: type[T]) -> T:
    """InvalidRequest with `param` for the field at fault, without for a body that is not JSON."""
    try:
        body.decode("utf-8")  # msgspec skips unknown fields unread, whatever bytes they hold
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _invalid_field(str(error), kind) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidRequest("The body is not valid JSON in UTF-8") from error
    except RecursionError as error:
        raise InvalidRequest("The body is nested too deeply") from error


def _invalid_field(text: str, kind: type[Any]) -> InvalidRequest:
    """msgspec's "Expected `int | null`, got `bool` - at `$.n`" as "n must be an integer, got bool"."""
    match = _ERROR.fullmatch(text)
    assert match is not None
    expected, path = match["expected"], (match["path"] or "").replace("[...]", "")
    missing = _MISSING.fullmatch(expected)
    if missing:
        path = f"{path}.{missing['name']}" if path else missing["name"]
        return InvalidRequest(f"{path} is required", param=path)
    return InvalidRequest(f"{path or 'The body'} {_words(expected, path, kind)[:200]}", param=path or None)


def _words(expected: str, path: str, kind: type[Any]) -> str:
    field = re.split(r"[.\[]", path)[0]
    if _CONSTRAINT.match(expected) and field:
        return requirement(next(one.type for one in msgspec.structs.fields(kind) if one.encode_name == field))
    words = (
        expected.replace("`", "").replace(" | null", "").replace("Expected ", "must be ").replace("int", "an integer")
    )
    return words.replace("must be str", "must be a string").replace("must be array", "must be a list")


@functools.lru_cache(maxsize=100)
def check_json_type(header: str) -> None:
    kind, *parameters = (part.strip().lower() for part in header.split(";"))
    charset = next((value.partition("=")[2].strip('"') for value in parameters if value.startswith("charset=")), "")
    if kind not in ("", "application/json") or charset not in _CHARSETS:
        raise UnsupportedMediaType
