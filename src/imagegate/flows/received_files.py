"""References and masks that come with a request: checked before anything is held, and durable."""

from __future__ import annotations

import asyncio

from imagegate.domain.assets import EXTENSION_BY_MEDIA_TYPE, FileFacts
from imagegate.domain.errors import InvalidRequest, Problem
from imagegate.flows.execution.inputs import ReceivedFile, flaw_reason
from imagegate.flows.execution.masks import find_mask_flaw
from imagegate.flows.files import IncomingFile
from imagegate.images import InvalidImage, inspect
from imagegate.runtime import Runtime
from imagegate.spool import fsync_and_hash


async def read_received(runtime: Runtime, incoming: IncomingFile, field: str) -> ReceivedFile:
    """The image, once it is on disk. InvalidRequest says why it cannot be used."""
    try:
        incoming.finish()
        if incoming.bytes > runtime.settings.limits.max_reference_bytes:
            raise InvalidRequest(f"{field}: the file is too large", reason="reference_too_large")
    except Problem as problem:
        problem.param = field
        raise
    try:
        image = await asyncio.to_thread(inspect, incoming.path)
    except InvalidImage as flaw:
        message = f"{field} is not a usable image: {flaw.reason.replace('_', ' ')}"
        raise InvalidRequest(message, param=field, reason=flaw_reason(flaw)) from flaw
    size, digest = await asyncio.to_thread(fsync_and_hash, incoming.path)
    return ReceivedFile(incoming.path, FileFacts(image.media_type, size, digest, image.width, image.height), image)


def received_url(runtime: Runtime, file: ReceivedFile) -> str:
    """What stands for it in the order: the same for the same bytes, and nothing that could be fetched."""
    return f"{runtime.origin}/files/inputs/{file.facts.sha256}.{EXTENSION_BY_MEDIA_TYPE[file.facts.media_type]}"


def ensure_mask_fits(mask: ReceivedFile, reference: ReceivedFile, field: str) -> None:
    """InvalidRequest for a mask that would fail the task."""
    flaw = find_mask_flaw(mask.image, reference.image)
    if flaw is not None:
        raise InvalidRequest(flaw.message, param=field, reason=flaw.reason or str(flaw.code))
