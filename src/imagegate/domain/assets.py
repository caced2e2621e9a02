"""Stored bytes: what a blob is called, and the row that describes it."""

from __future__ import annotations

import enum
import time

import msgspec

from imagegate.domain import ids
from imagegate.domain.time import US_PER_SECOND

EXTENSION_BY_MEDIA_TYPE = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif"}
MEDIA_TYPE_BY_EXTENSION = {extension: media_type for media_type, extension in EXTENSION_BY_MEDIA_TYPE.items()}

# When thumbnails of a starred task expire, in UTC microseconds: no clock comes there, and databases count with it.
NEVER = 2**62


class AssetKind(enum.StrEnum):
    """`reference` and `mask` are what the customer sent, `upright` and `repaint` what is made of them for upstreams."""

    result = "result"
    reference = "reference"
    upright = "upright"
    upload = "upload"
    mask = "mask"
    repaint = "repaint"
    thumbnail = "thumbnail"


class FileFacts(msgspec.Struct, frozen=True):
    """What is known of bytes that are, or will be, stored. `sha256` is hex; pixels are 0 where nobody has looked."""

    media_type: str
    bytes: int
    sha256: str
    width: int = 0
    height: int = 0


class Asset(FileFacts, frozen=True, kw_only=True):
    """A row about stored bytes; `key` names the blob, times are UTC microseconds.

    `created` and `expires` are 0 until a commit has added the row.
    """

    id: str
    account_id: str
    task_id: str | None
    kind: AssetKind
    position: int
    key: str
    created: int = 0
    expires: int = 0
    deleted: int | None = None


def new_asset(
    kind: AssetKind,
    account_id: str,
    task_id: str | None,
    facts: FileFacts,
    now: int,
    *,
    position: int = 0,
    key: str = "",
) -> Asset:
    """Build the row of bytes that are, or will be, stored as the blob `key`; without one it gets a new key."""
    asset_id = ids.new_id("ast", now)
    return Asset(
        facts.media_type,
        facts.bytes,
        facts.sha256,
        facts.width,
        facts.height,
        id=asset_id,
        account_id=account_id,
        task_id=task_id,
        kind=kind,
        position=position,
        key=key or blob_key(account_id, f"{asset_id}.{EXTENSION_BY_MEDIA_TYPE[facts.media_type]}", now),
    )


def shown_name(asset: Asset) -> str:
    """The file name that a link to a result or thumbnail carries; empty for all other bytes, which are not shown."""
    extension = EXTENSION_BY_MEDIA_TYPE[asset.media_type]
    match asset.kind:
        case AssetKind.result:
            return f"{asset.task_id}_{asset.position}.{extension}"
        case AssetKind.thumbnail:
            return f"{asset.task_id}_{asset.position}.thumb.{extension}"
        case _:
            return ""


def blob_key(account_id: str, name: str, now: int) -> str:
    """Return `t/<account>/<yyyy>/<mm>/<dd>/<name>`, by the UTC day of `now`."""
    day = time.strftime("%Y/%m/%d", time.gmtime(now // US_PER_SECOND))
    return f"t/{account_id}/{day}/{name}"
