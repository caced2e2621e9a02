"""Buying from fal's queue: its own addresses, one purchase whatever is cut off, every end understood."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from imagegate.domain.errors import TaskErrorCode
from imagegate.domain.images import Size
from imagegate.domain.tasks import FailureKind
from imagegate.spool import Spool
from imagegate.upstreams.base import Call, Outcome, Produced, RecoveryMode, Refused, Rejected, Unavailable, Unknown
from imagegate.upstreams.polling import is_same_origin
from tests.upstreams.helpers import (
    SECRET,
    AttemptRunner,
    JobServer,
    assert_outcome,
    cut_off_everywhere,
    make_call,
    make_order,
    png,
    run_attempt,
)


@dataclass
class Queue(JobServer):
    """fal's side. The addresses it gives follow no rule that could be guessed."""

    paths: list[str] = field(default_factory=list)
    result: tuple[int, Any] | None = None
    result_answers: list[web.Response] = field(default_factory=list)
    cancelled_status: int = 0

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/a/state-of-7", self.look),
            web.get("/b/what-came-of-7", self.response),
            web.put("/c/no-more-of-7", self.cancel),
            web.get("/files/{name}", self.file),
            web.post("/{path:.*}", self.submit),
        ]

    def accepted(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        self.paths.append(request.path)
        self.bought.append(body)
        base = self.addresses or self.base
        urls = {"status_url": "/a/state-of-7", "response_url": "/b/what-came-of-7", "cancel_url": "/c/no-more-of-7"}
        return web.json_response({"request_id": "7", **{name: base + path for name, path in urls.items()}})

    async def look(self, request: web.Request) -> web.Response:
        await self.cancel_point.hit()
        assert request.headers["Authorization"] == f"Key {SECRET}"
        self.asked += 1
        if self.cancels and self.cancelled_status:
            return web.json_response({"detail": "no such request"}, status=self.cancelled_status)
        if self.asked <= self.looks:
            return web.json_response({"status": "IN_QUEUE" if self.asked == 1 else "IN_PROGRESS"}, status=202)
        return web.json_response({"status": "COMPLETED", **self.end})

    async def response(self, request: web.Request) -> web.Response:
        await self.cancel_point.hit()
        if self.result_answers:
            return self.result_answers.pop(0)
        images = [{"url": f"{self.base}/files/{index}.png", "width": 64} for index in range(2)]
        status, body = self.result or (200, {"images": images})
        return web.json_response(body, status=status)


WANTED = make_call(order=make_order(n=2), model="openai/gpt-image-2")


def run(queue: Queue, spool: Path, wanted: Call = WANTED, **given: Any) -> tuple[AttemptRunner, Outcome]:
    return run_attempt("fal", queue, spool, wanted, **given)


def test_the_order_travels_and_the_images_come(tmp_path: Path) -> None:
    queue = Queue()
    runner, answer = run(queue, tmp_path)
    assert isinstance(answer, Produced)
    assert [image.name for image in answer.answer.images] == ["0.png", "1.png"]
    assert (answer.answer.usage, answer.answer.cost_nanos, answer.answer.request_id) == (None, None, "7")
    assert queue.bought == [
        {
            "prompt": "a logo",
            "image_size": {"width": 1024, "height": 1024},
            "quality": "medium",
            "num_images": 2,
            "output_format": "png",
        }
    ]
    assert queue.paths == ["/openai/gpt-image-2"]
    assert (queue.heads[0]["x-fal-no-retry"], queue.heads[0]["Authorization"]) == ("1", f"Key {SECRET}")
    assert set(json.loads(runner.saved_refs[0])) == {"request_id", "status_url", "response_url", "cancel_url"}
    assert runner.upstream().recovery_mode is RecoveryMode.by_ref


def test_a_call_that_is_cut_off_anywhere_is_never_bought_twice(tmp_path: Path) -> None:
    """Before the id is remembered nothing can be taken up: then nobody calls again."""
    # Submit twice, remember twice, three looks, the response, two files.
    assert cut_off_everywhere("fal", Queue, tmp_path, WANTED, repeatable=False) >= 10


def test_a_lost_answer_is_unknown_and_not_repeated(tmp_path: Path) -> None:
    for planned, bad_body in [("buy and hang up", False), ("buy and garble", True)]:
        queue = Queue(submit_answers=[planned])
        _, answer = run(queue, tmp_path)
        assert isinstance(answer, Unknown)
        assert (answer.bad_body, len(queue.bought)) == (bad_body, 1)


def test_a_body_that_did_not_leave_completely_was_not_bought(tmp_path: Path) -> None:
    big = tmp_path / "big.png"
    big.write_bytes(png() + bytes(9 * 2**20))

    async def scenario() -> Outcome:
        async def slam(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.abort()

        server = await asyncio.start_server(slam, "127.0.0.1", 0)
        async with server:
            base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            runner = AttemptRunner("fal", base, Spool(tmp_path / "spool"))
            return await runner.produce(make_call(model="m", references=(big,)))

    answer = asyncio.run(scenario())
    assert_outcome(answer, Unavailable, FailureKind.failing)


def test_the_key_goes_to_no_other_host(tmp_path: Path) -> None:
    """A purchase whose addresses lead away can be neither read nor bought again."""
    queue = Queue(addresses="http://localhost:9")
    _, answer = run(queue, tmp_path)
    assert isinstance(answer, Unknown)
    assert queue.asked == 0


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("https://queue.fal.run/x", True),
        ("https://eu.queue.fal.run/x", True),
        ("https://fal.run/x", True),
        ("http://queue.fal.run/x", False),
        ("https://queue.fal.run:8443/x", False),
        ("https://queue.fal.run@evil.example/x", False),
        ("https://evilfal.run/x", False),
        ("https://fal.run.evil.example/x", False),
        ("//queue.fal.run/x", False),
        ("/x", False),
        ("", False),
    ],
)
def test_only_fals_own_hosts_are_its_own(url: str, ours: bool) -> None:
    assert is_same_origin(url, "https://queue.fal.run", "fal.run") is ours


