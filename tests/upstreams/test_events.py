"""Answers that come as a stream of events: unfinished images on the way, one end, and every way to miss it."""

from __future__ import annotations

import asyncio
import base64
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegate.domain.tasks import FailureKind
from imagegate.upstreams.base import CallHooks, Outcome, Produced, Refused, Unavailable, Unknown
from imagegate.upstreams.json_images import JsonImageScanner, UnreadableResponse
from imagegate.upstreams.openai.events import EventReader
from tests.egress.raw_server import Reply, http_response, reply_with, serve_raw
from tests.images.corpus import encoded_image
from tests.upstreams.helpers import assert_outcome, base64_image, cut, make_call, make_config, make_upstream, run_call

SHARED = {"size": "1024x1024", "quality": "low", "background": "opaque", "output_format": "png", "created_at": 1}
USAGE = {
    "input_tokens": 26,
    "input_tokens_details": {"text_tokens": 26, "image_tokens": 0},
    "output_tokens": 296,
    "total_tokens": 322,
}


def partial(index: int, kind: str = "image_generation.partial_image") -> dict[str, Any]:
    return {"type": kind, "b64_json": base64_image("JPEG"), "partial_image_index": index, **SHARED}


def completed(kind: str = "image_generation.completed") -> dict[str, Any]:
    return {"type": kind, "b64_json": base64_image(), "usage": USAGE, **SHARED}


def stream(*events: dict[str, Any], end: str = "\n") -> bytes:
    lines = (f"event: {event['type']}{end}data: {json.dumps(event)}{end}{end}" for event in events)
    return "".join(lines).encode()


def ask(tmp_path: Path, body: bytes | Reply, hooks: CallHooks | None = None, timeout_s: float = 10.0) -> Outcome:
    reply = reply_with(http_response(200, body, "Content-Type: text/event-stream")) if isinstance(body, bytes) else body

    async def run() -> Outcome:
        async with serve_raw(reply) as server:
            there = make_upstream(tmp_path, make_config(server.port, timeout_s=timeout_s))
            return await run_call(there, make_call(partial_images=2), hooks)

    return asyncio.run(run())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_unfinished_images_are_shown_and_the_finished_one_is_kept(end: str, tmp_path: Path) -> None:
    shown: list[tuple[int, bytes]] = []

    async def show(index: int, file: Path) -> None:
        shown.append((index, file.read_bytes()))

    body = b": keep-alive\n\n" + stream(partial(0), partial(1), completed(), end=end) + b"data: [DONE]\n\n"
    outcome = ask(tmp_path, body, CallHooks(on_partial_image=show))
    assert isinstance(outcome, Produced)
    assert shown == [(0, encoded_image("JPEG")), (1, encoded_image("JPEG"))]
    assert outcome.answer.partials == 2
    assert outcome.answer.usage is not None
    assert outcome.answer.usage.image_output == 296
    assert [(image.name, image.width) for image in outcome.answer.images] == [("0.png", 40)]
    left = [path.name for path in (tmp_path / "spool").iterdir() if not path.name.startswith("responses-")]
    assert left == ["att_0123456789.0.png"]


UNNAMED = {name: value for name, value in completed().items() if name != "type"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xef\xbb\xbf" + stream(completed()), id="byte order mark"),
        pytest.param(f"data: {json.dumps(UNNAMED)}\n\n".encode(), id="no name"),
        pytest.param(f"data:{json.dumps({'data': [UNNAMED]})}\n\n".encode(), id="an object in one event"),
        pytest.param(b"event: response.completed\ndata: {}\n\n" + stream(completed()), id="another thing completed"),
        pytest.param(
            "".join(f"data: {line}\n" for line in json.dumps(completed(), indent=1).splitlines()).encode() + b"\n",
            id="many lines",
        ),
    ],
)
def test_a_stream_may_be_written_in_other_ways(body: bytes, tmp_path: Path) -> None:
    outcome = ask(tmp_path, body)
    assert isinstance(outcome, Produced), outcome
    assert outcome.answer.usage is not None or b'"data"' in body


@pytest.mark.parametrize(
    "media_type", ["application/json", "text/plain", "application/octet-stream", "text/html", "Text/Event-Stream", ""]
)
@pytest.mark.parametrize("is_stream", [True, False])
def test_the_bytes_tell_a_stream_from_an_object(media_type: str, is_stream: bool, tmp_path: Path) -> None:
    whole = json.dumps({"created": 1, "data": [{"b64_json": base64_image()}]}).encode()
    body = b": waiting\n\n" + stream(completed()) if is_stream else b" \n\n" + whole
    label = [f"Content-Type: {media_type}"] if media_type else []
    assert isinstance(ask(tmp_path, reply_with(http_response(200, body, *label))), Produced)


@pytest.mark.parametrize("cut_at", [1, 2, 3, 5])
@pytest.mark.parametrize("beginning", [b"\xef\xbb\xbf", b"\n\n ", b""])
@pytest.mark.parametrize("is_stream", [True, False])
def test_a_beginning_that_arrives_in_two_parts_is_told_all_the_same(
    cut_at: int, beginning: bytes, is_stream: bool, tmp_path: Path
) -> None:
    whole = json.dumps({"created": 1, "data": [{"b64_json": base64_image()}]}).encode()
    body = beginning + (stream(completed()) if is_stream else whole)

    async def reply(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body[:cut_at])
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(body[cut_at:])

    assert isinstance(ask(tmp_path, reply), Produced)


