"""The upstreams of this process, and the roster of routes that lead to them.

Knows: what is in use now, and that a reload changes it for calls that begin afterwards. Refuses to know: which route a
request takes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from imagegate.catalog.catalog import Book, CatalogError
from imagegate.catalog.environment import rows_from_environment
from imagegate.catalog.routes import Roster, RouteRow, UpstreamRow
from imagegate.upstreams.base import Upstream
from imagegate.upstreams.connect import NotConnected, Plugs, connect, read_secret
from imagegate.upstreams.embedded import NAME as EMBEDDED


class Fleet:
    """`keys` holds the fingerprint of each upstream's key: a changed key is a new chance. `rows` are its routes as they
    were written."""

    def __init__(
        self, roster: Roster, upstreams: Mapping[str, Upstream], keys: Mapping[str, str], rows: Sequence[RouteRow] = ()
    ) -> None:
        self.roster, self.upstreams, self.keys, self.rows = roster, dict(upstreams), dict(keys), tuple(rows)
        self._retired: list[Upstream] = []

    def change(self, newer: Fleet) -> None:
        """Calls under way keep the upstream that they began with."""
        self._retired += self.upstreams.values()
        self.roster, self.upstreams, self.keys, self.rows = newer.roster, newer.upstreams, newer.keys, newer.rows

    async def close(self) -> None:
        for upstream in [*self.upstreams.values(), *self._retired]:
            await upstream.close()


def muster(upstreams: Sequence[UpstreamRow], routes: Sequence[RouteRow], book: Book, plugs: Plugs, today: str) -> Fleet:
    """The operator's rows; without any, what the environment holds keys for; without those, the embedded engine for
    every model. CatalogError says what does not fit. `today` as YYYY-MM-DD."""
    if not upstreams:
        upstreams, found = rows_from_environment(plugs.env, book, today)
        routes = [*routes, *found]
    if not upstreams:
        upstreams, routes = _embedded(book)
    roster = Roster(upstreams, routes, list(book.models))
    connected = {row.name: _connected(row, roster, plugs) for row in upstreams}
    return Fleet(roster, connected, {row.name: _fingerprint(row, plugs) for row in upstreams}, routes)


def _embedded(book: Book) -> tuple[list[UpstreamRow], list[RouteRow]]:
    row = UpstreamRow(name=EMBEDDED, protocol="embedded", on_unknown="fail")
    return [row], [RouteRow(model=model, upstream=EMBEDDED) for model in book.models]


def _connected(row: UpstreamRow, roster: Roster, plugs: Plugs) -> Upstream:
    upstream = connect(row, roster.dialects[row.name], plugs)
    if isinstance(upstream, NotConnected):
        raise CatalogError(upstream.detail)
    return upstream


def _fingerprint(row: UpstreamRow, plugs: Plugs) -> str:
    """Tells keys apart and nothing else; empty for an upstream without a key."""
    named = bool(row.api_key_env or row.api_key_file)
    secret = read_secret(row, plugs.env) if named else ""
    return hashlib.sha256(secret.encode()).hexdigest()[:12] if isinstance(secret, str) and secret else ""
