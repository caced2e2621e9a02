"""GET /metrics: the gateway in numbers, as Prometheus text.

Knows: what is counted in this process (requests, calls to upstreams) and what is asked of the database when somebody
looks. Refuses to know: whose requests and tasks they are; no number has an account, a key or an id.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from litestar import Response, get
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest

from imagegate.api.openapi.operation import Operation
from imagegate.concurrency import CallCounters
from imagegate.domain import errors
from imagegate.domain.errors import NotFound
from imagegate.domain.tasks import AttemptOutcome
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.views.routes import route_states
from imagegate.runtime import Runtime
from imagegate.store.invariants import CHEAP_INVARIANTS
from imagegate.store.queries.stats import StoreStats, load_stats

_MEDIA_TYPE = "text/plain; version=0.0.4"
_CACHE_S = 1.0
_NANOS_PER_USD = 1e9
_OUTCOMES = tuple(outcome for outcome in AttemptOutcome if outcome != AttemptOutcome.sending)
_PAID_OUTCOMES = (AttemptOutcome.produced, AttemptOutcome.unknown)


class Metrics:
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
        self._duplicates = self._gauge(
            "imagegate_possible_duplicates", "Calls of kept tasks that were made once more after an unknown outcome"
        )
        self._day = {
            "charged": self._gauge("imagegate_day_charged_usd", "Charges less refunds since midnight UTC, in USD"),
            "cost": self._gauge("imagegate_day_cost_usd", "What calls cost since midnight UTC, in USD"),
            "waste": self._gauge("imagegate_day_waste_usd", "What may have been paid for nothing since midnight UTC"),
            "margin": self._gauge("imagegate_day_margin_usd", "Charged less cost and waste since midnight UTC, in USD"),
        }
        self._route_broken = self._gauge("imagegate_route_broken", "1 where no call passes", "route")
        self._calls = self._counter("imagegate_upstream_calls", "Ended calls to upstreams", "route", "outcome")
        self._cost = self._counter("imagegate_upstream_cost_usd", "What calls cost that brought images", "route")
        self._waste = self._counter("imagegate_upstream_waste_usd", "What calls of unknown outcome may cost", "route")
        self._exported = CallCounters()
        self._updated_at = 0.0

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(name, documentation, labels, registry=self.registry)

    def _gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(name, documentation, labels, registry=self.registry)

    def count_request(self, route: str, method: str, status: int) -> None:
        self._requests.labels(route, method, str(status)).inc()

    def count_calls(self, routes: Iterable[str], tally: CallCounters) -> None:
        """Bring the counters up to the tally. Every route has its lines before its first call, or its rate would miss
        that one."""
        known = {(route, outcome) for route in routes for outcome in _OUTCOMES}
        for route, outcome in known | set(tally.calls):
            calls = tally.calls[route, outcome] - self._exported.calls[route, outcome]
            nanos = tally.cost_nanos[route, outcome] - self._exported.cost_nanos[route, outcome]
            self._calls.labels(route, str(outcome)).inc(calls)
            if outcome in _PAID_OUTCOMES:
                (self._cost if outcome == AttemptOutcome.produced else self._waste).labels(route).inc(
                    nanos / _NANOS_PER_USD
                )
            self._exported.calls[route, outcome] += calls
            self._exported.cost_nanos[route, outcome] += nanos

    def is_fresh(self) -> bool:
        """Whether the database was asked a moment ago: many who look cost as much as one."""
        return time.monotonic() - self._updated_at < _CACHE_S

    def update(self, stats: StoreStats, broken: frozenset[str], routes: Mapping[str, str]) -> None:
        """Floats are for the eye of an operator; nobody pays by them."""
        self._updated_at = time.monotonic()
        for state, number in stats.tasks.items():
            self._tasks.labels(state).set(number)
        self._holds.set(stats.open_holds)
        self._held.set(stats.held / _NANOS_PER_USD)
        self._oldest.set(stats.oldest_queued / US_PER_SECOND)
        self._overruns.set(stats.overruns)
        self._overrun.set(stats.overrun / _NANOS_PER_USD)
        for rule in CHEAP_INVARIANTS:
            self._broken.labels(rule.id).set(rule.id in broken)
        self._duplicates.set(stats.duplicates)
        for name, gauge in self._day.items():
            gauge.set(getattr(stats.today, name) / _NANOS_PER_USD)
        self._route_broken.clear()  # a route that was taken out is neither well nor broken
        for route, state in routes.items():
            self._route_broken.labels(route).set(state == "broken")


@get(
    "/metrics",
    operation=Operation(
        summary="Numbers for Prometheus",
        tag="operations",
        media_type="text/plain",
        public=True,
        errors=(errors.NotFound,),
    ),
)
async def get_metrics(runtime: Runtime, meter: Metrics) -> Response[bytes]:
    """404 where the operator has closed it."""
    if not runtime.settings.server.metrics:
        raise NotFound
    if not meter.is_fresh():
        meter.update(
            await runtime.db.snapshot(load_stats), runtime.wake_ups.broken_invariants, await route_states(runtime)
        )
    meter.count_calls(runtime.registry.route_table.routes, runtime.call_counters)
    return Response(generate_latest(meter.registry), media_type=_MEDIA_TYPE)
