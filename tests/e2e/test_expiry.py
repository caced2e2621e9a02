"""What time does, on a clock that the test turns: links end after 24 h, deadlines pass, leases are renewed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.types import ASGIApp

from imagegate.app import build_app, open_runtime
from imagegate.disk import fsync
from imagegate.domain.tasks import Task
from imagegate.domain.time import US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND
from imagegate.flows.blob_audit import audit_blobs
from imagegate.flows.demo import ensure_demo_key
from imagegate.flows.execution.settlement import fail_task
from imagegate.flows.maintenance import delete_orphan_blobs, reclaim_lost_tasks, sweep
from imagegate.runtime import Runtime
from imagegate.settings import Settings, Storage, Work
from imagegate.store import tasks
from imagegate.store.dialect import Row, wall_clock
from imagegate.store.invariants import find_violations
from imagegate.store.transaction import Tx
from imagegate.workers.task_worker import SERVICE_ERROR
from tests.api.helpers import CREATE, WAIT, parse_error, parse_response
from tests.store.helpers import claim_tasks

# only building the application in the test's own process makes its framework's advice for its next version heard
pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")

SMALL = {"prompt": "a logo", "size": "1024x640", "quality": "low", "output_format": "jpeg"}
LARGE = {"prompt": "a lighthouse", "size": "2560x1440", "quality": "high", "output_format": "jpeg"}
HOUR = US_PER_HOUR
END_S = 30.0


class ManualClock:
    """UTC microseconds that pass only when the test sets them."""

    def __init__(self) -> None:
        self.now = wall_clock()

    def __call__(self) -> int:
        return self.now


class Installation:
    """A gateway in this process: its parts, its clock and a customer."""

    def __init__(self, runtime: Runtime, clock: ManualClock, client: httpx.AsyncClient) -> None:
        self.runtime = runtime
        self.clock = clock
        self.client = client

    async def task(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = parse_response(await self.client.get(f"/v1/tasks/{task_id}"))
        return found

    async def row(self, task_id: str) -> Task:
        found = await self.runtime.db.read(
            lambda tx: tasks.find_task(tx, str(tasks.find_task_account(tx, task_id)), task_id)
        )
        assert found is not None
        return found

    async def user(self) -> dict[str, Any]:
        user: dict[str, Any] = parse_response(await self.client.get("/v1/credits"))["data"]["user"]
        return user

    def blobs(self) -> list[Path]:
        return [path for path in (self.runtime.settings.data_dir / "blobs" / "t").rglob("*") if path.is_file()]

    async def check(self) -> None:
        assert await self.runtime.db.snapshot(find_violations, 0) == []
        assert await audit_blobs(self.runtime.db, self.runtime.blobs) == []


@contextlib.asynccontextmanager
async def open_installation(
    data: Path, thumbnail_days: int = 0, task_days: int = 30, **work: Any
) -> AsyncIterator[Installation]:
    clock = ManualClock()
    quick = Work(**{"sweep_s": 0.05, "poll_s": 0.05, "workers": 2, **work})
    storage = Storage(data=str(data), thumbnail_days=thumbnail_days, task_days=task_days)
    runtime = await open_runtime(Settings(storage=storage, work=quick), clock)
    try:
        app = build_app(runtime)
        headers = {"Authorization": f"Bearer {await ensure_demo_key(runtime)}"}
        wire = httpx.ASGITransport(app=_as_asgi(app))
        async with (
            lifespan(app),
            httpx.AsyncClient(transport=wire, base_url="http://127.0.0.1", headers=headers, timeout=60) as client,
        ):
            yield Installation(runtime, clock, client)
    finally:
        await runtime.close()


def _as_asgi(app: Any) -> Any:
    """Both libraries mean the same interface by different types."""
    return app


@contextlib.asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncIterator[None]:
    """Start the application and stop it, as a server does."""
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    outgoing: asyncio.Queue[Any] = asyncio.Queue()
    scope: Any = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    running = asyncio.ensure_future(app(scope, incoming.get, outgoing.put))
    await incoming.put({"type": "lifespan.startup"})
    assert (await asyncio.wait_for(outgoing.get(), END_S))["type"] == "lifespan.startup.complete"
    try:
        yield
    finally:
        await incoming.put({"type": "lifespan.shutdown"})
        assert (await asyncio.wait_for(outgoing.get(), END_S))["type"] == "lifespan.shutdown.complete"
        await running


async def wait_until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(END_S):
        while not await holds():
            await asyncio.sleep(0.02)


def asset_rows(tx: Tx) -> list[Row]:
    return tx.fetch_all("SELECT task_id, expires, deleted FROM assets")


def test_p10_a_result_link_works_for_24_hours_and_then_stops(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_installation(tmp_path) as place:
            before = place.clock.now
            task = parse_response(await place.client.post(CREATE, json=SMALL, headers=WAIT))
            assert task["status"] == "completed"
            [link] = task["results"]
            end = task["results_expire_at"] * US_PER_SECOND
            assert 0 <= before + 24 * HOUR - end < US_PER_SECOND

            place.clock.now = end - US_PER_SECOND
            await sweep(place.runtime)
            fetched = await place.client.get(link)
            assert (fetched.status_code, fetched.content[:3]) == (200, b"\xff\xd8\xff")
            assert fetched.headers["cache-control"] == "private, max-age=1"
            [blob] = place.blobs()
            assert fetched.content == blob.read_bytes()

            place.clock.now = end
            parse_error(await place.client.get(link), 410, "result_expired")
            assert (await place.client.head(link)).status_code == 410
            parse_error(await place.client.get(link.replace("exp=", "exp=9")), 403, "invalid_signature")
            await wait_until(lambda: is_marked_deleted(place))
            assert place.blobs() == []
            assert await place.runtime.db.read(asset_rows) == [{"task_id": task["id"], "expires": end, "deleted": end}]

            place.clock.now = end + 600 * HOUR
            await sweep(place.runtime)
            parse_error(await place.client.get(link), 410, "result_expired")
            assert await place.task(task["id"]) == task, "the task answers as before, links included"
            await place.check()

    asyncio.run(scenario())


async def is_marked_deleted(place: Installation) -> bool:
    return all(row["deleted"] is not None for row in await place.runtime.db.read(asset_rows))


def test_a_sweep_that_died_between_bytes_and_row_is_repeated(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_installation(tmp_path, sweep_s=3600) as place:
            task = parse_response(await place.client.post(CREATE, json=SMALL, headers=WAIT))
            place.blobs()[0].unlink()
            place.clock.now += 25 * HOUR
            parse_error(await place.client.get(task["results"][0]), 410, "result_expired")
            await sweep(place.runtime)
            assert await is_marked_deleted(place)
            await place.check()

    asyncio.run(scenario())


def test_s5_1_deadline_of_a_waiting_task_releases_its_hold(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_installation(tmp_path, workers=0) as place:
            before = await place.user()
            once = {"Idempotency-Key": "once"}
            task = parse_response(await place.client.post(CREATE, json=SMALL, headers=once))
            deadline = (await place.row(task["id"])).deadline
            assert deadline == place.clock.now + HOUR

            place.clock.now = deadline - 1
            await sweep(place.runtime)
            assert (await place.task(task["id"]))["status"] == "pending"
            assert (await place.user())["reserved_credits"] == task["usage"]["credits_reserved"]

            place.clock.now = deadline
            await wait_until(lambda: has_status(place, task["id"], "failed"))
            failed = await place.task(task["id"])
            assert failed["error"]["code"] == "generation_timeout"
            assert failed["billing"]["refunded_credits"] == task["usage"]["credits_reserved"]
            assert await place.user() == before
            again = await place.client.post(CREATE, json=SMALL, headers=once)
            assert (parse_response(again), again.headers["idempotency-replayed"]) == (failed, "true")
            await place.check()

    asyncio.run(scenario())


async def has_status(place: Installation, task_id: str, status: str) -> bool:
    return bool((await place.task(task_id))["status"] == status)


def test_s5_1_deadline_of_a_running_task_leaves_its_image_uncharged(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_installation(tmp_path) as place:
            task = parse_response(await place.client.post(CREATE, json=LARGE))
            await wait_until(lambda: has_status(place, task["id"], "processing"))
            place.clock.now += HOUR
            await wait_until(lambda: has_status(place, task["id"], "failed"))
            failed = await place.task(task["id"])
            assert failed["error"]["code"] == "generation_timeout"
            other = parse_response(await place.client.post(CREATE, json=SMALL, headers=WAIT))
            assert other["status"] == "completed", "its worker goes on with the next task"
            after = await place.user()
            assert after["reserved_credits"] == 0
            assert after["used_credits"] == other["usage"]["credits_used"]
        # the lifespan has ended, and with it the worker that may still have had the task
        async with open_installation(tmp_path) as place:
            late = await place.row(task["id"])
            assert (late.state, late.charge, late.results) == ("failed", 0, ())
            assert [row["task_id"] for row in await place.runtime.db.read(asset_rows)] == [other["id"]]
            await place.check()
            assert await place.user() == after

    asyncio.run(scenario())


def test_tsk_3_leases_of_running_tasks_are_renewed_by_the_databases_clock(tmp_path: Path) -> None:
    """The image takes longer than the lease; renewed, the task stays with its worker and is carried out once."""

    async def scenario() -> None:
        async with open_installation(tmp_path, lease_s=0.4) as place:
            task = parse_response(await place.client.post(CREATE, json=LARGE))
            await wait_until(lambda: has_status(place, task["id"], "processing"))
            place.clock.now += 100 * US_PER_SECOND
            renewed = place.clock.now + int(0.4 * US_PER_SECOND)
            await wait_until(lambda: has_lease_until(place, task["id"], renewed))
            done = parse_response(await place.client.get(f"/v1/tasks/{task['id']}?wait=60"))
            assert done["status"] == "completed"
            row = await place.row(task["id"])
            assert (row.claim_no, row.crashes, row.owner, row.lease_until) == (1, 0, None, None)
            await place.check()

    asyncio.run(scenario())


async def has_lease_until(place: Installation, task_id: str, moment: int) -> bool:
    return (await place.row(task_id)).lease_until == moment


def test_tsk_7_what_an_older_process_holds_is_taken_back_at_once_and_fenced(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_installation(tmp_path, workers=0) as place:
            task = parse_response(await place.client.post(CREATE, json=SMALL))
            account = (await place.row(task["id"])).account_id
            [stale] = await place.runtime.db.write(claim_tasks, account, "boot_dead", US_PER_MINUTE, 1)
            assert stale.lease_until == place.clock.now + US_PER_MINUTE
        async with open_installation(tmp_path) as place:
            done = parse_response(await place.client.get(f"/v1/tasks/{task['id']}?wait=60"))
            assert done["status"] == "completed"
            row = await place.row(task["id"])
            assert (row.claim_no, row.crashes) == (2, 1)
            await fail_task(place.runtime, stale, SERVICE_ERROR)
            assert await place.task(task["id"]) == done, "a claim that is over changes nothing"
            await place.check()

    asyncio.run(scenario())


def test_tsk_4_a_task_whose_workers_died_too_often_fails_and_costs_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_installation(tmp_path, workers=0, sweep_s=3600) as place:
            before = await place.user()
            task = parse_response(await place.client.post(CREATE, json=SMALL))
            account = (await place.row(task["id"])).account_id
            for number in range(1, 5):
                assert await has_status(place, task["id"], "pending"), "nothing was sent"
                await place.runtime.db.write(claim_tasks, account, f"boot_{number}", US_PER_SECOND, 1)
                assert await reclaim_lost_tasks(place.runtime) == 1
            failed = await place.task(task["id"])
            assert (failed["error"]["code"], failed["error"]["reason"]) == ("service_error", "worker_crash_loop")
            assert place.runtime.counters.tasks == {"service_error": 1}
            assert await place.user() == before
            await place.check()

    asyncio.run(scenario())


def test_blob_s3_4_bytes_without_a_row_are_collected_after_a_day(tmp_path: Path) -> None:
    """Such bytes are left by a worker that died, or lost its task, after it had published them."""

    async def scenario() -> None:
        async with open_installation(tmp_path, sweep_s=3600) as place:
            task = parse_response(await place.client.post(CREATE, json=SMALL, headers=WAIT))
            [kept] = place.blobs()
            orphan, young = (kept.with_name(f"att_{name}-0.jpg") for name in ("old", "young"))
            for path in (orphan, young):
                path.write_bytes(kept.read_bytes())
            fsync(kept.parent)
            for path in (orphan, kept):
                os.utime(path, (time.time() - 25 * 3600,) * 2)
            await delete_orphan_blobs(place.runtime)
            assert sorted(place.blobs()) == sorted([kept, young])
            assert (await place.client.get(task["results"][0])).status_code == 200
            await place.check()

    asyncio.run(scenario())
