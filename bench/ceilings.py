"""What the machine can do at most: commits, and bytes from a socket to a disk; beside the latter, our own path."""

from __future__ import annotations

import asyncio
import binascii
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import psycopg
import uvloop

from bench.images import http_response, png
from bench.postgres import postgres_database
from bench.processes import GATEWAY_CORE, OTHER_CORE, pin, unpin
from bench.table import Row, number
from imagegate.catalog.routes import Dialect
from imagegate.disk import fsync
from imagegate.http import json_base64
from imagegate.http.client import HttpClient
from imagegate.http.request_body import json_body
from imagegate.http.resolver import DnsResolver
from imagegate.job import JobThread
from imagegate.upstreams.base import CallHooks
from imagegate.upstreams.openai.response import ResponseReader

IMAGE = "1.5MB"
COUNT, ROUNDS = 64, 3
CONCURRENT_DOWNLOADS = 8
CHUNK_BYTES = 256 * 1024
COMMITS_S = 2.0


def measure(folder: Path) -> Iterator[Row]:
    folder.mkdir(parents=True)
    unpin()
    yield Row("raw: fsync of a file of 4 kB", f"{number(_per_second(_fsyncs(folder)))}/s")
    yield Row("raw: SQLite, a row and a commit", f"{number(_per_second(_sqlite_commits(folder)))}/s")
    with postgres_database(folder / "pg") as url:
        yield Row("raw: PostgreSQL, a row and a commit, one client", f"{number(_per_second(_postgres_commits(url)))}/s")
    yield from _byte_rows(folder)


def _per_second(one: Callable[[], object]) -> float:
    count, started = 0, time.perf_counter()
    while (took := time.perf_counter() - started) < COMMITS_S:
        one()
        count += 1
    return count / took


def _fsyncs(folder: Path) -> Callable[[], None]:
    def one() -> None:
        with (folder / "file").open("wb", buffering=0) as file:
            file.write(bytes(4096))
            os.fsync(file.fileno())

    return one


def _sqlite_commits(folder: Path) -> Callable[[], object]:
    """As the store commits: a write-ahead log, flushed at each commit."""
    database = apsw.Connection(str(folder / "raw.db"))
    for text in ("PRAGMA journal_mode = wal", "PRAGMA synchronous = full", "CREATE TABLE rows (text TEXT)"):
        database.execute(text)
    return lambda: database.execute("INSERT INTO rows VALUES ('a row')")


def _postgres_commits(url: str) -> Callable[[], object]:
    database = psycopg.connect(url, autocommit=True)
    database.execute("CREATE TABLE raw_rows (text TEXT)")
    return lambda: database.execute("INSERT INTO raw_rows VALUES ('a row')")


def _serve(listener: socket.socket) -> None:
    pin(OTHER_CORE)
    answer = http_response(IMAGE)

    def one(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            connection.sendall(answer)

    while True:
        connection, _ = listener.accept()
        threading.Thread(target=one, args=(connection,), daemon=True).start()


def _raw_copy(port: int, folder: Path) -> None:
    """Read the socket, copy the bytes once, write them, flush the file."""
    buffer = bytearray(CHUNK_BYTES)
    for number_ in range(COUNT):
        path = folder / f"raw-{number_}"
        with socket.create_connection(("127.0.0.1", port)) as wire, path.open("wb", buffering=0) as file:
            wire.sendall(b"POST / HTTP/1.1\r\n\r\n")
            while got := wire.recv_into(buffer):
                file.write(bytes(memoryview(buffer)[:got]))
            os.fsync(file.fileno())
        path.unlink()


async def _gateway_path(port: int, folder: Path) -> None:
    """Ours: HTTP, the scan of the JSON, base64, the file and its flush."""
    client, slots = HttpClient(5.0, {}, DnsResolver()), asyncio.Semaphore(CONCURRENT_DOWNLOADS)
    decoder = JobThread("decoder", max_batch=8)
    url, size = f"http://127.0.0.1:{port}/", len(png(IMAGE))

    async def one(number_: int) -> None:
        place = folder / f"ours-{number_}"
        place.mkdir(exist_ok=True)
        async with slots, client.stream("POST", url, total_s=600.0, body=json_body({})) as response:
            reader = ResponseReader(place.joinpath, decoder, 1, 1, Dialect(name="bench"), CallHooks().on_partial_image)
            file = (await reader.read(response)).files["@0"]
            assert file.bytes == size
            await asyncio.to_thread(fsync, file.path)
            file.path.unlink()

    await asyncio.gather(*(one(number_) for number_ in range(COUNT)))
    await client.close()
    decoder.close()


def _byte_rows(folder: Path) -> Iterator[Row]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    port = listener.getsockname()[1]
    server = multiprocessing.get_context("fork").Process(target=_serve, args=(listener,), daemon=True)
    server.start()
    pin(GATEWAY_CORE)

    def ours() -> None:
        uvloop.run(_gateway_path(port, folder))

    paths: dict[str, Callable[[], Any]] = {
        "raw: read a socket, copy, write, fsync": lambda: _raw_copy(port, folder),
        "ours: from the socket to a durable image": ours,
        "ours, with binascii": lambda: _with_binascii(ours),
    }
    best: dict[str, tuple[float, float]] = {}
    for _ in range(ROUNDS):
        for name, run in paths.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            took = (time.process_time() - cpu, time.perf_counter() - wall)
            best[name] = min(best.get(name, took), took)
    server.kill()
    raw_cpu = next(iter(best.values()))[0]
    for name, (cpu, wall) in best.items():
        speed = f"{len(http_response(IMAGE)) * COUNT / wall / 1e6:,.0f} MB/s of the response"
        yield Row(f"{name}, {IMAGE}", f"{1000 * cpu / COUNT:.2f} ms CPU, {cpu / raw_cpu:.2f} x, {speed}")


def _with_binascii(run: Callable[[], object]) -> None:
    """With the standard library's decoder of base64 in place of ours."""
    decoder = SimpleNamespace(b64decode=lambda text, validate: binascii.a2b_base64(text, strict_mode=validate))
    kept, vars(json_base64)["pybase64"] = vars(json_base64)["pybase64"], decoder
    try:
        run()
    finally:
        vars(json_base64)["pybase64"] = kept
