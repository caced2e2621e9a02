"""Stored bytes: what a blob is called, and the row that describes it."""

from __future__ import annotations

import enum
import time

import msgspec

from imagegate.domain import ids
from imagegate.domain.time import US_PER_SECOND

EXTENSION_BY_MEDIA_TYPE = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif"}
MEDIA_TYPE_BY_FORMAT = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


class AssetKind(enum.StrEnum):
    """`mask` is what the customer sent, `repaint` what is made of it for upstreams."""

    result = "result"
    reference = "reference"
    upload = "upload"
    mask = "mask"
    repaint = "repaint"
    thumbnail = "thumbnail"


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """A row about stored bytes; `key` names the blob, `sha256` is hex, times are UTC microseconds.

    `created` and `expires` are 0 until a commit has added the row.
    """

    id: str
    account_id: str
    task_id: str | None
    kind: AssetKind
    position: int
    key: str
    media_type: str
    bytes: int
    width: int
    height: int
    sha256: str
    created: int = 0
    expires: int = 0
    deleted: int | None = None


def new_asset(
    kind: AssetKind,
    account_id: str,
    task_id: str | None,
    media_type: str,
    now: int,
    *,
    size: int,
    sha256: str,
    width: int = 0,
    height: int = 0,
    position: int = 0,
    key: str = "",
) -> Asset:
    """Build the row of `size` bytes that are, or will be, stored as the blob `key`; without one it gets a new key."""
    asset_id = ids.new_id("ast", now)
    return Asset(
        id=asset_id,
        account_id=account_id,
        task_id=task_id,
        kind=kind,
        position=position,
        key=key or _new_blob_key(account_id, asset_id, media_type, now),
        media_type=media_type,
        bytes=size,
        width=width,
        height=height,
        sha256=sha256,
    )


def _new_blob_key(account_id: str, asset_id: str, media_type: str, now: int) -> str:
    """Return `t/<account>/<yyyy>/<mm>/<dd>/<asset>.<extension>`, by the UTC day of `now`."""
    day = time.strftime("%Y/%m/%d", time.gmtime(now // US_PER_SECOND))
    return f"t/{account_id}/{day}/{asset_id}.{EXTENSION_BY_MEDIA_TYPE[media_type]}"