def detail(kind: str) -> dict[str, Any]:
    return {"detail": [{"loc": ["body", "prompt"], "msg": f"because {kind}", "type": kind}]}


@pytest.mark.parametrize(
    ("status", "body", "kind", "failure_kind"),
    [
        (422, detail("content_policy_violation"), Refused, None),
        (422, detail("value_error"), Rejected, None),
        (400, {"detail": "bad request", "error_type": "bad_request"}, Rejected, None),
        (500, detail("internal_server_error"), Unavailable, FailureKind.failing),
        (504, {"detail": "Request timed out", "error_type": "request_timeout"}, Unavailable, FailureKind.failing),
        (503, {"detail": "gone", "error_type": "runner_disconnected"}, Unavailable, FailureKind.failing),
        (200, {"images": []}, Unknown, None),
    ],
)
def test_a_completed_request_may_hold_an_error(
    tmp_path: Path, status: int, body: Any, kind: type[Any], failure_kind: FailureKind | None
) -> None:
    queue = Queue(result=(status, body))
    _, answer = run(queue, tmp_path)
    assert_outcome(answer, kind, failure_kind)
    if isinstance(answer, Rejected):
        assert answer.error.code is TaskErrorCode.invalid_parameters
    assert len(queue.bought) == 1


def test_an_error_that_only_the_status_tells_is_an_end_too(tmp_path: Path) -> None:
    _, answer = run(Queue(end={"error": "the runner broke"}, result=(200, {})), tmp_path)
    assert isinstance(answer, Unavailable)


def test_a_response_that_cannot_be_read_is_read_again(tmp_path: Path) -> None:
    between = [
        web.Response(status=502, text="<html>", content_type="text/html"),
        web.json_response({"detail": "slow down"}, status=429, headers={"Retry-After": "0"}),
        web.Response(text="<html>"),
    ]
    queue = Queue(result_answers=between)
    _, answer = run(queue, tmp_path)
    assert isinstance(answer, Produced)
    assert len(queue.bought) == 1


