"""Connections that break behind an image that was received whole: it was paid for, and it is delivered."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ThreadedResolver

from imagegate.egress import EgressRules, download_result
from imagegate.http.client import Download, DownloadFailed
from imagegate.spool import Spool
from imagegate.upstreams.base import Outcome, Produced, Unknown
from tests.egress.raw_server import Server, http_response, serve_raw
from tests.upstreams.helpers import AttemptRunner, base64_image, make_call, png

JOBS = ("task_api", "fal", "replicate")
PROTOCOLS = ("openai", *JOBS)
USAGE = {"input_tokens": 26, "output_tokens": 1756}
DATA_URL = f"data:image/png;base64,{base64_image()}"


def cut_length(body: bytes, media_type: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {len(body) + 9}\r\n\r\n"
    return head.encode() + body


def cut_between_chunks(body: bytes, media_type: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"%x\r\n%b\r\n" % (len(body), body)


def cut_in_a_chunk(body: bytes, media_type: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"%x\r\n%b" % (len(body) + 9, body)


CUTS: dict[str, Callable[[bytes, str], bytes]] = {
    "cut length": cut_length,
    "reset": cut_length,
    "no last chunk": cut_between_chunks,
    "cut chunk": cut_in_a_chunk,
    "reset between chunks": cut_between_chunks,
}


class BreakingServer:
    """One upstream of any protocol. Bodies of the kinds in `broken` break off, behind `keep` of their text if given."""

    def __init__(self, protocol: str, how: str, *broken: str, results: Any = None, keep: str = "") -> None:
        self.protocol, self.how, self.broken = protocol, how, broken
        self.results, self.keep = results, keep
        self.counts = {"submit": 0, "poll": 0, "file": 0}
        self.server: Server | None = None

    @property
    def base(self) -> str:
        assert self.server is not None
        return f"http://127.0.0.1:{self.server.port}"

    async def reply(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        kind = "submit" if request.startswith(b"POST") else "file" if b"/files/" in request[:60] else "poll"
        self.counts[kind] += 1
        body, media_type = self.body(kind)
        if kind not in self.broken:
            writer.write(http_response(200, body, f"Content-Type: {media_type}"))
            return
        end = body.index(self.keep.encode()) + len(self.keep) if self.keep else len(body)
        writer.write(CUTS[self.how](body[:end], media_type))
        if self.how.startswith("reset"):
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def body(self, kind: str) -> tuple[bytes, str]:
        if kind == "file":
            return png(), "image/png"
        results = [f"{self.base}/files/0.png"] if self.results is None else self.results
        if self.protocol == "openai":
            return json.dumps({"data": results, "usage": USAGE}).encode(), "application/json"
        urls = dict.fromkeys(("status_url", "response_url", "cancel_url", "get", "cancel"), f"{self.base}/job")
        job = {"id": "j1", "request_id": "j1", "urls": urls, **urls}
        if kind == "submit":
            return json.dumps({**job, "status": "pending", "note": "x" * 50}).encode(), "application/json"
        name = {"fal": "images", "replicate": "output", "task_api": "results"}[self.protocol]
        status = {"fal": "COMPLETED", "replicate": "succeeded", "task_api": "completed"}[self.protocol]
        return json.dumps({**job, "status": status, name: results, "more": USAGE}).encode(), "application/json"


def run(there: BreakingServer, directory: Path, **call: Any) -> Outcome:
    async def fetch(url: str, target: Path, max_bytes: int) -> Download | DownloadFailed:
        target.unlink(missing_ok=True)
        return await download_result(
            url, there.base, target, rules=EgressRules(), max_bytes=max_bytes, resolver=ThreadedResolver()
        )

    async def scenario() -> Outcome:
        async with serve_raw(there.reply) as there.server:
            config = {"timeout_s": 3.0}
            runner = AttemptRunner(there.protocol, there.base, Spool(directory / "spool"), config=config, fetch=fetch)
            return await runner.produce(make_call(**call))

    outcome = asyncio.run(scenario())
    assert there.counts["submit"] == 1, "one call is one purchase"
    return outcome


def images_of(outcome: Outcome) -> int:
    assert isinstance(outcome, Produced), outcome
    return len(outcome.answer.images)


@pytest.mark.parametrize("how", CUTS)
@pytest.mark.parametrize("keep", ["", base64_image() + '"', '"output_tokens": 17'])
def test_an_image_in_a_response_that_breaks_off_is_delivered(how: str, keep: str, tmp_path: Path) -> None:
    there = BreakingServer("openai", how, "submit", results=[{"b64_json": base64_image()}], keep=keep)
    outcome = run(there, tmp_path)
    assert images_of(outcome) == 1
    assert isinstance(outcome, Produced)
    tokens = outcome.answer.usage.image_output if outcome.answer.usage else None
    assert tokens == (None if keep else 1756), "half a figure is worse than none"


@pytest.mark.parametrize("how", CUTS)
def test_an_event_in_a_stream_that_breaks_off_is_delivered(how: str, tmp_path: Path) -> None:
    event = {"type": "image_generation.completed", "b64_json": base64_image(), "usage": USAGE}
    text = f"data: {json.dumps(event)}\n"  # without the empty line that ends an event
    there = BreakingServer("openai", how, "submit")
    there.body = lambda kind: (text.encode(), "text/event-stream")  # type: ignore[method-assign]
    assert images_of(run(there, tmp_path, partial_images=2)) == 1


@pytest.mark.parametrize("how", ["cut length", "reset"])
def test_of_two_images_the_whole_one_is_delivered(how: str, tmp_path: Path) -> None:
    results = [{"b64_json": base64_image()}, {"b64_json": base64_image("JPEG")}]
    there = BreakingServer("openai", how, "submit", results=results, keep=base64_image("JPEG")[:40])
    assert images_of(run(there, tmp_path, n=2)) == 1


@pytest.mark.parametrize("how", CUTS)
def test_without_a_whole_image_the_outcome_stays_unknown(how: str, tmp_path: Path) -> None:
    there = BreakingServer("openai", how, "submit", results=[{"b64_json": base64_image()}], keep=base64_image()[:-8])
    assert isinstance(run(there, tmp_path), Unknown)


@pytest.mark.parametrize("protocol", JOBS)
@pytest.mark.parametrize("how", CUTS)
def test_an_image_in_a_poll_that_breaks_off_each_time_is_delivered(protocol: str, how: str, tmp_path: Path) -> None:
    there = BreakingServer(protocol, how, "poll", results=[DATA_URL], keep=base64_image() + '"')
    assert images_of(run(there, tmp_path)) == 1


@pytest.mark.parametrize("protocol", JOBS)
@pytest.mark.parametrize("how", ["cut length", "reset between chunks"])
def test_of_two_images_in_such_a_poll_the_whole_one_is_delivered(protocol: str, how: str, tmp_path: Path) -> None:
    results = [DATA_URL, f"data:image/jpeg;base64,{base64_image('JPEG')}"]
    there = BreakingServer(protocol, how, "poll", results=results, keep=base64_image("JPEG")[:40])
    assert images_of(run(there, tmp_path, n=2)) == 1
    assert there.counts["poll"] >= 3, "another poll might have brought both"


@pytest.mark.parametrize("protocol", JOBS)
@pytest.mark.parametrize("how", CUTS)
def test_a_job_whose_acceptance_breaks_off_behind_its_id_is_followed(protocol: str, how: str, tmp_path: Path) -> None:
    there = BreakingServer(protocol, how, "submit", keep='"pending"')
    assert images_of(run(there, tmp_path)) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("how", CUTS)
def test_a_result_whose_download_breaks_off_behind_the_image_is_kept(protocol: str, how: str, tmp_path: Path) -> None:
    there = BreakingServer(protocol, how, "file")
    assert images_of(run(there, tmp_path)) == 1
    assert there.counts["file"] == 1


@pytest.mark.parametrize("how", ["cut length", "reset"])
def test_a_result_that_is_cut_within_the_image_is_fetched_again(how: str, tmp_path: Path) -> None:
    there = BreakingServer("replicate", how, "file", keep="IDAT")
    outcome = run(there, tmp_path)
    assert isinstance(outcome, Unknown)
    assert there.counts["file"] > 1
