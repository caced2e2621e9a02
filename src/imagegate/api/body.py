"""Reading a body: limited in size and time; a JSON body strict in types, with an error that names the field."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import HTTPException

from imagegate.domain.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType
from imagegate.settings import Server

T = TypeVar("T")

_ERROR_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`")
_CHARSETS = ("", "utf-8", "utf8", "us-ascii")


async def read_json(request: Request[Any, Any, Any], kind: type[T], server: Server) -> T:
    """The body as `kind`. 415 for another type, 413 above the limit, 400 with `param` for anything wrong inside."""
    check_json_type(request.headers.get("content-type", ""))
    try:
        async with asyncio.timeout(server.body_timeout_s):
            body = await _read_limited(request, server.max_body_bytes)
    except TimeoutError:
        raise InvalidRequest(f"The body did not arrive within {server.body_timeout_s:g} seconds") from None
    return decode_json(body, kind)


def decode_json(body: bytes, kind: type[T]) -> T:
    try:
        body.decode("utf-8")  # fields that nobody asked for are skipped unread, and would carry anything
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _type_problem(str(error)) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidRequest("The body is not valid JSON in UTF-8") from error
    except RecursionError as error:
        raise InvalidRequest("The body is nested too deeply") from error


def _type_problem(text: str) -> InvalidRequest:
    """msgspec's `Expected `int | null`, got `bool` - at `$.n`` -> our words and the field's path."""
    match = _ERROR_PATH.search(text)
    path = match["path"].replace("[...]", "") if match else ""
    expected = text[: match.start()] if match else text
    message = (
        expected.replace("`", "").replace(" | null", "").replace("Expected ", "must be ").replace("int", "an integer")
    )
    message = message.replace("must be str", "must be a string").replace("must be array", "must be a list")
    return InvalidRequest(f"{path or 'The body'} {message[:200]}", param=path or None)


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
        raise InvalidRequest("The body broke off") from None
