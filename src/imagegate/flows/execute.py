"""Carry out one claimed task: call a route, keep the bytes, settle.

`[ ]` is one commit. Dispatch mark `[ attempt: sending ]`, the call, its answer in the spool; then the bytes go to
storage and `[ task done (fenced), assets, hold settled, webhook ]`. If we die before the mark nothing was sent;
between mark and spool the outcome is unknown; once the spool is complete the next claim finishes from it and nothing
is bought again; after the last commit there is nothing left to do but sweep the spool.
"""

from __future__ import annotations

import time

from imagegate.domain import ids
from imagegate.domain.assets import EXTENSION, AssetKind
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import Attempt, Outcome, Result, Task
from imagegate.families import FAMILIES
from imagegate.flows.bill import make_bill
from imagegate.flows.inputs import BadInput, Inputs, gather_inputs
from imagegate.flows.thumbnail import Thumbnail, make_thumbnail
from imagegate.flows.view import task_body
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.spool import SpooledAnswer
from imagegate.store import assets, attempts, settlement, tasks
from imagegate.store.cancels import CANCELLED
from imagegate.store.engines import StoreFailure
from imagegate.telemetry import log_error
from imagegate.upstreams.protocol import (
    Answer,
    Call,
    Produced,
    Progress,
    Refused,
    Rejected,
    Unavailable,
    Unknown,
    Upstream,
)

NO_ROUTE = TaskError(
    TaskErrorCode.service_unavailable, "No route can serve this request now.", reason="no_route_available"
)
UNKNOWN = TaskError(
    TaskErrorCode.unknown_error,
    "It could not be established whether an image was made.",
    reason="upstream_unknown",
)
FAULT = TaskError(TaskErrorCode.service_error, "The service failed to carry this task out.")


class Lease:
    """A worker's timed right to one task, judged by this process's own monotonic clock."""

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._renewed = time.monotonic()

    def renew_as(self, renewed: Lease) -> None:
        """The lease runs from the moment the renewal was asked for, not from when it was answered."""
        self._renewed = renewed._renewed

    def must_be_sure(self) -> None:
        """Before anything that cannot be undone. StoreFailure where no renewal went through for too long: the task
        waits until one does, or is found lost."""
        if time.monotonic() - self._renewed >= 0.75 * self._lease_s:
            raise StoreFailure("the lease could not be renewed in time", retry=True)


async def execute(runtime: Runtime, task: Task, lease: Lease) -> None:
    """Bring the task to its end, or stop quietly where it is no longer ours."""
    if await _finish_from_spool(runtime, task, lease):
        return
    match await gather_inputs(runtime, task):
        case BadInput(error=error):
            await fail(runtime, task, error)
        case Inputs() as inputs:
            await _try_route(runtime, task, inputs, lease)


async def _try_route(runtime: Runtime, task: Task, inputs: Inputs, lease: Lease) -> None:
    upstream = next(iter(runtime.upstreams.values()), None)
    if upstream is None:
        await fail(runtime, task, NO_ROUTE)
        return
    attempt = _new_attempt(runtime, task, upstream)
    lease.must_be_sure()
    if not await _mark_sending(runtime, task, attempt):
        return
    answer = await upstream.produce(_call(runtime, task, attempt, inputs), _progress(runtime, task))
    await _conclude(runtime, task, attempt, answer, lease)


async def _finish_from_spool(runtime: Runtime, task: Task, lease: Lease) -> bool:
    """What an earlier claim left behind: a complete spool is finished, anything else is an unknown outcome."""
    for attempt in await runtime.db.read(attempts.open_attempts, task.account_id, task.id):
        answer = runtime.spool.answer(attempt.id)
        if answer is not None:
            await _settle(runtime, task, attempt, answer, lease)
            return True
        await runtime.db.write(
            attempts.end_attempt,
            task.account_id,
            attempt.id,
            Outcome.unknown,
            "the worker stopped in the middle",
        )
        runtime.spool.discard(attempt.id)
    return False


def _new_attempt(runtime: Runtime, task: Task, upstream: Upstream) -> Attempt:
    now = runtime.clock()
    return Attempt(
        id=ids.new_id("att", now),
        task_id=task.id,
        account_id=task.account_id,
        claim_no=task.claim_no,
        route=upstream.name,
        outcome=Outcome.sending,
        started=now,
    )


async def _mark_sending(runtime: Runtime, task: Task, attempt: Attempt) -> bool:
    """[ attempt: sending ]. A task whose customer wants no more of it ends here instead."""
    marked = await runtime.db.write(attempts.begin_attempt, attempt.account_id, attempt, runtime.boot_id)
    match marked:
        case tasks.Done():
            return True
        case tasks.LostLease():
            return False
        case attempts.Unwanted():
            await fail(runtime, task, CANCELLED)
            return False


def _call(runtime: Runtime, task: Task, attempt: Attempt, inputs: Inputs) -> Call:
    model = runtime.book.models[task.order.row]
    expected = FAMILIES[model.family].expected_usage(task.order, model)
    return Call(attempt.id, task.order, expected, inputs.references, inputs.mask)


