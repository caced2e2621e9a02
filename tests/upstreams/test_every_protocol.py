"""What must hold for every protocol alike: one server that speaks all four, and whatever it may send."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from imagegate.catalog.routes import Dialect
from imagegate.domain.tasks import FailureKind
from imagegate.http.client import MAX_RETRY_AFTER_S, HttpResponse, parse_retry_after
from imagegate.spool import Spool
from imagegate.upstreams.base import Outcome, Produced, Refused, Rejected, Unavailable, Unknown
from imagegate.upstreams.errors import JOB_ERRORS, OPENAI_ERRORS, classify_error
from tests.images.corpus import encoded_image
from tests.support.image_texts import IMAGE_TEXTS
from tests.upstreams.helpers import ATTEMPT, AttemptRunner, base64_image, make_call, make_order, png, serve_routes

PROTOCOLS = ("openai", "task_api", "fal", "replicate")
TABLES = (OPENAI_ERRORS, JOB_ERRORS)
# A key with characters that a URL escapes.
KEY = "sk-/Zq+operators=key"


@dataclass
class Server:
    """The submit's response is `submit` where that is given; every body goes through `encode`.

    `results` stands where the protocol has its images, as it is; `beside` stands in every body.
    """

    submit: tuple[int, Any] | None = None
    success_status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    encode: Callable[[bytes], bytes] = bytes
    job_id: Any = "j1"
    results: Any = None
    beside: dict[str, Any] = field(default_factory=dict)
    looks: int = 0
    base: str = ""
    submits: int = 0

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/files/0.png", self.file), web.get("/{path:.*}", self.poll), web.post("/{path:.*}", self.buy)]

    async def buy(self, request: web.Request) -> web.Response:
        self.submits += 1
        urls = dict.fromkeys(("status_url", "response_url", "cancel_url", "get", "cancel"), f"{self.base}/job")
        bought = {"id": self.job_id, "request_id": self.job_id, "urls": urls, **urls, "status": "pending"}
        data = [{"b64_json": base64_image()}] if self.results is None else self.results
        images = {"data": data} if request.headers["X-Protocol"] == "openai" else {}
        status, body = self.submit or (self.success_status, {**bought, **self.beside, **images})
        return self.respond(status, body)

    async def poll(self, request: web.Request) -> web.Response:
        self.looks += 1
        url = f"{self.base}/files/0.png"
        name = {"fal": "images", "replicate": "output", "task_api": "results"}[request.headers["X-Protocol"]]
        results = {name: [url] if self.results is None else self.results}
        ended = {"fal": "COMPLETED", "replicate": "succeeded", "task_api": "completed"}
        status = ended[request.headers["X-Protocol"]]
        return self.respond(200, {"id": self.job_id, "status": status, **self.beside, **results})

    async def file(self, request: web.Request) -> web.Response:
        return web.Response(body=png())

    def respond(self, status: int, body: Any) -> web.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **self.headers}
        return web.Response(status=status, body=self.encode(content), headers=headers)


def run(protocol: str, directory: Path, server: Server, **fields: Any) -> Outcome:
    async def scenario() -> Outcome:
        async with serve_routes(*server.routes()) as server.base:
            spool, config = Spool(directory / "spool"), {"timeout_s": 5.0, **fields}
            runner = AttemptRunner(protocol, server.base, spool, api_key=KEY, config=config)
            upstream = runner.upstream()
            # So that the server knows which protocol it is asked in.
            http = upstream.adapter.http if protocol != "openai" else upstream.adapter._http  # type: ignore[attr-defined]
            http._headers["X-Protocol"] = protocol
            try:
                return await upstream.produce(make_call(order=make_order()), runner.hooks())
            finally:
                await upstream.close()

    outcome = asyncio.run(scenario())
    assert server.submits == 1, "one call is one purchase"
    return outcome


def stored(directory: Path) -> str:
    return "".join(log.read_text() for log in (directory / "spool").glob("responses-*"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize(
    "value",
    ["Mon, 99999999999 Feb 2026 00:00:00 GMT", "1e999", "Mon, 01 Jan 0001 00:00:00 +2359", "9" * 5000, "-1", ""],
)
def test_no_retry_after_costs_what_was_bought(protocol: str, status: int, value: str, tmp_path: Path) -> None:
    server = Server(success_status=status, headers={"Retry-After": value})
    assert isinstance(run(protocol, tmp_path, server), Produced)


DATA_URL = f"data:image/png;base64,{base64_image()}"
IMAGE_SHAPES: dict[str, Callable[[Any], Any]] = {
    "list of texts": lambda url: [url],
    "text": lambda url: url,
    "list of objects": lambda url: [{"url": url}],
    "object": lambda url: {"url": url, "width": "1024", "content_type": None},
    "url is a list": lambda url: [{"url": [url]}],
    "among nonsense": lambda url: [None, 7, {}, [], url],
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("shape", "form"),
    [*((shape, "data URL") for shape in IMAGE_SHAPES), *(("list of objects", form) for form in IMAGE_TEXTS)],
)
def test_an_image_that_comes_as_text_is_decoded(protocol: str, shape: str, form: str, tmp_path: Path) -> None:
    url = IMAGE_TEXTS[form](base64.b64decode(base64_image()))
    outcome = run(protocol, tmp_path, Server(results=IMAGE_SHAPES[shape](url)))
    assert isinstance(outcome, Produced), outcome
    (image,) = outcome.answer.images
    assert (tmp_path / "spool" / f"{ATTEMPT}.{image.name}").read_bytes() == base64.b64decode(base64_image())
    assert not list((tmp_path / "spool").glob("*.part"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("escape", [("/", "\\/"), ("/", "\\u002f"), ("+", "\\u002B")])
def test_a_data_url_may_be_escaped(protocol: str, escape: tuple[str, str], tmp_path: Path) -> None:
    def encode(content: bytes) -> bytes:
        head, prefix, tail = content.partition(b"data:")
        return head + prefix + tail.replace(escape[0].encode(), escape[1].encode())

    assert isinstance(run(protocol, tmp_path, Server(results=[DATA_URL], encode=encode)), Produced)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("data:image/png;base64,", "no image by its first bytes"),
        ("data:image/png;base64,!!!!", "not base64"),
        ("data:text/html;base64,PGh0bWw+PGJvZHk+PC9ib2R5PjwvaHRtbD4=", "no image by its first bytes"),
        (DATA_URL[:-40], ""),
        ("data:image/svg+xml,<svg%20xmlns='x'></svg>", "no image by its first bytes"),
        ("data:,AAAA", "a data URL without an image"),
    ],
)
def test_a_data_url_without_an_image_is_no_result(protocol: str, url: str, reason: str, tmp_path: Path) -> None:
    outcome = run(protocol, tmp_path, Server(results=[url]))
    assert isinstance(outcome, Unknown)
    assert outcome.bad_body
    assert reason in outcome.detail


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_large_data_url_passes_and_what_was_sent_may_come_back(protocol: str, tmp_path: Path) -> None:
    """A result above the cap of other bodies, beside an echo of the request's own images."""
    noise = encoded_image("PNG", "RGB", (64, 64)) + bytes(2 * 2**20)
    large = f"data:image/png;base64,{base64.b64encode(noise).decode()}"
    server = Server(results=[DATA_URL], beside={"input": {"input_images": [large], "prompt": "data:image/png"}})
    outcome = run(protocol, tmp_path, server)
    assert isinstance(outcome, Produced), outcome
    assert [image.bytes for image in outcome.answer.images] == [len(base64.b64decode(base64_image()))]
    assert server.looks <= 2, "read at the first look"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("odd", [None, True, -1, 1.5, "x", "100%", [], [[1]], {}, {"url": 3}])
