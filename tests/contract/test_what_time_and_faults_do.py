"""Rules that a wall clock or a healthy gateway never shows: 24, 48 and 72 hours, silence, and faults of ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from imagegate import concurrency
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.maintenance import sweep
from imagegate.store.transaction import Tx
from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.contract.scripted import HOLD, ScriptedUpstream, scripted_gateway
from tests.e2e.test_expiry import HOUR, Installation, wait_until
from tests.support.image_files import PNG, b64

# only building the application in the test's own process makes its framework's advice for its next version heard
pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")

Scenario = Callable[[Installation, ScriptedUpstream], Awaitable[None]]


def run_scenario(data: Path, scenario: Scenario, **work: Any) -> None:
    async def whole() -> None:
        async with scripted_gateway(data, {}, **{"sweep_s": 3600, **work}) as (place, upstream):
            await scenario(place, upstream)

    asyncio.run(whole())


async def create_task(place: Installation, prompt: str = "picture", **headers: str) -> httpx.Response:
    return await place.client.post(CREATE, json={**SMALL_IMAGE, "prompt": prompt}, headers=headers)


def test_s2_2_kept_for_48_hours_from_the_first_use(tmp_path: Path) -> None:
    async def scenario(place: Installation, _: ScriptedUpstream) -> None:
        once = {"Idempotency-Key": "once", **WAIT}
        first = parse_response(await create_task(place, **once))
        place.clock.now += 48 * HOUR - 1
        again = await create_task(place, **once)
        assert (parse_response(again)["id"], again.headers["idempotency-replayed"]) == (first["id"], "true")
        place.clock.now += 1
        fresh = await create_task(place, **once)
        assert parse_response(fresh)["id"] != first["id"]
        assert "idempotency-replayed" not in fresh.headers

    run_scenario(tmp_path, scenario)


def test_s6_exp_is_24_hours_after_the_end_and_reading_adds_nothing(tmp_path: Path) -> None:
    async def scenario(place: Installation, _: ScriptedUpstream) -> None:
        task = parse_response(await create_task(place, **WAIT))
        [link], end = task["results"], task["results_expire_at"]
        assert f"?exp={end}&" in link
        assert end == place.clock.now // US_PER_SECOND + 24 * 3600
        for _hour in range(23):
            place.clock.now += HOUR
            assert (await place.client.get(link)).status_code == 200
        assert (await place.task(task["id"]))["results"] == [link]
        place.clock.now = end * US_PER_SECOND
        assert (await place.client.get(link)).status_code == 410

    run_scenario(tmp_path, scenario)


def test_s6_expired_is_410_for_get_and_head(tmp_path: Path) -> None:
    async def scenario(place: Installation, _: ScriptedUpstream) -> None:
        [link] = parse_response(await create_task(place, **WAIT))["results"]
        place.clock.now += 24 * HOUR
        assert parse_error(await place.client.get(link), 410, "result_expired")["type"] == "invalid_request_error"
        assert (await place.client.head(link)).status_code == 410
        parse_error(await place.client.get(link[:-1]), 403, "invalid_signature")

    run_scenario(tmp_path, scenario)


def test_s6_deleted_bytes_are_410_before_their_hour_too(tmp_path: Path) -> None:
    async def scenario(place: Installation, _: ScriptedUpstream) -> None:
        task = parse_response(await create_task(place, **WAIT))
        await place.runtime.db.write(_delete_early)
        parse_error(await place.client.get(task["results"][0]), 410, "result_expired")

    run_scenario(tmp_path, scenario)


def _delete_early(tx: Tx) -> None:
    tx.execute("UPDATE assets SET deleted = :now")


def test_s10_1_result_expired_is_410_after_the_sweep(tmp_path: Path) -> None:
    async def scenario(place: Installation, _: ScriptedUpstream) -> None:
        [link] = parse_response(await create_task(place, **WAIT))["results"]
        place.clock.now += 24 * HOUR
        await sweep(place.runtime)
        assert place.blobs() == []
        parse_error(await place.client.get(link), 410, "result_expired")

    run_scenario(tmp_path, scenario)


def test_s8_life_is_72_hours(tmp_path: Path) -> None:
    async def scenario(place: Installation, _: ScriptedUpstream) -> None:
        sent = await place.client.post("/api/v1/files/upload/base64", json={"base64": b64(PNG)})
        file = parse_response(sent)["data"]
        links = (file["file_url"], file["download_url"])
        place.clock.now += 72 * HOUR - US_PER_SECOND  # the end is told in whole seconds
        assert [(await place.client.get(link)).status_code for link in links] == [200, 200]
        place.clock.now += US_PER_SECOND
        assert [(await place.client.get(link)).status_code for link in links] == [410, 410]

    run_scenario(tmp_path, scenario)


def test_s7_rotation_ends_after_24_hours(tmp_path: Path) -> None:
    async def scenario(place: Installation, _: ScriptedUpstream) -> None:
        rotated = parse_response(await place.client.post("/v1/webhooks/secret/rotate"))
        place.clock.now += 24 * HOUR - US_PER_SECOND
        assert parse_response(await place.client.get("/v1/webhooks/secret")) == rotated
        place.clock.now += US_PER_SECOND
        alone = parse_response(await place.client.get("/v1/webhooks/secret"))
        assert (alone["secret"], alone["previous"]) == (rotated["secret"], None)

    run_scenario(tmp_path, scenario, workers=0)


def test_s10_2_generation_timeout_at_the_deadline(tmp_path: Path) -> None:
    async def scenario(place: Installation, _: ScriptedUpstream) -> None:
        task = parse_response(await create_task(place))
        place.clock.now += HOUR
        await sweep(place.runtime)
        failed = await place.task(task["id"])
        assert (failed["status"], failed["error"]["code"]) == ("failed", "generation_timeout")

    run_scenario(tmp_path, scenario, workers=0)


def test_s5_6_ping_breaks_the_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert concurrency.HEARTBEAT_S == 15
    monkeypatch.setattr(concurrency, "HEARTBEAT_S", 0.05)

    async def scenario(place: Installation, upstream: ScriptedUpstream) -> None:
        task = parse_response(await create_task(place, HOLD))
        stream = asyncio.create_task(place.client.get(f"/v1/tasks/{task['id']}/events"))
        await asyncio.sleep(0.5)
        upstream.release.set()
        text = (await stream).text
        assert "\n\n: ping\n\n: ping\n\n" in text
        assert text.rindex("event: task") > text.rindex(": ping"), "it closes with the terminal event"

    run_scenario(tmp_path, scenario)


def test_s5_1_settled_first_and_seen_afterwards(tmp_path: Path) -> None:
    """Whoever sees `completed` finds the bytes stored, the hold gone and the charge booked."""

    async def scenario(place: Installation, upstream: ScriptedUpstream) -> None:
        task = parse_response(await create_task(place, HOLD))
        waiting = asyncio.create_task(place.client.get(f"/v1/tasks/{task['id']}?wait=30"))
        await wait_until(lambda: _asked(upstream))
        assert (await place.user())["used_credits"] == 0
        upstream.release.set()
        done = parse_response(await waiting)
        assert done["status"] == "completed"
        user = await place.user()
        assert (user["reserved_credits"], user["used_credits"]) == (0, done["usage"]["credits_used"])
        assert (await place.client.get(done["results"][0])).content == place.blobs()[0].read_bytes()
        await place.check()

    run_scenario(tmp_path, scenario)


async def _asked(upstream: ScriptedUpstream) -> bool:
    return bool(upstream.calls_by_prompt)


def _spoil_task(tx: Tx) -> None:
    tx.execute("UPDATE tasks SET order_body = '[]'")


def _spoil_file(tx: Tx) -> None:
    tx.execute("UPDATE files SET created = 9000000000000000000")


def test_s10_1_internal_error_says_nothing_of_its_cause(tmp_path: Path) -> None:
    async def scenario(place: Installation, _: ScriptedUpstream) -> None:
        task = parse_response(await create_task(place))
        await place.runtime.db.write(_spoil_task)
        error = parse_error(await place.client.get(f"/v1/tasks/{task['id']}"), 500, "internal_error")
        assert (error["message"], error["type"]) == ("Internal server error", "api_error")

    run_scenario(tmp_path, scenario, workers=0)


def test_s8_500_is_in_the_envelope(tmp_path: Path) -> None:
    async def scenario(place: Installation, _: ScriptedUpstream) -> None:
        parse_response(await place.client.post("/api/v1/files/upload/base64", json={"base64": b64(PNG)}))
        await place.runtime.db.write(_spoil_file)
        answer = await place.client.get("/api/v1/files/list")
        assert answer.status_code == 500
        told_of = json.loads(answer.text)
        assert (told_of["success"], told_of["code"], told_of["msg"]) == (False, 500, "Internal server error")
        assert told_of["request_id"] == answer.headers["x-request-id"]

    run_scenario(tmp_path, scenario, workers=0)
