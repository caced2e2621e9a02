"""Thumbnails are drawn after their task, outlive their results, and never fail or hold up a task."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from imagegate.domain.time import US_PER_SECOND
from imagegate.domain.usage import UsageSource
from imagegate.flows import thumbnails as flow
from imagegate.flows.execution.run import execute
from imagegate.flows.execution.state import Lease
from imagegate.flows.maintenance import delete_orphan_blobs, sweep
from imagegate.images.jobs import thumbnail
from imagegate.images.jobs.limit_probes import ProbeReport, ProbeRequest
from imagegate.spool import SpooledImage, SpooledResponse, fsync_and_hash
from imagegate.store import attempts, thumbnails
from imagegate.workers.thumbnail_worker import IDLE_S, ThumbnailWorker
from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.e2e.test_expiry import HOUR, Installation, open_installation
from tests.store.helpers import LEASE_US, ROUTE, claim_tasks, new_attempt
from tests.support.gateway import THUMBNAILS, Gateway

pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")
DAY = 24 * HOUR
GATEWAY_ENV = THUMBNAILS
PROBES = "imagegate.images.jobs.limit_probes"


async def listed(place: Installation, task_id: str, query: str = "") -> dict[str, Any]:
    rows = parse_response(await place.client.get(f"/v1/tasks?{query}"))["data"]
    return next(row for row in rows if row["id"] == task_id)


async def links(place: Installation, task_id: str) -> list[str]:
    shown = parse_response(await place.client.get(f"/v1/tasks/{task_id}?include=outputs"))
    return [one.get("thumbnail_url", "") for one in shown["result_data"]]


async def create(place: Installation, **fields: Any) -> Any:
    return parse_response(await place.client.post(CREATE, json={**SMALL_IMAGE, **fields}, headers=WAIT))


def stored_thumbnails(place: Installation) -> list[Path]:
    return [path for path in place.blobs() if path.suffix == ".webp"]


def count_drawings(place: Installation) -> list[str]:
    """The jobs that the thumbnail processes are given from now on."""
    jobs: list[str] = []
    run = place.runtime.thumbnail_pool.run

    async def counted(job: str, *args: Any, **limits: Any) -> Any:
        jobs.append(job)
        return await run(job, *args, **limits)

    place.runtime.thumbnail_pool.run = counted  # type: ignore[method-assign]
    return jobs


def test_a_thumbnail_outlives_its_result_and_ends_after_thirty_days(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_installation(tmp_path, thumbnail_days=30, sweep_s=3600) as place:
            task = await create(place, size="1600x1024", n=2)
            assert "thumb" not in str(task), "the task object has no new word"
            link = (await listed(place, task["id"]))["thumbnail_url"]
            assert (await listed(place, task["id"], "cursor="))["thumbnail_url"] == link
            first, second = await links(place, task["id"])
            assert first == link
            assert f"/{task['id']}/1.thumb.webp?" in second
            assert stored_thumbnails(place) == [], "nothing was drawn for a task that nobody has looked at"

            place.clock.now = task["results_expire_at"] * US_PER_SECOND
            await sweep(place.runtime)
            parse_error(await place.client.get(task["results"][0]), 410, "result_expired")
            assert len(place.blobs()) == 2, "but the bytes stay until their thumbnails exist"
            await place.check()
            fetched = await place.client.get(link)
            assert (fetched.status_code, fetched.headers["content-type"]) == (200, "image/webp")
            assert fetched.headers["content-disposition"] == f'inline; filename="{task["id"]}_0.thumb.webp"'
            assert (await place.client.head(link)).headers["content-length"] == str(len(fetched.content))
            with Image.open(io.BytesIO(fetched.content)) as image:
                assert (image.format, image.size) == ("WEBP", (512, 328))
            await ThumbnailWorker(place.runtime).draw_due()
            await sweep(place.runtime)
            kept = {path.read_bytes() for path in place.blobs()}
            assert kept == {fetched.content, (await place.client.get(second)).content}
            for other in (link.replace("/0.", "/1."), link.replace("0.thumb.webp", "0.webp")):
                parse_error(await place.client.get(other), 403, "invalid_signature")
            await place.check()

            end = int(link.partition("exp=")[2].partition("&")[0]) * US_PER_SECOND
            assert 0 <= place.clock.now + 29 * DAY - end < US_PER_SECOND
            place.clock.now = end
            parse_error(await place.client.get(link), 410, "result_expired")
            assert "thumbnail_url" not in await listed(place, task["id"])
            await sweep(place.runtime)
            assert place.blobs() == []
            await place.check()

    asyncio.run(scenario())


@pytest.mark.gate
def test_looks_at_the_same_thumbnail_share_one_drawing(tmp_path: Path) -> None:
    """Those of two processes, which do not know of each other's drawings, leave one thumbnail."""

    async def scenario() -> None:
        async with open_installation(tmp_path, thumbnail_days=30, sweep_s=3600) as place:
            task = await create(place)
            [link] = await links(place, task["id"])
            jobs = count_drawings(place)
            looks = await asyncio.gather(*(place.client.get(link) for _ in range(5)))
            assert {(one.status_code, one.content) for one in looks} == {(200, looks[0].content)}
            assert len(jobs) == len(stored_thumbnails(place)) == 1

            undrawn = await place.runtime.db.read(thumbnails.find_undrawn, (await create(place))["id"], 0)
            assert undrawn is not None
            await asyncio.gather(flow._draw(place.runtime, undrawn), flow._draw(place.runtime, undrawn))
            assert (len(jobs), len(stored_thumbnails(place))) == (3, 2)
            await place.check()

    asyncio.run(scenario())


