"""The control API, on the same port: what the next calls shall meet, and what all calls came to.

Knows: its own four resources. It is not part of any upstream's wire and asks for no key.
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from imagegate.simulator.app_state import AppState
from imagegate.simulator.script import parse_steps


def control_routes(desk: AppState) -> list[web.RouteDef]:
    async def put_script(request: web.Request) -> web.Response:
        """Replace what the next calls meet. An empty list clears it."""
        try:
            desk.script.steps = parse_steps(await request.read())
        except (ValueError, msgspec.MsgspecError) as error:
            return _json({"error": str(error)}, status=400)
        return _json({"left": desk.script.steps})

    async def get_script(request: web.Request) -> web.Response:
        return _json({"left": desk.script.steps})

    async def get_calls(request: web.Request) -> web.Response:
        """Oldest first; `?kind=create` and `?shape=openai` narrow the list."""
        wanted = {name: request.query[name] for name in ("kind", "shape") if name in request.query}
        calls = [call for call in desk.calls.all if all(getattr(call, name) == wanted[name] for name in wanted)]
        return _json({"calls": calls})

    async def delete_calls(request: web.Request) -> web.Response:
        """Forget calls and totals; tickets and the script stay."""
        desk.calls.clear()
        return _json({"calls": []})

    async def get_total(request: web.Request) -> web.Response:
        total = desk.calls.total
        return _json(msgspec.to_builtins(total) | {"usd": total.usd})

    async def post_refuse(request: web.Request) -> web.Response:
        """Refuse connections for `?seconds=n`; this one stays usable."""
        seconds = request.query.get("seconds", "1")
        if not seconds.replace(".", "", 1).isdigit():
            return _json({"error": "seconds must be a number"}, status=400)
        await desk.refuse_connections(float(seconds))
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
