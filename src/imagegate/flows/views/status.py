"""Public health per model, from the calls of the last hour. It reveals no names or costs of upstreams."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from imagegate.catalog.schema import Model
from imagegate.concurrency import TtlCache
from imagegate.domain.tasks import AttemptOutcome, FailureKind
from imagegate.domain.time import US_PER_HOUR, US_PER_SECOND
from imagegate.flows.quote import is_living
from imagegate.flows.views.routes import worst_state
from imagegate.routing.circuit_breaker import Health
from imagegate.runtime import Runtime
from imagegate.store.queries.route_stats import RecentCall, list_recent_calls
from imagegate.store.route_health import load_health

State = Literal["operational", "degraded", "down", "unknown"]
_MIN_HEALTHY_SUCCESS = 0.95
# These say nothing about how well the upstream works.
_NOT_FAILURES = frozenset({FailureKind.throttled, FailureKind.internal})


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """`success`: the share of calls that produced an image; refusals and invalid requests do not count.

    `p50_seconds` and `p95_seconds` are of calls that produced one. `state` is `unknown` until the first call of the
    hour.
    """

    model: str
    state: State
    calls: int
    success: float | None
    p50_seconds: float | None
    p95_seconds: float | None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """`checked`: when this was computed, Unix seconds. `window_seconds`: the period it covers.

    `models_called`: how many of the models were called in it; nothing is known of the others.
    """

    object: Literal["status"] = "status"
    state: State
    checked: int
    window_seconds: int = US_PER_HOUR // US_PER_SECOND
    models_called: int
    data: list[ModelStatus]


class StatusCache:
    """The status is public, so the database is read at most every few seconds."""

    def __init__(self) -> None:
        self._cache: TtlCache[Status] = TtlCache(5.0)

    async def get(self, runtime: Runtime) -> Status:
        return await self._cache.get(lambda: build_status(runtime))


async def build_status(runtime: Runtime) -> Status:
    now = runtime.clock()
    calls = await runtime.db.read_report(list_recent_calls, now - US_PER_HOUR)
    health = await runtime.db.read(load_health)
    names = [name for name, model in runtime.catalog.models.items() if _is_offered(runtime, model)]
    data = [_model_status(runtime, name, calls, health) for name in names]
    return Status(
        state=_overall_state([one.state for one in data]),
        checked=now // US_PER_SECOND,
        models_called=sum(one.calls > 0 for one in data),
        data=data,
    )


def _is_offered(runtime: Runtime, model: Model) -> bool:
    return runtime.serves_model(model.id) and is_living(runtime, model)


def _model_status(
    runtime: Runtime, model: str, recent: Sequence[RecentCall], health: Mapping[str, Health]
) -> ModelStatus:
    calls = [call for call in recent if call.route.partition("@")[0] == model]
    produced_us = sorted(max(0, call.duration_us) for call in calls if call.outcome == AttemptOutcome.produced)
    counted = len(produced_us) + sum(map(_is_failure, calls))
    success = len(produced_us) / counted if counted else None
    return ModelStatus(
        model=model,
        state=_model_state(runtime, model, success, health),
        calls=len(calls),
        success=None if success is None else round(success, 4),
        p50_seconds=_percentile(produced_us, 0.5),
        p95_seconds=_percentile(produced_us, 0.95),
    )


def _is_failure(call: RecentCall) -> bool:
    is_lost = call.outcome == AttemptOutcome.unknown
    return is_lost or (call.outcome == AttemptOutcome.unavailable and call.failure_kind not in _NOT_FAILURES)


def _model_state(runtime: Runtime, model: str, success: float | None, health: Mapping[str, Health]) -> State:
    routes = runtime.registry.route_table.for_model(model)
    broken = [worst_state(runtime, route, health)[0] == "broken" for route in routes]
    if all(broken):
        return "down"
    if any(broken) or (success is not None and success < _MIN_HEALTHY_SUCCESS):
        return "degraded"
    return "unknown" if success is None else "operational"


def _overall_state(states: list[State]) -> State:
    order: list[State] = ["down", "degraded", "operational", "unknown"]
    if not states:
        return "down"
    if "down" in states and any(one != "down" for one in states):
        return "degraded"
    return min(states, key=order.index)


def _percentile(ordered: list[int], share: float) -> float | None:
    """Nearest rank, in seconds."""
    if not ordered:
        return None
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)] / US_PER_SECOND, 3)
