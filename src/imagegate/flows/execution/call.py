"""Makes one call: what an upstream needs of the task, and what the call may report while it runs."""

from __future__ import annotations

import functools
import hashlib

import msgspec

from imagegate.domain.tasks import Attempt
from imagegate.families import FAMILIES
from imagegate.flows.execution.route_selection import call_place
from imagegate.flows.execution.state import Execution
from imagegate.logging import log_warning
from imagegate.store.attempts import save_remote_ref, update_progress
from imagegate.store.dialect import DatabaseError
from imagegate.upstreams.base import Call, CallHooks, Outcome


async def make_call(execution: Execution, attempt: Attempt) -> Outcome:
    """Call the attempt's upstream. The call has its place among those of its route until it has ended."""
    runtime = execution.runtime
    place = call_place(runtime, attempt.upstream, attempt.route)
    runtime.call_limits.wanted.discard(attempt.task_id)
    runtime.call_limits.take(place, runtime.clock())
    try:
        upstream = runtime.registry.upstreams[attempt.upstream]
        return await upstream.produce(_build_call(execution, attempt), _build_hooks(execution, attempt))
    finally:
        runtime.call_limits.release(place)


def _build_call(execution: Execution, attempt: Attempt) -> Call:
    runtime, task, inputs = execution.runtime, execution.task, execution.inputs
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


def _build_hooks(execution: Execution, attempt: Attempt) -> CallHooks:
    runtime, task, delivered_count = execution.runtime, execution.task, execution.state.delivered_count

    async def save_ref(ref: str) -> None:
        await runtime.db.write(save_remote_ref, task.account_id, attempt.id, ref)

    async def report(percent: int) -> None:
        progress = (100 * delivered_count + percent * attempt.images) // task.order.n
        try:
            await runtime.db.write(update_progress, task.account_id, task.id, task.claim_no, progress)
        except DatabaseError as error:  # a progress bar that stops is no reason to give up what is being generated
            log_warning("progress_not_stored", task=task.id, error=str(error))
        runtime.wake_ups.notify_task_moved(task.id)

    return CallHooks(
        on_progress=report,
        on_partial_image=functools.partial(runtime.partial_images.publish, task.id),
        save_ref=save_ref,
        cancel_requested=lambda: execution.is_cancel_requested,
    )
