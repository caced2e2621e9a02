"""Pages: a template, its texts and its data rendered to HTML, with ETag and gzip.

The HTML is the same for everybody; balance and account come from the public API, requested by `app/main.js`.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from litestar import Request, Response
from litestar.datastructures import Cookie

from imagegate import __version__
from imagegate.api_docs.reference import Reference, build_reference
from imagegate.catalog.routes import RouteTable
from imagegate.runtime import Runtime
from imagegate.web.assets import Assets
from imagegate.web.examples import Examples
from imagegate.web.i18n import COOKIE, LANGUAGES, Translations, choose_language, load_translations, render_inline

THEMES = ("light", "dark")
_GZIP = re.compile(r"(?i)\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
_YEAR_S = 365 * 24 * 3600
# The page uses none of a device's sensors, whatever script might ever run in it.
_PERMISSIONS = ", ".join(
    f"{name}=()"
    for name in (
        "accelerometer",
        "camera",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "usb",
    )
)
_MAX_CACHED_PAGES = 128  # about 120 kB each; there are some 100 of page, language and theme


class _Visitor(NamedTuple):
    """What of the visitor a page depends on."""

    language: str
    theme: str
    chose_language: bool


class _BuiltPage:
    """A page as it is sent."""

    def __init__(self, html: bytes) -> None:
        self.html = html
        self.etag = f'"{hashlib.sha256(html).hexdigest()[:20]}"'

    @functools.cached_property
    def gzipped(self) -> bytes:
        return gzip.compress(self.html, 6, mtime=0)


@functools.cache
def load_templates() -> Any:
    """One for all applications of a process: compiling a template takes longer than a page."""
    import jinja2

    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("imagegate.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["coded"] = render_inline
    return templates


class PageRenderer:
    """Everything is built at first use: a gateway that shows no page pays nothing for it."""

    def __init__(self, runtime: Runtime, document: Callable[[], bytes]) -> None:
        self.runtime = runtime
        self.assets = Assets()
        self._document = document
        self._pages: dict[tuple[str, ...], _BuiltPage] = {}
        self._built_for: tuple[RouteTable | None, str] = (None, "")

    @functools.cached_property
    def reference(self) -> Reference:
        return build_reference(self._document())

    @functools.cached_property
    def examples(self) -> Examples:
        return Examples(self.runtime, self.assets)

    @functools.cached_property
    def translations(self) -> dict[str, Translations]:
        return load_translations(self.assets)

    def render(
        self, request: Request[Any, Any, Any], template: str, status_code: int = 200, **context: Any
    ) -> Response[bytes]:
        """The page for this visitor. A language chosen in the query is remembered."""
        visitor = _visitor(request)
        return self._respond(request, self._build(request, template, visitor, context), status_code, visitor)

    def render_cached(
        self,
        request: Request[Any, Any, Any],
        template: str,
        build_context: Callable[[], dict[str, Any]],
        version: str = "",
    ) -> Response[bytes]:
        """As `render`, for a page that depends on nothing but its address, the visitor's language and theme, the
        prices, the routes and `version`: it is built once for each."""
        visitor = _visitor(request)
        table, price_version = self.runtime.registry.route_table, self._price_version()
        if (table, price_version) != self._built_for:
            self._pages.clear()
            self._built_for = (table, price_version)
        name = (template, request.url.path, visitor.language, visitor.theme, version)
        page = self._pages.pop(name, None) or self._build(request, template, visitor, build_context())
        self._pages[name] = page
        if len(self._pages) > _MAX_CACHED_PAGES:
            self._pages.pop(next(iter(self._pages)))  # the one that was not asked for the longest
        return self._respond(request, page, 200, visitor)

    def _build(
        self, request: Request[Any, Any, Any], template: str, visitor: _Visitor, context: Mapping[str, Any]
    ) -> _BuiltPage:
        html = (
            load_templates()
            .get_template(template)
            .render(
                t=self.translations[visitor.language],
                language=visitor.language,
                languages=LANGUAGES,
                theme=visitor.theme,
                asset=self.assets.url,
                import_map=self.assets.import_map,
                origin=self.runtime.origin,
                path=request.url.path,
                version=__version__,
                **context,
            )
        )
        return _BuiltPage(html.encode())

    def _respond(
        self, request: Request[Any, Any, Any], page: _BuiltPage, status: int, visitor: _Visitor
    ) -> Response[bytes]:
        headers = self._headers(visitor.language) | {"ETag": page.etag}
        cookies = []
        if visitor.chose_language:
            cookies.append(Cookie(COOKIE, value=visitor.language, max_age=_YEAR_S, path="/", samesite="lax"))
        if status == 200 and page.etag in request.headers.get("if-none-match", ""):
            return Response(b"", status_code=304, headers=headers, cookies=cookies, media_type="text/html")
        body = page.html
        if accepts_gzip(request):
            headers["Content-Encoding"] = "gzip"
            body = page.gzipped
        return Response(body, status_code=status, headers=headers, cookies=cookies, media_type="text/html")

    def _price_version(self) -> str:
        return self.runtime.catalog.price_block_at(self.runtime.clock()).version

    def _headers(self, language: str) -> dict[str, str]:
        # Browsers ignore this header over plain http and complain of it.
        is_secure = self.runtime.origin.startswith("https://") or self.runtime.is_loopback_only
        return {
            "Content-Security-Policy": _content_security_policy(
                self.assets.import_map, self.runtime.origin, self.runtime.links_origin
            ),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Permissions-Policy": _PERMISSIONS,
            **({"Cross-Origin-Opener-Policy": "same-origin"} if is_secure else {}),
            "Content-Language": language,
            "Cache-Control": "private, no-cache",
            "Vary": "Accept-Encoding, Accept-Language, Cookie",
        }


def _content_security_policy(import_map: str, origin: str, links_origin: str) -> str:
    """Nothing runs, shows or is called but what is ours; `origin` is where result links begin, and `links_origin` where
    they lead.

    The import map is the one inline script, because browsers read it from nowhere else; its hash allows it.
    """
    images = f"{origin} {links_origin}".strip()
    digest = base64.b64encode(hashlib.sha256(import_map.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; connect-src 'self' {origin}; "
        f"img-src 'self' blob: {images}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _visitor(request: Request[Any, Any, Any]) -> _Visitor:
    requested = request.query_params.get("lang")
    language = choose_language(requested, request.cookies.get(COOKIE), request.headers.get("accept-language", ""))
    theme = request.cookies.get("theme", "")
    return _Visitor(language, theme if theme in THEMES else "", requested in LANGUAGES)


def accepts_gzip(request: Request[Any, Any, Any]) -> bool:
    return _GZIP.search(request.headers.get("accept-encoding", "")) is not None
