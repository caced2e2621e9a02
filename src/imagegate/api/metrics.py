"""GET /metrics: the gateway in numbers, as Prometheus text.

Knows: what is counted in this process and what is asked of the database when somebody looks. Refuses to know: whose
requests and tasks they are; no number has an account, a key or an id.
"""

from __future__ import annotations

import time

from litestar import Response, get
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest

from imagegate.api.operations import Operation, described
from imagegate.domain import errors
from imagegate.domain.errors import NotFound
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.store.gauges import Standing, standing
from imagegate.store.invariants import CHEAP

_TEXT = "text/plain; version=0.0.4"
_FRESH_S = 1.0
_USD = 1e9


class Meter:
    """The numbers of one application. Nothing is registered for the whole process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "imagegate_requests", "Answered requests", ["route", "method", "status"], registry=self.registry
        )
        self._tasks = self._gauge("imagegate_tasks", "Tasks in the database", "state")
        self._holds = self._gauge("imagegate_holds_open", "Open holds")
        self._held = self._gauge("imagegate_held_usd", "What open holds hold, in USD")
        self._oldest = self._gauge("imagegate_oldest_queued_seconds", "Age of the oldest queued task")
        self._overruns = self._gauge("imagegate_overruns", "Bills that were cut at their hold")
        self._overrun = self._gauge("imagegate_overrun_usd", "What was cut, in USD: the operator's loss")
        self._broken = self._gauge("imagegate_invariant_broken", "1 where the last sweep found it broken", "invariant")
        self._looked = 0.0

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return Gauge(name, says, labels, registry=self.registry)

    def count(self, route: str, method: str, status: int) -> None:
        self._requests.labels(route, method, str(status)).inc()

    def fresh(self) -> bool:
        """Whether the database was asked a moment ago: many who look cost as much as one."""
        return time.monotonic() - self._looked < _FRESH_S

    def set(self, now: Standing, broken: frozenset[str]) -> None:
        """Floats are for the eye of an operator; nobody pays by them."""
        self._looked = time.monotonic()
        for state, number in now.tasks.items():
            self._tasks.labels(state).set(number)
        self._holds.set(now.open_holds)
        self._held.set(now.held / _USD)
        self._oldest.set(now.oldest_queued / PER_SECOND)
        self._overruns.set(now.overruns)
        self._overrun.set(now.overrun / _USD)
        for rule in CHEAP:
            self._broken.labels(rule.id).set(rule.id in broken)


@get(
    "/metrics",
    opt=described(
        Operation(
            summary="Numbers for Prometheus", tag="operations", media="text/plain", open=True, errors=(errors.NotFound,)
        )
    ),
)
async def get_metrics(runtime: Runtime, meter: Meter) -> Response[bytes]:
    """404 where the operator has closed it."""
    if not runtime.settings.server.metrics:
        raise NotFound
    if not meter.fresh():
        meter.set(await runtime.db.snapshot(standing), runtime.signals.broken)
    return Response(generate_latest(meter.registry), media_type=_TEXT)
