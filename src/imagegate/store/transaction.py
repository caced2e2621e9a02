"""What a command or a query is given: a transaction.

Knows: how to run one statement and hand back plain rows. Refuses to know: when it is committed.
"""

from __future__ import annotations

import functools
from typing import Any

from imagegate.store.engines import Connection, Row


class Tx:
    """One transaction. `now` is the database's clock in UTC microseconds, the same all through.

    `is_retry` says that the commands may have been committed before, by a try whose answer was lost.
    """

    def __init__(self, connection: Connection, *, is_retry: bool = False) -> None:
        self._connection = connection
        self.is_retry = is_retry

    @functools.cached_property
    def now(self) -> int:
        return self._connection.now()

    def execute(self, sql: str, **params: Any) -> int:
        """Rows changed."""
        return self._connection.execute(sql, params)[0]

    def execute_nowait(self, sql: str, **params: Any) -> None:
        """Run a statement whose answer nobody needs: it does not wait for one, its fault shows at the commit."""
        self._connection.execute_nowait(sql, params)

    def fetch_all(self, sql: str, **params: Any) -> list[Row]:
        return self._connection.execute(sql, params)[1]

    def fetch_one(self, sql: str, **params: Any) -> Row | None:
        rows = self.fetch_all(sql, **params)
        return rows[0] if rows else None

    def fetch_int(self, sql: str, **params: Any) -> int:
        """The single integer that the statement selects."""
        rows = self.fetch_all(sql, **params)
        return int(next(iter(rows[0].values())) or 0)
