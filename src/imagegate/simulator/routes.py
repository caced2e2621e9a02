"""Which shape is served where: all at once, each under a prefix of its own, and the rows that a gateway needs for it.

Knows: the paths of every shape. Refuses to know: what happens behind them.
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from imagegate.simulator.app_state import REJECTED_KEYS, AppState, Handler, WireProtocol, create_handler, open_call
from imagegate.simulator.calls import Call
from imagegate.simulator.control import control_routes
from imagegate.simulator.images import MEDIA_TYPES
from imagegate.simulator.job_routes import job_handler
from imagegate.simulator.jobs import Job
from imagegate.simulator.protocols import fal, replicate, task_api
from imagegate.simulator.protocols.openai import OpenAI
from imagegate.simulator.responses import Reply

OPENAI_PROTOCOLS = ("openai", "azure", "azure-dated")
PROTOCOLS = (*OPENAI_PROTOCOLS, "task", "fal", "replicate")
KEY_VARIABLE = "SIMULATOR_KEY"
_OPERATION = "{operation:generations|edits}"


def build_app(desk: AppState) -> web.Application:
    app = web.Application(client_max_size=512 << 20)
    app.router.add_routes(control_routes(desk))
    app.router.add_routes(_openai(desk) + _task(desk) + _fal(desk) + _replicate(desk))
    app.router.add_routes([web.get("/files/{name}", _files(desk))])
    return app


def _openai(desk: AppState) -> list[web.RouteDef]:
    plain, azure, dated = OpenAI(), OpenAI(azure=True), OpenAI(azure=True, dated=True)
    routes: list[web.RouteDef] = []
    for prefix in ("/v1", "/openai/v1"):
        routes.append(web.post(f"{prefix}/images/{_OPERATION}", create_handler(desk, plain)))
        routes.append(web.get(f"{prefix}/models", _models(desk, plain)))
    routes.append(web.post(f"/azure/openai/v1/images/{_OPERATION}", create_handler(desk, azure)))
    routes.append(web.get("/azure/openai/v1/models", _models(desk, azure)))
    paths = [f"{prefix}/deployments/{{deployment}}/images/{_OPERATION}" for prefix in ("/azure/openai", "/openai")]
    return routes + [web.post(path, create_handler(desk, dated)) for path in paths]


def _task(desk: AppState) -> list[web.RouteDef]:
    shape = task_api.TaskApi()

    async def cancel(request: web.Request, _: Call, ticket: Job) -> Reply:
        return await task_api.cancel(desk, request, ticket)

    routes: list[web.RouteDef] = []
    for prefix in ("/task/v1", "/task"):
        routes.append(web.post(f"{prefix}/images/generations", create_handler(desk, shape)))
        routes.append(web.get(f"{prefix}/models", _models(desk, shape)))
        routes.append(web.get(f"{prefix}/tasks/{{id}}", job_handler(desk, shape, "poll", task_api.poll)))
        routes.append(web.post(f"{prefix}/tasks/{{id}}/cancel", job_handler(desk, shape, "cancel", cancel)))
    return routes


def _fal(desk: AppState) -> list[web.RouteDef]:
    shape = fal.Fal()

    async def cancel(_: web.Request, __: Call, ticket: Job) -> Reply:
        return await fal.cancel(desk, ticket)

    return [
        web.get("/fal/requests/{id}/status", job_handler(desk, shape, "poll", fal.status)),
        web.get("/fal/requests/{id}", job_handler(desk, shape, "poll", fal.response)),
        web.put("/fal/requests/{id}/cancel", job_handler(desk, shape, "cancel", cancel)),
        web.post("/fal/{app:.+}", create_handler(desk, shape)),
    ]


def _replicate(desk: AppState) -> list[web.RouteDef]:
    shape = replicate.Replicate()

    async def cancel(request: web.Request, _: Call, ticket: Job) -> Reply:
        return await replicate.cancel(desk, request, ticket)

    routes: list[web.RouteDef] = []
    for prefix in ("/replicate/v1", "/replicate"):
        routes.append(web.post(f"{prefix}/models/{{owner}}/{{model}}/predictions", create_handler(desk, shape)))
        routes.append(web.get(f"{prefix}/predictions/{{id}}", job_handler(desk, shape, "poll", replicate.poll)))
        routes.append(web.post(f"{prefix}/predictions/{{id}}/cancel", job_handler(desk, shape, "cancel", cancel)))
    return routes


def _models(desk: AppState, shape: WireProtocol) -> Handler:
    """`GET .../models`: free, with the day of each model's shutdown."""

    async def handle(request: web.Request) -> web.StreamResponse:
        open_call(desk, shape.name, "models", request).open = False
        if shape.api_key(request) in REJECTED_KEYS:
            return web.json_response({"error": {"code": "invalid_api_key", "message": "Bad key."}}, status=401)
        data = [
            {
                "id": model.id,
                "object": "model",
                "created": model.created,
                "owned_by": "openai",
                "shutdown_date": model.shutdown or None,
            }
            for model in desk.prices.catalog.models.values()
        ]
        return web.json_response({"object": "list", "data": data})

    return handle


def _files(desk: AppState) -> Handler:
    """Results by link, without a key, as vendors serve them."""

    async def handle(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        open_call(desk, "files", "download", request).open = False
        found = await desk.result_file(name)
        if found is None or desk.take_download_fault(name):
            return web.Response(status=404, text="Not found")
        picture, parts = found
        response = web.StreamResponse(headers={"Content-Type": MEDIA_TYPES[picture.format]})
        response.content_length = sum(map(len, parts))
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        return response

    return handle


def gateway_config(desk: AppState, origin: str, model: str = "gpt-image-2") -> str:
    """Ready-made rows for a gateway's configuration, one upstream and one route for each shape."""
    cost = msgspec.to_builtins(desk.prices.costs[model])
    rates = ", ".join(f'{name} = "{value}"' for name, value in cost.items() if value not in ("", "0"))
    dated = {"dialect": "azure-dated", "deployment": model, "api_version": "2025-04-01-preview"}
    upstreams = {
        "openai": {"protocol": "openai", "base_url": f"{origin}/v1"},
        "azure": {"protocol": "openai", "base_url": f"{origin}/azure/openai/v1", "dialect": "azure"},
        "azure-dated": {"protocol": "openai", "base_url": f"{origin}/azure", **dated},
        "task": {"protocol": "task_api", "base_url": f"{origin}/task"},
        "fal": {"protocol": "fal", "base_url": f"{origin}/fal"},
        "replicate": {"protocol": "replicate", "base_url": f"{origin}/replicate"},
    }
    return "\n".join(_upstream_and_route(f"sim-{name}", fields, model, rates) for name, fields in upstreams.items())


def _upstream_and_route(name: str, fields: dict[str, str], model: str, rates: str) -> str:
    upstream = _toml_fields({"name": name, **fields, "api_key_env": KEY_VARIABLE})
    overrides = {"upstream_model": f"openai/{model}"} if fields["protocol"] in ("fal", "replicate") else {}
    route = _toml_fields({"model": model, "upstream": name, **overrides})
    return f"[[upstream]]\n{upstream}\n[[route]]\n{route}cost_per_million = {{ {rates} }}\n"


def _toml_fields(fields: dict[str, str]) -> str:
    return "".join(f'{name} = "{value}"\n' for name, value in fields.items())