def test_the_last_event_counts_without_the_empty_line_behind_it(tmp_path: Path) -> None:
    assert isinstance(ask(tmp_path, stream(completed()).rstrip()), Produced)


@pytest.mark.parametrize("name", ["", "event: ping\n", "event: image_generation.completed\n"])
@pytest.mark.parametrize(
    "data", ["ping", "", "[]", "1", "null", '"x"', "[DONE]", "{oops", '{"type": 7}', '{"type": "x"}']
)
@pytest.mark.parametrize("is_first", [True, False])
def test_events_of_no_known_type_are_passed_over(name: str, data: str, is_first: bool, tmp_path: Path) -> None:
    odd = f"{name}data: {data}\n\n".encode()
    if name and data.startswith('{"type'):
        odd = odd.replace(b"image_generation.completed", b"ping")
    body = odd + stream(completed()) if is_first else stream(partial(0)) + odd + stream(completed()) + odd
    assert isinstance(ask(tmp_path, body), Produced)


def test_nobody_need_watch(tmp_path: Path) -> None:
    outcome = ask(tmp_path, stream(partial(0), completed("image_edit.completed")))
    assert isinstance(outcome, Produced)
    assert outcome.answer.partials == 1


def test_the_image_is_taken_when_it_is_there_whatever_the_stream_does_then(tmp_path: Path) -> None:
    async def stays_open(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + stream(completed()))
        await writer.drain()
        await asyncio.sleep(60)

    assert isinstance(ask(tmp_path, stays_open), Produced)


def test_a_server_that_answers_with_an_object_all_the_same_is_understood(tmp_path: Path) -> None:
    body = json.dumps({"created": 1, "data": [{"b64_json": base64_image()}]}).encode()
    assert isinstance(ask(tmp_path, reply_with(http_response(200, body, "Content-Type: application/json"))), Produced)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(stream(partial(0)), id="partials only"),
        pytest.param(b"", id="nothing"),
        pytest.param(stream(completed()).partition(b"iVBOR")[0] + b"iVBORw0KGgo", id="cut within the image"),
        pytest.param(b"data: {oops}\n\n", id="no JSON"),
        pytest.param(b"data: []\n\n", id="no object"),
        pytest.param(b"data: x\n" * 100_000, id="an event without end"),
        pytest.param(b"x" * 300_000, id="a line without end"),
        pytest.param(stream({**completed(), "b64_json": "AAAA"}), id="no picture"),
    ],
)
def test_a_stream_without_its_end_is_unknown(body: bytes, tmp_path: Path) -> None:
    outcome = ask(tmp_path, body)
    assert isinstance(outcome, Unknown), outcome
    assert outcome.bad_body


def test_a_stream_that_ends_behind_the_image_has_it(tmp_path: Path) -> None:
    assert isinstance(ask(tmp_path, stream(completed())[:-40]), Produced)


def test_a_connection_that_breaks_before_the_end_is_unknown(tmp_path: Path) -> None:
    whole = http_response(200, stream(partial(0), completed()), "Content-Type: text/event-stream")
    assert isinstance(ask(tmp_path, reply_with(whole[:-300])), Unknown)


@pytest.mark.parametrize("wrapped", [True, False])
def test_an_error_event_means_what_its_object_would_mean_over_http(wrapped: bool, tmp_path: Path) -> None:
    def event(**error: str) -> bytes:
        body = {"type": "error", "error": error} if wrapped else error
        return stream(partial(0)) + f"event: error\ndata: {json.dumps(body)}\n\n".encode()

    refused = ask(tmp_path, event(code="moderation_blocked", type="image_generation_user_error", message="no"))
    assert isinstance(refused, Refused)
    failed = ask(tmp_path, event(type="server_error", message="sorry"))
    assert_outcome(failed, Unavailable, FailureKind.failing)
    unpaid = ask(tmp_path, event(code="insufficient_quota", message="pay"))
    assert_outcome(unpaid, Unavailable, FailureKind.out_of_funds)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.text(max_size=8) | st.integers(), max_size=2), max_size=4),
    st.lists(st.integers(0, 2000), max_size=20),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_chunking_gives_the_same_events(bodies: list[dict[str, Any]], places: list[int], end: str) -> None:
    wanted = [{**body, "b64_json": f"@{number}"} for number, body in enumerate(bodies)]
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(30)).decode()
    whole = "".join(f"data: {json.dumps({**body, 'b64_json': data})}{end}{end}" for body in bodies).encode()
    with tempfile.TemporaryDirectory() as folder:
        scanner = JsonImageScanner(lambda number: Path(folder, str(number)), 10)
        events = EventReader(scanner)
        found: list[dict[str, Any]] = []
        for piece in cut(whole, places):
            scanner.feed(piece)
            found += events.read()
        found += events.finish()
        scanner.close()
    assert [{name: value for name, value in event.items() if name != "event"} for event in found] == wanted
    assert [one.error for one in scanner.files] == [""] * len(bodies)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"data:", b"\n", b"\r\n", b"{}", b'"b64_json":"', b'"'])))
def test_nonsense_is_a_bad_answer_and_nothing_else(pieces: list[bytes]) -> None:
    scanner = JsonImageScanner(lambda _: None, 3)
    events = EventReader(scanner)
    try:
        for piece in pieces:
            scanner.feed(piece)
            list(events.read())
        list(events.finish())
    except UnreadableResponse:
        return
    finally:
        scanner.close()
