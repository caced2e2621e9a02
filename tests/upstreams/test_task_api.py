"""Buying from a gateway with the task API: one purchase whatever is cut off, and every end of a task understood."""

from __future__ import annotations

import asyncio
import errno
import itertools
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from imagegate.domain.errors import TaskErrorCode
from imagegate.domain.images import Size
from imagegate.domain.tasks import FailureKind
from imagegate.domain.usage import Usage, UsageSource
from imagegate.http.client import Download, DownloadFailed
from imagegate.spool import Spool
from imagegate.upstreams.base import Outcome, Produced, RecoveryMode, Refused, Rejected, Unavailable, Unknown
from tests.support.gateway import free_port
from tests.upstreams.helpers import (
    ATTEMPT,
    FAST_SCHEDULE,
    SECRET,
    AttemptRunner,
    CancelPoint,
    JobServer,
    abort_connection,
    assert_outcome,
    cut_off_everywhere,
    make_call,
    make_order,
    plain_fetch,
    png,
    run_attempt,
    saved,
    serve_routes,
)

TOKENS = {"text_input": 13, "text_cached_input": 0, "image_input": 0, "image_cached_input": 0, "image_output": 1756}


@dataclass
class Gateway(JobServer):
    """The other side: tasks by Idempotency-Key, each a purchase; results of its own."""

    keyed: bool = True
    count: int = 1
    ends_when_cancelled: bool = False

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/images/generations", self.submit),
            web.get("/v1/tasks/{id}", self.look),
            web.post("/v1/tasks/{id}/cancel", self.cancel),
            web.get("/files/{name}", self.file),
        ]

    def accepted(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        key = request.headers.get("Idempotency-Key", "") if self.keyed else f"{len(self.bought)}"
        task = next((task for task in self.bought if task["key"] == key), None)
        if task is None:
            task = {"id": f"task-unified-1-{len(self.bought):08d}", "key": key, "looks": 0}
            self.bought.append(task)
        return web.json_response({"id": task["id"], "status": "pending", "progress": 0})

    async def look(self, request: web.Request) -> web.Response:
        await self.cancel_point.hit()
        self.asked += 1
        assert request.headers["Authorization"] == f"Bearer {SECRET}"
        planned = self.look_answers.pop(0) if self.look_answers else None
        if planned == "hang up":
            return abort_connection(request)
        if isinstance(planned, web.Response):
            return planned
        task = next(task for task in self.bought if task["id"] == request.match_info["id"])
        task["looks"] += 1
        if task["looks"] <= self.looks and not (self.ends_when_cancelled and self.cancels):
            return web.json_response({"id": task["id"], "status": "processing", "progress": 30 * task["looks"]})
        return web.json_response(self._done(task))

    def _done(self, task: dict[str, Any]) -> dict[str, Any]:
        urls = [f"{self.base}/files/{index}.png" for index in range(self.count)]
        usage = {"tokens": TOKENS, "cost": {"credits": 3.227994, "usd": 0.0474705}, "source": "upstream"}
        done = {"id": task["id"], "status": "completed", "progress": 100, "results": urls, "usage": usage}
        return {**done, **self.end}


def run(gateway: Gateway, spool: Path, **given: Any) -> tuple[AttemptRunner, Outcome]:
    return run_attempt("task_api", gateway, spool, given.pop("call", None) or make_call(), **given)


def failed(code: str, **more: str) -> dict[str, Any]:
    return {"status": "failed", "results": None, "error": {"code": code, "message": f"because {code}", **more}}


def test_the_order_travels_and_the_images_come_with_their_tokens_and_cost(tmp_path: Path) -> None:
    gateway = Gateway(count=2)
    wide = make_order(n=2, size=Size("16:9", 2736, 1536, False, "2K"), output_format="webp", output_compression=80)
    runner, answer = run(gateway, tmp_path, call=make_call(order=wide, model="gpt-image-2-theirs", hop=1))
    assert isinstance(answer, Produced)
    spooled = answer.answer
    assert [(image.name, image.media_type, image.width) for image in spooled.images] == [
        ("0.png", "image/png", 64),
        ("1.png", "image/png", 64),
    ]
    assert spooled.usage == Usage(images=2, text_input=13, image_output=1756)
    assert (spooled.usage_source, spooled.cost_nanos) == (UsageSource.upstream, 47_470_500)
    assert runner.spool.read_response(ATTEMPT) == spooled
    assert gateway.bodies == [
        {
            "model": "gpt-image-2-theirs",
            "prompt": "a logo",
            "size": "16:9",
            "resolution": "2K",
            "quality": "medium",
            "n": 2,
            "background": "opaque",
            "output_format": "webp",
            "output_compression": 80,
        }
    ]
    head = gateway.heads[0]
    assert (head["Idempotency-Key"], head["X-Imagegate-Hop"]) == (ATTEMPT, "2")
    assert head["Authorization"] == f"Bearer {SECRET}"
    assert runner.progress == [30, 60]
    assert json.loads(runner.saved_refs[-1])["id"] == "task-unified-1-00000000"


def test_a_call_that_is_cut_off_anywhere_is_taken_up_again_and_bought_once(tmp_path: Path) -> None:
    def make_server(cancel_point: CancelPoint) -> Gateway:
        return Gateway(cancel_point, count=2)

    # Remember twice, create twice, remember twice, three looks, two files.
    assert cut_off_everywhere("task_api", make_server, tmp_path, make_call(n=2), repeatable=True) >= 11


def test_a_lost_answer_is_asked_for_again_and_is_one_purchase(tmp_path: Path) -> None:
    busy = web.json_response({"error": {"code": "service_unavailable", "message": "-"}}, status=503)
    gateway = Gateway(submit_answers=["buy and hang up", "hang up", busy, "buy and garble"])
    _, answer = run(gateway, tmp_path)
    assert isinstance(answer, Produced)
    assert (len(gateway.bought), len(gateway.bodies)) == (1, 5)
    assert all(body == gateway.bodies[0] for body in gateway.bodies)


def test_without_an_answer_until_the_deadline_the_outcome_is_unknown(tmp_path: Path) -> None:
    gateway = Gateway(submit_answers=["buy and hang up"] * 200)
    _, answer = run(gateway, tmp_path, config={"timeout_s": 0.5})
    assert isinstance(answer, Unknown)
    assert len(gateway.bodies) > 2


def test_where_nobody_honours_the_key_a_lost_answer_is_unknown_and_not_repeated(tmp_path: Path) -> None:
    gateway = Gateway(submit_answers=["buy and hang up"], keyed=False)
    runner, answer = run(gateway, tmp_path, config={"dialect": "evolink"})
    assert isinstance(answer, Unknown)
    assert (len(gateway.bought), len(gateway.bodies)) == (1, 1)
    assert "Idempotency-Key" not in gateway.heads[0]
    assert runner.upstream().recovery_mode is RecoveryMode.by_ref
    assert runner.saved_refs == []


def test_a_key_that_was_used_with_another_body_is_unknown_at_once(tmp_path: Path) -> None:
    conflict = web.json_response({"error": {"code": "idempotency_conflict", "message": "-"}}, status=409)
    gateway = Gateway(submit_answers=[conflict])
    _, answer = run(gateway, tmp_path)
    assert isinstance(answer, Unknown)
    assert len(gateway.bodies) == 1


def test_nobody_there_is_proof_only_while_nothing_was_sent(tmp_path: Path) -> None:
    runner = AttemptRunner("task_api", f"http://127.0.0.1:{free_port()}", Spool(tmp_path), config={"timeout_s": 0.3})
    fresh = asyncio.run(runner.produce(make_call()))
    assert_outcome(fresh, Unavailable, FailureKind.failing)
    again = asyncio.run(runner.produce(make_call(ref=runner.saved_refs[-1])))
    assert isinstance(again, Unknown)


def refusal(status: int, code: str, **headers: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": f"because {code}"}}, status=status, headers=headers)


@pytest.mark.parametrize(
    ("status", "code", "failure_kind", "retry_after_s"),
    [
        (401, "unauthorized", FailureKind.bad_key, 0),
        (402, "insufficient_quota", FailureKind.out_of_funds, 0),
        (403, "model_access_denied", FailureKind.no_model, 0),
        (403, "permission_denied", FailureKind.bad_key, 0),
        (403, "ip_restricted", FailureKind.blocked, 0),
        (403, "Forbidden", FailureKind.blocked, 0),
        (404, "model_not_found", FailureKind.no_model, 0),
        (413, "request_too_large", FailureKind.misconfigured, 0),
        (429, "rate_limit_exceeded", FailureKind.throttled, 7),
        (429, "insufficient_quota", FailureKind.out_of_funds, 0),
        (400, "billing_hard_limit_reached", FailureKind.out_of_funds, 0),
        (500, "internal_error", FailureKind.failing, 0),
        (503, "service_unavailable", FailureKind.failing, 9),
    ],
)
def test_a_refused_create_proves_that_there_is_no_task(
    tmp_path: Path, status: int, code: str, failure_kind: FailureKind, retry_after_s: float
) -> None:
    headers = {"Retry-After": str(retry_after_s)} if retry_after_s else {}
    gateway = Gateway(submit_answers=[refusal(status, code, **headers)])
    _, answer = run(gateway, tmp_path)
    assert isinstance(answer, Unavailable)
    assert (answer.failure_kind, answer.retry_after_s) == (failure_kind, retry_after_s)
    assert answer.error.code is not TaskErrorCode.quota_exceeded
    assert len(gateway.bodies) == 1


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    gateway = Gateway(submit_answers=[web.Response(status=307, headers={"Location": "/v1/images/generations"})])
    _, answer = run(gateway, tmp_path)
    assert_outcome(answer, Unavailable, FailureKind.misconfigured)
    assert len(gateway.bodies) == 1


def test_a_bad_request_and_a_refusal_end_the_task(tmp_path: Path) -> None:
    _, bad = run(Gateway(submit_answers=[refusal(400, "invalid_request")]), tmp_path)
    assert isinstance(bad, Rejected)
    assert (bad.error.code, bad.error.message) == (TaskErrorCode.invalid_parameters, "because invalid_request")
    _, refused = run(Gateway(submit_answers=[refusal(400, "content_policy_violation")]), tmp_path)
    assert isinstance(refused, Refused)


@pytest.mark.parametrize("status", [500, 502, 504, 524, 408])
def test_a_page_of_somebody_between_is_no_answer(tmp_path: Path, status: int) -> None:
    page = web.Response(status=status, text="<html>gateway</html>", content_type="text/html")
    gateway = Gateway(submit_answers=[page])
    _, answer = run(gateway, tmp_path)
    assert isinstance(answer, Produced)
    assert (len(gateway.bodies), len(gateway.bought)) == (2, 1)


@pytest.mark.parametrize(
    ("code", "kind", "failure_kind"),
    [
        ("content_policy_violation", Refused, None),
        ("invalid_parameters", Rejected, None),
        ("image_processing_error", Rejected, None),
        ("image_dimension_mismatch", Rejected, None),
        ("resource_exhausted", Unavailable, FailureKind.throttled),
        ("quota_exceeded", Unavailable, FailureKind.out_of_funds),
        ("service_unavailable", Unavailable, FailureKind.failing),
        ("generation_timeout", Unavailable, FailureKind.failing),
        ("generation_failed_no_content", Unavailable, FailureKind.failing),
        ("unknown_error", Unavailable, FailureKind.failing),
        ("something_new", Unavailable, FailureKind.failing),
    ],
)
def test_every_end_of_a_failed_task_is_understood(
    tmp_path: Path, code: str, kind: type[Any], failure_kind: FailureKind | None
) -> None:
    _, answer = run(Gateway(end=failed(code)), tmp_path)
    assert isinstance(answer, kind)
    if isinstance(answer, Refused | Rejected):
        assert (answer.error.code, answer.error.message) == (code, f"because {code}")
    else:
        assert isinstance(answer, Unavailable)
        assert answer.failure_kind is failure_kind
        assert answer.error.code is not TaskErrorCode.quota_exceeded


def test_a_link_of_ours_that_they_cannot_read_is_not_the_customers_fault(tmp_path: Path) -> None:
    _, answer = run(Gateway(end=failed("image_processing_error", reason="reference_unreachable")), tmp_path)
    assert_outcome(answer, Unavailable, FailureKind.internal)


def test_what_nobody_wants_any_more_is_stopped_once(tmp_path: Path) -> None:
    gateway = Gateway(looks=5, end=failed("request_cancelled"), ends_when_cancelled=True)
    _, answer = run(gateway, tmp_path, cancel_requested=True)
    assert isinstance(answer, Unavailable)
    assert (answer.failure_kind, answer.error.code) == (FailureKind.internal, TaskErrorCode.request_cancelled)
    assert gateway.cancels == 1


def test_what_was_made_all_the_same_is_taken(tmp_path: Path) -> None:
    gateway = Gateway(looks=5)
    _, answer = run(gateway, tmp_path, cancel_requested=True)
    assert isinstance(answer, Produced)
    assert (gateway.cancels, gateway.asked) == (1, 6)


def test_at_the_deadline_it_is_stopped_and_looked_at_once_more(tmp_path: Path) -> None:
    late = Gateway(looks=10**6, ends_when_cancelled=True)
    _, answer = run(late, tmp_path, config={"timeout_s": 0.3})
    assert isinstance(answer, Produced)
    assert late.cancels == 1
    _, ended = run(
        Gateway(looks=10**6, ends_when_cancelled=True, end=failed("request_cancelled")),
        tmp_path,
        config={"timeout_s": 0.3},
    )
    assert isinstance(ended, Unavailable)
    assert (ended.failure_kind, ended.error.code) == (FailureKind.failing, TaskErrorCode.generation_timeout)
    _, open_end = run(Gateway(looks=10**6), tmp_path, config={"timeout_s": 0.3})
    assert isinstance(open_end, Unknown)


def test_a_look_that_fails_says_nothing(tmp_path: Path) -> None:
    bad = [
        "hang up",
        refusal(500, "internal_error"),
        refusal(404, "task_not_found"),
        refusal(401, "unauthorized"),
        web.Response(text="<html>"),
        refusal(429, "rate_limit_exceeded", **{"Retry-After": "0"}),
        web.Response(text='{"usage":' + "[" * 200_000),
        web.Response(body=b"\xff\xfe"),
    ]
    gateway = Gateway(look_answers=bad)
    _, answer = run(gateway, tmp_path)
    assert isinstance(answer, Produced)
    assert len(gateway.bought) == 1


def test_a_throttled_look_rests_as_long_as_it_was_asked_to(tmp_path: Path) -> None:
    began = time.monotonic()
    throttled = refusal(429, "rate_limit_exceeded", **{"Retry-After": "2"})
    _, answer = run(Gateway(looks=0, look_answers=[throttled]), tmp_path)
    assert isinstance(answer, Produced)
    assert time.monotonic() - began >= 2


def test_a_refusal_that_nests_without_end_is_no_error_object(tmp_path: Path) -> None:
    deep = web.Response(status=502, text="[" * 200_000)
    _, answer = run(Gateway(submit_answers=[deep], keyed=False), tmp_path, config={"dialect": "evolink"})
    assert isinstance(answer, Unknown)


def test_a_wish_to_stop_does_not_wait_for_a_held_answer(tmp_path: Path) -> None:
    class Holding(Gateway):
        async def look(self, request: web.Request) -> web.Response:
            give_up = time.monotonic() + 30
            while not self.cancels and time.monotonic() < give_up:
                await asyncio.sleep(0.02)
            return await super().look(request)

    async def scenario() -> tuple[Gateway, Outcome]:
        gateway = Holding(looks=10**6, ends_when_cancelled=True, end=failed("request_cancelled"))
        async with serve_routes(*gateway.routes()) as gateway.base:
            runner = AttemptRunner("task_api", gateway.base, Spool(tmp_path))
            running = asyncio.create_task(runner.produce(make_call()))
            while not gateway.bought:
                await asyncio.sleep(0.01)
            runner.cancel_requested = True
            return gateway, await asyncio.wait_for(running, 10)

    gateway, answer = asyncio.run(scenario())
    assert isinstance(answer, Unavailable)
    assert (answer.failure_kind, gateway.cancels) == (FailureKind.internal, 1)


def test_usage_of_another_shape_does_not_cost_the_images(tmp_path: Path) -> None:
    _, answer = run(Gateway(end={"usage": {"tokens": "many", "cost": 3}}), tmp_path)
    assert isinstance(answer, Produced)
    assert (answer.answer.usage, answer.answer.cost_nanos) == (None, None)


def test_an_image_of_an_embedded_engine_stays_labelled(tmp_path: Path) -> None:
    _, answer = run(Gateway(end={"engine": "embedded"}), tmp_path)
    assert isinstance(answer, Produced)
    assert (answer.answer.engine, answer.answer.usage_source) == ("embedded", UsageSource.formula)


@pytest.mark.parametrize(
    ("usd", "nanos"),
    [
        ("0.0474705", 47_470_500),
        ("0.1", 100_000_000),
        ('"0.3"', 300_000_000),
        ("1e-10", 1),
        ("-1", None),
        ('"NaN"', None),
    ],
)
def test_the_cost_is_exact(tmp_path: Path, usd: str, nanos: int | None) -> None:
    task = f'{{"id":"t","status":"completed","results":["BASE/files/0.png"],"usage":{{"cost":{{"usd":{usd}}}}}}}'
    gateway = Gateway(looks=0)

    async def scenario() -> Outcome:
        async with serve_routes(*gateway.routes()) as base:
            done = web.Response(text=task.replace("BASE", base), content_type="application/json")
            gateway.look_answers = [done]
            return await AttemptRunner("task_api", base, Spool(tmp_path)).produce(make_call())

    answer = asyncio.run(scenario())
    assert isinstance(answer, Produced)
    assert answer.answer.cost_nanos == nanos


def test_completed_without_results_is_unknown(tmp_path: Path) -> None:
    _, answer = run(Gateway(end={"results": []}), tmp_path)
    assert isinstance(answer, Unknown)
    assert answer.bad_body
    assert answer.usage == Usage(images=0, text_input=13, image_output=1756)


def test_a_failed_download_is_repeated_and_nothing_is_bought_again(tmp_path: Path) -> None:
    tries: list[str] = []

    async def shaky(url: str, target: Path, max_bytes: int) -> Download | DownloadFailed:
        tries.append(url)
        if len(tries) == 1:
            return DownloadFailed("reset")
        if len(tries) == 2:
            return saved(target, b"<html>not yet</html>")
        return await plain_fetch(url, target, max_bytes)

    gateway = Gateway()
    _, answer = run(gateway, tmp_path, fetch=shaky)
    assert isinstance(answer, Produced)
    assert (len(tries), len(gateway.bought)) == (3, 1)


def test_images_that_never_come_are_unknown_with_their_usage(tmp_path: Path) -> None:
    async def never(url: str, target: Path, max_bytes: int) -> Download | DownloadFailed:
        return DownloadFailed("refused_address")

    gateway = Gateway()
    runner, answer = run(gateway, tmp_path, fetch=never)
    assert isinstance(answer, Unknown)
    assert answer.bad_body
    assert answer.usage is not None
    assert (len(gateway.bought), runner.spool.read_response(ATTEMPT)) == (1, None)


def test_a_full_disk_is_ours_and_is_raised_as_it_is(tmp_path: Path) -> None:
    async def full(url: str, target: Path, max_bytes: int) -> Download | DownloadFailed:
        raise OSError(errno.ENOSPC, "no space left")

    with pytest.raises(OSError, match="no space left"):
        run(Gateway(count=2), tmp_path, fetch=full, call=make_call(order=make_order(n=2)))


def test_of_two_images_the_one_that_came_is_delivered_and_counted_by_formula(tmp_path: Path) -> None:
    async def half(url: str, target: Path, max_bytes: int) -> Download | DownloadFailed:
        return DownloadFailed("gone") if url.endswith("0.png") else await plain_fetch(url, target, max_bytes)

    _, answer = run(Gateway(count=2), tmp_path, fetch=half, call=make_call(order=make_order(n=2)))
    assert isinstance(answer, Produced)
    assert [image.name for image in answer.answer.images] == ["1.png"]
    assert (answer.answer.usage, answer.answer.usage_source) == (None, UsageSource.estimated)


def test_references_travel_as_links_and_a_repeat_after_a_crash_sends_the_same(tmp_path: Path) -> None:
    first, mask = tmp_path / "a.png", tmp_path / "mask.png"
    first.write_bytes(png())
    mask.write_bytes(png())
    turns = itertools.count()

    def fresh_link(path: Path) -> str:
        return f"https://ours.example/{path.name}?exp={next(turns)}"

    async def scenario() -> tuple[Gateway, Outcome]:
        gateway = Gateway(CancelPoint(4))  # cut when the task was bought and nobody was told
        async with serve_routes(*gateway.routes()) as gateway.base:
            spool = Spool(tmp_path / "spool")
            runner = AttemptRunner("task_api", gateway.base, spool, gateway.cancel_point, link=fresh_link)
            wanted = make_call(references=(first,), mask=mask)
            assert await runner.produce_until_cancelled(wanted) is None
            return gateway, await runner.produce(msgspec.structs.replace(wanted, ref=runner.saved_refs[-1]))

    gateway, answer = asyncio.run(scenario())
    assert isinstance(answer, Produced)
    assert gateway.bodies[0]["image_urls"] == ["https://ours.example/a.png?exp=0"]
    assert gateway.bodies[0]["mask_url"] == "https://ours.example/mask.png?exp=1"
    assert gateway.bodies[1] == gateway.bodies[0]


def test_a_side_that_holds_its_answers_is_asked_again_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rests, sleep = [], asyncio.sleep

    async def recorded(delay: float) -> None:
        rests.append(delay)
        await sleep(delay)

    class Patient(Gateway):
        async def look(self, request: web.Request) -> web.Response:
            assert request.query["wait"] == "20"
            await sleep(0.2)
            return await super().look(request)

    monkeypatch.setattr(asyncio, "sleep", recorded)
    _, answer = run(Patient(looks=8), tmp_path, schedule=msgspec.structs.replace(FAST_SCHEDULE, poll_interval_s=0.2))
    assert isinstance(answer, Produced)
    assert len(rests) >= 8
    assert set(rests) == {0}
