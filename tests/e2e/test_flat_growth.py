"""Old tasks are purged, and the ledger and all totals stay as they were."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import apsw
import httpx
import pytest

from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.maintenance import purge_old, sweep
from imagegate.workers.thumbnail_worker import ThumbnailWorker
from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.e2e.test_expiry import HOUR, open_installation
from tests.support.gateway import THUMBNAILS, Gateway
from tests.support.image_files import PNG, b64

pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")
DAY = 24 * HOUR
TIMES = {
    "tasks": ("created", "started", "ended", "due", "deadline", "results_expire", "thumbnail_expires", "first_sent"),
    "holds": ("created", "closed"),
    "task_steps": ("at",),
    "attempts": ("started", "ended"),
    "assets": ("created", "expires"),
    "entries": ("created",),
    "idempotency": ("expires",),
}


def test_s5_1_kept_for_thirty_days_and_its_charge_for_ever(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_installation(tmp_path, thumbnail_days=30, sweep_s=3600) as place:
            key = {"Idempotency-Key": "once"}
            task = parse_response(await place.client.post(CREATE, json=SMALL_IMAGE, headers={**WAIT, **key}))
            upload = await place.client.post("/api/v1/files/upload/base64", json={"base64": b64(PNG)})
            file = upload.json()["data"]
            balance, charges = await place.user(), "/v1/ledger?type=charge"
            booked = parse_response(await place.client.get(charges))
            used = parse_response(await place.client.get("/v1/usage?group_by=day,model,key"))

            place.clock.now += 30 * DAY - HOUR
            await ThumbnailWorker(place.runtime).draw_due()
            await sweep(place.runtime)
            await purge_old(place.runtime)
            assert await place.task(task["id"]) == task
            assert (await place.client.get(file["file_url"])).status_code == 410
            await place.check()

            place.clock.now += 2 * HOUR
            place.runtime.wake_ups.file_check_running = True
            await sweep(place.runtime)
            await purge_old(place.runtime)
            await place.row(task["id"])  # nothing is purged while one snapshot reads a whole table
            place.runtime.wake_ups.file_check_running = False
            await purge_old(place.runtime)
            parse_error(await place.client.get(f"/v1/tasks/{task['id']}"), 404, "task_not_found")
            assert parse_response(await place.client.get("/v1/tasks"))["data"] == []
            parse_error(await place.client.get(task["results"][0]), 410, "result_expired")
            assert await place.user() == balance
            assert parse_response(await place.client.get(charges)) == booked
            days = f"from={_day(place.clock.now - 40 * DAY)}&to={_day(place.clock.now)}"
            assert (
                parse_response(await place.client.get(f"/v1/usage?group_by=day,model,key&{days}"))["data"]
                == used["data"]
            )
            assert place.blobs() == []
            await place.check()

            place.clock.now += 3 * DAY
            await purge_old(place.runtime)
            assert (await place.client.get(file["file_url"])).status_code == 404
            again = await place.client.post(CREATE, json=SMALL_IMAGE, headers={**WAIT, **key})
            assert "idempotency-replayed" not in again.headers
            assert parse_response(again)["id"] != task["id"]
            await place.check()

    asyncio.run(scenario())


def _day(moment: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment // US_PER_SECOND))


@pytest.mark.gate
def test_the_program_forgets_an_old_task_by_itself(tmp_path: Path) -> None:
    with Gateway(tmp_path, env={**THUMBNAILS, "IMAGEGATE_SWEEP_S": "0.2"}) as served:
        with served.client() as client:
            old = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
        served.stop()
        _make_older(tmp_path / "imagegate.db", 31 * DAY)
        served.start()
        with served.client() as client:
            young = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
            [row] = [row for row in parse_response(client.get("/v1/tasks"))["data"] if row["id"] == young["id"]]
            assert httpx.get(row["thumbnail_url"], timeout=60).is_success
            give_up = time.monotonic() + 30
            while client.get(f"/v1/tasks/{old['id']}").status_code != 404:
                assert time.monotonic() < give_up
                time.sleep(0.05)
            assert [row["id"] for row in parse_response(client.get("/v1/tasks"))["data"]] == [young["id"]]
            charges = parse_response(client.get("/v1/ledger?type=charge"))["data"]
            assert [line["task_id"] for line in charges] == [young["id"], old["id"]]
            path = old["results"][0].partition("/files/")[2]
            parse_error(httpx.get(f"{served.url}/files/{path}", timeout=60), 410, "result_expired")
        served.check()
        served.run("check", "--deep")
        assert sum(path.is_file() for path in (tmp_path / "blobs" / "t").rglob("*")) == 2


def _make_older(books: Path, by: int) -> None:
    """Move every time in the database into the past."""
    with apsw.Connection(str(books)) as opened:
        for table, columns in TIMES.items():
            opened.execute(f"UPDATE {table} SET " + ", ".join(f"{column} = {column} - {by}" for column in columns))
    opened.close()