def test_a_field_of_an_odd_type_that_is_not_needed_is_ignored(protocol: str, odd: Any, tmp_path: Path) -> None:
    names = ("progress", "usage", "error", "engine", "created", "metrics", "logs", "cancel_url", "model", "quality")
    server = Server(beside=dict.fromkeys(names, odd))
    if protocol == "openai":
        server.beside["error"] = None
    outcome = run(protocol, tmp_path, server)
    assert isinstance(outcome, Produced), outcome
    assert outcome.answer.usage is None


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("job_id", [7, "7"])
def test_an_id_may_be_a_number(protocol: str, job_id: Any, tmp_path: Path) -> None:
    outcome = run(protocol, tmp_path, Server(job_id=job_id))
    assert isinstance(outcome, Produced)
    assert outcome.answer.request_id == ("" if protocol == "openai" else "7")


@pytest.mark.parametrize("urls", [None, [], "x", {"get": 3, "cancel": None}, {"stream": "https://x"}])
def test_a_prediction_without_readable_addresses_is_asked_for_by_its_id(urls: Any, tmp_path: Path) -> None:
    assert isinstance(run("replicate", tmp_path, Server(beside={"urls": urls})), Produced)


@pytest.mark.parametrize("status", ["COMPLETED", "Completed", " completed "])
def test_a_status_may_be_written_in_any_case(status: str, tmp_path: Path) -> None:
    for protocol in ("task_api", "fal"):
        assert isinstance(run(protocol, tmp_path / protocol, Server(beside={"status": status})), Produced)


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP, identity", gzip.compress),
        ("gzip", lambda content: gzip.compress(content[:9]) + gzip.compress(content[9:]) + bytes(7)),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
        ("identity", bytes),
        ("utf-8", bytes),
        ("none", bytes),
        ("aws-chunked", bytes),
        ("identity, utf-8", bytes),
        ("aws-chunked, gzip", gzip.compress),
        ("gzip, gzip", lambda content: gzip.compress(gzip.compress(content))),
        ("gzip", bytes),
        ("deflate", bytes),
    ],
)
def test_a_compressed_response_is_read(
    protocol: str, coding: str, encode: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    server = Server(headers={"Content-Encoding": coding}, encode=encode)
    assert isinstance(run(protocol, tmp_path, server), Produced)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("media_type", ["application/json; charset*", "", ";", 'text/html; charset="', "a/b/c"])
def test_no_content_type_costs_what_was_bought(protocol: str, media_type: str, tmp_path: Path) -> None:
    assert isinstance(run(protocol, tmp_path, Server(headers={"Content-Type": media_type})), Produced)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_byte_order_mark_is_passed_over(protocol: str, tmp_path: Path) -> None:
    server = Server(encode=lambda content: b"\xef\xbb\xbf" + content)
    assert isinstance(run(protocol, tmp_path, server), Produced)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("status", "code"), [(400, "x"), (400, "content_policy_violation"), (401, KEY), (403, "x"), (500, "x")]
)
def test_our_key_is_in_no_outcome(protocol: str, status: int, code: str, tmp_path: Path) -> None:
    spellings = [KEY, f"Bearer {KEY}", quote(KEY, safe=""), KEY.upper(), base64.b64encode(f":{KEY}".encode()).decode()]
    cut_off = "x" * (390 - len(KEY)) + KEY
    for text in [" ".join(spellings), cut_off, "é" * 395 + KEY]:
        shapes: list[Any] = [
            {"error": {"message": text, "code": code}},
            {"detail": text},
            {"detail": [{"loc": ["body"], "msg": text, "type": code}]},
            f"<html>{text}</html>".encode(),
        ]
        for shape in shapes:
            server = Server(submit=(status, shape), headers={"X-Request-Id": KEY})
            outcome = run_failing(protocol, tmp_path, server)
            assert KEY[:8].lower() not in str(outcome).lower(), outcome
            assert not any(spelling in str(outcome) for spelling in spellings), outcome


