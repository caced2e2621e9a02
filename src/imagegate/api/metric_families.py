"""Every metric, made anew for each scrape from what is counted and what was read. No label names an account, a key or
an id.

Some say what this process did or sees; the others are the state of the whole installation, which every process exports
alike: adding those up would count it once per process. Their help says which is which.
"""

from __future__ import annotations

import time
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import prometheus_client
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from imagegate import __version__
from imagegate.counters import Histogram, RequestCounters
from imagegate.domain.errors import TaskErrorCode
from imagegate.domain.tasks import AttemptOutcome
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.disk_space import measure_free_space
from imagegate.routing.planner import WaitReason
from imagegate.runtime import Runtime
from imagegate.security.failed_logins import Kind
from imagegate.spool import SpoolSize
from imagegate.store.queries.stats import StoreStats
from imagegate.store.rules import CHEAP_INVARIANTS

HERE, EVERYWHERE = " (this process)", " (whole installation: aggregate with max)"
READINESS_CHECKS = ("database", "storage", "workers", "secret")
_NANOS_PER_USD = 1e9
_OUTCOMES = tuple(outcome for outcome in AttemptOutcome if outcome != AttemptOutcome.sending)
_WEBHOOK_OUTCOMES = ("delivered", "failed", "exhausted")

Labels = TypeVar("Labels", bound=tuple[str, ...])


