"""The task object of the compatible API, read with patience: only its id and status must be right.

Knows: what its fields mean for us. Refuses to know: how it is asked for.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import TypeVar

import msgspec
from msgspec import Raw

from imagegate.domain.errors import TaskErrorCode
from imagegate.domain.money import NANOS_PER_USD
from imagegate.domain.usage import Usage, UsageSource
from imagegate.upstreams.base import Answer, Trouble, Unavailable, Unknown
from imagegate.upstreams.polling import Landed, Pending, Reply, Seen
from imagegate.upstreams.verdicts import UNREADABLE, refused, rejected, stopped, unavailable

T = TypeVar("T")
EMBEDDED = "embedded"
_COST_MOST = Decimal(10**9)
_OUR_LINK = "reference_unreachable"


class Cost(msgspec.Struct, frozen=True):
    """`usd` is read as the decimal text that it is, never through a float."""

    usd: Decimal | None = None


class Failure(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""
    reason: str = ""


class TaskObject(msgspec.Struct, frozen=True):
    """`usage` and `error` are read apart: a shape that is not ours must not cost us the pictures, or the end."""

    id: str = ""
    status: str = ""
    progress: float | None = None
    results: list[str] | None = None
    usage: Raw = Raw()
    error: Raw = Raw()
    engine: str | None = None


class _Told(msgspec.Struct, frozen=True):
    cost: Raw = Raw()
    tokens: Raw = Raw()
    source: str = ""


class _Tokens(msgspec.Struct, frozen=True):
    text_input: int = 0
    text_cached_input: int = 0
    image_input: int = 0
    image_cached_input: int = 0
    image_output: int = 0


def read_task(body: bytes) -> TaskObject | None:
    """None where the answer is no task."""
    return _read(body, TaskObject)


def seen_of(task: TaskObject, reply: Reply, wanted: bool) -> Seen:
    """`wanted`: whether the customer still wishes for it."""
    match task.status:
        case "completed":
            return _landed(task, reply)
        case "failed":
            return _failed(_read(task.error, Failure) or Failure(), task.id or reply.request_id, wanted)
        case _:
            return Pending(int(min(max(task.progress or 0, 0), 99)))


def _landed(task: TaskObject, reply: Reply) -> Seen:
    told = _read(task.usage, _Told) or _Told()
    usage, source = _usage(told, len(task.results or ()))
    request_id = task.id or reply.request_id
    if not task.results:
        return Unknown("completed without results", True, usage, request_id)
    engine = EMBEDDED if task.engine == EMBEDDED else None
    return Landed(
        urls=tuple(task.results),
        usage=usage,
        source=UsageSource.formula if engine and usage else source,
        cost_nanos=_cost(told),
        engine=engine,
        request_id=request_id,
    )


def _usage(told: _Told, images: int) -> tuple[Usage | None, UsageSource]:
    """What they estimated stays an estimate."""
    tokens = _read(told.tokens, _Tokens)
    if tokens is None:
        return None, UsageSource.estimated
    source = UsageSource.estimated if told.source == UsageSource.estimated else UsageSource.upstream
    return Usage(images=images, **msgspec.structs.asdict(tokens)), source


def _cost(told: _Told) -> int | None:
    """Nanos, a fraction of one rounded up."""
    cost = _read(told.cost, Cost)
    if cost is None or cost.usd is None or not cost.usd.is_finite() or not 0 <= cost.usd < _COST_MOST:
        return None
    return int((cost.usd * NANOS_PER_USD).to_integral_value(ROUND_CEILING))


_CALLERS = {
    code.value: code
    for code in (
        TaskErrorCode.invalid_parameters,
        TaskErrorCode.image_processing_error,
        TaskErrorCode.image_dimension_mismatch,
    )
}
_TROUBLES = {"resource_exhausted": Trouble.throttled, "quota_exceeded": Trouble.unpaid}
_PASSED_ON = {"generation_failed_no_content", "generation_timeout", "service_error"}


def _failed(failure: Failure, request_id: str, wanted: bool) -> Answer:
    """A failed task is never charged: whatever is not the caller's fault may be tried elsewhere."""
    detail = f"task failed: {failure.code} {failure.reason} {failure.message}"
    if failure.code == TaskErrorCode.content_policy_violation:
        return refused(failure.message, request_id)
    if failure.reason == _OUR_LINK:
        return unavailable(Trouble.ours, f"they could not read our link: {detail}")
    if failure.code in _CALLERS:
        return rejected(_CALLERS[failure.code], failure.message, request_id)
    if failure.code == TaskErrorCode.request_cancelled:
        return stopped(wanted, detail)
    return _theirs(failure, detail)


def _theirs(failure: Failure, detail: str) -> Unavailable:
    answer = unavailable(_TROUBLES.get(failure.code, Trouble.failing), detail)
    if failure.code not in _PASSED_ON:
        return answer
    error = msgspec.structs.replace(answer.error, code=TaskErrorCode(failure.code))
    return msgspec.structs.replace(answer, error=error)


def _read(raw: bytes | Raw, kind: type[T]) -> T | None:
    """None where the JSON is missing, broken or of another shape."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except UNREADABLE:
        return None
