"""Deletes blobs that nobody needs any more; those that the storage does not delete now are found by the sweeps."""

from __future__ import annotations

from collections.abc import Sequence

from imagegate.blobs import StorageUnavailable
from imagegate.logging import log_warning
from imagegate.runtime import Runtime


async def discard_blobs(runtime: Runtime, keys: Sequence[str]) -> bool:
    """False where they are left: whoever asked for it has what they asked for all the same."""
    try:
        if keys:
            await runtime.blobs.delete(*keys)
    except StorageUnavailable as error:
        log_warning("blobs_not_deleted", count=len(keys), error=str(error))
        return False
    return True