def test_a_look_that_cannot_be_served_in_time_is_told_when_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many looks of one account, then too long a drawing, which goes on for the next look."""

    async def scenario() -> None:
        async with open_installation(tmp_path, thumbnail_days=30, sweep_s=3600) as place:
            task = await create(place)
            [link] = await links(place, task["id"])
            monkeypatch.setattr(flow, "MAX_LOOKS_PER_ACCOUNT", 0)
            refused = await place.client.get(link)
            assert parse_error(refused, 503, "service_unavailable")["reason"] == "thumbnail_not_ready"
            assert refused.headers["retry-after"] == "2"
            monkeypatch.undo()
            monkeypatch.setattr(flow, "LOOK_TIMEOUT_S", 0)
            parse_error(await place.client.get(link), 503, "service_unavailable")
            monkeypatch.undo()
            jobs = count_drawings(place)
            assert (await place.client.get(link)).status_code == 200
            assert len(jobs) == 0, "it waited for the drawing that the look before had begun"
            await place.check()

    asyncio.run(scenario())


def test_an_account_with_many_looks_leaves_the_others_their_turn(tmp_path: Path) -> None:
    """One image process: after the drawing under way the other account is next, not last."""

    async def scenario() -> None:
        async with open_installation(tmp_path, thumbnail_days=30, sweep_s=3600, max_image_processes=1) as place:
            order: list[str] = []

            async def look(account: str) -> None:
                async with place.runtime.thumbnail_slots.slot(account):
                    await place.runtime.thumbnail_pool.run(
                        f"{PROBES}:sleep", ProbeRequest(0.02), ProbeReport, cpu_s=5, wall_s=30
                    )
                order.append(account)

            await asyncio.gather(*(look("many") for _ in range(6)), look("one"))
            assert order.index("one") <= 2

    asyncio.run(scenario())


@pytest.mark.gate
def test_what_cannot_be_drawn_is_known_and_waited_for_by_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image process refuses, has no such job, or dies at its limits: the image is delivered and deleted in time."""

    async def scenario() -> None:
        async with open_installation(tmp_path, thumbnail_days=30, sweep_s=3600) as place:
            for job, pauses_s in (
                (f"{PROBES}:raise_error", ()),
                ("imagegate.images.jobs:none", ()),
                (f"{PROBES}:exit_process", (61, 241, 961)),
            ):
                monkeypatch.setattr(thumbnail, "JOB", job)
                task = await create(place)
                assert (task["status"], task["billing"]["charge_status"]) == ("completed", "charged")
                [link] = await links(place, task["id"])
                jobs = count_drawings(place)
                for pause_s in pauses_s:
                    for _ in range(2):
                        shown = await place.client.get(link)
                        assert parse_error(shown, 503, "service_unavailable")["reason"] == "thumbnail_not_ready"
                        assert shown.headers["retry-after"] == str(pause_s)
                    place.clock.now += pause_s * US_PER_SECOND
                shown = await place.client.get(link)
                assert parse_error(shown, 404, "not_found")["reason"] == "thumbnail_failed"
                assert len(jobs) == len(pauses_s) + 1, "a failed one is left alone for a while"
                assert (await place.client.get(task["results"][0])).status_code == 200
            place.clock.now += 25 * HOUR
            await sweep(place.runtime)
            assert place.blobs() == []
            await place.check()

    asyncio.run(scenario())


