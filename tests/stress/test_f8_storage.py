"""F8: the object store is away under load, in every way that a process can be, and the gateway dies with it."""

from __future__ import annotations

import concurrent.futures
import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.e2e.test_upstream_faults import Tell
from tests.support.file_server import FileServer, send_bytes
from tests.support.image_files import PNG
from tests.support.outages import BODY, open_gateway, unfinished
from tests.support.process_monitor import resident_bytes
from tests.support.program import wait_until
from tests.support.routed_gateway import RoutedGateway
from tests.support.s3_server import S3Server, own_server
from tests.support.simulator import Simulator

TASKS = 200
END_S = 180.0
MAX_RSS = 300 << 20
Outage = Callable[[S3Server, RoutedGateway, float], None]


def stop(server: S3Server, _: RoutedGateway, seconds: float) -> None:
    server.pause()
    time.sleep(seconds)
    server.resume()


def kill(server: S3Server, _: RoutedGateway, seconds: float) -> None:
    server.kill()
    time.sleep(seconds)
    server.start()


def kill_often(server: S3Server, _: RoutedGateway, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        server.kill()
        server.start()
        time.sleep(0.5)


def kill_with_gateway(server: S3Server, gateway: RoutedGateway, seconds: float) -> None:
    server.kill()
    time.sleep(seconds / 2)
    gateway.kill()
    server.start()
    gateway.start()


@pytest.mark.gate
@pytest.mark.fault("F8")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seconds", [3, 30])
@pytest.mark.parametrize("outage", [stop, kill, kill_often, kill_with_gateway])
def test_f8_outages_of_the_store(tmp_path: Path, outage: Outage, seconds: int, record_property: Tell) -> None:
    with own_server() as server, FileServer() as files, Simulator("--latency", "300ms") as sim:
        reference = files.serve("/a.png", send_bytes(PNG))
        env = {
            **server.env,
            "IMAGEGATE_STORAGE": server.url(),
            "IMAGEGATE_EGRESS_ALLOW": files.egress_allow,
            "IMAGEGATE_FETCH_BYTES_PER_HOUR": str(1 << 40),
            "IMAGEGATE_SWEEP_S": "0.5",  # the spool must be kept meanwhile
        }
        codes: Counter[int] = Counter()
        with open_gateway(tmp_path, sim, env) as gateway, concurrent.futures.ThreadPoolExecutor(8) as clients:
            key = gateway.key

            def create(number: int) -> None:
                body = {**BODY, "prompt": f"task {number}", **({"image_urls": [reference]} if number % 10 == 0 else {})}
                headers = {"Idempotency-Key": f"create-{number}", "Authorization": f"Bearer {key}"}
                while True:  # while the gateway itself is down its clients repeat
                    try:
                        made = httpx.post(
                            f"{gateway.url}/v1/images/generations", json=body, headers=headers, timeout=30
                        )
                    except (httpx.TransportError, httpx.UnsupportedProtocol):
                        time.sleep(0.2)
                        continue
                    codes[made.status_code] += 1
                    return

            under_way = threading.Thread(target=outage, args=(server, gateway, seconds))
            list(clients.map(create, range(TASKS // 4)))
            under_way.start()
            for number in range(TASKS // 4, TASKS):
                clients.submit(create, number)
                time.sleep(seconds / TASKS)
            under_way.join()
            clients.shutdown()
            returned = time.monotonic()
            with gateway.client() as http:
                wait_until(lambda: unfinished(http) == 0, END_S, 0.1, lambda: f"{unfinished(http)} have not ended")
            took = time.monotonic() - returned
            rss = resident_bytes(gateway.pid)[0]
            gateway.run("check", "--deep")
            with closing(sqlite3.connect(gateway.data / "imagegate.db")) as books:
                states = dict(books.execute("SELECT state, COUNT(*) FROM tasks GROUP BY 1").fetchall())
                unknown = books.execute("SELECT COUNT(*) FROM attempts WHERE outcome = 'unknown'").fetchone()[0]
            bought = sim.total["images"]
    summary = f"{json.dumps(states)}, bought {bought}, unknown {unknown}, recovered in {took:.1f} s, {rss >> 20} MiB"
    record_property(f"{outage.__name__}, {seconds} s", summary)
    assert codes == {200: TASKS}, codes
    assert states == {"completed": TASKS}, summary
    # Only a call that was under way when the gateway died may have been repeated.
    assert TASKS <= bought <= TASKS + unknown, summary
    assert unknown == 0 or outage is kill_with_gateway, summary
    assert rss < MAX_RSS, summary


@pytest.mark.gate
@pytest.mark.fault("F8")
@pytest.mark.timeout(120)
def test_f8_a_drain_while_the_store_is_silent_ends_in_time(tmp_path: Path) -> None:
    """A black hole keeps each call for 10 s; a drain waits for none of them longer."""
    with own_server() as server, Simulator() as sim:
        env = {**server.env, "IMAGEGATE_STORAGE": server.url()}
        with open_gateway(tmp_path, sim, env) as gateway:
            with gateway.client() as http:
                server.pause()
                for number in range(20):
                    http.post("/v1/images/generations", json={**BODY, "prompt": f"{number}"}).raise_for_status()
                sim.ended_calls(20)
            began = time.monotonic()
            assert gateway.stop() == 0
            assert time.monotonic() - began < 60
            server.resume()
            gateway.start()
            with gateway.client() as http:
                wait_until(lambda: unfinished(http) == 0, END_S, 0.1)
            assert sim.total["images"] == 20
            gateway.run("check", "--deep")
