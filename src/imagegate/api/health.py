"""GET /healthz and GET /readyz: for whoever keeps the gateway running."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import Response, get

from imagegate.api.openapi.operation import Operation, described
from imagegate.api.responses import json_response
from imagegate.domain.fields import doc
from imagegate.flows.disk_space import is_disk_full
from imagegate.runtime import Runtime
from imagegate.store.dialect import DatabaseError
from imagegate.store.transaction import Tx


class Health(msgspec.Struct):
    status: Literal["ok"]


class Readiness(msgspec.Struct):
    status: Annotated[str, doc("Whether new work can be taken in", enum=["ok", "unavailable"])]
    checks: Annotated[dict[str, str], doc("Each part: ok, or what is wrong with it")]


@get(
    "/healthz",
    opt=described(
        Operation(
            summary="The process lives",
            tag="operations",
            response_type=Health,
            response_example={"status": "ok"},
            public=True,
        )
    ),
)
async def healthz() -> Response[bytes]:
    """200 while the process lives."""
    return json_response(Health("ok"))


@get(
    "/readyz",
    opt=described(
        Operation(
            summary="New work can be taken in",
            tag="operations",
            response_type=Readiness,
            response_example={"status": "ok", "checks": {"database": "ok", "storage": "ok", "workers": "ok"}},
            public=True,
            statuses={200: "Ready", 503: "Not ready; the checks say why"},
        )
    ),
)
async def readyz(runtime: Runtime) -> Response[bytes]:
    """200 when new work can be taken in, else 503 with the part that stands in the way."""
    checks = {
        "database": await _check_database(runtime),
        "storage": "full" if is_disk_full(runtime) else "ok",
        "workers": "ok" if runtime.wake_ups.worker_running else "stopped",
    }
    ready = all(state == "ok" for state in checks.values())
    response = json_response(Readiness("ok" if ready else "unavailable", checks))
    response.status_code = 200 if ready else 503
    return response


async def _check_database(runtime: Runtime) -> str:
    try:
        await runtime.db.read(_probe)
    except DatabaseError as failure:
        return str(failure)
    return "ok"


def _probe(tx: Tx) -> int:
    return tx.fetch_int("SELECT 1 AS one")
