"""Request bodies: limited in size and time; JSON is strict in types, and an error names the field."""

from __future__ import annotations

import asyncio
import re
from typing import Any, TypeVar

import msgspec
from litestar import Request

from imagegate.api.validation import requirement
from imagegate.domain.errors import InvalidRequest, UnsupportedMediaType

T = TypeVar("T")

_ERROR = re.compile(r"(?P<expected>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_CONSTRAINT = re.compile(r"Expected `[^`]*` (>=|<=|of length|matching regex)")
_CHARSETS = ("", "utf-8", "utf8", "us-ascii")


class ApiRequest(Request[Any, Any, Any]):
    """A request whose handler gets its JSON body as the type of its argument `data`.

    Litestar alone would convert leniently, `"2"` to 2, and answer an empty body as a missing argument. It counts the
    body against the router's `request_max_body_size`: a length that was announced is only a hint.
    """

    async def body(self) -> bytes:
        """415 for another type, 413 above the limit, 400 for a slow or an empty body."""
        check_json_type(self.headers.get("content-type", ""))
        timeout_s = self.app.state["server"].body_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                body = await super().body()
        except TimeoutError:
            raise InvalidRequest(f"The body did not arrive within {timeout_s:g} seconds") from None
        if not body:
            raise InvalidRequest("The body is not valid JSON in UTF-8")
        return body

    async def json(self) -> Any:
        declared = self.route_handler.parsed_data_field
        assert declared is not None
        return decode_json(await self.body(), declared.annotation)


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
