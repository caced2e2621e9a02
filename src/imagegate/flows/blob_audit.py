"""Checks the stored bytes against the rows: the invariants that no SQL can check."""

from __future__ import annotations

import time

from imagegate.blobs import BlobDamaged, BlobNotFound, LocalBlobStore
from imagegate.domain.assets import Asset
from imagegate.store import assets
from imagegate.store.database import Database
from imagegate.store.invariants import MAX_ROWS_SHOWN, Violation

_MIN_ORPHAN_AGE_S = 24 * 3600


async def audit_blobs(db: Database, blobs: LocalBlobStore) -> list[Violation]:
    """I12: each live asset has a blob of its size and SHA-256; no blob without a row is older than a day."""
    live = await db.read(assets.list_live_assets)
    mismatched = [{"id": asset.id, "key": asset.key} for asset in live if not await _matches(blobs, asset)]
    known = {asset.key for asset in live}
    cutoff = time.time() - _MIN_ORPHAN_AGE_S
    orphans = [{"key": key} for key, changed in await blobs.list_all() if key not in known and changed < cutoff]
    found = [
        Violation("I12.bytes", "each live asset has a blob of its size and SHA-256", mismatched[:MAX_ROWS_SHOWN]),
        Violation("I12.orphans", "no blob without a row is older than a day", orphans[:MAX_ROWS_SHOWN]),
    ]
    return [one for one in found if one.rows]


async def _matches(blobs: LocalBlobStore, asset: Asset) -> bool:
    try:
        await blobs.verify(asset.key, asset.bytes, asset.sha256)
    except (BlobNotFound, BlobDamaged):
        return False
    return True
