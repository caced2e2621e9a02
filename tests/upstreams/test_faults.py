"""Every way in which an upstream breaks, over real sockets: what was proven, what stays unknown, and one purchase."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import socket
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import psutil
import pytest

from imagegate.catalog.routes import Dialect
from imagegate.domain.tasks import FailureKind
from imagegate.http.client import Download, DownloadFailed
from imagegate.upstreams.base import CallHooks, Outcome, Produced, Unavailable, Unknown
from tests.egress.raw_server import (
    Reply,
    client_tls,
    drip_headers,
    hang,
    http_response,
    reply_with,
    reset,
    serve_raw,
    server_tls,
)
from tests.images.corpus import IDAT, chunk, encoded_image, png
from tests.upstreams.helpers import (
    ConnectionHandler,
    base64_image,
    make_call,
    make_config,
    make_upstream,
    one_image_body,
    run_call,
    saved,
    serve_connections,
)

JSON = "Content-Type: application/json"


def ok(body: bytes, *headers: str) -> Reply:
    return reply_with(http_response(200, body, JSON, *headers))


def ask(tmp_path: Path, reply: Reply, *, n: int = 1, timeout_s: float = 20.0, **options: Any) -> Outcome:
    async def run() -> Outcome:
        async with serve_raw(reply) as server:
            there = make_upstream(tmp_path, make_config(server.port, timeout_s=timeout_s), **options)
            outcome = await run_call(there, make_call(n=n))
            assert server.connections == 1
            return outcome

    return asyncio.run(run())


def ask_raw(tmp_path: Path, serve: ConnectionHandler, **asked: Any) -> Outcome:
    """For servers that do not even read the request."""

    async def run() -> Outcome:
        async with serve_connections(serve) as (port, connections):
            outcome = await run_call(make_upstream(tmp_path, make_config(port, timeout_s=1.0)), make_call(**asked))
            assert len(connections) == 1
            return outcome

    return asyncio.run(run())


async def drip_body(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(http_response(200, b"", JSON).replace(b"Content-Length: 0", b"Content-Length: 1000"))
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.fixture
def large_reference(tmp_path: Path) -> Path:
    path = tmp_path / "big.png"
    path.write_bytes(encoded_image("PNG") + bytes(30_000_000))
    return path


def hard_reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        outcome = asyncio.run(run_call(make_upstream(tmp_path, make_config(bound.getsockname()[1])), make_call()))
    assert isinstance(outcome, Unavailable)
    assert (outcome.failure_kind, outcome.error.code) == (FailureKind.failing, "service_unavailable")


def test_no_such_name(tmp_path: Path) -> None:
    asked = make_config(0, base_url="http://upstream.invalid/v1")
    assert isinstance(asyncio.run(run_call(make_upstream(tmp_path, asked), make_call())), Unavailable)


def ask_by_tls(tmp_path: Path, **deps: Any) -> Outcome:
    async def run() -> Outcome:
        async with serve_raw(ok(one_image_body()), tls=server_tls("127.0.0.1")) as server:
            asked = make_config(0, base_url=f"https://127.0.0.1:{server.port}/v1")
            return await run_call(make_upstream(tmp_path, asked, **deps), make_call())

    return asyncio.run(run())


def test_a_certificate_of_a_stranger(tmp_path: Path) -> None:
    outcome = ask_by_tls(tmp_path)
    assert isinstance(outcome, Unavailable)
    assert "Certificate" in outcome.detail


def test_a_certificate_that_is_trusted(tmp_path: Path) -> None:
    assert isinstance(ask_by_tls(tmp_path, tls=client_tls()), Produced)


def test_a_handshake_that_never_ends_costs_the_time_to_connect_and_no_more(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async def run() -> Outcome:
        async with serve_connections(silent) as (port, _):
            asked = make_config(0, base_url=f"https://127.0.0.1:{port}/v1", connect_s=0.5)
            return await asyncio.wait_for(run_call(make_upstream(tmp_path, asked), make_call()), 5)

    assert isinstance(asyncio.run(run()), Unavailable)


def test_a_reset_before_the_request_was_read_with_much_left_to_send(tmp_path: Path, large_reference: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        hard_reset(writer)

    outcome = ask_raw(tmp_path, serve, references=(large_reference,))
    assert isinstance(outcome, Unavailable), outcome


def test_a_black_hole_that_never_takes_the_whole_request(tmp_path: Path, large_reference: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(10)

    assert isinstance(ask_raw(tmp_path, serve, references=(large_reference,)), Unavailable)


def test_an_error_page_before_the_request_was_taken_proves_that_nothing_was_made(
    tmp_path: Path, large_reference: Path
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(http_response(504, b"<html>", "Content-Type: text/html"))
        await writer.drain()
        await asyncio.sleep(0.5)

    assert isinstance(ask_raw(tmp_path, serve, references=(large_reference,)), Unavailable)


@pytest.mark.parametrize(
    ("reply", "bad_body"),
    [
        pytest.param(reset, False, id="reset after the request"),
        pytest.param(hang, False, id="black hole"),
        pytest.param(drip_headers, False, id="slow headers"),
        pytest.param(drip_body, False, id="drip"),
        pytest.param(reply_with(http_response(200, one_image_body(), JSON)[:-30]), True, id="truncated"),
        pytest.param(ok(b""), True, id="empty"),
        pytest.param(reply_with(b"SSH-2.0-OpenSSH_9\r\n"), False, id="not HTTP"),
        pytest.param(reply_with(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000 + b"\r\n\r\n"), False, id="a huge header"),
        pytest.param(ok(one_image_body(), *(f"X-{n}: {'x' * 30_000}" for n in range(10))), True, id="headers"),
        pytest.param(ok(b"\x8b\x03\x80" + one_image_body()[::-1], "Content-Encoding: br"), True, id="unknown coding"),
        pytest.param(ok(b"\x1f\x8bnonsense", "Content-Encoding: gzip"), True, id="bad gzip"),
        pytest.param(ok(b'{"data":' * 5000), True, id="nested without end"),
        pytest.param(ok(b'{"data":[{"b64_json":"A\\x"}]}'), True, id="no JSON string"),
        pytest.param(ok(b"[]"), True, id="a list"),
        pytest.param(reply_with(http_response(204, b"")), True, id="no content"),
    ],
)
def test_silence_after_the_request_is_unknown(reply: Reply, bad_body: bool, tmp_path: Path) -> None:
    outcome = ask(tmp_path, reply, timeout_s=1.0)
    assert isinstance(outcome, Unknown), outcome
    assert outcome.bad_body == bad_body, outcome


def test_bad_base64_is_no_image(tmp_path: Path) -> None:
    body = json.dumps(
        {"data": [{"b64_json": base64_image()[:-4] + "!AAA"}], "usage": {"input_tokens": 3, "output_tokens": 9}}
    )
    outcome = ask(tmp_path, ok(body.encode()))
    assert isinstance(outcome, Unknown)
    assert outcome.bad_body
    assert outcome.usage is not None, "what was reported is booked as waste"
    assert outcome.usage.image_output == 9


@pytest.mark.parametrize("damage", ["flipped", "cut"])
def test_an_image_that_is_not_whole_is_no_image(damage: str, tmp_path: Path) -> None:
    data = bytearray(encoded_image("PNG"))
    if damage == "flipped":
        data[len(data) // 2] ^= 1
    body = json.dumps({"data": [{"b64_json": base64.b64encode(data[:-4] if damage == "cut" else data).decode()}]})
    outcome = ask(tmp_path, ok(body.encode()))
    assert isinstance(outcome, Unknown)
    assert outcome.bad_body
    assert outcome.detail.startswith("image 0: ")


def test_other_pixels_than_asked_are_delivered_with_their_own(tmp_path: Path) -> None:
    outcome = ask(tmp_path, ok(one_image_body()))
    assert isinstance(outcome, Produced)
    assert [(image.width, image.height) for image in outcome.answer.images] == [(40, 30)]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_server_that_compresses_against_our_wish_is_understood(coding: str, tmp_path: Path) -> None:
    packed = gzip.compress(one_image_body()) if coding == "gzip" else zlib.compress(one_image_body())
    outcome = ask(tmp_path, ok(packed, f"Content-Encoding: {coding}"))
    assert isinstance(outcome, Produced)


def test_a_bomb_stops_at_the_cap(tmp_path: Path) -> None:
    bomb = gzip.compress(b'{"data":[{"b64_json":"' + b"A" * 60_000_000)
    outcome = ask(tmp_path, ok(bomb, "Content-Encoding: gzip"))
    assert isinstance(outcome, Unknown)
    assert outcome.bad_body


def test_200_megabytes_stop_at_the_cap_in_flat_memory(tmp_path: Path) -> None:
    sent = 0
    piece = base64.b64encode(encoded_image("PNG") + bytes(3 * 65536))[: 4 * 65536]

    async def flood(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n{"data":[{"b64_json":"')
        while sent < 200_000_000:
            writer.write(piece)
            sent += len(piece)
            await writer.drain()

    before = psutil.Process().memory_info().rss
    outcome = ask(tmp_path, flood)
    grown = psutil.Process().memory_info().rss - before
    assert isinstance(outcome, Unknown)
    assert outcome.bad_body
    assert sent < 60_000_000
    assert grown < 20_000_000
    assert [path for path in (tmp_path / "spool").rglob("*") if path.is_file()] == []


def test_an_image_of_20_megabytes_is_never_whole_in_memory(tmp_path: Path) -> None:
    size = 20_000_000
    row_ = bytes(range(1, 256)) * 80
    data = png(100, 100, chunk(b"tEXt", b"x\0" + row_ * (size // len(row_))), IDAT)
    body = memoryview(json.dumps({"data": [{"b64_json": base64.b64encode(data).decode()}]}).encode())

    async def send(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(
            http_response(200, b"", JSON).replace(b"Content-Length: 0", f"Content-Length: {len(body)}".encode())
        )
        for at in range(0, len(body), 65536):
            writer.write(body[at : at + 65536])
            await writer.drain()

    ask(tmp_path, ok(one_image_body()))
    tracemalloc.start()
    try:
        outcome = ask(tmp_path, send)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(outcome, Produced)
    assert outcome.answer.images[0].bytes == len(data)
    assert peak < 5_000_000, peak


def test_statuses_of_the_row_go_before_the_table(tmp_path: Path) -> None:
    error = json.dumps({"error": {"message": "x", "type": "server_error"}}).encode()
    doubtful = Dialect(name="d", unknown_statuses=(500,), never_billed_statuses=(504,))
    assert isinstance(ask(tmp_path, reply_with(http_response(500, error)), dialect=doubtful), Unknown)
    assert isinstance(ask(tmp_path, reply_with(http_response(502, error)), dialect=doubtful), Unavailable)
    assert isinstance(ask(tmp_path, reply_with(http_response(504, b"<html>")), dialect=doubtful), Unavailable)


def test_our_key_is_in_no_answer(tmp_path: Path) -> None:
    async def echo(request: bytes, writer: asyncio.StreamWriter) -> None:
        found = re.search(rb"Bearer ([^\r]+)", request)
        assert found
        message = f"Incorrect key {found[1].decode()}"
        writer.write(http_response(401, json.dumps({"error": {"message": message}}).encode()))

    outcome = ask(tmp_path, echo)
    assert isinstance(outcome, Unavailable)
    assert outcome.detail == "401: Incorrect key (secret)"


def test_a_link_is_fetched_again_and_the_image_never_bought_again(tmp_path: Path) -> None:
    asked = []

    async def at_last(url: str, target: Path, most: int) -> Download | DownloadFailed:
        asked.append(url)
        return DownloadFailed("503") if len(asked) < 4 else saved(target, encoded_image("PNG"))

    body = json.dumps({"data": [{"url": "https://cdn/a"}]}).encode()
    assert isinstance(ask(tmp_path, ok(body), fetch=at_last), Produced)
    assert asked == ["https://cdn/a"] * 4


def test_a_link_that_stays_dead_is_an_unknown_outcome(tmp_path: Path) -> None:
    body = json.dumps({"data": [{"url": "https://nowhere/a"}]}).encode()
    outcome = ask(tmp_path, ok(body))
    assert isinstance(outcome, Unknown)
    assert outcome.bad_body


def test_a_link_to_something_else_is_no_image(tmp_path: Path) -> None:
    async def page(url: str, target: Path, most: int) -> int:
        return target.write_bytes(b"<html>expired</html>")

    body = json.dumps({"data": [{"url": "https://cdn/a"}]}).encode()
    assert isinstance(ask(tmp_path, ok(body), fetch=page), Unknown)


def test_a_full_disk_is_raised_because_it_is_ours(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "att_0123456789.p0.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        ask(tmp_path, ok(one_image_body()))


def test_a_reference_that_vanished_is_raised_because_it_is_ours(tmp_path: Path) -> None:
    gone = tmp_path / "gone.png"
    with pytest.raises(FileNotFoundError):
        asyncio.run(run_call(make_upstream(tmp_path, make_config(1)), make_call(references=(gone,))))


def test_what_the_dialect_cannot_do_is_not_sent(tmp_path: Path) -> None:
    for dialect, asked in (
        (Dialect(name="d", edits="none"), make_call(references=(Path(__file__),))),
        (Dialect(name="d", max_refs=1), make_call(references=(Path(__file__),) * 2)),
        (Dialect(name="d", max_n=1), make_call(n=2)),
        (Dialect(name="d", mask=False), make_call(references=(Path(__file__),), mask=Path(__file__))),
        (Dialect(name="d", max_ref_bytes=10), make_call(references=(Path(__file__),))),
        (Dialect(name="d", max_body_bytes=10), make_call()),
        (Dialect(name="d", transparent=False), make_call(background="transparent")),
    ):
        outcome = asyncio.run(run_call(make_upstream(tmp_path, make_config(1), dialect=dialect), asked))
        assert isinstance(outcome, Unavailable)
        assert outcome.failure_kind is FailureKind.internal


def test_a_call_cancelled_while_an_image_arrives_leaves_nothing_of_it(tmp_path: Path) -> None:
    piece = base64.b64encode(bytes(48_000))

    async def endless(_: bytes, writer: asyncio.StreamWriter) -> None:
        start = b'{"data":[{"b64_json":"' + base64.b64encode(
            encoded_image("PNG") + bytes(-len(encoded_image("PNG")) % 3)
        )
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + start)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)

    async def run() -> None:
        draft = tmp_path / "spool" / "att_0123456789.p0.part"
        async with serve_raw(endless) as server:
            there = make_upstream(tmp_path, make_config(server.port))
            task = asyncio.create_task(there.produce(make_call(), CallHooks()))
            while not (draft.exists() and draft.stat().st_size > 100_000):
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not draft.exists()
            await there.close()

    asyncio.run(asyncio.wait_for(run(), 20))


def test_a_cancelled_call_leaves_no_connection_behind(tmp_path: Path) -> None:
    async def run() -> None:
        arrived, closed = asyncio.Event(), asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            arrived.set()
            while await reader.read(1000):
                pass
            closed.set()

        async with serve_connections(serve) as (port, _):
            there = make_upstream(tmp_path, make_config(port))
            task = asyncio.create_task(there.produce(make_call(), CallHooks()))
            await asyncio.wait_for(arrived.wait(), 5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(closed.wait(), 5)
            await there.close()

    asyncio.run(run())


def test_the_bar_moves_with_time_and_never_arrives(tmp_path: Path) -> None:
    shown: list[int] = []

    async def progress(percent: int) -> None:
        shown.append(percent)

    async def slow(_: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2.5)
        writer.write(http_response(200, one_image_body(), JSON))

    async def run() -> None:
        async with serve_raw(slow) as server:
            await run_call(
                make_upstream(tmp_path, make_config(server.port)),
                make_call(quality="low"),
                CallHooks(on_progress=progress),
            )

    asyncio.run(run())
    assert 1 <= len(shown) <= 2
    assert shown == sorted(shown)
    assert all(0 < percent <= 95 for percent in shown)
