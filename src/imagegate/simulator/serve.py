"""One simulator from start to end: the port that it keeps, also while it refuses connections, and the total at last.

Knows: its listener. Refuses to know: shapes.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable

from aiohttp import ClientSession, web

from imagegate.simulator.app_state import Desk
from imagegate.simulator.routes import build_app

_BACKLOG = 1024


class Listener:
    """The one port. `refuse` closes it for a while, so that connecting fails as it does where nobody listens."""

    def __init__(self, server: web.Server, host: str, port: int) -> None:
        self._server = server
        self._host = host
        self.port = port
        self._open: asyncio.Server | None = None
        self._again: asyncio.TimerHandle | None = None
        self._opening: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """OSError where the port is taken."""
        loop = asyncio.get_running_loop()
        self._open = await loop.create_server(self._server, self._host, self.port, backlog=_BACKLOG)
        self.port = self._open.sockets[0].getsockname()[1]

    async def refuse(self, seconds: float) -> None:
        """From now on nobody connects. A later call extends the time."""
        self.close()
        self._again = asyncio.get_running_loop().call_later(seconds, self._reopen)

    def _reopen(self) -> None:
        task = asyncio.ensure_future(self.open())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def close(self) -> None:
        if self._again is not None:
            self._again.cancel()
        if self._open is not None:
            self._open.close()
            self._open = None


@contextlib.asynccontextmanager
async def running(desk: Desk, host: str, port: int) -> AsyncIterator[Listener]:
    """The simulator listens while the context is open; it yields the listener with its real port."""
    runner = web.AppRunner(build_app(desk), handler_cancellation=True, shutdown_timeout=0.5)
    await runner.setup()
    assert runner.server is not None
    listener = Listener(runner.server, host, port)
    desk.refuse = listener.refuse
    async with ClientSession() as outside:
        desk.outside = outside
        try:
            await listener.open()
            yield listener
        finally:
            listener.close()
            await runner.cleanup()


async def serve(desk: Desk, host: str, port: int, greet: Callable[[str], None]) -> None:
    """Until SIGINT or SIGTERM."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with running(desk, host, port) as listener:
        greet(f"http://{f'[{host}]' if ':' in host else host}:{listener.port}")
        await ended.wait()
