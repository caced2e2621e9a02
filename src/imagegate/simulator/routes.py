"""The paths of every protocol, each under its own prefix, and the configuration that points a gateway at them."""

from __future__ import annotations

import msgspec
from aiohttp import web

from imagegate.simulator.app_state import REJECTED_KEYS, AppState, Handler, WireProtocol, open_call
from imagegate.simulator.calls import Call
from imagegate.simulator.control import control_routes
from imagegate.simulator.create import create_handler
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


def build_app(app: AppState) -> web.Application:
    application = web.Application(client_max_size=512 << 20)
    application.router.add_routes(control_routes(app))
    application.router.add_routes(_openai(app) + _task(app) + _fal(app) + _replicate(app))
    application.router.add_routes([web.get("/files/{name}", _files(app))])
    return application


def _openai(app: AppState) -> list[web.RouteDef]:
    plain, azure, dated = OpenAI(), OpenAI(azure=True), OpenAI(azure=True, dated=True)
    routes: list[web.RouteDef] = []
    for prefix in ("/v1", "/openai/v1"):
        routes.append(web.post(f"{prefix}/images/{_OPERATION}", create_handler(app, plain)))
        routes.append(web.get(f"{prefix}/models", _models(app, plain)))
    routes.append(web.post(f"/azure/openai/v1/images/{_OPERATION}", create_handler(app, azure)))
    routes.append(web.get("/azure/openai/v1/models", _models(app, azure)))
    paths = [f"{prefix}/deployments/{{deployment}}/images/{_OPERATION}" for prefix in ("/azure/openai", "/openai")]
    return routes + [web.post(path, create_handler(app, dated)) for path in paths]


def _task(app: AppState) -> list[web.RouteDef]:
    protocol = task_api.TaskApi()

    async def cancel(request: web.Request, _: Call, job: Job) -> Reply:
        return await task_api.cancel(app, request, job)

    routes: list[web.RouteDef] = []
    for prefix in ("/task/v1", "/task"):
        routes.append(web.post(f"{prefix}/images/generations", create_handler(app, protocol)))
        routes.append(web.get(f"{prefix}/models", _models(app, protocol)))
        routes.append(web.get(f"{prefix}/tasks/{{id}}", job_handler(app, protocol, "poll", task_api.poll)))
        routes.append(web.post(f"{prefix}/tasks/{{id}}/cancel", job_handler(app, protocol, "cancel", cancel)))
    return routes


def _fal(app: AppState) -> list[web.RouteDef]:
    protocol = fal.Fal()

    async def cancel(_: web.Request, __: Call, job: Job) -> Reply:
        return await fal.cancel(app, job)

    return [
        web.get("/fal/requests/{id}/status", job_handler(app, protocol, "poll", fal.status)),
        web.get("/fal/requests/{id}", job_handler(app, protocol, "poll", fal.response)),
        web.put("/fal/requests/{id}/cancel", job_handler(app, protocol, "cancel", cancel)),
        web.post("/fal/{app:.+}", create_handler(app, protocol)),
    ]


def _replicate(app: AppState) -> list[web.RouteDef]:
    protocol = replicate.Replicate()

    async def cancel(request: web.Request, _: Call, job: Job) -> Reply:
        return await replicate.cancel(app, request, job)

    routes: list[web.RouteDef] = []
    for prefix in ("/replicate/v1", "/replicate"):
        routes.append(web.post(f"{prefix}/models/{{owner}}/{{model}}/predictions", create_handler(app, protocol)))
        routes.append(web.get(f"{prefix}/predictions/{{id}}", job_handler(app, protocol, "poll", replicate.poll)))
        routes.append(web.post(f"{prefix}/predictions/{{id}}/cancel", job_handler(app, protocol, "cancel", cancel)))
    return routes


def _models(app: AppState, protocol: WireProtocol) -> Handler:
    """`GET .../models`: not billed; lists each model's shutdown date."""

    async def handle(request: web.Request) -> web.StreamResponse:
        open_call(app, protocol.name, "models", request).open = False
        if protocol.api_key(request) in REJECTED_KEYS:
            return web.json_response({"error": {"code": "invalid_api_key", "message": "Bad key."}}, status=401)
        data = [
            {
                "id": model.id,
                "object": "model",
                "created": model.created,
                "owned_by": "openai",
                "shutdown_date": model.shutdown or None,
            }
            for model in app.prices.catalog.models.values()
        ]
        return web.json_response({"object": "list", "data": data})

    return handle


def _files(app: AppState) -> Handler:
    """Result files by URL, without a key, as vendors serve them."""

    async def handle(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        open_call(app, "files", "download", request).open = False
        found = await app.result_file(name)
        if found is None or app.take_download_fault(name):
            return web.Response(status=404, text="Not found")
        image, parts = found
        response = web.StreamResponse(headers={"Content-Type": MEDIA_TYPES[image.format]})
        response.content_length = sum(map(len, parts))
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        return response

    return handle


def gateway_config(app: AppState, origin: str, model: str = "gpt-image-2") -> str:
    """TOML for a gateway's configuration: one upstream and one route for each protocol."""
    cost = msgspec.to_builtins(app.prices.costs[model])
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
