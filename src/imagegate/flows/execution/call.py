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
from imagegate.store.attempts import save_remote_ref, update_progress
from imagegate.store.engines import DatabaseError
from imagegate.upstreams.base import Call, CallHooks, CallOutcome, ProgressHook, RecoveryMode

# An account's waiting calls do not keep more of its tasks from being claimed, as its waiting references do.
_NO_ACCOUNT = ""


async def make_call(runtime: Runtime, task: Task, attempt: Attempt, inputs: Inputs, delivered: int) -> CallOutcome:
    """`delivered` images of the task are there already."""
    upstream = runtime.registry.upstreams[attempt.upstream]
    call, hooks = _build_call(runtime, task, attempt, inputs), _build_hooks(runtime, task, attempt, delivered)
    if (
        upstream.recovery_mode == RecoveryMode.deterministic
    ):  # painted by this machine: the worker's place is what it takes
        return await upstream.produce(call, hooks)
    async with runtime.upstream_call_slots, runtime.worker_slots.release_while_waiting(_NO_ACCOUNT):
        return await upstream.produce(call, hooks)


def _build_call(runtime: Runtime, task: Task, attempt: Attempt, inputs: Inputs) -> Call:
    model = runtime.catalog.models[task.order.row]
    order = msgspec.structs.replace(task.order, n=attempt.images)
    route = runtime.registry.route_table.routes.get(attempt.route)
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
        partial_images=task.order.partials,
    )


def _build_hooks(runtime: Runtime, task: Task, attempt: Attempt, delivered: int) -> CallHooks:
    async def save_ref(ref: str) -> None:
        await runtime.db.write(save_remote_ref, task.account_id, attempt.id, ref)

    def is_cancel_requested() -> bool:
        return task.cancel_wished is not None or task.id in runtime.wake_ups.cancel_requested

    progress = _progress_reporter(runtime, task, delivered, attempt.images)
    return CallHooks(on_progress=progress, save_ref=save_ref, cancel_requested=is_cancel_requested)


def _progress_reporter(runtime: Runtime, task: Task, delivered: int, images: int) -> ProgressHook:
    async def report(percent: int) -> None:
        reached = (100 * delivered + percent * images) // task.order.n
        try:
            await runtime.db.write(update_progress, task.account_id, task.id, task.claim_no, reached)
        except DatabaseError as failure:  # a bar that stands still is no reason to give up what is being made
            log_error("progress not stored", task=task.id, error=str(failure))
        runtime.wake_ups.notify_task_changed(task.id)

    return report