def run_failing(protocol: str, directory: Path, server: Server) -> Outcome:
    """By the task API where no create is repeated."""
    outcome = run(protocol, directory, server, **({"dialect": "evolink"} if protocol == "task_api" else {}))
    assert isinstance(outcome, Refused | Rejected | Unavailable | Unknown)
    return outcome


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_name_of_a_call_is_stored_without_our_key_and_as_text_that_a_database_takes(
    protocol: str, tmp_path: Path
) -> None:
    name = f"job\0{KEY}" if protocol != "openai" else KEY
    server = Server(job_id=name, headers={"X-Request-Id": KEY})
    outcome = run(protocol, tmp_path, server)
    assert isinstance(outcome, Produced)
    assert outcome.answer.request_id in ("(secret)", "job (secret)")
    assert KEY not in stored(tmp_path)
    assert "\\u0000" not in stored(tmp_path)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("number", ["1e9999999999999999999", "-1e400", "1" * 400])
def test_a_number_that_nothing_can_hold_does_not_cost_the_images(protocol: str, number: str, tmp_path: Path) -> None:
    def encode(content: bytes) -> bytes:
        extra = f'"progress": {number}, "usage": {{"cost": {number}, "input_tokens": {number}}}, "created": {number}'
        return content[:-1] + b", " + extra.encode() + b"}"

    assert isinstance(run(protocol, tmp_path, Server(encode=encode)), Produced)


