"""A stand-in upstream that costs as little as Python can: it answers every create with a response that is ready.

Run as a module it is a program of its own. Its address says how it behaves: `/IMAGE/DELAY/TOGETHER/v1` answers with
this image DELAY seconds after the request; nothing is answered before TOGETHER requests wait.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import deque
from typing import cast

import uvloop

from bench.images import http_response

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_KEPT_ARRIVALS = 1000


class State:
    """What the control address tells."""

    def __init__(self) -> None:
        self.open = self.peak = self.answered = 0
        self.arrivals: deque[float] = deque(maxlen=_KEPT_ARRIVALS)
        self.together: list[tuple[UpstreamProtocol, bytes]] = []

    def report(self) -> dict[str, object]:
        report = {"open": self.open, "peak": self.peak, "answered": self.answered, "cpu_s": time.process_time()}
        return {**report, "arrivals": list(self.arrivals)}


class UpstreamProtocol(asyncio.Protocol):
    def __init__(self, state: State) -> None:
        self._state = state
        self._received = bytearray()
        self._arrived = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        if not self._received:
            self._arrived = time.monotonic()
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(self._received[:head_end])
        if _CHUNKED.search(head):
            whole = self._received.endswith(b"0\r\n\r\n")
        else:
            length = _CONTENT_LENGTH.search(head)
            whole = len(self._received) >= head_end + 4 + (int(length[1]) if length else 0)
        if whole:
            self._received.clear()
            self._respond(head.split(b" ", 2)[1].decode())

    def _respond(self, target: str) -> None:
        state, parts = self._state, target.split("/")
        if parts[1] == "control":
            body = json.dumps(state.report()).encode()
            self._send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            if parts[-1] == "reset":
                state.peak, state.answered = state.open, 0
                state.arrivals.clear()
            return
        image, delay, together = parts[1], float(parts[2]), int(parts[3])
        state.open += 1
        state.peak = max(state.peak, state.open)
        state.arrivals.append(self._arrived)
        response = http_response(image)
        if together:
            state.together.append((self, response))
            if len(state.together) >= together:
                waiting, state.together = state.together, []
                for protocol, ready in waiting:
                    protocol.finish(ready)
        elif delay:
            asyncio.get_running_loop().call_later(delay, self.finish, response)
        else:
            self.finish(response)

    def finish(self, response: bytes) -> None:
        self._state.open -= 1
        self._state.answered += 1
        self._send(response)

    def _send(self, response: bytes) -> None:
        assert self._transport is not None
        self._transport.write(response)


async def _serve() -> None:
    state, loop = State(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: UpstreamProtocol(state), "127.0.0.1", 0, backlog=20_000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
