"""Sections 5.3, 5.5 and 10.2: every end that an upstream can bring about, and a cancel at every moment of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.upstreams.base import Outcome, Refused, Rejected, Unavailable, Unknown
from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.contract.scripted import HOLD, ScriptedUpstream, scripted_gateway
from tests.e2e.test_expiry import Installation, wait_until

# only building the application in the test's own process makes its framework's advice for its next version heard
pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")

CODES = TaskErrorCode
ANSWERS: dict[str, Outcome] = {
    "policy": Refused(TaskError(CODES.content_policy_violation, "Refused: violence.")),
    "parameters": Rejected(TaskError(CODES.invalid_parameters, "The upstream takes no such size.")),
    "nothing": Unavailable("no image", TaskError(CODES.generation_failed_no_content, "No image came.")),
    "throttled": Unavailable("429", TaskError(CODES.resource_exhausted, "Every route is throttled.")),
    "limit": Unavailable("402", TaskError(CODES.quota_exceeded, "The account's own limit ran out.")),
    "fault": Unavailable("died", TaskError(CODES.service_error, "The painter did not finish.")),
    "gone": Rejected(TaskError(CODES.resource_not_found, "Passed on.")),
    "unknown": Unknown("cut off"),
}
Scenario = Callable[[Installation, ScriptedUpstream], Awaitable[None]]


def run_scenario(data: Path, scenario: Scenario) -> None:
    async def whole() -> None:
        async with scripted_gateway(data, ANSWERS) as (place, upstream):
            await scenario(place, upstream)
            await place.check()

    asyncio.run(whole())


async def create_and_wait(place: Installation, prompt: str, **fields: Any) -> Any:
    return parse_response(
        await place.client.post(CREATE, json={**SMALL_IMAGE, "prompt": prompt, **fields}, headers=WAIT)
    )


def assert_fails(data: Path, prompt: str, code: TaskErrorCode, reason: str | None = None) -> None:
    """It is asked once, says why, and costs nothing."""

    async def scenario(place: Installation, upstream: ScriptedUpstream) -> None:
        before = await place.user()
        task = await create_and_wait(place, prompt)
        assert (task["status"], task["error"]["code"], task["error"]["type"]) == ("failed", code, "task_error")
        assert task["error"]["message"]
        assert task["error"].get("reason") == reason
        assert await place.user() == before
        assert upstream.calls_by_prompt == {prompt: 1}

    run_scenario(data, scenario)


def test_s10_2_content_policy_violation_is_tried_nowhere_else(tmp_path: Path) -> None:
    assert_fails(tmp_path, "policy", CODES.content_policy_violation)


def test_s10_2_invalid_parameters_that_the_upstream_refuses(tmp_path: Path) -> None:
    assert_fails(tmp_path, "parameters", CODES.invalid_parameters)


def test_s10_2_generation_failed_no_content(tmp_path: Path) -> None:
    assert_fails(tmp_path, "nothing", CODES.generation_failed_no_content)


def test_s10_2_resource_exhausted(tmp_path: Path) -> None:
    assert_fails(tmp_path, "throttled", CODES.resource_exhausted)


def test_s10_2_quota_exceeded(tmp_path: Path) -> None:
    assert_fails(tmp_path, "limit", CODES.quota_exceeded)


def test_s10_2_service_error(tmp_path: Path) -> None:
    assert_fails(tmp_path, "fault", CODES.service_error)


def test_s10_2_resource_not_found(tmp_path: Path) -> None:
    assert_fails(tmp_path, "gone", CODES.resource_not_found)


def test_s10_2_unknown_error(tmp_path: Path) -> None:
    assert_fails(tmp_path, "unknown", CODES.unknown_error, "upstream_unknown")


def test_s10_2_closed_set_and_never_charged() -> None:
    """The thirteen codes; a new one would break clients that list them."""
    assert {code.value for code in CODES} == {
        "content_policy_violation",
        "invalid_parameters",
        "image_processing_error",
        "image_dimension_mismatch",
        "request_cancelled",
        "generation_failed_no_content",
        "generation_timeout",
        "resource_exhausted",
        "quota_exceeded",
        "service_unavailable",
        "service_error",
        "unknown_error",
        "resource_not_found",
    }


def test_s10_2_never_charged_whatever_the_reason(tmp_path: Path) -> None:
    async def scenario(place: Installation, _: ScriptedUpstream) -> None:
        before = await place.user()
        for prompt in ANSWERS:
            task = await create_and_wait(place, prompt)
            assert (task["usage"]["credits_used"], task["usage"]["cost"]) == (0, {"credits": 0, "usd": 0})
            assert task["billing"]["charge_status"] == "released"
        assert await place.user() == before
        lines = parse_response(await place.client.get("/v1/ledger?type=charge"))["data"]
        assert lines == []

    run_scenario(tmp_path, scenario)


async def start_held_task(place: Installation, upstream: ScriptedUpstream, prompt: str) -> Any:
    """A task whose request is with the upstream, and waits there."""
    task = parse_response(await place.client.post(CREATE, json={**SMALL_IMAGE, "prompt": prompt}))

    async def asked() -> bool:
        return upstream.calls_by_prompt[prompt] == 1

    await wait_until(asked)
    return await place.task(task["id"])


async def cancelled(place: Installation, task: Any) -> Any:
    return parse_response(await place.client.post(f"/v1/tasks/{task['id']}/cancel"))


async def wait_for_end(place: Installation, task: Any) -> Any:
    return parse_response(await place.client.get(f"/v1/tasks/{task['id']}?wait=30"))


def test_s5_5_sent_stays_processing_until_it_ends(tmp_path: Path) -> None:
    async def scenario(place: Installation, upstream: ScriptedUpstream) -> None:
        task = await start_held_task(place, upstream, HOLD + "picture")
        seen = await cancelled(place, task)
        assert (seen["status"], seen["task_info"]["can_cancel"]) == ("processing", False)
        assert (await cancelled(place, task))["status"] == "processing"
        upstream.release.set()

    run_scenario(tmp_path, scenario)


@pytest.mark.parametrize("answer", ["nothing", "throttled", "unknown"])
def test_s5_5_stopped_upstream_ends_it_cancelled_and_free(tmp_path: Path, answer: str) -> None:
    async def scenario(place: Installation, upstream: ScriptedUpstream) -> None:
        before = await place.user()
        task = await start_held_task(place, upstream, HOLD + answer)
        await cancelled(place, task)
        upstream.release.set()
        ended = await wait_for_end(place, task)
        assert (ended["status"], ended["error"]["code"]) == ("failed", "request_cancelled")
        assert await place.user() == before

    run_scenario(tmp_path, scenario)


def test_s5_5_delivered_anyway_is_completed_and_charged(tmp_path: Path) -> None:
    async def scenario(place: Installation, upstream: ScriptedUpstream) -> None:
        task = await start_held_task(place, upstream, HOLD + "picture")
        await cancelled(place, task)
        upstream.release.set()
        ended = await wait_for_end(place, task)
        assert (ended["status"], len(ended["results"]), ended["billing"]["charge_status"]) == (
            "completed",
            1,
            "charged",
        )

    run_scenario(tmp_path, scenario)


def test_s5_5_can_cancel_is_true_until_something_is_sent(tmp_path: Path) -> None:
    async def scenario(place: Installation, upstream: ScriptedUpstream) -> None:
        created = parse_response(await place.client.post(CREATE, json={**SMALL_IMAGE, "prompt": HOLD}))
        assert created["task_info"]["can_cancel"] is True
        sent = await start_held_task(place, upstream, HOLD + "picture")
        assert sent["task_info"]["can_cancel"] is False
        upstream.release.set()
        assert (await wait_for_end(place, sent))["task_info"] == {"can_cancel": False}

    run_scenario(tmp_path, scenario)


def test_s10_1_task_not_cancellable_once_it_ended_otherwise(tmp_path: Path) -> None:
    async def scenario(place: Installation, _: ScriptedUpstream) -> None:
        for prompt in ("picture", "policy"):
            task = await create_and_wait(place, prompt)
            refused = await place.client.post(f"/v1/tasks/{task['id']}/cancel")
            assert parse_error(refused, 409, "task_not_cancellable")["type"] == "invalid_request_error"
            assert await place.task(task["id"]) == task

    run_scenario(tmp_path, scenario)


def test_s5_3_status_filters_what_has_begun(tmp_path: Path) -> None:
    """`processing` means both unfinished states, `failed` leaves the cancelled out."""

    async def scenario(place: Installation, upstream: ScriptedUpstream) -> None:
        done, failed = await create_and_wait(place, "picture"), await create_and_wait(place, "policy")
        running = await start_held_task(place, upstream, HOLD + "picture")
        ids = {"completed": done["id"], "failed": failed["id"], "processing": running["id"]}
        for status, name in ids.items():
            found = parse_response(await place.client.get(f"/v1/tasks?status={status}"))["data"]
            assert [row["id"] for row in found] == [name], status
        upstream.release.set()

    run_scenario(tmp_path, scenario)


def test_s5_1_billing_words_of_a_charged_task(tmp_path: Path) -> None:
    async def scenario(place: Installation, upstream: ScriptedUpstream) -> None:
        running = await start_held_task(place, upstream, HOLD + "picture")
        assert (running["billing"]["charge_status"], running["billing"]["refund_status"]) == (
            "reserved",
            "not_required",
        )
        upstream.release.set()
        billing = (await wait_for_end(place, running))["billing"]
        assert (billing["charge_status"], billing["refund_status"]) == ("charged", "not_required")
        assert (billing["refunded_credits"], billing["refunded_at"]) == (0, None)

    run_scenario(tmp_path, scenario)
