"""Two versions side by side: the last release and this program serve from one PostgreSQL while tasks flow, the old
processes are stopped one by one, and nobody behind a retrying proxy notices."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.e2e.test_upstream_faults import Tell
from tests.support.gateway import Gateway, StandaloneGateway
from tests.support.last_release import NoRelease, OldGateway, install_last_release
from tests.support.program import wait_until
from tests.support.routed_gateway import route_config, upstream_config
from tests.support.simulator import Simulator

WRITERS = 4
TASKS_PER_STEP = 60
BODY = {"size": "1:1", "quality": "low", "output_format": "jpeg"}
GIVE_UP_S = 60.0


class RetryingProxy:
    """Sends each request to one of the processes, and to another one where that is gone or says that it is going."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.retries: Counter[str] = Counter()
        self._turn = itertools.count()

    def send(self, client: httpx.Client, method: str, path: str, **request: Any) -> httpx.Response:
        give_up = time.monotonic() + GIVE_UP_S
        while True:
            urls = self.urls
            try:
                answer = client.request(method, urls[next(self._turn) % len(urls)] + path, **request)
                if answer.status_code not in (502, 503, 504) or time.monotonic() > give_up:
                    return answer
                self.retries[str(answer.status_code)] += 1
            except httpx.TransportError as error:
                if time.monotonic() > give_up:
                    raise
                self.retries[type(error).__name__] += 1
            time.sleep(0.05)


class Load:
    """Writers behind the proxy; what they send again they send with the same key."""

    def __init__(self, proxy: RetryingProxy, key: str) -> None:
        self._proxy = proxy
        self._key = key
        self._stop = threading.Event()
        self.acknowledged: list[str] = []
        self.refused: list[str] = []

    def start(self) -> None:
        self._threads = [threading.Thread(target=self._write) for _ in range(WRITERS)]
        for thread in self._threads:
            thread.start()

    def _write(self) -> None:
        with httpx.Client(
            headers={"Authorization": f"Bearer {self._key}"}, timeout=60, trust_env=False, verify=False
        ) as client:
            while not self._stop.is_set():
                prompt = uuid.uuid4().hex
                headers = {"Idempotency-Key": prompt}
                answer = self._proxy.send(
                    client, "POST", "/v1/images/generations", json={**BODY, "prompt": prompt}, headers=headers
                )
                if answer.status_code == 200:
                    self.acknowledged.append(answer.json()["id"])
                    seen = self._proxy.send(client, "GET", f"/v1/tasks/{self.acknowledged[-1]}")
                    if seen.status_code != 200:
                        self.refused.append(seen.text)
                else:
                    self.refused.append(answer.text)
                time.sleep(0.03)

    def flow(self) -> None:
        """Until some more tasks were acknowledged."""
        least = len(self.acknowledged) + TASKS_PER_STEP
        wait_until(lambda: len(self.acknowledged) >= least, what=lambda: self.refused)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.gate
@pytest.mark.fault("F20")
@pytest.mark.timeout(900)
def test_f20_old_and_new_processes_serve_side_by_side_until_the_old_ones_are_stopped(
    empty_postgres_url: str, tmp_path: Path, record_property: Tell
) -> None:
    try:
        install_last_release()
    except NoRelease as error:
        pytest.skip(str(error))
    url = empty_postgres_url
    config = tmp_path / "gateway.toml"
    env = {
        "IMAGEGATE_DATABASE": url,
        "IMAGEGATE_SECRET": "5" * 64,
        "IMAGEGATE_BLOBS": str(tmp_path / "blobs"),
        "IMAGEGATE_SPOOL": str(tmp_path / "spool"),
        "SIMULATOR_KEY": "a-key",
    }
    options = ("--config", str(config))
    proxy = RetryingProxy()
    with Simulator("--latency", "300ms") as sim:
        config.write_text(upstream_config("sim", f"{sim.url}/openai/v1") + route_config("sim", "0.01"))
        old: list[Gateway] = [OldGateway(tmp_path / f"old-{n}", *options, env=env) for n in range(2)]
        new: list[Gateway] = [StandaloneGateway(tmp_path / f"new-{n}", *options, env=env) for n in range(2)]
        for gateway in old:
            gateway.start()
        key = old[0].new_key("shop", "1000000")
        proxy.urls = [gateway.url for gateway in old]
        load = Load(proxy, key)
        load.start()
        try:
            load.flow()
            migrated = new[0].run("migrate").stdout  # under load, beside the old processes
            load.flow()
            for leaving, coming in zip(old, new, strict=True):
                coming.start()
                proxy.urls = [*proxy.urls, coming.url]
                load.flow()
                assert leaving.stop() == 0
                proxy.urls = [one for one in proxy.urls if one != leaving.url]
                load.flow()
        finally:
            load.stop()
        wait_until(lambda: {"queued", "running"}.isdisjoint(_read_states(url).values()), timeout_s=120)
        ended = _read_states(url)
        new[0].run("check", "--deep")
        for gateway in new:
            assert gateway.stop() == 0
    record_property("tasks", f"{len(load.acknowledged)} acknowledged, {len(load.refused)} refused, 0 lost")
    record_property("behind the proxy", dict(proxy.retries) or "no retry")
    record_property("migrate", migrated.strip())
    assert load.refused == []
    assert {ended.get(task_id) for task_id in load.acknowledged} == {"completed"}
    assert len(ended) == len(load.acknowledged), "one task for each request, however often it was sent"


def _read_states(url: str) -> dict[str, str]:
    with psycopg.connect(url) as connection:
        return dict(connection.execute("SELECT id, state FROM tasks").fetchall())
