"""Raw requests over a socket: the bytes that come back, and how the connection ends."""

from __future__ import annotations

import json
import socket
import time
from typing import Any, NamedTuple

from tests.support.simulator import Simulator

GENERATIONS = "/v1/images/generations"


class RawResponse(NamedTuple):
    """`ending`: closed (FIN), reset (RST) or open, where nothing more came in time."""

    data: bytes
    ending: str
    duration_s: float

    @property
    def head(self) -> str:
        return self.data.partition(b"\r\n\r\n")[0].decode()

    @property
    def status(self) -> int:
        return int(self.data.split(b" ", 2)[1])

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    @property
    def length(self) -> int:
        """What the head promises."""
        line = next(line for line in self.head.splitlines() if line.lower().startswith("content-length:"))
        return int(line.partition(":")[2])

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request_bytes(path: str, body: bytes, key: str = "Bearer any", *more: str) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: {key}",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def request_body(prompt: str, **more: object) -> bytes:
    return json.dumps({"model": "gpt-image-2", "prompt": prompt, "quality": "low", "size": "1024x1024"} | more).encode()


def exchange(simulator: Simulator, data: bytes, patience_s: float = 20.0) -> RawResponse:
    """Send, then read until the end or until nothing came for `patience_s`."""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=patience_s) as peer:
        return _read(peer, data, begun)


def _read(peer: socket.socket, data: bytes, begun: float) -> RawResponse:
    got = bytearray()
    end = "closed"
    try:
        peer.sendall(data)
        while chunk := peer.recv(1 << 16):
            got += chunk
    except (ConnectionResetError, BrokenPipeError):
        end = "reset"
    except TimeoutError:
        end = "open"
    return RawResponse(bytes(got), end, time.monotonic() - begun)


def generate(simulator: Simulator, prompt: str, patience_s: float = 20.0, **more: object) -> RawResponse:
    return exchange(simulator, request_bytes(GENERATIONS, request_body(prompt, **more)), patience_s)
