"""The control API, served on the same port without a key: the script of faults, the calls and their totals."""

from __future__ import annotations

import msgspec
from aiohttp import web

from imagegate.simulator.app_state import AppState
from imagegate.simulator.script import parse_steps


def control_routes(app: AppState) -> list[web.RouteDef]:
    async def put_script(request: web.Request) -> web.Response:
        """Replace the script. An empty list clears it."""
        try:
            app.script.steps = parse_steps(await request.read())
        except (ValueError, msgspec.MsgspecError) as error:
            return _json({"error": str(error)}, status=400)
        return _json({"left": app.script.steps})

    async def get_script(request: web.Request) -> web.Response:
        return _json({"left": app.script.steps})

    async def get_calls(request: web.Request) -> web.Response:
        """Oldest first; `?kind=create` and `?shape=openai` filter the list."""
        filters = {"kind": "kind", "shape": "protocol"}
        wanted = {filters[name]: value for name, value in request.query.items() if name in filters}
        calls = [call for call in app.calls.all if all(getattr(call, name) == wanted[name] for name in wanted)]
        return _json({"calls": calls})

    async def delete_calls(request: web.Request) -> web.Response:
        """Clear calls and totals; jobs and the script stay."""
        app.calls.clear()
        return _json({"calls": []})

    async def get_total(request: web.Request) -> web.Response:
        total = app.calls.total
        return _json(msgspec.to_builtins(total) | {"usd": total.usd})

    async def post_refuse(request: web.Request) -> web.Response:
        """Refuse new connections for `?seconds=n`; open ones stay usable."""
        seconds = request.query.get("seconds", "1")
        if not seconds.replace(".", "", 1).isdigit():
            return _json({"error": "seconds must be a number"}, status=400)
        await app.refuse_connections(float(seconds))
        return _json({"refusing": float(seconds)})

    return [
        web.put("/control", put_script),
        web.get("/control", get_script),
        web.get("/control/calls", get_calls),
        web.delete("/control/calls", delete_calls),
        web.get("/control/total", get_total),
        web.post("/control/refuse", post_refuse),
    ]


def _json(content: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(content), content_type="application/json")
