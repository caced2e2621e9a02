"""Rewrites a customer's mask into one that every upstream reads alike: a PNG whose alpha is either 0 or 255."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

from imagegate.domain.assets import Asset, AssetKind, FileFacts, new_asset
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import Task
from imagegate.flows.execution.storage_wait import when_stored
from imagegate.images import ImageFacts, InvalidImage, inspect
from imagegate.images.exif import Orientation
from imagegate.images.jobs import mask
from imagegate.images.jobs.decode import CPU_S, MAX_DECODE_PIXELS, MAX_DECODE_SIDE, WALL_S, ImageSize, is_decodable
from imagegate.images.jobs.process_pool import JobFailed, WorkerDied
from imagegate.logging import log_warning
from imagegate.runtime import Runtime
from imagegate.spool import fsync_and_hash

MEDIA_TYPE = "image/png"
_NO_ALPHA = "The mask must be a PNG with an alpha channel."
_TOO_MANY_PIXELS = (
    f"The mask is too large: at most {MAX_DECODE_PIXELS:,} pixels, and {MAX_DECODE_SIDE:,} along an edge."
)
_STORAGE_FULL = TaskError(TaskErrorCode.service_unavailable, "The service has no space left.", reason="storage_full")


async def rewrite_mask(
    runtime: Runtime, task: Task, original: Asset, source: Path, reference: ImageFacts, target: Path
) -> Asset | TaskError:
    """Check the mask, whose bytes are `source`, against the first reference and rewrite it, by way of `target`.

    The asset's bytes are stored; its row is for a commit of the claim, so that a later claim finds it. The TaskError
    ends the task.
    """
    if original.media_type != MEDIA_TYPE:
        return _unusable(_NO_ALPHA, "unsupported_image_type")
    try:
        facts = await asyncio.to_thread(inspect, source)
        flaw = find_mask_flaw(facts, reference)
        if flaw is not None:
            return flaw
        orientation = _orientation_of_drawing(facts, reference)
        assert orientation is not None
        request = mask.MaskRequest(str(source), str(target), orientation)
        written = await runtime.image_pool.run(mask.JOB, request, ImageSize, cpu_s=CPU_S, wall_s=WALL_S)
    except (JobFailed, WorkerDied, InvalidImage) as error:
        log_warning("mask_not_rewritten", task=task.id, reason=str(error))
        # The image process reports its OSError as text.
        is_disk_full = f"[Errno {errno.ENOSPC}]" in str(error)
        return _STORAGE_FULL if is_disk_full else _unusable("The mask cannot be read.", "corrupt")
    size, digest = await asyncio.to_thread(fsync_and_hash, target)
    facts_sent = FileFacts(MEDIA_TYPE, size, digest, written.width, written.height)
    asset = new_asset(AssetKind.repaint, task.account_id, task.id, facts_sent, runtime.clock())
    await when_stored(runtime, task, lambda: runtime.blobs.put(target, asset))
    return asset


def find_mask_flaw(facts: ImageFacts, reference: ImageFacts) -> TaskError | None:
    """Why an image is no mask for this reference."""
    if facts.media_type != MEDIA_TYPE or not facts.has_alpha:
        return _unusable(_NO_ALPHA, "unsupported_image_type")
    if _orientation_of_drawing(facts, reference) is None:
        (width, height), (wanted_width, wanted_height) = facts.upright_size, reference.upright_size
        message = f"The mask is {width}x{height}, the first reference {wanted_width}x{wanted_height}."
        return TaskError(TaskErrorCode.image_dimension_mismatch, message, param="mask_url")
    if not is_decodable(facts.width, facts.height, facts.media_type):
        return _unusable(_TOO_MANY_PIXELS, "too_many_pixels")
    return None


def _orientation_of_drawing(drawn: ImageFacts, reference: ImageFacts) -> Orientation | None:
    """How the mask has to be turned: not at all where it fits what people see of the reference.

    A program that knows nothing of EXIF draws on the image as it is stored: such a mask is turned as the image is.
    None where it fits neither.
    """
    if drawn.upright_size == reference.upright_size:
        return 1
    stored = (reference.width, reference.height)
    return reference.orientation if (drawn.width, drawn.height) == stored and drawn.orientation == 1 else None


def _unusable(message: str, reason: str) -> TaskError:
    return TaskError(TaskErrorCode.image_processing_error, message, param="mask_url", reason=reason)
