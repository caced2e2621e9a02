"""GET /healthz and GET /readyz: for whoever keeps the gateway running."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import Response, get

from imagegate.api.openapi.operation import Operation, described
from imagegate.api.responses import json_answer
from imagegate.domain.fields import said
from imagegate.flows.disk_space import short_of_space
from imagegate.runtime import Runtime
from imagegate.store.engines import StoreFailure
from imagegate.store.transaction import Tx


class Health(msgspec.Struct):
    status: Literal["ok"]


class Readiness(msgspec.Struct):
    status: Annotated[str, said("Whether new work can be taken in", enum=["ok", "unavailable"])]
    checks: Annotated[dict[str, str], said("Each part: ok, or what is wrong with it")]


@get(
    "/healthz",
    opt=described(
        Operation(summary="The process lives", tag="operations", answer=Health, gives={"status": "ok"}, open=True)
    ),
)
async def healthz() -> Response[bytes]:
    """200 while the process lives."""
    return json_answer(Health("ok"))


@get(
    "/readyz",
    opt=described(
        Operation(
            summary="New work can be taken in",
            tag="operations",
            answer=Readiness,
            gives={"status": "ok", "checks": {"database": "ok", "storage": "ok", "workers": "ok"}},
            open=True,
            statuses={200: "Ready", 503: "Not ready; the checks say why"},
        )
    ),
)
async def readyz(runtime: Runtime) -> Response[bytes]:
    """200 when new work can be taken in, else 503 with the part that stands in the way."""
    checks = {
        "database": await _database(runtime),
        "storage": "full" if short_of_space(runtime) else "ok",
        "workers": "ok" if runtime.signals.working else "stopped",
    }
    ready = all(state == "ok" for state in checks.values())
    answer = json_answer(Readiness("ok" if ready else "unavailable", checks))
    answer.status_code = 200 if ready else 503
    return answer


async def _database(runtime: Runtime) -> str:
    try:
        await runtime.db.read(_ask)
    except StoreFailure as failure:
        return str(failure)
    return "ok"


def _ask(tx: Tx) -> int:
    return tx.count("SELECT 1 AS one")
