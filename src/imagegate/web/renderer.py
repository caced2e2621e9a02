"""Pages: a template, its texts and its data rendered to HTML, with ETag and gzip.

The HTML is the same for everybody; balance and account come from the public API, requested by `app/main.js`.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import re
from collections.abc import Callable
from typing import Any

from litestar import Request, Response
from litestar.datastructures import Cookie

from imagegate import __version__
from imagegate.api_docs.reference import Reference, build_reference
from imagegate.runtime import Runtime
from imagegate.web.assets import Assets
from imagegate.web.i18n import COOKIE, LANGUAGES, Translations, choose_language, load_translations, render_inline

THEMES = ("light", "dark")
_GZIP = re.compile(r"(?i)\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
_YEAR_S = 365 * 24 * 3600


class PageRenderer:
    """Everything is built at first use: a gateway that shows no page pays nothing for it."""

    def __init__(self, runtime: Runtime, document: Callable[[], bytes]) -> None:
        self.runtime = runtime
        self.assets = Assets()
        self._document = document

    @functools.cached_property
    def reference(self) -> Reference:
        return build_reference(self._document())

    @functools.cached_property
    def translations(self) -> dict[str, Translations]:
        return load_translations(self.assets)

    @functools.cached_property
    def _templates(self) -> Any:
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

    def render(
        self, request: Request[Any, Any, Any], template: str, status_code: int = 200, **context: Any
    ) -> Response[bytes]:
        """The page for this visitor. A language chosen in the query is remembered."""
        requested_language = request.query_params.get("lang")
        language = choose_language(
            requested_language, request.cookies.get(COOKIE), request.headers.get("accept-language", "")
        )
        theme = request.cookies.get("theme", "")
        html = self._templates.get_template(template).render(
            t=self.translations[language],
            language=language,
            languages=LANGUAGES,
            theme=theme if theme in THEMES else "",
            asset=self.assets.url,
            import_map=self.assets.import_map,
            origin=self.runtime.origin,
            path=request.url.path,
            version=__version__,
            **context,
        )
        chosen = requested_language in LANGUAGES
        cookies = [Cookie(COOKIE, value=language, max_age=_YEAR_S, path="/", samesite="lax")] if chosen else []
        return _page_response(request, html.encode(), status_code, self._headers(language), cookies)

    def _headers(self, language: str) -> dict[str, str]:
        return {
            "Content-Security-Policy": _content_security_policy(self.assets.import_map, self.runtime.origin),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Content-Language": language,
            "Cache-Control": "private, no-cache",
            "Vary": "Accept-Encoding, Accept-Language, Cookie",
        }


def _content_security_policy(import_map: str, origin: str) -> str:
    """Nothing runs, shows or is called but what is ours; `origin` is where result links begin.

    The import map is the one inline script, because browsers read it from nowhere else; its hash allows it.
    """
    digest = base64.b64encode(hashlib.sha256(import_map.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; connect-src 'self' {origin}; "
        f"img-src 'self' blob: {origin}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _page_response(
    request: Request[Any, Any, Any], html: bytes, status: int, headers: dict[str, str], cookies: list[Cookie]
) -> Response[bytes]:
    etag = f'"{hashlib.sha256(html).hexdigest()[:20]}"'
    headers["ETag"] = etag
    if status == 200 and etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers, cookies=cookies, media_type="text/html")
    if accepts_gzip(request):
        headers["Content-Encoding"] = "gzip"
        html = gzip.compress(html, 6, mtime=0)
    return Response(html, status_code=status, headers=headers, cookies=cookies, media_type="text/html")


def accepts_gzip(request: Request[Any, Any, Any]) -> bool:
    return _GZIP.search(request.headers.get("accept-encoding", "")) is not None
