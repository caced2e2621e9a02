"""Runs one simulator on one port, which it keeps while it refuses connections."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable

from aiohttp import ClientSession, TCPConnector, ThreadedResolver, web

from imagegate.simulator.app_state import AppState
from imagegate.simulator.routes import build_app

_BACKLOG = 1024


class CannotListen(Exception):
    """The text says where and why."""


class Listener:
    """The listening socket. `refuse` closes it for a while, so that clients get ECONNREFUSED."""

    def __init__(self, server: web.Server, host: str, port: int) -> None:
        self._server = server
        self._host = host
        self.port = port
        self._server_socket: asyncio.Server | None = None
        self._reopen_timer: asyncio.TimerHandle | None = None
        self._reopen_tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._server_socket = await loop.create_server(self._server, self._host, self.port, backlog=_BACKLOG)
        except OSError as error:
            # asyncio writes a text of its own around the number.
            reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
            raise CannotListen(f"cannot listen on port {self.port} of {self._host}: {reason}") from error
        self.port = self._server_socket.sockets[0].getsockname()[1]

    async def refuse(self, seconds: float) -> None:
        """Stop listening for some seconds. A later call restarts the time."""
        self.close()
        self._reopen_timer = asyncio.get_running_loop().call_later(seconds, self._reopen)

    def _reopen(self) -> None:
        task = asyncio.ensure_future(self.open())
        self._reopen_tasks.add(task)
        task.add_done_callback(self._reopen_tasks.discard)

    def close(self) -> None:
        if self._reopen_timer is not None:
            self._reopen_timer.cancel()
        if self._server_socket is not None:
            self._server_socket.close()
            self._server_socket = None


@contextlib.asynccontextmanager
async def run_simulator(app: AppState, host: str, port: int) -> AsyncIterator[Listener]:
    """Serve while the context is open; yields the listener with its actual port."""
    runner = web.AppRunner(build_app(app), handler_cancellation=True, shutdown_timeout=0.5)
    await runner.setup()
    assert runner.server is not None
    listener = Listener(runner.server, host, port)
    app.refuse_connections = listener.refuse
    async with ClientSession(connector=TCPConnector(resolver=ThreadedResolver())) as outside:
        app.http_client = outside
        try:
            await listener.open()
            yield listener
        finally:
            listener.close()
            await runner.cleanup()


async def serve(app: AppState, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with run_simulator(app, host, port) as listener:
        announce(f"http://{f'[{host}]' if ':' in host else host}:{listener.port}")
        await stop.wait()
