"""The pages and the files they are made of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, get
from litestar.response import Redirect

from imagegate.api_docs.reference import TYPES
from imagegate.domain.errors import NotFound
from imagegate.flows.quote import DEFAULT_MODEL
from imagegate.flows.views.status import StatusCache
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

    def context() -> dict[str, Any]:
        names = models_for_sale(site.runtime)
        return _model_context(site, DEFAULT_MODEL if DEFAULT_MODEL in names or not names else names[0])

    return _render_model(request, site, context)


@get("/models/{model:str}")
async def show_model(request: Request[Any, Any, Any], site: PageRenderer, model: str) -> Response[bytes]:
    return _render_model(request, site, lambda: _model_context(site, model))


def _render_model(
    request: Request[Any, Any, Any], site: PageRenderer, context: Callable[[], dict[str, Any]]
) -> Response[bytes]:
    try:
        return site.render_cached(request, "home.html", context)
    except NotFound:
        return not_found_page(request, site)


def _model_context(site: PageRenderer, name: str) -> dict[str, Any]:
    """NotFound for a model that is not for sale."""
    if name not in models_for_sale(site.runtime):
        raise NotFound
    return {
        "page": model_page(site.runtime, name),
        "settings": site.runtime.settings,
        "endpoints": site.reference.endpoints(_HOME_ENDPOINTS),
        "embedded": not site.runtime.registry.route_table.has_real_upstream,
        "default_model": DEFAULT_MODEL,
    }


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
