"""Checks the stored bytes against the rows, page by page: the invariants that no SQL can check."""

from __future__ import annotations

import asyncio
import time

from imagegate.blobs import BlobDamaged, BlobNotFound, BlobStore
from imagegate.domain.assets import Asset
from imagegate.store import assets
from imagegate.store.database import Database
from imagegate.store.invariants import MAX_ROWS_SHOWN, Violation

_MIN_ORPHAN_AGE_S = 24 * 3600
_PAGE = 500
_READ_AT_A_TIME = 8


async def audit_blobs(db: Database, blobs: BlobStore) -> list[Violation]:
    """I12: each live asset has a blob of its size and SHA-256; no blob without a row is older than a day."""
    found = [
        Violation("I12.bytes", "each live asset has a blob of its size and SHA-256", await _find_mismatched(db, blobs)),
        Violation("I12.orphans", "no blob without a row is older than a day", await _find_orphans(db, blobs)),
    ]
    return [one for one in found if one.rows]


async def _find_mismatched(db: Database, blobs: BlobStore) -> list[dict[str, str]]:
    mismatched: list[dict[str, str]] = []
    slots, last_id = asyncio.Semaphore(_READ_AT_A_TIME), ""

    async def verify(asset: Asset) -> bool:
        async with slots:
            return await _matches(blobs, asset)

    while len(mismatched) < MAX_ROWS_SHOWN and (page := await db.read(assets.list_live_assets, last_id, _PAGE)):
        last_id = page[-1].id
        verified = await asyncio.gather(*(verify(asset) for asset in page))
        suspects = [asset.id for asset, matches in zip(page, verified, strict=True) if not matches]
        # Meanwhile a gateway may have deleted what has expired: first the bytes, then it marks the row.
        kept = await db.read(assets.list_kept_assets, suspects)
        mismatched += [{"id": asset.id, "key": asset.key} for asset in kept]
    return mismatched[:MAX_ROWS_SHOWN]


async def _find_orphans(db: Database, blobs: BlobStore) -> list[dict[str, str]]:
    orphans: list[dict[str, str]] = []
    cutoff = time.time() - _MIN_ORPHAN_AGE_S
    async for page in blobs.list_pages():
        old = [key for key, changed in page if changed < cutoff]
        live = await db.read(assets.find_live_keys, old)
        suspects = [key for key in old if key not in live]
        orphans += [{"key": key} for key in suspects if await _exists(blobs, key)]
        if len(orphans) >= MAX_ROWS_SHOWN:
            break
    return orphans[:MAX_ROWS_SHOWN]


async def _exists(blobs: BlobStore, key: str) -> bool:
    """What was listed may have been deleted before its row was looked for."""
    try:
        (await blobs.open(key)).close()
    except BlobNotFound:
        return False
    except BlobDamaged:
        pass
    return True


async def _matches(blobs: BlobStore, asset: Asset) -> bool:
    try:
        await blobs.verify(asset)
    except (BlobNotFound, BlobDamaged):
        return False
    return True
