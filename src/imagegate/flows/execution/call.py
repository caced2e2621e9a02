"""Makes one call: what an upstream needs of the task, and what the call may report while it runs."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import msgspec

from imagegate.domain.tasks import Attempt
from imagegate.families import FAMILIES
from imagegate.flows.execution.state import Execution
from imagegate.logging import log_warning
from imagegate.runtime import Runtime
from imagegate.store.attempts import save_remote_ref, update_progress
from imagegate.store.dialect import DatabaseError
from imagegate.upstreams.base import Call, CallHooks, Outcome, RecoveryMode

# Waiting calls are counted for no account: unlike waiting references they do not keep more of its tasks from being
# claimed.
_NO_ACCOUNT = ""


@contextlib.asynccontextmanager
async def take_call_slot(runtime: Runtime, upstream: str) -> AsyncIterator[AsyncExitStack]:
    """The place of one call. Take it before the attempt is marked sending: what is marked counts as sent if we die.

    What is generated on this machine takes the worker slot instead.
    """
    async with AsyncExitStack() as slot:
        if runtime.registry.upstreams[upstream].recovery_mode != RecoveryMode.deterministic:
            await slot.enter_async_context(runtime.upstream_call_slots)
        yield slot


async def make_call(execution: Execution, attempt: Attempt, slot: AsyncExitStack) -> Outcome:
    """Call the attempt's upstream. The worker slot is free for other tasks while the upstream works."""
    runtime = execution.runtime
    upstream = runtime.registry.upstreams[attempt.upstream]
    call, hooks = _build_call(execution, attempt), _build_hooks(execution, attempt)
    if upstream.recovery_mode == RecoveryMode.deterministic:
        return await upstream.produce(call, hooks)
    # The call's slot is free again before a worker slot is waited for: whoever has one may be waiting for the other.
    async with runtime.worker_slots.release_while_waiting(_NO_ACCOUNT), slot.pop_all():
        return await upstream.produce(call, hooks)


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
        runtime.wake_ups.notify_task_changed(task.id)

    return CallHooks(on_progress=report, save_ref=save_ref, cancel_requested=lambda: execution.is_cancel_requested)
