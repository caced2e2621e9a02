"""The real program as the upstream: its own API is the one that this protocol speaks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from imagegate.domain.images import Size
from imagegate.domain.usage import UsageSource
from imagegate.spool import Spool
from imagegate.upstreams.base import Call, Outcome, PollSchedule, Produced, Unavailable
from tests.support import file_server
from tests.support.gateway import Gateway, free_port
from tests.upstreams import helpers

PACE = PollSchedule(poll_interval_s=0.1, min_backoff_s=0.1, max_backoff_s=0.5)


@pytest.fixture(scope="module")
def store() -> Iterator[file_server.FileServer]:
    with file_server.FileServer() as open_shelf:
        yield open_shelf


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, store: file_server.FileServer) -> Iterator[Gateway]:
    """Another gateway, which comes back at the same address after a restart."""
    options = ("--port", str(free_port()), "--egress-allow", store.egress_allow)
    with Gateway(tmp_path_factory.mktemp("other"), *options) as gateway:
        yield gateway


def make_runner(other: Gateway, spool: Path, key: str = "") -> helpers.AttemptRunner:
    return helpers.AttemptRunner("task_api", other.url, Spool(spool), schedule=PACE, api_key=key or other.key)


def tasks_and_charges(other: Gateway, key: str) -> tuple[int, int]:
    with other.client(key) as client:
        tasks = client.get("/v1/tasks").json()["total"]
        charges = client.get("/v1/ledger", params={"type": "charge"}).json()["data"]
    return tasks, len(charges)


def test_another_gateway_paints_and_says_what_it_cost(other: Gateway, tmp_path: Path) -> None:
    key = other.new_key("reseller-a")
    there = make_runner(other, tmp_path, key)
    wanted = helpers.make_call(order=helpers.make_order(n=2, size=Size("16:9", 1360, 768, False, "1K")))
    answer = asyncio.run(there.produce(wanted))
    assert isinstance(answer, Produced)
    spooled = answer.answer
    assert [(image.width, image.height) for image in spooled.images] == [(1360, 768)] * 2
    assert (spooled.engine, spooled.usage_source) == ("embedded", UsageSource.formula)
    assert spooled.usage is not None
    assert spooled.usage.image_output == 2 * 987
    with other.client(key) as client:
        [charge] = client.get("/v1/ledger", params={"type": "charge"}).json()["data"]
    assert spooled.cost_nanos == -int(charge["amount"]["nanos"])


def test_references_are_read_from_our_links(other: Gateway, store: file_server.FileServer, tmp_path: Path) -> None:
    store.serve("/ours.png", file_server.send_bytes(helpers.png(256, 256)))
    there = make_runner(other, tmp_path / "spool")
    there.link = lambda path: f"{store.url}/{path.name}"
    answer = asyncio.run(there.produce(helpers.make_call(references=(tmp_path / "ours.png",))))
    assert isinstance(answer, Produced)
    assert answer.answer.usage is not None
    assert answer.answer.usage.image_input == 1536
    gone = asyncio.run(there.produce(helpers.make_call(attempt_id="att_2", references=(tmp_path / "gone.png",))))
    assert isinstance(gone, Unavailable)
    assert gone.failure_kind == "ours"


@pytest.mark.parametrize("fatal", ["POST", "GET"])
def test_the_other_gateway_is_killed_in_the_middle_and_paid_once(other: Gateway, tmp_path: Path, fatal: str) -> None:
    """Killed when it has made the task and before anybody heard of it, or while it paints."""
    key = other.new_key(f"killed-{fatal}")
    there = make_runner(other, tmp_path, key)
    deaths: list[int] = []

    async def relay(request: web.Request) -> web.Response:
        target = other.url + request.raw_path
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        async with aiohttp.ClientSession() as session:
            body = await request.read()
            if request.method == fatal == "GET" and not deaths:
                return await die(request, 200)
            async with session.request(request.method, target, data=body, headers=headers) as response:
                content = await response.read()
        if request.method == fatal and not deaths:
            return await die(request, response.status)
        return web.Response(status=response.status, body=content, content_type=response.content_type)

    async def die(request: web.Request, status: int) -> web.Response:
        deaths.append(status)
        await asyncio.to_thread(other.kill)
        await asyncio.to_thread(other.start)
        return helpers.abort_connection(request)

    async def scenario(wanted: Call) -> Outcome:
        async with helpers.serve_routes(web.route("*", "/{path:.*}", relay)) as there.base:
            return await there.produce(wanted)

    big = helpers.make_order(n=2, size=Size("1:1", 2048, 2048, False, "2K"), quality="high")
    answer = asyncio.run(scenario(helpers.make_call(order=big)))
    assert isinstance(answer, Produced)
    assert (len(answer.answer.images), deaths) == (2, [200])
    assert tasks_and_charges(other, key) == (1, 1)
    other.check()


def test_a_key_without_credit_is_our_debt_and_a_foreign_key_is_a_bad_one(other: Gateway, tmp_path: Path) -> None:
    poor = asyncio.run(make_runner(other, tmp_path, other.new_key("poor", "0.001")).produce(helpers.make_call()))
    assert isinstance(poor, Unavailable)
    assert poor.failure_kind == "unpaid"
    bad = asyncio.run(make_runner(other, tmp_path, "sk-ig-nobody").produce(helpers.make_call()))
    assert isinstance(bad, Unavailable)
    assert bad.failure_kind == "bad_key"
    model = asyncio.run(make_runner(other, tmp_path).produce(helpers.make_call(model="gpt-image-9")))
    assert isinstance(model, Unavailable)
    assert model.failure_kind == "no_model"
