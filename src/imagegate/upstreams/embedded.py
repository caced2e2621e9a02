"""The embedded engine: a procedural painter behind the seam of an upstream, labelled as what it is.

Knows: how an order becomes painting orders for the child processes. Refuses to know: how anything is painted. It buys
nothing and the same order makes the same bytes, so a call that was cut off is simply made again.
"""

from __future__ import annotations

import asyncio
import errno
import os

from imagegate.domain.assets import EXTENSION_BY_MEDIA_TYPE
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.usage import UsageSource
from imagegate.images.jobs.process_pool import JobFailed, ProcessPool, WorkerDied
from imagegate.painter.request import PaintRequest, PaintResult
from imagegate.spool import Spool, SpooledImage, SpooledResponse, fsync_and_hash
from imagegate.upstreams.base import (
    Call,
    CallHooks,
    CallOutcome,
    FailureKind,
    Produced,
    RecoveryMode,
    Rejected,
    Unavailable,
)

NAME = "embedded"
NOTICE = "procedural preview, not a neural model"
_JOB = "imagegate.painter.paint:paint"
_CPU_S, _WALL_S = 20.0, 60.0
# A large reference takes its time to decode, and there may be sixteen.
_REFERENCE_CPU_S, _REFERENCE_WALL_S = 2.0, 5.0


class Embedded:
    name = NAME
    recovery_mode = RecoveryMode.deterministic

    def __init__(self, spool: Spool, painters: int = 0) -> None:
        self._spool = spool
        self._pool = ProcessPool(painters or os.cpu_count() or 1)

    async def produce(self, call: Call, hooks: CallHooks) -> CallOutcome:
        try:
            images = []
            for index in range(call.order.n):
                images.append(await self._paint(call, index))
                await hooks.on_progress(10 + 85 * (index + 1) // call.order.n)
        except JobFailed as refused:
            return _refusal_outcome(refused)
        except WorkerDied as died:
            return Unavailable(
                str(died), TaskError(TaskErrorCode.service_error, "The painter did not finish."), FailureKind.internal
            )
        answer = SpooledResponse(
            tuple(images), call.expected, UsageSource.formula, engine=NAME, quality=call.order.quality
        )
        await asyncio.to_thread(self._spool.write_response, call.attempt_id, answer)
        return Produced(answer)

    async def _paint(self, call: Call, index: int) -> SpooledImage:
        order = call.order
        draft = self._spool.create_directory(call.attempt_id) / f"{index}.part"
        reference_count = len(call.references)
        painted = await self._pool.run(
            _JOB,
            paint_order(call, index, str(draft)),
            PaintResult,
            cpu_s=_CPU_S + reference_count * _REFERENCE_CPU_S,
            wall_s=_WALL_S + reference_count * _REFERENCE_WALL_S,
        )
        size, digest = await asyncio.to_thread(fsync_and_hash, draft)
        name = f"{index}.{EXTENSION_BY_MEDIA_TYPE[painted.media_type]}"
        draft.rename(draft.with_name(name))
        assert (painted.width, painted.height) == (order.size.width, order.size.height)
        return SpooledImage(name, painted.media_type, painted.width, painted.height, size, digest)

    async def close(self) -> None:
        await self._pool.close()


def paint_order(call: Call, index: int, out: str) -> PaintRequest:
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
    )


def _refusal_outcome(refused: JobFailed) -> CallOutcome:
    """A full disk is the service's fault; anything else that the painter refuses is a picture it was given."""
    if f"[Errno {errno.ENOSPC}]" in refused.message:
        full = TaskError(TaskErrorCode.service_unavailable, "The service has no space left.", reason="storage_full")
        return Unavailable(str(refused), full, FailureKind.internal)
    message = "A reference or mask could not be read as a JPEG, PNG or WebP picture."
    return Rejected(TaskError(TaskErrorCode.image_processing_error, message))
