"""A proxy between a client and a server that cuts a connection at a given place, as networks do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Literal, NamedTuple, Self

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


class Cut(NamedTuple):
    """After so many bytes in this direction the connection is reset on both sides."""

    direction: Literal["up", "down"]
    after_bytes: int


class CuttingProxy:
    """Cuts the first connections, one for each of `cuts`; later ones pass untouched. `late_s`: how long each answer is
    kept back."""

    def __init__(self, server: str, *cuts: Cut, late_s: float = 0) -> None:
        self._host, _, port = server.partition("://")[2].partition(":")
        self._port = int(port)
        self._cuts = list(cuts)
        self._late_s = late_s
        self._server: asyncio.Server | None = None
        self.connections = 0
        self.bytes_down = 0

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        cut = self._cuts.pop(0) if self._cuts else None
        ends = [writer]
        try:
            up_reader, up_writer = await asyncio.open_connection(self._host, self._port)
            ends.append(up_writer)
            await asyncio.gather(
                self._pump(reader, up_writer, cut if cut and cut.direction == "up" else None, ends),
                self._pump(up_reader, writer, cut if cut and cut.direction == "down" else None, ends, down=True),
            )
        except OSError:
            pass
        finally:
            for end in ends:
                with contextlib.suppress(OSError):
                    end.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        cut: Cut | None,
        ends: list[asyncio.StreamWriter],
        *,
        down: bool = False,
    ) -> None:
        passed = 0
        while data := await reader.read(65536):
            if down:
                await asyncio.sleep(self._late_s)
                self.bytes_down += len(data)
            if cut is not None and passed + len(data) >= cut.after_bytes:
                writer.write(data[: cut.after_bytes - passed])
                with contextlib.suppress(OSError):
                    await writer.drain()
                await asyncio.sleep(0.02)  # what was passed on is read before the reset overtakes it
                _reset(ends)
                return
            passed += len(data)
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()


def _reset(ends: list[asyncio.StreamWriter]) -> None:
    for end in ends:
        if not end.transport.is_closing():
            end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            end.transport.abort()
