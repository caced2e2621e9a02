"""Single latencies and CPU times that have a limit on an idle machine with two cores."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
from playwright.sync_api import Page
from tests.api.helpers import CREATE, SMALL_IMAGE
from tests.e2e.test_disk import locked
from tests.egress.raw_server import drip, hang, http_response, reply_with
from tests.images.corpus import CORPUS
from tests.store.helpers import create_customer, new_task
from tests.store.test_key_concurrency import claim, create_limited_key, submit_tasks
from tests.support.file_server import FileServer, send_bytes, send_endless_chunks, send_slowly
from tests.support.gateway import Gateway, StandaloneGateway
from tests.support.image_files import PNG, b64
from tests.support.process_monitor import ProcessMonitor
from tests.support.webhook_receiver import Behaviour, trust_environment, webhook_receiver
from tests.web.browser import open_browser, open_page
from tests.web.playground import fill_form, quoted_credits

from bench.processes import unpin
from bench.table import Row, limited
from imagegate.images import InvalidImage, inspect
from imagegate.images.jobs.process_pool import ProcessPool
from imagegate.painter.request import PaintRequest, PaintResult
from imagegate.store import tasks
from imagegate.store.database import Database, create_engine

ESCAPED_BYTES = 200_000
JSON = {"content-type": "application/json"}


class Figure(NamedTuple):
    measure: Callable[[Path], float]
    limit: float
    unit: str


@contextlib.contextmanager
def gateway_in(folder: Path, *options: str, **env: str) -> Iterator[tuple[Gateway, httpx.Client]]:
    with Gateway(folder / "data", *options, env=env) as gateway, gateway.client() as client:
        yield gateway, client


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def start_cpu(folder: Path) -> float:
    """CPU seconds from the start to the first healthy answer; the best of three."""

    def once() -> float:
        with StandaloneGateway(folder / "data") as gateway:
            used = psutil.Process(gateway.pid).cpu_times()
            return float(used.user + used.system)

    return min(once() for _ in range(3))


def stop_with_streams(folder: Path) -> float:
    """SIGTERM to exit while a client reads the events of a task that nobody works on."""
    with gateway_in(folder, "--no-workers") as (gateway, client):
        task = client.post(CREATE, json=SMALL_IMAGE).raise_for_status().json()
        with client.stream("GET", f"/v1/tasks/{task['id']}/events") as stream:
            next(stream.iter_lines())
            return seconds(gateway.stop)


def stop_while_working(folder: Path) -> float:
    """SIGTERM to exit while two images are painted, with the default drain."""
    with gateway_in(folder, IMAGEGATE_WORKERS="2") as (gateway, client):
        for _ in range(2):
            client.post(CREATE, json={**SMALL_IMAGE, "size": "2048x2048"}).raise_for_status()
        time.sleep(0.5)
        return seconds(gateway.stop)


def create_with_unreachable_hosts(folder: Path) -> float:
    """A create with 16 references and a callback whose hosts do not resolve, and a query of its task."""
    urls = [f"https://nowhere{number}.invalid/a.png" for number in range(16)]
    body = {**SMALL_IMAGE, "image_urls": urls, "callback_url": "https://nowhere.invalid/done"}
    with gateway_in(folder, "--no-workers") as (_, client):

        def create_and_query() -> None:
            task = client.post(CREATE, json=body).raise_for_status().json()
            client.get(f"/v1/tasks/{task['id']}").raise_for_status()

        return seconds(create_and_query)


def disabled_key(folder: Path) -> float:
    """From the disabling of a key that is in use to its first 401."""
    with gateway_in(folder) as (_, owner):
        made = owner.post("/v1/keys", json={"name": "second", "scopes": ["billing:read"]}).raise_for_status().json()
        headers = {"Authorization": f"Bearer {made['key']}"}
        owner.get("/v1/credits", headers=headers).raise_for_status()

        def disable() -> None:
            owner.patch(f"/v1/keys/{made['id']}", json={"disabled": True}).raise_for_status()
            while owner.get("/v1/credits", headers=headers).status_code == 200:
                time.sleep(0.02)

        return seconds(disable)


def create_with_locked_database(folder: Path) -> float:
    """The 503 of a create while another process holds the database."""
    with gateway_in(folder) as (gateway, client), locked(gateway.data / "imagegate.db"):
        return seconds(lambda: client.post(CREATE, json=SMALL_IMAGE))


def upload_with_escapes(folder: Path) -> float:
    """The slowest of three base64 uploads of 200 kB that consist of JSON escapes."""
    slowest = 0.0
    with gateway_in(folder) as (_, client):
        for escape, size in (("\\/", 1), ("\\u002B", 1), ("\\r\\n", 0)):
            count = ESCAPED_BYTES // len(escape)
            padding = "/" * (-count * size % 4)
            body = '{"base64":"' + b64(PNG[:18]) + escape * count + padding + '"}'
            started = time.perf_counter()
            client.post("/api/v1/files/upload/base64", content=body, headers=JSON).raise_for_status()
            slowest = max(slowest, time.perf_counter() - started)
    return slowest


def webhook_beside_dead_host(folder: Path) -> float:
    """A test event to one receiver while ten deliveries hang at another."""
    behaviours = {"hang": Behaviour(hang), "ok": Behaviour(reply_with(http_response(204)))}
    with webhook_receiver(behaviours) as receiver:
        env = trust_environment(folder)
        with gateway_in(folder, *receiver.egress_options, **env) as (_, client):
            for name in ["hang"] * 10 + ["ok"]:
                started = time.monotonic()
                client.post("/v1/webhooks/test", json={"callback_url": receiver.url(name)}).raise_for_status()
            return receiver.wait("ok", 1)[0].at - started


def webhook_to_a_slow_receiver(folder: Path) -> float:
    """One attempt at a receiver that sends its response byte by byte, with the default timeout."""
    with webhook_receiver({"drip": Behaviour(drip)}) as receiver:
        env = trust_environment(folder) | {"IMAGEGATE_HOOK_RETRY_S": "0.1"}
        with gateway_in(folder, *receiver.egress_options, **env) as (_, client):
            client.post("/v1/webhooks/test", json={"callback_url": receiver.url("drip")}).raise_for_status()
            while True:
                [delivery] = client.get("/v1/webhooks/deliveries").raise_for_status().json()["data"]
                if delivery["attempts"] and delivery["attempts"][0]["duration_ms"] is not None:
                    return float(delivery["attempts"][0]["duration_ms"]) / 1000
                time.sleep(0.2)


def health_p99_beside_hostile_references(folder: Path) -> float:
    """Milliseconds of a health check while references of unbounded size and a slow one are fetched."""
    env = {"IMAGEGATE_FETCH_TIMEOUT_S": "2", "IMAGEGATE_FETCH_BYTES_PER_HOUR": str(10**12)}
    with FileServer() as files, gateway_in(folder, "--egress-allow", files.egress_allow, **env) as (gateway, client):
        urls = [
            files.serve("/huge", send_bytes(PNG, announced=10**12)),
            files.serve("/endless", send_endless_chunks(PNG + bytes(1 << 20))),
            files.serve("/slow", send_slowly(PNG, 1.0)),
        ]
        watch = ProcessMonitor(gateway.pid, gateway.url, checks_per_s=100)
        with watch as monitor, concurrent.futures.ThreadPoolExecutor(3) as clients:
            bodies = [{**SMALL_IMAGE, "image_urls": [url]} for url in urls]
            list(clients.map(lambda body: client.post(CREATE, json=body, headers={"Prefer": "wait=30"}), bodies))
        return monitor.p99_ms


def inspect_cpu(folder: Path) -> float:
    """CPU seconds for the most expensive file of the corpus, inspected and verified."""
    slowest = 0.0
    path = folder / "image"
    for case in CORPUS.values():
        path.write_bytes(case.make())
        started = time.process_time()
        with contextlib.suppress(InvalidImage):
            inspect(path, checksums=True)
        slowest = max(slowest, time.process_time() - started)
    return slowest


def paint_cpu(folder: Path) -> float:
    """CPU seconds of a worker that starts and paints 3840x2160."""
    order = PaintRequest("a mountain lake", 3840, 2160, "high", 0, (), "", False, "png", 100, str(folder / "out"))

    async def paint() -> None:
        pool = ProcessPool(1)
        await pool.run("imagegate.painter.paint:paint", order, PaintResult, cpu_s=20, wall_s=60)
        await pool.close()

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    asyncio.run(paint())
    return used() - before


def claim_behind_a_limit(folder: Path) -> float:
    """How much longer a claim takes with 1,000 tasks waiting behind a key's limit than with 10."""

    async def measure() -> float:
        db = Database(create_engine(str(folder / "bench.db")))
        db.migrate()
        account_id, free = await create_customer(db, 10**9)
        limited = await create_limited_key(db, account_id, concurrent_tasks=1)

        async def best_claim() -> float:
            best = 60.0
            for _ in range(20):
                await submit_tasks(db, free, 1)
                started = time.perf_counter()
                await claim(db, account_id)
                best = min(best, time.perf_counter() - started)
            return best

        await submit_tasks(db, limited, 10)
        short = await best_claim()
        await asyncio.gather(
            *(db.write(tasks.submit_task, account_id, new_task(limited), None, 10_000) for _ in range(1000))
        )
        long = await best_claim()
        db.close()
        return long / short

    return asyncio.run(measure())


