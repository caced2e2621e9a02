"""Gateways without workers and workers without a gateway, on one PostgreSQL: together they are one gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import psycopg
import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_response
from tests.support.gateway import THUMBNAILS, Gateway, GatewayExited, Worker, shared_folders
from tests.support.program import wait_until
from tests.support.routed_gateway import route_config, upstream_config
from tests.support.simulator import Simulator

ADDRESS = "http://gateway.test"
# So long that nothing in these tests is the result of a poll or a sweep.
NO_POLL = {"IMAGEGATE_POLL_S": "300", "IMAGEGATE_SWEEP_S": "300"}
JOBS = "gpt-image-1.5"  # of an upstream whose jobs can be stopped


class Place:
    """Processes that share a database."""

    def __init__(
        self, url: str, folder: Path, rows: tuple[str, ...] = (), env: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.url, self.folder = url, folder
        self.env = {"IMAGEGATE_DATABASE": url, "IMAGEGATE_SECRET": "5" * 64, **shared_folders(folder), **NO_POLL, **env}
        if rows:
            (folder / "imagegate.toml").write_text("\n".join(rows))
            self.env |= {"IMAGEGATE_CONFIG": str(folder / "imagegate.toml"), "SIMULATOR_KEY": "a-key"}

    def apart(self, name: str) -> dict[str, str]:
        """The environment of a process with a disk of its own: it shares the stored images, and not the spool."""
        return {**self.env, "IMAGEGATE_SPOOL": str(self.folder / name / "spool")}

    def serving(self, name: str, *options: str) -> Gateway:
        return Gateway(self.folder / name, "--no-workers", *options, env=self.env, public_url=ADDRESS)

    def worker(self, name: str, *options: str, env: Mapping[str, str] = MappingProxyType({})) -> Worker:
        return Worker(self.folder / name, *options, env={**self.env, "IMAGEGATE_PUBLIC_URL": ADDRESS, **env})


@pytest.fixture
def place(postgres_url: str, tmp_path: Path) -> Place:
    return Place(postgres_url, tmp_path, env=THUMBNAILS)


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as sim:
        yield sim


def test_a_gateway_without_workers_and_a_worker_carry_out_a_task_and_show_its_thumbnail(place: Place) -> None:
    with (
        place.serving("api") as api,
        place.worker("worker", "--port", "0") as worker,
        api.client(api.new_key("customer")) as client,
    ):
        assert httpx.get(f"{api.url}/readyz").json()["checks"].keys() == {"database", "storage"}
        task = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
        assert task["status"] == "completed", task
        assert client.get(task["results"][0].removeprefix(ADDRESS)).status_code == 200
        thumbnail = parse_response(client.get("/v1/tasks"))["data"][0]["thumbnail_url"]
        assert client.get(thumbnail.removeprefix(ADDRESS)).headers["content-type"] == "image/webp"

        assert httpx.get(f"{worker.url}/readyz").json()["checks"]["workers"] == "ok"
        assert "imagegate_upstream_calls_total" in httpx.get(f"{worker.url}/metrics").text
        for path in (CREATE, "/", "/v1/models", "/openai/v1/models", "/openapi.json"):
            assert httpx.get(worker.url + path).status_code == 404, path
        api.check()
        assert worker.stop() == 0
        assert api.stop() == 0
        for process, address in ((worker, worker.url), (api, api.url)):
            events = [json.loads(line) for line in process.output if line.startswith("{")]
            ready, stopping, stopped = (line for line in events if line["event"] in ("ready", "stopping", "stopped"))
            assert (ready["address"], stopping["signal"], stopped) == (address, "SIGTERM", events[-1])
    assert not (api.data / "serving").exists()
    assert not (worker.data / "serving").exists()


def test_a_worker_is_refused_on_a_database_that_cannot_be_shared(tmp_path: Path) -> None:
    with pytest.raises(GatewayExited, match=r"a worker shares its database.*SQLite") as refused:
        Worker(tmp_path).start()
    assert refused.value.code == 1
    assert not (tmp_path / "imagegate.db").exists()


def test_what_happens_at_one_process_is_known_at_the_others_without_a_poll(
    postgres_url: str, tmp_path: Path, sim: Simulator
) -> None:
    """A create, an end, events and a cancel; also after every connection that listens was cut."""
    rows = (upstream_config("jobs", f"{sim.url}/task", protocol="task_api"), route_config("jobs", model=JOBS))
    place = Place(postgres_url, tmp_path, rows)
    with (
        place.serving("api") as api,
        place.worker("worker"),
        api.client(api.new_key("customer")) as client,
        ThreadPoolExecutor(1) as aside,
    ):
        events = aside.submit(statuses_of_events, client, create(client)["id"])
        assert events.result(60) == ["pending", "processing", "completed"]
        cut_listeners(place.url, 2)
        assert create(client, WAIT)["status"] == "completed"
        task = create_held(client, sim)
        cancelled = parse_response(client.post(f"/v1/tasks/{task}/cancel"))
        assert cancelled["status"] == "processing"
        ended = parse_response(client.get(f"/v1/tasks/{task}", params={"wait": 60}))
        assert ended["error"]["code"] == "request_cancelled", ended
        api.check()


def create(client: httpx.Client, headers: dict[str, str] | None = None) -> dict[str, Any]:
    body = {**SMALL_IMAGE, "size": "1:1", "model": JOBS}
    task: dict[str, Any] = parse_response(client.post(CREATE, json=body, headers=headers))
    return task


def create_held(client: httpx.Client, sim: Simulator) -> str:
    """A task whose job is under way for a minute."""
    sim.reset()
    sim.script({"latency": "60s"})
    task: str = create(client)["id"]
    wait_until(lambda: any(call["open"] for call in sim.calls("poll")))
    return task


def statuses_of_events(client: httpx.Client, task: str) -> list[str]:
    text = client.get(f"/v1/tasks/{task}/events").text
    lines = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    return list(dict.fromkeys(line["status"] for line in lines))


def cut_listeners(url: str, count: int) -> None:
    """End every connection that listens, and wait until there are as many others."""
    listening = "FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN imagegate'"
    with psycopg.connect(url, autocommit=True) as admin:
        cut = {row[0] for row in admin.execute(f"SELECT pid {listening}").fetchall()}
        assert len(cut) == count
        admin.execute(f"SELECT pg_terminate_backend(pid) {listening}")
        wait_until(lambda: len({row[0] for row in admin.execute(f"SELECT pid {listening}").fetchall()} - cut) == count)


@pytest.mark.parametrize("patience_s", ["600", pytest.param("1", marks=pytest.mark.gate)])
def test_what_a_dead_workers_disk_holds_is_waited_for_and_then_bought_again(
    postgres_url: str, tmp_path: Path, sim: Simulator, patience_s: str
) -> None:
    """Within `outage_patience_s` nothing is bought twice; after it the task goes on elsewhere by the rules for unknown
    outcomes, and what comes back is removed."""
    rows = [row for name in ("up", "backup") for row in (upstream_config(name, f"{sim.url}/v1"), route_config(name))]
    quick = {"IMAGEGATE_SWEEP_S": "0.3", "IMAGEGATE_POLL_S": "0.3", "IMAGEGATE_OUTAGE_PATIENCE_S": patience_s}
    place = Place(postgres_url, tmp_path, tuple(rows), quick)
    dies = {**place.apart("first"), "IMAGEGATE_CRASH": "settle.pre_commit"}
    first = place.worker("first", env=dies)
    spool = tmp_path / "first" / "spool"
    with (
        place.serving("api") as api,
        api.client(api.new_key("customer")) as client,
        psycopg.connect(postgres_url, autocommit=True) as books,
    ):
        first.start()
        task = parse_response(client.post(CREATE, json=SMALL_IMAGE))["id"]
        assert first.wait_for_exit() == -9
        assert list(spool.glob("att_*"))
        with place.worker("second", env=place.apart("second")):
            wait_until(lambda: books.execute("SELECT 1 FROM tasks WHERE state = 'queued'").fetchone(), 20)
            other = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
            assert other["status"] == "completed", "the worker has looked at the queue"
            if patience_s == "1":
                ended = parse_response(client.get(f"/v1/tasks/{task}", params={"wait": 60}))
                assert ended["status"] == "completed"
            assert sim.total["images"] == (3 if patience_s == "1" else 2)
            first = place.worker("first", env=place.apart("first"))
            with first:
                ended = parse_response(client.get(f"/v1/tasks/{task}", params={"wait": 60}))
                assert ended["status"] == "completed", ended
                assert client.get(ended["results"][0].removeprefix(ADDRESS)).status_code == 200
                wait_until(lambda: not list(spool.glob("att_*")), 20)
        assert sim.total["images"] == (3 if patience_s == "1" else 2)
        outcomes = books.execute("SELECT outcome FROM attempts WHERE task_id = %s ORDER BY started", (task,)).fetchall()
        assert [row[0] for row in outcomes] == (["unknown", "produced"] if patience_s == "1" else ["produced"])
        api.run("check", "--deep")
