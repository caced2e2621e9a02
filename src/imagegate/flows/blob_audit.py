"""Are the stored bytes what the rows say? The half of the invariants that no SQL can ask."""

from __future__ import annotations

import hashlib
import time

from imagegate.blobs import BlobMissing, LocalBlobs
from imagegate.domain.assets import Asset
from imagegate.store import assets
from imagegate.store.database import Database
from imagegate.store.invariants import SHOWN, Broken

_ORPHAN_S = 24 * 3600


async def broken_blobs(db: Database, blobs: LocalBlobs) -> list[Broken]:
    """I12: each live asset has a blob of its size and SHA-256; no blob without a row is older than a day."""
    live = await db.read(assets.live_assets)
    wrong = [{"id": asset.id, "key": asset.key} for asset in live if not await _matches(blobs, asset)]
    known = {asset.key for asset in live}
    old = time.time() - _ORPHAN_S
    orphans = [{"key": key} for key, changed in await blobs.every() if key not in known and changed < old]
    found = [
        Broken("I12.bytes", "each live asset has a blob of its size and SHA-256", wrong[:SHOWN]),
        Broken("I12.orphans", "no blob without a row is older than a day", orphans[:SHOWN]),
    ]
    return [one for one in found if one.rows]


async def _matches(blobs: LocalBlobs, asset: Asset) -> bool:
    digest = hashlib.sha256()
    try:
        size = await blobs.size(asset.key)
        async for piece in blobs.read(asset.key, 0, size):
            digest.update(piece)
    except BlobMissing:
        return False
    return size == asset.bytes and digest.hexdigest() == asset.sha256
