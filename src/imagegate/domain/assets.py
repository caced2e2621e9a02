"""Stored bytes: what a blob is called and how long it lives."""

from __future__ import annotations

import enum
import time

import msgspec

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
    """A row about stored bytes; `key` is generated, `sha256` is hex, times are UTC microseconds."""

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
    created: int
    expires: int
    deleted: int | None = None


def new_blob_key(account_id: str, asset_id: str, media_type: str, now_us: int) -> str:
    """`t/<account>/<yyyy>/<mm>/<dd>/<asset>.<extension>`, by the UTC day of `now_us`."""
    day = time.strftime("%Y/%m/%d", time.gmtime(now_us // US_PER_SECOND))
    return f"t/{account_id}/{day}/{asset_id}.{EXTENSION_BY_MEDIA_TYPE[media_type]}"
