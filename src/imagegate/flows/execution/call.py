"""Make one call: what an attempt needs of its task, and what it may tell it.

Refuses to know: which route was chosen and why, and what its answer means.
"""

from __future__ import annotations

import hashlib

import msgspec

from imagegate.domain.tasks import Attempt, Task
from imagegate.families import FAMILIES
from imagegate.flows.execution.inputs import Inputs
from imagegate.logging import log_error
from imagegate.runtime import Runtime
from imagegate.store.attempts import advance, remember_ref
from imagegate.store.engines import StoreFailure
from imagegate.upstreams.base import Answer, Call, Progress, Resumes, Ties

# An account's waiting calls do not keep more of its tasks from being claimed, as its waiting references do.
_NOBODY = ""


async def make_call(runtime: Runtime, task: Task, attempt: Attempt, inputs: Inputs, delivered: int) -> Answer:
    """`delivered` images of the task are there already."""
    upstream = runtime.fleet.upstreams[attempt.upstream]
    call, ties = _call(runtime, task, attempt, inputs), _ties(runtime, task, attempt, delivered)
    if upstream.resumes == Resumes.exactly:  # painted by this machine: the worker's place is what it takes
        return await upstream.produce(call, ties)
    async with runtime.calling, runtime.places.left_by(_NOBODY):
        return await upstream.produce(call, ties)


def _call(runtime: Runtime, task: Task, attempt: Attempt, inputs: Inputs) -> Call:
    model = runtime.book.models[task.order.row]
    order = msgspec.structs.replace(task.order, n=attempt.images)
    route = runtime.fleet.roster.routes.get(attempt.route)
    return Call(
        attempt_id=attempt.id,
        order=order,
        expected=FAMILIES[model.family].expected_usage(order, model),
        model=route.upstream_model if route else task.order.row,
        references=inputs.references,
        mask=inputs.mask,
        customer=hashlib.sha256(f"imagegate:{task.account_id}".encode()).hexdigest()[:32],
        ref=attempt.ref,
        hop=task.order.hop,
        partials=task.order.partials,
    )


def _ties(runtime: Runtime, task: Task, attempt: Attempt, delivered: int) -> Ties:
    async def remember(ref: str) -> None:
        await runtime.db.write(remember_ref, task.account_id, attempt.id, ref)

    def unwanted() -> bool:
        return task.cancel_wished is not None or task.id in runtime.signals.unwanted

    progress = _progress(runtime, task, delivered, attempt.images)
    return Ties(progress=progress, remember=remember, unwanted=unwanted)


def _progress(runtime: Runtime, task: Task, delivered: int, images: int) -> Progress:
    async def report(percent: int) -> None:
        reached = (100 * delivered + percent * images) // task.order.n
        try:
            await runtime.db.write(advance, task.account_id, task.id, task.claim_no, reached)
        except StoreFailure as failure:  # a bar that stands still is no reason to give up what is being made
            log_error("progress not stored", task=task.id, error=str(failure))
        runtime.signals.task_changed(task.id)

    return report
