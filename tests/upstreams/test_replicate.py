"""Buying predictions from Replicate: one purchase whatever is cut off, and what each state says about the bill."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from imagegate.domain.errors import TaskErrorCode
from imagegate.domain.images import Size
from imagegate.domain.tasks import FailureKind
from imagegate.spool import Spool
from imagegate.upstreams.base import Call, Outcome, Produced, Refused, Rejected, Unavailable, Unknown
from tests.upstreams.helpers import (
    SECRET,
    AttemptRunner,
    JobServer,
    assert_outcome,
    cut_off_everywhere,
    make_call,
    make_order,
    run_attempt,
    serve_routes,
)


class Predictions(JobServer):
    """Replicate's side."""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/models/openai/gpt-image-2/predictions", self.submit),
            web.get("/v1/predictions/p1", self.look),
            web.post("/v1/predictions/p1/cancel", self.cancel),
            web.get("/files/{name}", self.file),
        ]

    def accepted(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        self.bought.append(body)
        base = self.addresses or self.base
        urls = {"get": f"{base}/v1/predictions/p1", "cancel": f"{base}/v1/predictions/p1/cancel"}
        return web.json_response({"id": "p1", "status": "starting", "urls": urls}, status=201)

    async def look(self, request: web.Request) -> web.Response:
        await self.cancel_point.hit()
        assert request.headers["Authorization"] == f"Bearer {SECRET}"
        if self.look_answers:
            planned: web.Response = self.look_answers.pop(0)
            return planned
        self.asked += 1
        if self.asked <= self.looks:
            return web.json_response({"id": "p1", "status": "starting" if self.asked == 1 else "processing"})
        output = [f"{self.base}/files/{index}.png" for index in range(2)]
        return web.json_response({"id": "p1", "status": "succeeded", "output": output, "error": None, **self.end})


WANTED = make_call(order=make_order(n=2), model="openai/gpt-image-2")


def run(there: Predictions, spool: Path, wanted: Call = WANTED, **given: Any) -> tuple[AttemptRunner, Outcome]:
    return run_attempt("replicate", there, spool, wanted, **given)


def test_the_order_travels_and_the_images_come(tmp_path: Path) -> None:
    there = Predictions()
    runner, answer = run(there, tmp_path, config={"timeout_s": 90})
    assert isinstance(answer, Produced)
    assert [image.name for image in answer.answer.images] == ["0.png", "1.png"]
    assert (answer.answer.usage, answer.answer.request_id) == (None, "p1")
    assert there.bought == [
        {
            "input": {
                "prompt": "a logo",
                "aspect_ratio": "1:1",
                "number_of_images": 2,
                "quality": "medium",
                "background": "opaque",
                "output_format": "png",
            }
        }
    ]
    assert there.heads[0]["Cancel-After"] == "90s"
    assert "Prefer" not in there.heads[0]
    assert json.loads(runner.saved_refs[0])["id"] == "p1"
    assert runner.progress == [5, 30]


def test_a_call_that_is_cut_off_anywhere_is_never_bought_twice(tmp_path: Path) -> None:
    # Create twice, remember twice, three looks, two files.
    assert cut_off_everywhere("replicate", Predictions, tmp_path, WANTED, repeatable=False) >= 9


def test_a_lost_answer_is_unknown_and_not_repeated(tmp_path: Path) -> None:
    there = Predictions(submit_answers=["buy and hang up"])
    _, answer = run(there, tmp_path)
    assert isinstance(answer, Unknown)
    assert len(there.bought) == 1


def test_the_key_goes_to_no_other_host(tmp_path: Path) -> None:
    there = Predictions(addresses="http://localhost:9")
    _, answer = run(there, tmp_path)
    assert isinstance(answer, Unknown)
    assert there.asked == 0


@pytest.mark.parametrize(
    ("size", "ratio"),
    [
        (Size("3:2", 1248, 832, False, "1K"), "3:2"),
        (Size("2:3", 1680, 2512, False, "2K"), "2:3"),
        (Size("1536x1024", 1536, 1024, False), "3:2"),
    ],
)
def test_a_ratio_is_what_it_makes(tmp_path: Path, size: Size, ratio: str) -> None:
    there = Predictions()
    run(there, tmp_path, make_call(order=make_order(size=size), model="openai/gpt-image-2"))
    assert there.bought[0]["input"]["aspect_ratio"] == ratio


@pytest.mark.parametrize("size", [Size("16:9", 1360, 768, False, "1K"), Size("auto", 2048, 2048, True)])
def test_another_size_is_not_sent(tmp_path: Path, size: Size) -> None:
    there = Predictions()
    _, answer = run(there, tmp_path, make_call(order=make_order(size=size), model="openai/gpt-image-2"))
    assert_outcome(answer, Unavailable, FailureKind.internal)
    assert there.heads == []


@pytest.mark.parametrize(
    ("end", "kind", "failure_kind"),
    [
        ({"status": "failed", "error": "flagged as sensitive. (E005)"}, Refused, None),
        ({"status": "failed", "error": "Invalid input. (E006)"}, Rejected, None),
        ({"status": "failed", "error": "a sensitive word without a code"}, Unavailable, FailureKind.failing),
        ({"status": "aborted"}, Unavailable, FailureKind.failing),
        ({"status": "canceled"}, Unknown, None),
        ({"output": []}, Unknown, None),
    ],
)
def test_every_end_of_a_prediction_is_understood(
    tmp_path: Path, end: dict[str, Any], kind: type[Any], failure_kind: FailureKind | None
) -> None:
    there = Predictions(end=end)
    _, answer = run(there, tmp_path)
    assert_outcome(answer, kind, failure_kind)
    assert len(there.bought) == 1


def test_one_output_may_stand_alone(tmp_path: Path) -> None:
    there = Predictions()

    async def scenario() -> Outcome:
        async with serve_routes(*there.routes()) as there.base:
            there.end = {"output": f"{there.base}/files/0.png"}
            return await AttemptRunner("replicate", there.base, Spool(tmp_path)).produce(WANTED)

    answer = asyncio.run(scenario())
    assert isinstance(answer, Produced)
    assert len(answer.answer.images) == 1


@pytest.mark.parametrize("state", ["canceled", "aborted"])
def test_what_nobody_wants_is_cancelled_once(tmp_path: Path, state: str) -> None:
    there = Predictions(end={"status": state})
    _, answer = run(there, tmp_path, cancel_requested=True)
    assert isinstance(answer, Unavailable)
    assert (answer.failure_kind, answer.error.code) == (FailureKind.internal, TaskErrorCode.request_cancelled)
    assert there.cancels == 1


def test_a_look_that_fails_says_nothing(tmp_path: Path) -> None:
    bad = [
        web.json_response({"detail": "resets in ~30s"}, status=429, headers={"Retry-After": "0"}),
        web.Response(status=502, text="<html>"),
        web.Response(text="<html>"),
    ]
    _, answer = run(Predictions(look_answers=bad), tmp_path)
    assert isinstance(answer, Produced)


@pytest.mark.parametrize(
    ("status", "kind", "failure_kind"),
    [
        (401, Unavailable, FailureKind.bad_key),
        (402, Unavailable, FailureKind.out_of_funds),
        (404, Unavailable, FailureKind.no_model),
        (422, Rejected, None),
        (429, Unavailable, FailureKind.throttled),
        (503, Unavailable, FailureKind.failing),
        (504, Unknown, None),
    ],
)
def test_a_refused_create_is_judged_by_its_status(
    tmp_path: Path, status: int, kind: type[Any], failure_kind: FailureKind | None
) -> None:
    refused = web.json_response({"title": "no", "detail": "because", "status": status}, status=status)
    _, answer = run(Predictions(submit_answers=[refused]), tmp_path)
    assert_outcome(answer, kind, failure_kind)
