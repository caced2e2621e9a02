"""The pages and the files they are made of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, get
from litestar.response import Redirect

from imagegate.api_docs.reference import TYPES
from imagegate.domain.errors import NotFound
from imagegate.flows.quote import DEFAULT_MODEL
from imagegate.flows.views.status import StatusCache
from imagegate.web.example_tiles import example_tiles
from imagegate.web.examples import ExampleSet
from imagegate.web.model_page import model_page, models_for_sale
from imagegate.web.renderer import PageRenderer, accepts_gzip

# Paths for programs begin with one of these: an unknown one is answered with JSON.
API_PREFIXES = ("v1", "api", "files", "openai", "web", "static", "healthz", "readyz", "metrics", "openapi.json")
_HOME_ENDPOINTS = (
    "create_image",
    "create_quote",
    "get_task",
    "list_tasks",
    "cancel_task",
    "get_events",
    "upload_stream",
    "upload_url",
    "get_credits",
    "get_pricing",
    "get_model",
)
_IMMUTABLE = "public, max-age=31536000, immutable"


@get("/")
async def home(request: Request[Any, Any, Any], site: PageRenderer) -> Response[bytes]:
    """The playground, prices and documentation of the default model."""
    return await _render_model(request, site)


@get("/models/{model:str}")
async def show_model(request: Request[Any, Any, Any], site: PageRenderer, model: str) -> Response[bytes]:
    return await _render_model(request, site, model)


async def _render_model(request: Request[Any, Any, Any], site: PageRenderer, name: str = "") -> Response[bytes]:
    found = await site.examples.current()
    try:
        return site.render_cached(request, "home.html", lambda: _model_context(site, name, found), found.version)
    except NotFound:
        return not_found_page(request, site)


def _model_context(site: PageRenderer, name: str, found: ExampleSet) -> dict[str, Any]:
    """Without a name, of the default model, or of the first where that is not for sale. NotFound."""
    names = models_for_sale(site.runtime)
    name = name or (DEFAULT_MODEL if DEFAULT_MODEL in names else next(iter(names), ""))
    if name not in names:
        raise NotFound
    return {
        "page": model_page(site.runtime, name),
        "examples": example_tiles(site.runtime, found.examples, name),
        "shipped_examples": found.shipped,
        "settings": site.runtime.settings,
        "endpoints": site.reference.endpoints(_HOME_ENDPOINTS),
        "embedded": not site.runtime.registry.route_table.has_real_upstream,
        "default_model": DEFAULT_MODEL,
    }


@get("/web/examples/{file:str}")
async def example_image(site: PageRenderer, file: str) -> Response[bytes]:
    """An image of the operator's examples. Its address changes with its content."""
    content = await site.examples.image(file)
    if content is None:
        return Response(b"no such file\n", status_code=404, media_type="text/plain")
    headers = {"Cache-Control": _IMMUTABLE, "X-Content-Type-Options": "nosniff"}
    return Response(content, headers=headers, media_type="image/webp")


@get("/dashboard")
async def dashboard(request: Request[Any, Any, Any], site: PageRenderer) -> Response[bytes]:
    return site.render_cached(request, "dashboard.html", dict)


@get("/status")
async def status(request: Request[Any, Any, Any], site: PageRenderer, board: StatusCache) -> Response[bytes]:
    found = await board.get(site.runtime)
    return site.render(
        request,
        "status.html",
        status=found,
        titles={one.id: one.title for one in site.runtime.catalog.models.values()},
        checked=datetime.fromtimestamp(found.checked, UTC).isoformat(timespec="seconds"),
    )


def reference_page(site: PageRenderer, request: Request[Any, Any, Any], name: str) -> Response[bytes]:
    """The overview where `name` is empty, else the section of that name or the types."""
    reference = site.reference
    section = reference.section(name)
    if name and name != TYPES and section is None:
        raise NotFound
    context = {"reference": reference, "section": section, "name": name}
    return site.render_cached(request, "reference.html", lambda: context)


@get("/docs")
async def guess_of_everybody() -> Redirect:
    """Where people look for an API first."""
    return Redirect("/reference")


@get("/favicon.ico")
async def favicon(site: PageRenderer) -> Redirect:
    """Asked for by browsers that show something else than a page, such as an image."""
    return Redirect(site.assets.url("img/logo.svg"))


@get("/static/{version:str}/{file:path}")
async def static(request: Request[Any, Any, Any], site: PageRenderer, version: str, file: str) -> Response[bytes]:
    """A page from before an update requests an old version: it gets the current file, not to be cached."""
    asset = site.assets.find(file.lstrip("/"))
    if asset is None:
        return Response(b"no such file\n", status_code=404, media_type="text/plain")
    headers = {
        "Cache-Control": _IMMUTABLE if version == site.assets.version else "no-cache",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    compressed = asset.gzipped and accepts_gzip(request)
    headers |= {"Content-Encoding": "gzip"} if compressed else {}
    return Response(asset.gzipped if compressed else asset.content, headers=headers, media_type=asset.media_type)


def is_page_path(path: str) -> bool:
    return path.split("/")[1] not in API_PREFIXES if path.startswith("/") else False


def not_found_page(request: Request[Any, Any, Any], site: PageRenderer) -> Response[bytes]:
    return site.render(request, "missing.html", status_code=404)
