"""Short messages between processes on one PostgreSQL, by LISTEN and NOTIFY.

They only wake: a message may be lost with its connection, and whoever hears one reads the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from imagegate.store.dialect import DatabaseError, first_line

if TYPE_CHECKING:
    import psycopg

MAX_MESSAGE_BYTES = 7_900  # the server refuses 8,000 and more
_CHANNEL = "imagegate"
_CONNECT_TIMEOUT_S = 5
_SEND_TIMEOUT_S = 5
_MESSAGES_IN_A_ROW = 50  # then others get their turn


class Notifications:
    """One connection that listens, and one that sends. Never the writer's: the server lets transactions that notify
    commit one after the other, over the whole database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._sender: psycopg.AsyncConnection | None = None

    async def listen(self) -> AsyncIterator[str | None]:
        """None when the connection stands, then the messages of all processes, our own included. DatabaseError."""
        import psycopg

        try:
            connection = await self._connect()
            try:
                await connection.execute(f"LISTEN {_CHANNEL}")
                yield None
                count = 0
                async for one in connection.notifies():
                    yield one.payload
                    count += 1
                    if count % _MESSAGES_IN_A_ROW == 0:
                        await asyncio.sleep(0)
            finally:
                await connection.close()
        except psycopg.Error as error:
            raise DatabaseError(f"PostgreSQL does not answer: {first_line(error)}", is_retryable=True) from error

    async def send(self, messages: Sequence[str]) -> None:
        """All of them in one commit. DatabaseError."""
        import psycopg

        try:
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                if self._sender is None:
                    self._sender = await self._connect()
                    # There is nothing to flush: a message that is lost with the server's power is no loss.
                    await self._sender.execute("SET synchronous_commit = off")
                await self._sender.execute(
                    "SELECT pg_notify(%s, message) FROM unnest(%s::text[]) AS message", (_CHANNEL, list(messages))
                )
        except (psycopg.Error, TimeoutError) as error:
            await self.close()
            raise DatabaseError(f"PostgreSQL does not answer: {first_line(error)}", is_retryable=True) from error

    async def _connect(self) -> psycopg.AsyncConnection:
        import psycopg

        # A listener sends nothing: without these a connection that a firewall has dropped would be believed for hours.
        return await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            connect_timeout=_CONNECT_TIMEOUT_S,
            keepalives=1,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
        )

    async def close(self) -> None:
        """The sender; a listener is closed by whoever listens."""
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.close()
