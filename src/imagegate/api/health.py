"""GET /healthz and GET /readyz, for the operator."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import Response

from imagegate.api.openapi.operation import get
from imagegate.api_docs.schema import doc
from imagegate.flows.disk_space import is_disk_full
from imagegate.runtime import Runtime
from imagegate.store.dialect import DatabaseError


class Health(msgspec.Struct):
    status: Literal["ok"]


class Readiness(msgspec.Struct):
    status: Annotated[str, doc("Whether new work can be accepted", enum=["ok", "unavailable"])]
    checks: Annotated[dict[str, str], doc("Each check: ok, or what is wrong")]


@get("/healthz", summary="The process is running", tag="operations", response_example={"status": "ok"}, public=True)
async def healthz() -> Health:
    return Health("ok")


@get(
    "/readyz",
    summary="New work can be accepted",
    tag="operations",
    response_example={"status": "ok", "checks": {"database": "ok", "storage": "ok", "workers": "ok"}},
    public=True,
    statuses={200: "Ready", 503: "Not ready; the checks say why"},
)
async def readyz(runtime: Runtime) -> Response[Readiness]:
    checks = await check_readiness(runtime)
    is_ready = all(state == "ok" for state in checks.values())
    return Response(Readiness("ok" if is_ready else "unavailable", checks), status_code=200 if is_ready else 503)


async def check_readiness(runtime: Runtime) -> dict[str, str]:
    """Each check: ok, or what is wrong."""
    checks = {
        "database": await _check_database(runtime),
        "storage": "full" if is_disk_full(runtime) else "ok",
    }
    if runtime.does_periodic_work:
        checks["workers"] = "ok" if runtime.wake_ups.worker_running else "stopped"
    if runtime.keyring.ended:
        checks["secret"] = "ended"  # noqa: S105  a state
    if runtime.catalog.price_block_at(runtime.clock()).version in runtime.price_conflicts:
        checks["prices"] = "differ"
    return checks


async def _check_database(runtime: Runtime) -> str:
    if runtime.wake_ups.database_damage:
        return "damaged"
    try:
        await runtime.db.read(lambda tx: tx.fetch_int("SELECT 1 AS one"))
    except DatabaseError as failure:
        return str(failure)
    return "ok"