def test_a_status_means_the_same_in_every_protocol_except_where_a_table_says_why() -> None:
    for status in range(300, 600):
        for code in ("", "invalid_api_key", "insufficient_quota", "model_not_found", "Forbidden", "moderation_blocked"):
            body = json.dumps({"error": {"message": "x", "code": code}}).encode()
            response, dialect = HttpResponse(status=status, body=body), Dialect(name="openai")
            meanings = {
                meaning(classify_error(response, table, dialect))
                for table in TABLES
                if code or status not in table.kind_by_status
            }
            assert len(meanings) == 1, (status, code, meanings)
    assert dict(OPENAI_ERRORS.kind_by_status) == {403: FailureKind.no_model}
    assert not JOB_ERRORS.kind_by_status


def test_a_wrong_address_is_the_operators_to_mend() -> None:
    for status in (301, 302, 307, 308, 404, 405):
        response = HttpResponse(status=status, body=b"<html>")
        for table in TABLES:
            assert meaning(classify_error(response, table, Dialect(name="openai"))) == (
                "Unavailable",
                FailureKind.misconfigured,
            )


def meaning(outcome: Outcome) -> tuple[str, Any]:
    return type(outcome).__name__, getattr(outcome, "failure_kind", None)


@pytest.mark.parametrize(
    ("protocol", "failure_kind"),
    [
        ("openai", FailureKind.no_model),
        ("task_api", FailureKind.blocked),
        ("fal", FailureKind.blocked),
        ("replicate", FailureKind.blocked),
    ],
)
def test_a_plain_403_over_the_wire(protocol: str, failure_kind: FailureKind, tmp_path: Path) -> None:
    outcome = run_failing(protocol, tmp_path, Server(submit=(403, {"error": {"message": "no"}})))
    assert isinstance(outcome, Unavailable)
    assert outcome.failure_kind is failure_kind


HEADER = st.text(max_size=60) | st.from_regex(
    r"(Mon|X)?,? ?[0-9]{1,12} (Feb|Nov|x) [0-9]{1,12} [0-9]{1,4}:[0-9]{1,4}:[0-9]{1,4} (GMT|[+-][0-9]{4,6})?"
)


@given(HEADER, st.none() | HEADER)
@example("Mon, 99999999999 Feb 2026 00:00:00 GMT", None)
@example("Mon, 01 Feb 99999999999 00:00:00 GMT", None)
@example("Fri, 31 Dec 9999 23:59:59 -2359", None)
@example("Mon, 01 Jan 0001 00:00:00 +2359", "1e999")
@example("1.5", "nan")
def test_retry_after_is_a_bounded_number_whatever_stands_there(value: str, milliseconds: str | None) -> None:
    headers = CIMultiDict({"Retry-After": value})
    if milliseconds is not None:
        headers["retry-after-ms"] = milliseconds
    assert 0.0 <= parse_retry_after(headers) <= MAX_RETRY_AFTER_S


def test_seconds_may_be_fractions() -> None:
    assert parse_retry_after({"retry-after": "1.5"}) == 1.5
