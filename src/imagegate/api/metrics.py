"""GET /metrics: counters and gauges as Prometheus text.

What this process counts is always there. What is read from the database is absent while it cannot be read: the old
figures would look as if all were well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from litestar import Response

from imagegate.api.auth import bearer
from imagegate.api.body import ApiRequest
from imagegate.api.health import check_readiness
from imagegate.api.openapi.operation import get
from imagegate.concurrency import TtlCache
from imagegate.counters import LoopLag, RequestCounters
from imagegate.domain import errors
from imagegate.flows.views.routes import route_states
from imagegate.runtime import Runtime
from imagegate.security.signing import equal
from imagegate.store.dialect import DatabaseError
from imagegate.store.queries.stats import load_stats

T = TypeVar("T")

_MEDIA_TYPE = "text/plain; version=0.0.4"
_CACHE_S = 1.0
# Of a large database the figures take seconds: they are read for a tenth of the time at most.
_MAX_LOADS = 9
# Half of Prometheus' usual time-out: a database that does not answer must not take the process's own figures with it.
_DATABASE_TIMEOUT_S = 5.0


class Metrics:
    """The responses that were counted, and from the first scrape on all metrics: before it nobody needs the library."""

    def __init__(self) -> None:
        self.requests = RequestCounters()
        self._lag = LoopLag()
        self._installation: TtlCache[bytes] = TtlCache(_CACHE_S, _MAX_LOADS)

    async def export(self, runtime: Runtime) -> bytes:
        import prometheus_client

        from imagegate.api.metric_families import Families, process_families

        self._lag.watch()
        readiness, installation, spool = await asyncio.gather(
            _in_time(check_readiness(runtime)),
            # Many scrapers cost as much as one.
            _in_time(self._installation.get(lambda: _read_installation(runtime))),
            asyncio.to_thread(runtime.spool.measure),
        )
        if readiness is None:
            readiness = {"database": "no answer"}
        families = process_families(runtime, self.requests, readiness, self._lag.max_s, spool)
        process = Families([*families, *prometheus_client.ProcessCollector(registry=None).collect()])
        return process.render() + (installation or b"")


async def _in_time(figures: Awaitable[T]) -> T | None:
    try:
        return await asyncio.wait_for(figures, _DATABASE_TIMEOUT_S)
    except (DatabaseError, TimeoutError):
        return None


async def _read_installation(runtime: Runtime) -> bytes:
    from imagegate.api.metric_families import Families, installation_families

    stats = await runtime.db.read_report(load_stats)
    routes = await route_states(runtime)
    broken = runtime.wake_ups.broken_invariants | runtime.wake_ups.broken_books
    return Families(installation_families(runtime, stats, broken, routes)).render()


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
