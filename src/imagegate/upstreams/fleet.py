"""The upstreams of this process, and the roster of routes that lead to them.

Knows: what is in use now, and that a reload changes it for calls that begin afterwards. Refuses to know: which route a
request takes.
"""

from __future__ import annotations

from collections.abc import Mapping

from imagegate.catalog.routes import Roster, RouteRow, UpstreamRow
from imagegate.upstreams.embedded import NAME as EMBEDDED
from imagegate.upstreams.protocol import Upstream


class Fleet:
    """`keys` holds the fingerprint of each upstream's key: a changed key is a new chance."""

    def __init__(self, roster: Roster, upstreams: Mapping[str, Upstream], keys: Mapping[str, str]) -> None:
        self.roster, self.upstreams, self.keys = roster, dict(upstreams), dict(keys)
        self._retired: list[Upstream] = []

    def change(self, roster: Roster, upstreams: Mapping[str, Upstream], keys: Mapping[str, str]) -> None:
        """Calls under way keep the upstream that they began with."""
        kept = set(map(id, upstreams.values()))
        self._retired += [old for old in self.upstreams.values() if id(old) not in kept]
        self.roster, self.upstreams, self.keys = roster, dict(upstreams), dict(keys)

    async def close(self) -> None:
        for upstream in [*self.upstreams.values(), *self._retired]:
            await upstream.close()


def embedded_roster(models: list[str]) -> Roster:
    """An install without any route: the embedded engine serves every model, labelled."""
    row = UpstreamRow(name=EMBEDDED, protocol="embedded", on_unknown="fail")
    return Roster([row], [RouteRow(model=model, upstream=EMBEDDED) for model in models], models)
