"""Thumbnails outlive their results, and a missing thumbnail never fails a task."""

from __future__ import annotations

import asyncio
import io
import os
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from imagegate.domain.time import US_PER_SECOND
from imagegate.domain.usage import UsageSource
from imagegate.flows.execution.run import execute
from imagegate.flows.execution.state import Lease
from imagegate.flows.maintenance import delete_orphan_blobs, sweep
from imagegate.images.jobs import thumbnail
from imagegate.spool import SpooledImage, SpooledResponse, fsync_and_hash
from imagegate.store import attempts
from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.e2e.test_expiry import HOUR, Installation, open_installation
from tests.store.helpers import LEASE_US, ROUTE, claim_tasks, new_attempt
from tests.support.gateway import THUMBNAILS, Gateway

pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")
DAY = 24 * HOUR
GATEWAY_ENV = THUMBNAILS


async def listed(place: Installation, task_id: str, query: str = "") -> dict[str, Any]:
    rows = parse_response(await place.client.get(f"/v1/tasks?{query}"))["data"]
    return next(row for row in rows if row["id"] == task_id)


def test_a_thumbnail_outlives_its_result_and_ends_after_thirty_days(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_installation(tmp_path, thumbnail_days=30, sweep_s=3600) as place:
            order = {**SMALL_IMAGE, "size": "1600x1024", "n": 2}
            task = parse_response(await place.client.post(CREATE, json=order, headers=WAIT))
            assert "thumb" not in str(task), "the task object has no new word"
            link = (await listed(place, task["id"]))["thumbnail_url"]
            assert (await listed(place, task["id"], "cursor="))["thumbnail_url"] == link
            first, second = parse_response(await place.client.get(f"/v1/tasks/{task['id']}?include=outputs"))[
                "result_data"
            ]
            assert (first["thumbnail_url"], second.get("thumbnail_url")) == (link, None)

            place.clock.now = task["results_expire_at"] * US_PER_SECOND
            await sweep(place.runtime)
            parse_error(await place.client.get(task["results"][0]), 410, "result_expired")
            fetched = await place.client.get(link)
            assert (fetched.status_code, fetched.headers["content-type"]) == (200, "image/webp")
            assert fetched.headers["content-disposition"] == f'inline; filename="{task["id"]}_0.thumb.webp"'
            assert (await place.client.head(link)).headers["content-length"] == str(len(fetched.content))
            with Image.open(io.BytesIO(fetched.content)) as image:
                assert (image.format, image.size) == ("WEBP", (1024, 655))
            assert [path.read_bytes() for path in place.blobs()] == [fetched.content]
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


def test_a_task_without_a_thumbnail_settles_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image process refuses, dies at its limits, or has no such job: the image is delivered and charged."""

    async def scenario() -> None:
        async with open_installation(tmp_path, thumbnail_days=30, sweep_s=3600) as place:
            for job in (
                "imagegate.images.jobs.limit_probes:raise_error",
                "imagegate.images.jobs.limit_probes:exit_process",
                "imagegate.images.jobs:none",
            ):
                monkeypatch.setattr(thumbnail, "JOB", job)
                task = parse_response(await place.client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
                assert (task["status"], task["billing"]["charge_status"]) == ("completed", "charged")
                assert "thumbnail_url" not in await listed(place, task["id"])
                assert (await place.client.get(task["results"][0])).status_code == 200
            assert len(place.blobs()) == 3
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


def test_a_thumbnail_published_without_its_commit_is_collected_after_a_day(tmp_path: Path) -> None:
    """What a process leaves that dies between the two: an orphan blob under a key that no repeat uses."""

    async def scenario() -> None:
        async with open_installation(tmp_path, thumbnail_days=30, sweep_s=3600) as place:
            await place.client.post(CREATE, json=SMALL_IMAGE, headers=WAIT)
            kept = place.blobs()
            [small] = [path for path in kept if path.suffix == ".webp"]
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
        assert httpx.get(link, timeout=60).content[:4] == b"RIFF"
        again = parse_response(client.post(CREATE, json={**SMALL_IMAGE, "image_urls": [link]}, headers=WAIT))
        assert again["status"] == "completed"
        stranger = httpx.Client(
            base_url=gateway.url, headers={"Authorization": f"Bearer {gateway.new_key('other')}"}, timeout=60
        )
        with stranger:
            foreign = stranger.post(CREATE, json={**SMALL_IMAGE, "image_urls": [link]})
        parse_error(foreign, 400, "invalid_request", "image_urls[0]")
        assert task["id"] in link
    gateway.check()
    gateway.run("check", "--deep")


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
