"""GET /metrics: counters and gauges as Prometheus text.

Requests and calls to upstreams are counted in this process; everything else is read from the database when scraped. No
label names an account, a key or an id.
"""

from __future__ import annotations

import functools
import typing
from collections import Counter
from collections.abc import Iterable, Mapping

from litestar import Response

from imagegate.api.auth import bearer
from imagegate.api.body import ApiRequest
from imagegate.api.openapi.operation import get
from imagegate.concurrency import CallCounters, TtlCache
from imagegate.domain import errors
from imagegate.domain.tasks import AttemptOutcome
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.views.routes import route_states
from imagegate.runtime import Runtime
from imagegate.security.failed_logins import Kind
from imagegate.security.signing import equal
from imagegate.store.invariants import CHEAP_INVARIANTS
from imagegate.store.queries.stats import StoreStats, load_stats

if typing.TYPE_CHECKING:
    import prometheus_client

_MEDIA_TYPE = "text/plain; version=0.0.4"
_CACHE_S = 1.0
# Of a large database the figures take seconds: they are read for a tenth of the time at most.
_MAX_LOADS = 9
_NANOS_PER_USD = 1e9
_OUTCOMES = tuple(outcome for outcome in AttemptOutcome if outcome != AttemptOutcome.sending)
_PAID_OUTCOMES = (AttemptOutcome.produced, AttemptOutcome.unknown)


class Metrics:
    """The responses that were counted, and from the first scrape on all metrics: before it nobody needs the library."""

    def __init__(self) -> None:
        self._answered: Counter[tuple[str, str, int]] = Counter()

    def count_request(self, route: str, method: str, status: int) -> None:
        self._answered[route, method, status] += 1

    async def export(self, runtime: Runtime) -> bytes:
        await self._exporter.refresh(runtime)
        self._exporter.count_requests(self._answered)
        self._answered.clear()
        self._exporter.count_calls(runtime.registry.route_table.routes, runtime.call_counters)
        self._exporter.count_failed_logins(runtime.failed_logins.totals)
        self._exporter.set_storage(is_out=runtime.blobs.is_out, waiting=len(runtime.waiting_for_storage))
        return self._exporter.text()

    @functools.cached_property
    def _exporter(self) -> _Exporter:
        return _Exporter()