class Families:
    """Rendered as text."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> list[Metric]:
        return self._families

    def render(self) -> bytes:
        return prometheus_client.generate_latest(self)  # which only calls `collect`


def process_families(
    runtime: Runtime, requests: RequestCounters, readiness: Mapping[str, str], lag_s: float, spool: SpoolSize
) -> Iterator[Metric]:
    yield _gauge("imagegate_build_info", "1, with the version", HERE, {(__version__,): 1}, "version")
    ready = {(check,): float(readiness.get(check, "ok") == "ok") for check in {*READINESS_CHECKS, *readiness}}
    yield _gauge("imagegate_ready", "1 where the check of /readyz passes", HERE, ready, "check")
    answered = {(route, method, str(status)): float(n) for (route, method, status), n in requests.answered.items()}
    yield _counter("imagegate_requests", "Answered requests", answered, "route", "method", "status")
    yield _histogram(
        "imagegate_request_seconds",
        "Time until the first byte of the response, of requests that waited for no task",
        {(route,): one for route, one in requests.answer_s.items()},
        "route",
    )
    logins = {(kind,): float(runtime.failed_logins.totals[kind]) for kind in typing.get_args(Kind)}
    yield _counter("imagegate_failed_logins", "Refused keys, sign-ins and links", logins, "kind")
    yield from _work_families(runtime)
    yield from _database_families(runtime)
    yield _gauge("imagegate_event_loop_lag_seconds", "Greatest delay of the last minute", HERE, {(): lag_s})
    yield from _folder_families(runtime, spool)


def _work_families(runtime: Runtime) -> Iterator[Metric]:
    counters, routes = runtime.counters, runtime.registry.route_table.routes
    # Every route is exported before its first call, or a rate would miss it.
    pairs = {(route, outcome) for route in routes for outcome in _OUTCOMES} | set(counters.calls)
    calls = {(route, str(outcome)): float(counters.calls[route, outcome]) for route, outcome in pairs}
    yield _counter("imagegate_upstream_calls", "Ended calls to upstreams", calls, "route", "outcome")
    for name, text, outcome in (
        ("imagegate_upstream_cost_usd", "Cost of calls that produced images", AttemptOutcome.produced),
        ("imagegate_upstream_waste_usd", "Possible cost of calls with an unknown outcome", AttemptOutcome.unknown),
    ):
        nanos = {(route,): counters.cost_nanos[route, outcome] / _NANOS_PER_USD for route, _ in pairs}
        yield _counter(name, text, nanos, "route")
    seconds = {(route,): counters.call_s[route] for route in {*routes, *counters.call_s}}
    yield _histogram("imagegate_upstream_call_seconds", "Duration of calls to upstreams", seconds, "route")
    ended = {(code,): float(counters.tasks[code]) for code in ("", *map(str, TaskErrorCode))}
    yield _counter("imagegate_tasks_ended", "Ended tasks by error code, empty where completed", ended, "error")
    yield _histogram("imagegate_task_seconds", "Completed tasks from create to end", {(): counters.task_s})
    webhooks = {(outcome,): float(counters.webhooks[outcome]) for outcome in _WEBHOOK_OUTCOMES}
    yield _counter("imagegate_webhook_attempts", "Webhook requests by what became of them", webhooks, "outcome")
    yield _counter("imagegate_storage_errors", "Results that could not be stored", {(): counters.storage_errors})
    text = "1 while the storage of images takes nothing from this process"
    yield _gauge("imagegate_storage_unavailable", text, HERE, {(): float(runtime.blobs.is_out)})
    text = "Tasks of this process that wait for the storage of images"
    waiting = float(len(runtime.waiting_for_storage))
    yield _gauge("imagegate_tasks_waiting_for_storage", text, HERE, {(): waiting})


def _database_families(runtime: Runtime) -> Iterator[Metric]:
    counters = runtime.db.counters
    errors = {(operation,): float(counters.errors[operation]) for operation in ("read", "write")}
    yield _counter("imagegate_database_errors", "Failed queries and commits, repeats included", errors, "operation")
    yield _histogram("imagegate_commit_seconds", "Duration of group commits", {(): counters.commit_s})


def _folder_families(runtime: Runtime, spool: SpoolSize) -> Iterator[Metric]:
    settings = runtime.settings
    names = {settings.data_dir: "data", settings.blob_dir: "blobs", settings.spool_dir: "spool"}
    volumes = [(names[folder], free, least) for folder, free, least in measure_free_space(settings)]
    free_bytes = {(name,): float(free) for name, free, _ in volumes}
    yield _gauge("imagegate_disk_free_bytes", "Free space of each volume", HERE, free_bytes, "folder")
    least_bytes = {(name,): float(least) for name, _, least in volumes}
    text = "Below it creates are refused"
    yield _gauge("imagegate_disk_min_free_bytes", text, HERE, least_bytes, "folder")
    yield _gauge("imagegate_spool_bytes", "Size of what is in the spool", HERE, {(): spool.bytes})
    yield _gauge("imagegate_spool_files", "Images in the spool, not settled yet", HERE, {(): spool.files})
    oldest_s = max(0.0, time.time() - spool.oldest) if spool.files else 0.0
    yield _gauge("imagegate_spool_oldest_seconds", "Age of the oldest of them", HERE, {(): oldest_s})


def installation_families(
    runtime: Runtime, stats: StoreStats, broken: frozenset[str], routes: Mapping[str, str]
) -> Iterator[Metric]:
    """Amounts become floats here, for dashboards alone."""

    def gauge(name: str, documentation: str, value: float) -> Metric:
        return _gauge(name, documentation, EVERYWHERE, {(): value})

    tasks = {(state,): float(number) for state, number in stats.tasks.items()}
    yield _gauge("imagegate_tasks", "Unfinished tasks, and all that ever ended", EVERYWHERE, tasks, "state")
    limit = runtime.settings.limits.unfinished_total
    yield gauge("imagegate_unfinished_limit", "Unfinished tasks beyond which creates are refused", limit)
    waiting = {(reason,): float(stats.waiting.get(reason, 0)) for reason in {*map(str, WaitReason), *stats.waiting}}
    yield _gauge("imagegate_tasks_waiting", "Unfinished tasks by why they wait", EVERYWHERE, waiting, "reason")
    yield gauge("imagegate_oldest_queued_seconds", "Age of the oldest queued task", stats.oldest_queued / US_PER_SECOND)
    yield gauge("imagegate_holds_open", "Open holds", stats.open_holds)
    yield gauge("imagegate_held_usd", "Amount of the open holds, in USD", stats.held / _NANOS_PER_USD)
    yield gauge("imagegate_oldest_hold_seconds", "Age of the oldest open hold", stats.oldest_hold / US_PER_SECOND)
    yield gauge("imagegate_overruns", "Charges capped at their hold", stats.overruns)
    yield gauge("imagegate_overrun_usd", "What the caps cost the operator, in USD", stats.overrun / _NANOS_PER_USD)
    violated = {(name,): float(name in broken) for name in sorted({*(rule.id for rule in CHEAP_INVARIANTS), *broken})}
    text = "1 where the last sweep, or the check after an unclean stop, found a violation"
    yield _gauge("imagegate_invariant_broken", text, EVERYWHERE, violated, "invariant")
    yield gauge(
        "imagegate_possible_duplicates",
        "Repeated calls after an unknown outcome, of the tasks in the database",
        stats.duplicates,
    )
    if stats.backup_age is not None:  # an age of 0 would say that there is one
        yield gauge("imagegate_backup_age_seconds", "Age of the last backup", stats.backup_age / US_PER_SECOND)
    for name, text in (
        ("charged", "Charges less refunds since midnight UTC, in USD"),
        ("cost", "Cost of calls since midnight UTC, in USD"),
        ("waste", "Possible cost of unknown outcomes since midnight UTC, in USD"),
        ("margin", "Charged less cost and waste since midnight UTC, in USD"),
    ):
        yield gauge(f"imagegate_day_{name}_usd", text, getattr(stats.today, name) / _NANOS_PER_USD)
    states = {(route,): float(state == "broken") for route, state in routes.items()}
    yield _gauge("imagegate_route_broken", "1 while the circuit of the route is open", EVERYWHERE, states, "route")
    yield gauge("imagegate_webhooks_waiting", "Webhooks that are to be sent", stats.webhooks)
    oldest_s = stats.oldest_webhook / US_PER_SECOND
    yield gauge("imagegate_oldest_webhook_seconds", "Age of the oldest of them", oldest_s)


def _gauge(name: str, documentation: str, scope: str, values: Mapping[Labels, float], *labels: str) -> Metric:
    family = GaugeMetricFamily(name, documentation + scope, labels=labels)
    for names, value in sorted(values.items()):
        family.add_metric(names, value)
    return family


def _counter(name: str, documentation: str, values: Mapping[Labels, float], *labels: str) -> Metric:
    family = CounterMetricFamily(name, documentation + HERE, labels=labels)
    for names, value in sorted(values.items()):
        family.add_metric(names, value)
    return family


def _histogram(name: str, documentation: str, values: Mapping[Labels, Histogram], *labels: str) -> Metric:
    family = HistogramMetricFamily(name, documentation + HERE, labels=labels)
    for names, histogram in sorted(values.items()):
        counts, total = [], 0
        for bound, count in zip((*map(str, histogram.bounds_s), "+Inf"), histogram.counts, strict=True):
            total += count
            counts.append((bound, total))
        family.add_metric(names, counts, histogram.total_s)
    return family
