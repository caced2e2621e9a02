"""The pages and the files that they are made of.

Knows: which address shows which template with which facts. Refuses to know: HTML, and who looks.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, get

from imagegate.flows.quote import DEFAULT_MODEL
from imagegate.flows.views.status import StatusBoard
from imagegate.web.assets import Absent
from imagegate.web.model_page import model_page, sold
from imagegate.web.renderer import GZIP, Site

# Whatever begins with one of these belongs to programs: what is unknown there is answered in JSON.
API = ("v1", "api", "files", "openai", "web", "static", "healthz", "readyz", "metrics", "openapi.json")
_FOREVER = "public, max-age=31536000, immutable"


@get("/")
async def home(request: Request[Any, Any, Any], site: Site) -> Response[bytes]:
    """The playground, prices and documentation of the usual model."""
    names = sold(site.runtime)
    return _model(request, site, DEFAULT_MODEL if DEFAULT_MODEL in names or not names else names[0])


@get("/models/{model:str}")
async def of_model(request: Request[Any, Any, Any], site: Site, model: str) -> Response[bytes]:
    return _model(request, site, model)


def _model(request: Request[Any, Any, Any], site: Site, name: str) -> Response[bytes]:
    if name not in sold(site.runtime):
        return unknown_page(request, site)
    settings = site.runtime.settings
    return site.answer(
        request,
        "home.html",
        page=model_page(site.runtime, name),
        settings=settings,
        endpoints=site.endpoints,
        embedded=not site.runtime.fleet.roster.has_real,
        usual=DEFAULT_MODEL,
    )


@get("/dashboard")
async def dashboard(request: Request[Any, Any, Any], site: Site) -> Response[bytes]:
    return site.answer(request, "dashboard.html")


@get("/status")
async def status(request: Request[Any, Any, Any], site: Site, board: StatusBoard) -> Response[bytes]:
    found = await board.now(site.runtime)
    return site.answer(
        request,
        "status.html",
        status=found,
        titles={one.id: one.title for one in site.runtime.book.models.values()},
        checked=datetime.fromtimestamp(found.checked, UTC).isoformat(timespec="seconds"),
    )


@get("/static/{version:str}/{file:path}")
async def static(request: Request[Any, Any, Any], site: Site, version: str, file: str) -> Response[bytes]:
    """A page from before an update asks for an old version: it gets the present file, to be asked for again."""
    asset = site.assets.open(file.lstrip("/"))
    if isinstance(asset, Absent):
        return Response(b"no such file\n", status_code=404, media_type="text/plain")
    headers = {
        "Cache-Control": _FOREVER if version == site.assets.version else "no-cache",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    packed = asset.zipped and GZIP.search(request.headers.get("accept-encoding", ""))
    headers |= {"Content-Encoding": "gzip"} if packed else {}
    return Response(asset.zipped if packed else asset.plain, headers=headers, media_type=asset.media)


def outside_the_api(path: str) -> bool:
    return path.split("/")[1] not in API if path.startswith("/") else False


def unknown_page(request: Request[Any, Any, Any], site: Site) -> Response[bytes]:
    return site.answer(request, "missing.html", status_code=404)
