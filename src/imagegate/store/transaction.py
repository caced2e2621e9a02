"""What a command or a query is given: a transaction.

Knows: how to run one statement and hand back plain rows. Refuses to know: when it is committed.
"""

from __future__ import annotations

import functools
from typing import Any

from imagegate.store.engines import Connection, Row


class Tx:
    """One transaction. `now` is the database's clock in UTC microseconds, the same all through."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @functools.cached_property
    def now(self) -> int:
        return self._connection.now()

    def run(self, sql: str, **params: Any) -> int:
        """Rows changed."""
        return self._connection.execute(sql, params)[0]

    def all(self, sql: str, **params: Any) -> list[Row]:
        return self._connection.execute(sql, params)[1]

    def one(self, sql: str, **params: Any) -> Row | None:
        rows = self.all(sql, **params)
        return rows[0] if rows else None

    def count(self, sql: str, **params: Any) -> int:
        """The single integer that the statement selects."""
        rows = self.all(sql, **params)
        return int(next(iter(rows[0].values())) or 0)