def _progress(runtime: Runtime, task: Task) -> Progress:
    async def report(percent: int) -> None:
        try:
            await runtime.db.write(attempts.advance, task.account_id, task.id, task.claim_no, percent)
        except StoreFailure as failure:  # a bar that stands still is no reason to give up what is being made
            log_error("progress not stored", task=task.id, error=str(failure))
        runtime.signals.task_changed(task.id)

    return report


async def _conclude(runtime: Runtime, task: Task, attempt: Attempt, answer: Answer, lease: Lease) -> None:
    match answer:
        case Produced(answer=spooled):
            await _settle(runtime, task, attempt, spooled, lease)
        case Refused(error=error):
            await _end(runtime, task, attempt, Outcome.refused, error, error.message)
        case Rejected(error=error):
            await _end(runtime, task, attempt, Outcome.rejected, error, error.message)
        case Unavailable(detail=detail, error=error):
            await _end(
                runtime, task, attempt, Outcome.unavailable, await _unless_unwanted(runtime, task, error), detail
            )
        case Unknown(detail=detail):
            await _end(runtime, task, attempt, Outcome.unknown, await _unless_unwanted(runtime, task, UNKNOWN), detail)


async def _unless_unwanted(runtime: Runtime, task: Task, error: TaskError) -> TaskError:
    """Where no image came and the customer wanted none any more, that is the end which was asked for."""
    now = await runtime.db.read(tasks.find_task, task.account_id, task.id)
    return CANCELLED if now is not None and now.cancel_wished is not None else error


async def _end(runtime: Runtime, task: Task, attempt: Attempt, outcome: Outcome, error: TaskError, detail: str) -> None:
    await runtime.db.write(attempts.end_attempt, task.account_id, attempt.id, outcome, detail[:500])
    runtime.spool.discard(attempt.id)
    await fail(runtime, task, error)


async def _settle(runtime: Runtime, task: Task, attempt: Attempt, answer: SpooledAnswer, lease: Lease) -> None:
    """Bytes to storage first, then everything else in one commit."""
    keys = [blob_key(task, attempt.id, image.name) for image in answer.images]
    for image, key in zip(answer.images, keys, strict=True):
        await runtime.blobs.put(runtime.spool.path(attempt.id, image.name), key)
    small = await make_thumbnail(runtime, task, attempt.id, answer.images[0])
    lease.must_be_sure()
    thumbnail = small.asset if isinstance(small, Thumbnail) else None
    done = _settlement(runtime, task, attempt, answer, keys, thumbnail)
    await runtime.db.write(
        settlement.complete_task, task.account_id, task.id, task.claim_no, done, task_body(runtime)
    )  # fmt: skip
    runtime.spool.discard(attempt.id)
    runtime.signals.task_ended(task.id)


def _settlement(
    runtime: Runtime,
    task: Task,
    attempt: Attempt,
    answer: SpooledAnswer,
    keys: list[str],
    thumbnail: assets.NewAsset | None,
) -> settlement.Settlement:
    pixels = [(image.width, image.height) for image in answer.images]
    bill = make_bill(runtime, task, answer.usage, answer.usage_source, pixels)
    return settlement.Settlement(
        charge=bill.charge,
        price=bill.price,
        usage=bill.usage,
        usage_source=bill.source,
        engine=answer.engine,
        results=_results(answer),
        assets=_assets(runtime, task, answer, keys),
        keep_us=runtime.settings.storage.result_hours * 3600 * PER_SECOND,
        thumbnail=thumbnail,
        keep_thumbnail_us=runtime.settings.storage.thumbnail_days * 24 * 3600 * PER_SECOND,
        commit_id=ids.new_id("cmt", runtime.clock()),
        attempt_id=attempt.id,
    )


def _results(answer: SpooledAnswer) -> tuple[Result, ...]:
    return tuple(
        Result(index, EXTENSION[image.media_type], image.media_type, image.width, image.height, image.bytes)
        for index, image in enumerate(answer.images)
    )


def _assets(runtime: Runtime, task: Task, answer: SpooledAnswer, keys: list[str]) -> tuple[assets.NewAsset, ...]:
    return tuple(
        assets.NewAsset(
            id=ids.new_id("ast", runtime.clock()),
            task_id=task.id,
            kind=AssetKind.result,
            position=position,
            key=key,
            media_type=image.media_type,
            bytes=image.bytes,
            width=image.width,
            height=image.height,
            sha256=image.sha256,
        )
        for position, (image, key) in enumerate(zip(answer.images, keys, strict=True))
    )


def blob_key(task: Task, attempt_id: str, name: str) -> str:
    """The same for every repeat of the same attempt: a blob published twice is one blob."""
    day = time.strftime("%Y/%m/%d", time.gmtime(task.created // PER_SECOND))
    return f"t/{task.account_id}/{day}/{attempt_id}-{name}"


async def fail(runtime: Runtime, task: Task, error: TaskError) -> None:
    """[ task failed, hold released, webhook ]; nothing happens where the task is no longer ours."""
    commit_id = ids.new_id("cmt", runtime.clock())
    await runtime.db.write(
        settlement.fail_task, task.account_id, task.id, task.claim_no, error, commit_id, task_body(runtime)
    )  # fmt: skip
    runtime.signals.task_ended(task.id)