class _Exporter:
    """The metrics of one application, in a registry of their own: tests run several applications in a process."""

    def __init__(self) -> None:
        import prometheus_client

        self._library = prometheus_client
        self.registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self.registry)
        self._requests = prometheus_client.Counter(
            "imagegate_requests", "Answered requests", ["route", "method", "status"], registry=self.registry
        )
        self._tasks = self._gauge("imagegate_tasks", "Tasks in the database", "state")
        self._holds = self._gauge("imagegate_holds_open", "Open holds")
        self._held = self._gauge("imagegate_held_usd", "Amount of the open holds, in USD")
        self._oldest = self._gauge("imagegate_oldest_queued_seconds", "Age of the oldest queued task")
        self._overruns = self._gauge("imagegate_overruns", "Charges capped at their hold")
        self._overrun = self._gauge("imagegate_overrun_usd", "What the caps cost the operator, in USD")
        self._broken = self._gauge(
            "imagegate_invariant_broken", "1 where the last sweep found a violation", "invariant"
        )
        self._duplicates = self._gauge(
            "imagegate_possible_duplicates", "Repeated calls after an unknown outcome, of the tasks in the database"
        )
        # Registered with the first backup: an age of 0 would say that there is one.
        self._backup_age = prometheus_client.Gauge(
            "imagegate_backup_age_seconds", "Age of the last backup", registry=None
        )
        self._has_backup = False
        self._day = {
            "charged": self._gauge("imagegate_day_charged_usd", "Charges less refunds since midnight UTC, in USD"),
            "cost": self._gauge("imagegate_day_cost_usd", "Cost of calls since midnight UTC, in USD"),
            "waste": self._gauge("imagegate_day_waste_usd", "Possible cost of unknown outcomes since midnight UTC"),
            "margin": self._gauge("imagegate_day_margin_usd", "Charged less cost and waste since midnight UTC, in USD"),
        }
        self._route_broken = self._gauge("imagegate_route_broken", "1 while the circuit of the route is open", "route")
        self._calls = self._counter("imagegate_upstream_calls", "Ended calls to upstreams", "route", "outcome")
        self._cost = self._counter("imagegate_upstream_cost_usd", "Cost of calls that produced images", "route")
        self._waste = self._counter(
            "imagegate_upstream_waste_usd", "Possible cost of calls with an unknown outcome", "route"
        )
        self._storage_out = self._gauge(
            "imagegate_storage_unavailable", "1 while the storage of images takes nothing from this process"
        )
        self._storage_waits = self._gauge(
            "imagegate_tasks_waiting_for_storage", "Tasks of this process that wait for the storage of images"
        )
        self._failed_logins = self._counter("imagegate_failed_logins", "Refused keys, sign-ins and links", "kind")
        for kind in typing.get_args(Kind):
            self._failed_logins.labels(kind)
        self._exported_logins: Counter[Kind] = Counter()
        self._exported = CallCounters()
        self._refreshed: TtlCache[None] = TtlCache(_CACHE_S, _MAX_LOADS)

    def _counter(self, name: str, documentation: str, *labels: str) -> prometheus_client.Counter:
        return self._library.Counter(name, documentation, labels, registry=self.registry)

    def _gauge(self, name: str, documentation: str, *labels: str) -> prometheus_client.Gauge:
        return self._library.Gauge(name, documentation, labels, registry=self.registry)

    def count_requests(self, answered: Mapping[tuple[str, str, int], int]) -> None:
        """Raise the counters by what was answered since."""
        for (route, method, status), number in answered.items():
            self._requests.labels(route, method, str(status)).inc(number)

    def count_calls(self, routes: Iterable[str], tally: CallCounters) -> None:
        """Raise the counters to these totals.

        Every route is exported before its first call, or a rate would miss it.
        """
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

    def set_storage(self, *, is_out: bool, waiting: int) -> None:
        self._storage_out.set(is_out)
        self._storage_waits.set(waiting)

    def count_failed_logins(self, totals: Counter[Kind]) -> None:
        """Raise the counters to these totals."""
        for kind, total in totals.items():
            self._failed_logins.labels(kind).inc(total - self._exported_logins[kind])
            self._exported_logins[kind] = total

    def text(self) -> bytes:
        return self._library.generate_latest(self.registry)

    async def refresh(self, runtime: Runtime) -> None:
        """Read the gauges, unless that was done a moment ago: many scrapers cost as much as one."""
        await self._refreshed.get(lambda: self._read_gauges(runtime))

    async def _read_gauges(self, runtime: Runtime) -> None:
        stats = await runtime.db.read_report(load_stats)
        self._update(stats, runtime.wake_ups.broken_invariants, await route_states(runtime))

    def _update(self, stats: StoreStats, broken: frozenset[str], routes: Mapping[str, str]) -> None:
        """Amounts become floats here, for dashboards alone."""
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
        if stats.backup_age is not None:
            self._backup_age.set(stats.backup_age / US_PER_SECOND)
            if not self._has_backup:
                self.registry.register(self._backup_age)
                self._has_backup = True
        self._route_broken.clear()  # a removed route has no state
        for route, state in routes.items():
            self._route_broken.labels(route).set(state == "broken")


@get(
    "/metrics",
    summary="Metrics for Prometheus",
    tag="operations",
    media_type="text/plain",
    public=True,
    errors=(errors.NotFound, errors.Unauthorized),
)
async def get_metrics(request: ApiRequest, runtime: Runtime, meter: Metrics) -> Response[bytes]:
    """404 where the operator has switched it off; 401 without `metrics_token`, where that is set."""
    server = runtime.settings.server
    if not server.metrics:
        raise errors.NotFound
    if server.metrics_token and not equal(server.metrics_token, bearer(request.headers.get("authorization", ""))):
        raise errors.Unauthorized
    return Response(await meter.export(runtime), media_type=_MEDIA_TYPE)
