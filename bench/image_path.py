"""Throughput of images: from the upstream's socket to a file, against a raw copy of the same bytes.

The upper bound reads the socket, copies the bytes once and writes them. Beside it: our path (aiohttp, JSON scanner,
file), and the same with the standard library's base64 decoder. Prints MB/s of the response and CPU ms per image, each
with its ratio to the raw copy of the same run; on a busy machine the CPU ratio is the reliable one.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import multiprocessing
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvloop

from imagegate.catalog.routes import Dialect
from imagegate.http import json_base64
from imagegate.http.client import HttpClient
from imagegate.http.request_body import json_body
from imagegate.http.resolver import DnsResolver
from imagegate.upstreams.base import CallHooks
from imagegate.upstreams.openai.response import ResponseReader

SIZES = {"1.5 MB": (1_500_000, 96), "12 MB": (12_000_000, 24)}
CONCURRENT_DOWNLOADS = 8
ROUNDS = 5
CHUNK_BYTES = 256 * 1024


def json_response(size: int) -> bytes:
    image = b"\x89PNG\r\n\x1a\n" + os.urandom(size)
    text = base64.b64encode(image).decode()
    body = json.dumps({"created": 1, "data": [{"b64_json": text}], "usage": {"input_tokens": 1}}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def serve(listener: socket.socket, answer: bytes) -> None:
    def one(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            connection.sendall(answer)

    while True:
        connection, _ = listener.accept()
        threading.Thread(target=one, args=(connection,), daemon=True).start()


def raw_copy(port: int, count: int, folder: Path) -> None:
    buffer = bytearray(CHUNK_BYTES)
    for number in range(count):
        path = folder / f"raw-{number}"
        with socket.create_connection(("127.0.0.1", port)) as wire, path.open("wb", buffering=0) as file:
            wire.sendall(b"POST / HTTP/1.1\r\n\r\n")
            while got := wire.recv_into(buffer):
                file.write(bytes(memoryview(buffer)[:got]))
        path.unlink()


async def gateway_path(port: int, count: int, folder: Path) -> None:
    client = HttpClient(5.0, {}, DnsResolver())
    url = f"http://127.0.0.1:{port}/"
    slots = asyncio.Semaphore(CONCURRENT_DOWNLOADS)

    async def one(number: int) -> None:
        place = folder / f"ours-{number}"
        place.mkdir(exist_ok=True)
        async with slots, client.stream("POST", url, total_s=600.0, body=json_body({})) as response:
            parsed = await ResponseReader(
                place.joinpath, 1, 1, Dialect(name="bench"), CallHooks().on_partial_image
            ).read(response)
            assert parsed.files["@0"].bytes > 1_000_000
            parsed.files["@0"].path.unlink()

    await asyncio.gather(*(one(number) for number in range(count)))
    await client.close()


def measure_once(path: Callable[[], Any]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    path()
    return time.perf_counter() - wall, time.process_time() - cpu


def measure(name: str, size: int, count: int, folder: Path) -> None:
    answer = json_response(size)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    port = listener.getsockname()[1]
    server = multiprocessing.get_context("fork").Process(target=serve, args=(listener, answer), daemon=True)
    server.start()
    best: dict[str, tuple[float, float]] = {}
    for _ in range(ROUNDS):
        paths: dict[str, Callable[[], Any]] = {
            "raw copy": lambda: raw_copy(port, count, folder),
            "ours": lambda: uvloop.run(gateway_path(port, count, folder)),
            "ours, binascii": lambda: with_binascii(lambda: uvloop.run(gateway_path(port, count, folder))),
        }
        for path, run in paths.items():
            best[path] = min(best.get(path, (9e9, 9e9)), measure_once(run))
    server.kill()
    total = len(answer) * count / 1e6
    raw_wall, raw_cpu = best["raw copy"]
    for path, (wall, cpu) in best.items():
        speed = f"{total / wall:>8,.0f} MB/s{raw_wall / wall:>7.2f} x"
        print(f"{name:<8}{path:<16}{speed}{1000 * cpu / count:>9.2f} CPU ms{raw_cpu / cpu:>7.2f} x", flush=True)


def with_binascii(run: Callable[[], Any]) -> None:
    decoder = SimpleNamespace(b64decode=lambda text, validate: binascii.a2b_base64(text, strict_mode=validate))
    kept, vars(json_base64)["pybase64"] = vars(json_base64)["pybase64"], decoder
    try:
        run()
    finally:
        vars(json_base64)["pybase64"] = kept


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        for name, (size, count) in SIZES.items():
            measure(name, size, count, Path(folder))


if __name__ == "__main__":
    main()
