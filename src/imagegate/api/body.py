"""Request bodies: limited in size and time; JSON is strict in types, and an error names the field."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import HTTPException
from litestar.types import Receive, Scope, Send

from imagegate.api.validation import requirement
from imagegate.domain.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType
from imagegate.settings import Server

T = TypeVar("T")

_ERROR = re.compile(r"(?P<expected>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_CONSTRAINT = re.compile(r"Expected `[^`]*` (>=|<=|of length|matching regex)")
_CHARSETS = ("", "utf-8", "utf8", "us-ascii")


class JsonRequest(Request[Any, Any, Any]):
    """A request whose handler gets its JSON body as the type of its argument `data`.

    Litestar alone would convert leniently, `"2"` to 2, and answer an empty body as a missing argument.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        self._received: bytes | None = None

    async def body(self) -> bytes:
        if self._received is None:
            self._received = await _read_json(self, self.app.state["server"])
        return self._received

    async def json(self) -> Any:
        declared = self.route_handler.parsed_data_field
        assert declared is not None
        return decode_json(await self.body(), declared.annotation)


async def _read_json(request: Request[Any, Any, Any], server: Server) -> bytes:
    """415 for another type, 413 above the limit, 400 for a slow or an empty body."""
    check_json_type(request.headers.get("content-type", ""))
    try:
        async with asyncio.timeout(server.body_timeout_s):
            body = await _read_limited(request, server.max_body_bytes)
    except TimeoutError:
        raise InvalidRequest(f"The body did not arrive within {server.body_timeout_s:g} seconds") from None
    if not body:
        raise InvalidRequest("The body is not valid JSON in UTF-8")
    return body


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


def check_json_type(header: str) -> None:
    kind, *parameters = (part.strip().lower() for part in header.split(";"))
    charset = next((value.partition("=")[2].strip('"') for value in parameters if value.startswith("charset=")), "")
    if kind not in ("", "application/json") or charset not in _CHARSETS:
        raise UnsupportedMediaType


async def _read_limited(request: Request[Any, Any, Any], max_bytes: int) -> bytes:
    """Counted on the stream: a length that was announced is only a hint."""
    if int(request.headers.get("content-length") or 0) > max_bytes:
        raise RequestTooLarge
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise RequestTooLarge
    return bytes(body)


async def stream_body(
    request: Request[Any, Any, Any], max_bytes: int, idle_s: float, total_s: float
) -> AsyncIterator[bytes]:
    """A large body as it comes: counted, each piece within `idle_s`, the whole within `total_s`.

    RequestTooLarge above `max_bytes`; a length that is announced is believed where it is too much.
    """
    if int(request.headers.get("content-length") or 0) > max_bytes:
        raise RequestTooLarge(f"The request body is over {max_bytes:,} bytes")
    received_bytes, deadline = 0, asyncio.get_running_loop().time() + total_s
    stream = aiter(request.stream())
    while chunk := await _next_chunk(stream, idle_s, deadline):
        received_bytes += len(chunk)
        if received_bytes > max_bytes:
            raise RequestTooLarge(f"The request body is over {max_bytes:,} bytes")
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
