"""What the trace of a task says of it and of its attempts: names, numbers and codes.

Never a prompt, a URL, a file name, a key, or a text that an upstream wrote: it may quote them.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec import UNSET

from imagegate.domain.money import format_credits, format_usd
from imagegate.domain.tasks import Attempt, AttemptOutcome, Task
from imagegate.domain.usage import Usage
from imagegate.runtime import Runtime
from imagegate.tracing import Attributes

# As OpenTelemetry's conventions for generative AI name them; other protocols go by their own name.
_PROVIDERS = {"azure": "azure.ai.openai"}  # by dialect
_OPERATION = "generate_content"


def trace_task(runtime: Runtime, task: Task, *, charge: int = 0, images: int = 0, error: str = "") -> None:
    """The task has ended just now; `error` is its code where it failed."""
    order = task.order
    if runtime.tracing is None or order.trace is UNSET:
        return
    attributes: Attributes = {
        "imagegate.task.id": task.id,
        "imagegate.account.id": task.account_id,
        "imagegate.task.state": "failed" if error else "completed",
        "imagegate.task.claims": task.claim_no,
        "imagegate.task.crashes": task.crashes,
        "imagegate.task.credits": float(format_credits(charge, runtime.credits_per_usd)),
        "imagegate.task.images": images,
        "imagegate.image.size": f"{order.size.width}x{order.size.height}",
        "imagegate.image.quality": order.quality,
        "imagegate.image.references": len(order.image_urls),
        "gen_ai.output.type": "image",
        "gen_ai.request.model": order.model,
        "gen_ai.request.choice.count": order.n,
    }
    started = [("started", task.started)] if task.started is not None else []
    runtime.tracing.record(
        order.trace,
        f"task {order.row}",
        task.created,
        runtime.clock(),
        attributes,
        span=task.id,
        error=error,
        events=started,
    )


def trace_part(runtime: Runtime, task: Task, name: str, began: int, **attributes: str | int) -> None:
    """A part of the task's work under this claim that has ended just now."""
    if runtime.tracing is not None and task.order.trace is not UNSET:
        named: Attributes = {f"imagegate.{field}": value for field, value in attributes.items()}
        span = f"{task.id} {task.claim_no} {name}"
        runtime.tracing.record(task.order.trace, name, began, runtime.clock(), named, span=span, parent=task.id)


def trace_attempt(
    runtime: Runtime, task: Task, attempt: Attempt, *, usage: Usage | None = None, http_status: int = 0
) -> None:
    """A call that has ended just now."""
    if runtime.tracing is None or task.order.trace is UNSET:
        return
    has_failed = attempt.outcome != AttemptOutcome.produced
    runtime.tracing.record(
        task.order.trace,
        f"{_OPERATION} {task.order.row}",
        attempt.started,
        runtime.clock(),
        _attempt_attributes(runtime, attempt) | _response_attributes(usage, http_status),
        span=attempt.id,
        parent=task.id,
        error=(attempt.failure_kind or str(attempt.outcome)) if has_failed else "",
        is_call=True,
    )


def _attempt_attributes(runtime: Runtime, attempt: Attempt) -> Attributes:
    attributes: Attributes = {
        "imagegate.attempt.id": attempt.id,
        "imagegate.attempt.outcome": str(attempt.outcome),
        "imagegate.attempt.claim": attempt.claim_no,
        "imagegate.attempt.cost_usd": float(format_usd(attempt.cost)),
        "imagegate.attempt.images": attempt.images,
        "imagegate.route": attempt.route,
        "imagegate.upstream": attempt.upstream,
        "gen_ai.operation.name": _OPERATION,
        "gen_ai.output.type": "image",
    }
    table = runtime.registry.route_table
    route, upstream = table.routes.get(attempt.route), table.upstreams.get(attempt.upstream)
    if route is not None:
        attributes["gen_ai.request.model"] = route.upstream_model
    if upstream is not None:
        attributes["gen_ai.provider.name"] = _PROVIDERS.get(upstream.dialect, upstream.protocol)
        address = urlsplit(upstream.base_url)
        if address.hostname:
            attributes["server.address"] = address.hostname
            attributes["server.port"] = address.port or (443 if address.scheme == "https" else 80)
    return attributes


def _response_attributes(usage: Usage | None, http_status: int) -> Attributes:
    attributes: Attributes = {}
    if usage is not None:
        attributes["gen_ai.usage.input_tokens"] = usage.text_input + usage.image_input
        attributes["gen_ai.usage.output_tokens"] = usage.text_output + usage.image_output
    if http_status:
        attributes["http.response.status_code"] = http_status
    return attributes