def test_the_background_draws_while_idle_and_what_is_about_to_be_deleted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_installation(tmp_path, thumbnail_days=30, sweep_s=3600) as place:
            worker, wake_ups = ThumbnailWorker(place.runtime), place.runtime.wake_ups
            task = await create(place)
            await worker.draw_due()
            assert stored_thumbnails(place) == [], "a task has just ended: more may come"

            wake_ups.last_ended -= IDLE_S
            await worker.draw_due()
            [drawn] = stored_thumbnails(place)
            [link] = await links(place, task["id"])
            jobs = count_drawings(place)
            assert (await place.client.get(link)).content == drawn.read_bytes()
            assert jobs == []

            await create(place)
            place.clock.now += 19 * HOUR
            await worker.draw_due()
            assert len(stored_thumbnails(place)) == 2, "in its last six hours it is drawn however busy the gateway is"
            await place.check()

            await create(place)
            place.clock.now += 19 * HOUR
            wake_ups.drain_requested.set()
            await worker.draw_due()
            assert len(stored_thumbnails(place)) == 2, "a process that is about to end begins nothing"

    asyncio.run(scenario())


def test_thumbnails_that_are_off_leave_nothing_to_be_drawn(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_installation(tmp_path, sweep_s=3600) as place:
            task = await create(place)
            assert await links(place, task["id"]) == [""]
            assert "thumbnail_url" not in await listed(place, task["id"])
            place.clock.now += 25 * HOUR
            await sweep(place.runtime)
            assert place.blobs() == []
            await place.check()

    asyncio.run(scenario())


def test_a_thumbnail_that_would_have_expired_is_not_drawn(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_installation(tmp_path, thumbnail_days=1, sweep_s=3600) as place:
            await create(place)
            place.clock.now += 25 * HOUR
            await ThumbnailWorker(place.runtime).draw_due()
            await sweep(place.runtime)
            assert place.blobs() == []
            await place.check()

    asyncio.run(scenario())


def test_an_image_too_large_to_decode_is_delivered_without_a_thumbnail(tmp_path: Path) -> None:
    """A response in the spool, as an upstream may have left it: the next claim settles it."""

    async def scenario() -> None:
        async with open_installation(tmp_path, thumbnail_days=30, sweep_s=3600, workers=0) as place:
            task = parse_response(await place.client.post(CREATE, json=SMALL_IMAGE))
            runtime, row = place.runtime, await place.row(task["id"])
            (claimed,) = await runtime.db.write(claim_tasks, row.account_id, runtime.boot_id, LEASE_US, 1)
            attempt = new_attempt(claimed)
            await runtime.db.write(attempts.begin_attempt, row.account_id, attempt, runtime.boot_id, ROUTE)
            path = runtime.spool.path(attempt.id, "0.png")
            Image.new("1", (8200, 8200)).save(path)
            size, digest = fsync_and_hash(path)
            image = SpooledImage("0.png", "image/png", 8200, 8200, size, digest)
            await runtime.spool.save_response(attempt.id, SpooledResponse((image,), None, UsageSource.upstream))
            await execute(runtime, claimed, Lease(60))
            done = await place.task(task["id"])
            assert done["status"] == "completed"
            assert (await place.client.get(done["results"][0])).status_code == 200
            assert "thumbnail_url" not in await listed(place, task["id"])
            await place.check()

    asyncio.run(scenario())


@pytest.mark.gate
def test_a_thumbnail_published_without_its_commit_is_collected_after_a_day(tmp_path: Path) -> None:
    """What a process leaves that dies between the two: an orphan blob under a key that no repeat uses."""

    async def scenario() -> None:
        async with open_installation(tmp_path, thumbnail_days=30, sweep_s=3600) as place:
            task = await create(place)
            [link] = await links(place, task["id"])
            await place.client.get(link)
            kept = place.blobs()
            [small] = stored_thumbnails(place)
            orphan = small.with_name(f"ast_{'0' * 32}.webp")
            orphan.write_bytes(small.read_bytes())
            for path in (orphan, small):
                os.utime(path, (time.time() - 25 * 3600,) * 2)
            await delete_orphan_blobs(place.runtime)
            assert sorted(place.blobs()) == sorted(kept)
            await place.check()

    asyncio.run(scenario())


def test_the_program_shows_thumbnails_and_takes_one_as_a_reference(gateway: Gateway) -> None:
    with gateway.client() as client:
        task = parse_response(client.post(CREATE, json={**SMALL_IMAGE, "output_format": "jpeg"}, headers=WAIT))
        link = parse_response(client.get("/v1/tasks"))["data"][0]["thumbnail_url"]
        stranger = httpx.Client(
            base_url=gateway.url, headers={"Authorization": f"Bearer {gateway.new_key('other')}"}, timeout=60
        )
        with stranger:
            foreign = stranger.post(CREATE, json={**SMALL_IMAGE, "image_urls": [link]})
        parse_error(foreign, 400, "invalid_request", "image_urls[0]")
        again = parse_response(client.post(CREATE, json={**SMALL_IMAGE, "image_urls": [link]}, headers=WAIT))
        assert again["status"] == "completed", "as a reference it is drawn as well"
        assert httpx.get(link, timeout=60).content[:4] == b"RIFF"
        assert task["id"] in link
    gateway.check()
    gateway.run("check", "--deep")


@pytest.mark.gate
@pytest.mark.fault("F1")
def test_f1_killed_with_a_thumbnail_published_and_not_recorded_it_is_drawn_again(tmp_path: Path) -> None:
    with Gateway(tmp_path, env={**THUMBNAILS, "IMAGEGATE_CRASH": "thumbnail.published"}) as served:
        with served.client() as client:
            client.post(CREATE, json=SMALL_IMAGE, headers=WAIT)
            link = parse_response(client.get("/v1/tasks"))["data"][0]["thumbnail_url"]
            with pytest.raises(httpx.TransportError):
                client.get(link)
        assert served.wait_for_exit() == -signal.SIGKILL
        del served.env["IMAGEGATE_CRASH"]
        served.start()
        again = httpx.get(f"{served.url}/files/{link.partition('/files/')[2]}", timeout=60)
        assert (again.status_code, again.content[:4]) == (200, b"RIFF")
        served.check()
        served.run("check", "--deep")


@pytest.mark.gate
def test_killed_at_any_moment_around_a_settlement_nothing_is_lost(tmp_path: Path) -> None:
    served = Gateway(tmp_path, env={**THUMBNAILS, "IMAGEGATE_MAX_CRASHES": "10"})
    with served:
        ids = []
        for number in range(6):
            with served.client() as client:
                ids.append(parse_response(client.post(CREATE, json={**SMALL_IMAGE, "prompt": str(number)}))["id"])
            time.sleep(0.12 * number)
            served.kill()
            served.start()
        with served.client() as client:
            for task_id in ids:
                assert parse_response(client.get(f"/v1/tasks/{task_id}?wait=60"))["status"] == "completed"
            rows = parse_response(client.get("/v1/tasks"))["data"]
            assert all(
                httpx.get(f"{served.url}/files/{row['thumbnail_url'].partition('/files/')[2]}", timeout=60).is_success
                for row in rows
            )
        served.check()
        served.run("check", "--deep")
