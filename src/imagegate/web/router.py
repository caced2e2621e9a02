"""All URLs of the page: the handlers of its modules. None of them is part of the public API."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from imagegate.web import pages, sessions

HANDLERS = [one for module in (pages, sessions) for one in vars(module).values() if isinstance(one, HTTPRouteHandler)]
