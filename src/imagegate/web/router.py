"""All URLs of the page, one line each. None of them is part of the public API."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from imagegate.web import pages, sessions

HANDLERS: list[HTTPRouteHandler] = [
    pages.home,
    pages.show_model,
    pages.dashboard,
    pages.status,
    pages.static,
    sessions.open_session,
    sessions.exchange_token,
    sessions.close_session,
    sessions.close_all_sessions,
]
