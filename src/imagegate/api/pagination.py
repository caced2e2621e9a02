"""Lists by cursor: a page as it is answered, and where the next one begins as opaque text."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

import msgspec

from imagegate.api_docs.schema import HasMore, NextCursor
from imagegate.domain.accounts import ApiKey
from imagegate.domain.errors import InvalidRequest, ServiceUnavailable
from imagegate.domain.pages import Page
from imagegate.runtime import Runtime
from imagegate.security.signing import to_base64url
from imagegate.store.dialect import QueryTimeout
from imagegate.store.transaction import Tx

P = ParamSpec("P")
T = TypeVar("T")
Row = TypeVar("Row")
PositionT = TypeVar("PositionT", bound=msgspec.Struct)
PageT = TypeVar("PageT", bound="CursorPage")


class CursorPage(msgspec.Struct, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Any]
    has_more: HasMore
    next_cursor: NextCursor


async def read_list(
    runtime: Runtime, key: ApiKey, narrow: str, query: Callable[Concatenate[Tx, P], T], *args: P.args, **_: P.kwargs
) -> T:
    """The rows of a list. ServiceUnavailable where that takes too long; `narrow` says what the caller can do then."""
    try:
        return await runtime.db.read_list(key.account_id, query, *args, **_)
    except QueryTimeout as timeout:
        raise ServiceUnavailable(f"This list took too long: {narrow}", reason="list_too_slow") from timeout


def cursor_page(page_type: type[PageT], page: Page[Row, PositionT], view: Callable[[Row], Any]) -> PageT:
    position = page.next_position
    return page_type(
        data=[view(row) for row in page.rows],
        has_more=page.has_more,
        next_cursor=None if position is None else to_base64url(msgspec.json.encode(position)),
    )


def decode_cursor(cursor: str, position_type: type[PositionT]) -> PositionT | None:
    """None at the start of a list. InvalidRequest for text that no page gave."""
    if not cursor:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        position = msgspec.json.decode(raw, type=position_type)
    except (binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise InvalidRequest("cursor must be the next_cursor of an earlier response", param="cursor") from error
    if not all(_is_comparable(getattr(position, name)) for name in position.__struct_fields__):
        raise InvalidRequest("cursor must be the next_cursor of an earlier response", param="cursor")
    return position


def _is_comparable(value: Any) -> bool:
    """Both databases compare with it: 64-bit integers, and text without U+0000, which PostgreSQL refuses."""
    return -(2**62) < value < 2**62 if isinstance(value, int) else "\0" not in str(value)