@pytest.mark.parametrize(
    ("status", "body", "kind", "failure_kind"),
    [
        (401, {"detail": "bad key"}, Unavailable, FailureKind.bad_key),
        (402, {"detail": "top up"}, Unavailable, FailureKind.out_of_funds),
        (403, {"detail": "locked"}, Unavailable, FailureKind.blocked),
        (404, {"detail": "no such app"}, Unavailable, FailureKind.no_model),
        (429, {"detail": "slow"}, Unavailable, FailureKind.throttled),
        (504, None, Unavailable, FailureKind.failing),
        (422, detail("content_policy_violation"), Refused, None),
        (422, detail("value_error"), Rejected, None),
        (409, {"detail": "?"}, Unknown, None),
    ],
)
def test_a_refused_submit_is_judged_by_its_status(
    tmp_path: Path, status: int, body: Any, kind: type[Any], failure_kind: FailureKind | None
) -> None:
    queue = Queue(submit_answers=[web.json_response(body, status=status)])
    _, answer = run(queue, tmp_path)
    assert_outcome(answer, kind, failure_kind)


def test_what_nobody_wants_is_taken_out_of_the_queue(tmp_path: Path) -> None:
    queue = Queue(looks=9, cancelled_status=404)
    _, answer = run(queue, tmp_path, cancel_requested=True)
    assert isinstance(answer, Unavailable)
    assert (answer.failure_kind, answer.error.code) == (FailureKind.internal, TaskErrorCode.request_cancelled)
    assert queue.cancels == 1
    made = Queue()
    _, kept = run(made, tmp_path, cancel_requested=True)
    assert isinstance(kept, Produced)
    assert made.cancels == 1


def test_at_the_deadline_an_image_wins_against_the_stop(tmp_path: Path) -> None:
    class Late(Queue):
        async def cancel(self, request: web.Request) -> web.Response:
            self.looks = 0
            return await super().cancel(request)

    late = Late(looks=10**6)
    _, answer = run(late, tmp_path, config={"timeout_s": 0.2})
    assert isinstance(answer, Produced)
    _, never = run(Queue(looks=10**6), tmp_path, config={"timeout_s": 0.2})
    assert isinstance(never, Unknown)


def test_small_references_travel_inside_and_large_ones_as_links(tmp_path: Path) -> None:
    small, mask, large = tmp_path / "a.png", tmp_path / "mask.png", tmp_path / "large.png"
    small.write_bytes(png())
    mask.write_bytes(png(8, 8))
    large.write_bytes(png() + bytes(10 * 2**20))
    queue = Queue()
    run(queue, tmp_path / "one", make_call(model="openai/gpt-image-2", references=(small,), mask=mask))
    inside = queue.bought[0]
    assert inside["image_urls"] == ["data:image/png;base64," + base64.b64encode(png()).decode()]
    assert inside["mask_url"] == "data:image/png;base64," + base64.b64encode(png(8, 8)).decode()
    flare = make_call(model="openai/gpt-image-2.5/flare/text-to-image", references=(small, large))
    queue = Queue(base="", paths=queue.paths)
    run(queue, tmp_path / "two", flare)
    assert queue.bought[0]["image_urls"] == [
        "https://ours.example/a.png?exp=1&sig=x",
        "https://ours.example/large.png?exp=1&sig=x",
    ]
    assert queue.paths == ["/openai/gpt-image-2/edit", "/openai/gpt-image-2.5/flare/edit"]


def test_the_size_may_be_left_to_the_model(tmp_path: Path) -> None:
    queue = Queue()
    run(queue, tmp_path, make_call(model="m", order=make_order(size=Size("auto", 2048, 2048, True))))
    assert queue.bought[0]["image_size"] == "auto"