@contextlib.contextmanager
def playground(folder: Path) -> Iterator[Page]:
    with (
        gateway_in(folder) as (gateway, _),
        open_browser() as browser,
        open_page(browser, gateway, locale="en") as (page, _log),
    ):
        page.goto(gateway.url)
        page.wait_for_selector("[data-balance]")
        yield page


def first_paint(folder: Path) -> float:
    """Milliseconds to the first contentful paint; the best of three loads."""
    with playground(folder) as page:

        def once() -> float:
            page.reload()
            page.wait_for_selector("[data-balance]")
            return float(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))

        return min(once() for _ in range(3))


def price_after_quote(folder: Path) -> float:
    """Milliseconds from the last byte of a quote to the changed price on the page; the best of nine."""
    with playground(folder) as page:
        fill_form(page, "a quick price", ratio="1:1")
        page.evaluate(
            """() => {
                window.shown = [];
                new MutationObserver(() => window.shown.push(performance.now()))
                    .observe(document.querySelector('[data-quote=expected]'), { attributes: true });
                performance.clearResourceTimings();
            }"""
        )
        for number in range(2, 11):  # what was quoted before is not asked for again
            page.select_option("#pg-n", str(number))
            quoted_credits(page)
        waits = page.evaluate(
            """() => {
                const quotes = performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/quotes'));
                return quotes.map(({ responseEnd: end }) => Math.min(...window.shown.filter((at) => at >= end)) - end);
            }"""
        )
        return float(min(waits))


