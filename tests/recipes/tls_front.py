"""TLS in front of a plain HTTP server, as a reverse proxy has it: webhooks go to https alone."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future

from tests.egress.raw_server import server_tls


class TlsFront:
    """Passes connections on to `target_port`. `port` listens."""

    def __init__(self) -> None:
        self.port = self.target_port = 0

    async def serve(self, ready: Future[None], stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0, ssl=server_tls("127.0.0.1"))
        self.port = server.sockets[0].getsockname()[1]
        ready.set_result(None)
        await stop.wait()
        server.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.contextmanager
def tls_front() -> Iterator[TlsFront]:
    front, ready, loop, stop = TlsFront(), Future[None](), asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(front.serve(ready, stop)))
    thread.start()
    try:
        ready.result(timeout=10)
        yield front
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=10)
        loop.close()
