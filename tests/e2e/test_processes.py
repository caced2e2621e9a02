"""Gateways without workers and workers without a gateway, on one PostgreSQL: together they are one gateway."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_response
from tests.support.gateway import THUMBNAILS, Gateway, GatewayExited, Worker, shared_folders
from tests.support.program import wait_until

ADDRESS = "http://gateway.test"
# Wake-ups of another process.
NO_POLL = {"IMAGEGATE_POLL_S": "0.2", "IMAGEGATE_SWEEP_S": "300"}


class Place:
    """Processes that share a database."""

    def __init__(self, url: str, folder: Path, **env: str) -> None:
        self.folder = folder
        self.env = {"IMAGEGATE_DATABASE": url, "IMAGEGATE_SECRET": "5" * 64, **shared_folders(folder), **env}

    def serving(self, name: str, *options: str) -> Gateway:
        return Gateway(self.folder / name, "--no-workers", *options, env=self.env, public_url=ADDRESS)

    def worker(self, name: str, *options: str) -> Worker:
        env = {**self.env, "IMAGEGATE_PUBLIC_URL": ADDRESS}
        return Worker(self.folder / name, *options, env=env)


@pytest.fixture
def place(postgres_url: str, tmp_path: Path) -> Place:
    return Place(postgres_url, tmp_path, **NO_POLL, **THUMBNAILS)


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
    assert not (api.data / "serving").exists()
    assert not (worker.data / "serving").exists()


def test_a_worker_is_refused_on_a_database_that_cannot_be_shared(tmp_path: Path) -> None:
    with pytest.raises(GatewayExited, match=r"a worker shares its database.*SQLite") as refused:
        Worker(tmp_path).start()
    assert refused.value.code == 1
    assert not (tmp_path / "imagegate.db").exists()


def test_a_worker_that_is_stopped_ends_what_it_has_begun_and_leaves_the_rest(place: Place) -> None:
    with place.serving("api") as api, api.client(api.new_key("customer")) as client:
        tasks = [parse_response(client.post(CREATE, json=SMALL_IMAGE))["id"] for _ in range(4)]
        for name in ("first", "second"):
            with place.worker(name) as worker:
                wait_until(lambda: "completed" in _states(client, tasks))
                assert worker.stop() == 0
            assert set(_states(client, tasks)) <= {"completed", "pending"}
        api.check()


def _states(client: httpx.Client, tasks: list[str]) -> list[str]:
    return [parse_response(client.get(f"/v1/tasks/{task}"))["status"] for task in tasks]