FIGURES = {
    "start, CPU": Figure(start_cpu, 2.5, "s"),
    "stop with an open event stream": Figure(stop_with_streams, 5, "s"),
    "stop while two images are painted": Figure(stop_while_working, 8, "s"),
    "create with 16 unreachable hosts": Figure(create_with_unreachable_hosts, 3, "s"),
    "disabled key until its 401": Figure(disabled_key, 5, "s"),
    "503 with a locked database": Figure(create_with_locked_database, 15, "s"),
    "upload of 200 kB of escapes": Figure(upload_with_escapes, 1, "s"),
    "webhook beside a dead host": Figure(webhook_beside_dead_host, 1, "s"),
    "webhook attempt at a slow receiver": Figure(webhook_to_a_slow_receiver, 10.5, "s"),
    "health check beside hostile references, p99": Figure(health_p99_beside_hostile_references, 100, "ms"),
    "inspection of one hostile file, CPU": Figure(inspect_cpu, 1, "s"),
    "painting 3840x2160, CPU": Figure(paint_cpu, 3, "s"),
    "claim with 1,000 waiting against 10": Figure(claim_behind_a_limit, 3, "x"),
    "first contentful paint": Figure(first_paint, 1000, "ms"),
    "price after its quote": Figure(price_after_quote, 50, "ms"),
}


def measure(folder: Path) -> Iterator[Row]:
    unpin()
    for number, (name, (figure, limit, unit)) in enumerate(FIGURES.items()):
        place = folder / str(number)
        place.mkdir(parents=True)
        yield limited(name, figure(place), "at most", limit, unit)
