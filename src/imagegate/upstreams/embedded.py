"""The embedded engine: a procedural painter as an upstream. It costs nothing and one order makes the same bytes."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Sequence
from functools import partial

from imagegate.catalog.routes import Dialect, UpstreamConfig
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import FailureKind
from imagegate.domain.usage import UsageSource
from imagegate.images import InvalidImage, inspect
from imagegate.images.jobs.decode import MAX_DECODE_SIDE, is_decodable, max_decode_pixels
from imagegate.images.jobs.process_pool import JobFailed, ProcessPool, WorkerDied
from imagegate.painter.request import PaintRequest, PaintResult
from imagegate.spool import SpooledImage, SpooledResponse, hash_file
from imagegate.upstreams.base import (
    Call,
    CallHooks,
    Outcome,
    Produced,
    RecoveryMode,
    Rejected,
    Unavailable,
    UpstreamDeps,
)
from imagegate.upstreams.downloads import ImageFile, name_image

NAME = "embedded"
NOTICE = "procedural preview, not a neural model"
_JOB = "imagegate.painter.paint:paint"
_CPU_S, _WALL_S = 20.0, 60.0
# A large reference takes its time to decode, and there may be sixteen.
_REFERENCE_CPU_S, _REFERENCE_WALL_S = 2.0, 5.0


class Embedded:
    def __init__(self, config: UpstreamConfig, dialect: Dialect, deps: UpstreamDeps, api_key: str) -> None:
        self.name = NAME
        self.recovery_mode = RecoveryMode.deterministic
        self._spool = deps.spool
        self._pool = ProcessPool(deps.painters or os.cpu_count() or 1)

    async def produce(self, call: Call, hooks: CallHooks) -> Outcome:
        too_large = await asyncio.to_thread(_find_too_large, call)
        if too_large is not None:
            return Rejected(too_large)
        try:
            images = []
            for index in range(call.order.n):
                images.append(await self._paint(call, index, hooks))
                await hooks.on_progress(10 + 85 * (index + 1) // call.order.n)
        except JobFailed as error:
            return _failed_outcome(error)
        except WorkerDied as error:
            unfinished = TaskError(TaskErrorCode.service_error, "The painter did not finish.")
            return Unavailable(str(error), unfinished, FailureKind.internal)
        return Produced(
            SpooledResponse(tuple(images), call.expected, UsageSource.formula, engine=NAME, quality=call.order.quality)
        )

    async def _paint(self, call: Call, index: int, hooks: CallHooks) -> SpooledImage:
        order = call.order
        place = partial(self._spool.path, call.attempt_id)
        draft, passes = (
            place(f"{index}.part"),
            [place(f"{index}.pass{number}") for number in range(call.partial_images)],
        )
        reference_count = len(call.references)
        painted = await self._pool.run(
            _JOB,
            paint_order(call, index, str(draft), [str(path) for path in passes]),
            PaintResult,
            cpu_s=_CPU_S + reference_count * _REFERENCE_CPU_S,
            wall_s=_WALL_S + reference_count * _REFERENCE_WALL_S,
        )
        for number, path in enumerate(passes):
            await hooks.on_partial_image(number, path)
            await asyncio.to_thread(path.unlink, missing_ok=True)
        width, height = painted.width, painted.height
        assert (width, height) == (order.size.width, order.size.height)
        size, digest = await asyncio.to_thread(hash_file, draft)
        return name_image(ImageFile(draft, size, digest), place, index, painted.media_type, width, height)

    async def close(self) -> None:
        await self._pool.close()


def _find_too_large(call: Call) -> TaskError | None:
    """References may have more pixels than are decoded here: say the real limit, and which one is beyond it."""
    for position, path in enumerate(call.references):
        try:
            facts = inspect(path)
        except InvalidImage:  # a result beyond the limits of references; the painter says what is wrong with it
            continue
        if not is_decodable(facts.width, facts.height, facts.media_type):
            field = f"image_urls[{position}]"
            message = (
                f"{field} is {facts.width}x{facts.height}: the embedded engine reads at most"
                f" {max_decode_pixels(facts.media_type):,} pixels of {facts.media_type}, and {MAX_DECODE_SIDE:,} along"
                " an edge."
            )
            return TaskError(TaskErrorCode.image_processing_error, message, param=field, reason="too_many_pixels")
    return None


def paint_order(call: Call, index: int, out: str, passes: Sequence[str] = ()) -> PaintRequest:
    order = call.order
    return PaintRequest(
        prompt=order.prompt,
        width=order.size.width,
        height=order.size.height,
        quality=order.quality,
        index=index,
        references=tuple(str(path) for path in call.references),
        mask=str(call.mask) if call.mask else "",
        transparent=order.background == "transparent",
        format=order.output_format,
        compression=order.output_compression,
        out=out,
        passes=tuple(passes),
    )


def _failed_outcome(error: JobFailed) -> Outcome:
    """A full disk is the service's fault; anything else that the painter fails at is an image that it was given."""
    # The exception crossed a process as text.
    if f"[Errno {errno.ENOSPC}]" in error.message:
        full = TaskError(TaskErrorCode.service_unavailable, "The service has no space left.", reason="storage_full")
        return Unavailable(str(error), full, FailureKind.internal)
    message = "A reference or mask could not be read as a JPEG, PNG or WebP image."
    return Rejected(TaskError(TaskErrorCode.image_processing_error, message))
