"""Section 11, joining, with the vendor's own SDK: connections are cut everywhere, the process is killed, and the
upstream counts what was bought."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.support.cutting_proxy import Cut, CuttingProxy
from tests.support.gateway import free_port
from tests.support.image_files import image_bytes
from tests.support.program import wait_until
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

LOGO: dict[str, Any] = {"size": "816x816", "quality": "low", "output_format": "jpeg", "output_compression": 50}
LATENCY_S = 0.3
FULL = 10**9


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator("--latency", f"{LATENCY_S}s") as served:
        yield served


def rows(simulator: Simulator) -> list[str]:
    return [upstream_config("sim", f"{simulator.url}/v1", on_unknown="fail"), route_config("sim")]


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[RoutedGateway]:
    with RoutedGateway(tmp_path_factory.mktemp("lost") / "data", *rows(simulator)) as served:
        yield served


def bought(simulator: Simulator) -> Counter[str]:
    return Counter(call["prompt"] for call in simulator.calls() for _ in range(call["billed_images"]))


async def generate(url: str, key: str, prompt: str, retries: int, **options: Any) -> openai.types.ImagesResponse:
    async with openai.AsyncOpenAI(base_url=f"{url}/openai/v1", api_key=key, max_retries=retries) as sdk:
        answer: openai.types.ImagesResponse = await sdk.images.generate(prompt=prompt, **{**LOGO, **options})
        return answer


def assert_image(answer: openai.types.ImagesResponse) -> None:
    assert answer.data
    assert answer.data[0].b64_json
    assert base64.b64decode(answer.data[0].b64_json).startswith(b"\xff\xd8")


async def sizes(routed: RoutedGateway) -> tuple[int, int]:
    """Bytes of a request and of an answer."""
    async with CuttingProxy(routed.url) as proxy:
        assert_image(await generate(proxy.url, routed.key, "sizes", 0))
    return 900, proxy.bytes_down


def places(up: int, down: int) -> list[Cut]:
    """50: in the request, before the answer, all through it, at its last byte and behind it."""
    through = [1, 15, 200, 500, *(down * step // 20 for step in range(1, 20)), down - 1, down, down + 1]
    ups = [0, 1, *(up * step // 10 for step in range(1, 10)), up * 2]
    return [*(Cut("up", at) for at in ups), *(Cut("down", at) for at in [0, *through]), *(Cut("down", FULL),) * 11][:50]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("by", ["retry", pytest.param("next_call", marks=pytest.mark.gate)])
async def test_s11_join_cut_anywhere_one_purchase_and_always_the_image(
    routed: RoutedGateway, simulator: Simulator, by: str
) -> None:
    async def call(at: int, cut: Cut) -> None:
        prompt = f"{by} {at}"
        async with CuttingProxy(routed.url, cut) as proxy:
            if by == "retry":
                answer = await generate(proxy.url, routed.key, prompt, 2)
            else:
                try:
                    answer = await generate(proxy.url, routed.key, prompt, 0)
                except openai.APIConnectionError:
                    answer = await generate(proxy.url, routed.key, prompt, 0)
        assert_image(answer)

    cuts = places(*await sizes(routed))
    await asyncio.gather(*(call(at, cut) for at, cut in enumerate(cuts)))
    counts = bought(simulator)
    assert {at: counts[f"{by} {at}"] for at in range(len(cuts)) if counts[f"{by} {at}"] != 1} == {}
    routed.check()


async def test_s11_join_cut_again_and_again(routed: RoutedGateway, simulator: Simulator) -> None:
    async with CuttingProxy(routed.url, Cut("down", 0), Cut("down", 5000)) as proxy:
        assert_image(await generate(proxy.url, routed.key, "twice", 2))
    assert bought(simulator)["twice"] == 1


async def test_s11_join_a_client_that_gives_up_finds_its_image(routed: RoutedGateway, simulator: Simulator) -> None:
    """The SDK's own time-out, shorter than the work: told to come again before, by its own header."""
    answer = await generate(routed.url, routed.key, "[[latency:3]] impatient", 5, timeout=2)
    assert_image(answer)
    assert sum(count for prompt, count in bought(simulator).items() if "impatient" in prompt) == 1


async def test_s11_long_work_is_told_to_come_again_with_its_task(routed: RoutedGateway) -> None:
    headers = {"Authorization": f"Bearer {routed.key}", "X-Stainless-Timeout": "2"}
    body = {"prompt": "[[latency:2.5]] long", **LOGO}
    async with httpx.AsyncClient(base_url=routed.url, timeout=30) as client:
        first = await client.post("/openai/v1/images/generations", json=body, headers=headers)
        assert (first.status_code, first.headers["retry-after"], first.headers["x-should-retry"]) == (503, "1", "true")
        again = await client.post(
            "/openai/v1/images/generations", json=body, headers={**headers, "X-Stainless-Timeout": "60"}
        )
    assert again.status_code == 200
    assert again.headers["x-task-id"] == first.headers["x-task-id"]


async def test_s11_join_through_a_proxy_that_answers_late(routed: RoutedGateway, simulator: Simulator) -> None:
    """It has taken the whole answer when its client gives up: the SDK's retry gets that."""
    async with CuttingProxy(routed.url, late_s=1.0) as late:
        with pytest.raises(openai.APITimeoutError):
            await generate(late.url, routed.key, "late", 0, timeout=0.9)
        assert_image(await generate(late.url, routed.key, "late", 0, extra_headers={"x-stainless-retry-count": "1"}))
    assert bought(simulator)["late"] == 1


async def test_s11_join_two_live_calls_are_two_purchases(routed: RoutedGateway, simulator: Simulator) -> None:
    answers = await asyncio.gather(*(generate(routed.url, routed.key, "both", 0) for _ in range(4)))
    assert len({answer.data[0].b64_json for answer in answers if answer.data}) == 4
    assert bought(simulator)["both"] == 4
    assert_image(await generate(routed.url, routed.key, "both", 0))
    assert bought(simulator)["both"] == 5


async def test_s11_join_an_edit(routed: RoutedGateway, simulator: Simulator) -> None:
    async with (
        CuttingProxy(routed.url, Cut("down", 3000)) as proxy,
        openai.AsyncOpenAI(base_url=f"{proxy.url}/openai/v1", api_key=routed.key, max_retries=2) as sdk,
    ):
        assert_image(await sdk.images.edit(prompt="an edit", image=image_bytes(), **LOGO))
    assert bought(simulator)["an edit"] == 1


async def test_s11_failures_after_a_purchase_buy_nothing_for_a_while(
    routed: RoutedGateway, simulator: Simulator
) -> None:
    prompt = "[[fault:reset-after-send]] failing"
    failures = []
    for retries in (2, 0, 0):
        with pytest.raises(openai.InternalServerError) as failed:
            await generate(routed.url, routed.key, prompt, retries)
        failures.append(failed.value)
    assert {failed.code for failed in failures} == {"unknown_error"}
    assert len({failed.response.headers["x-task-id"] for failed in failures}) == 1
    assert {failed.response.headers["x-should-retry"] for failed in failures} == {"false"}
    assert not [failed for failed in failures if "retry-after" in failed.response.headers]
    assert bought(simulator)[prompt] == 1


async def test_s11_failures_without_a_purchase_may_be_tried_again(routed: RoutedGateway, simulator: Simulator) -> None:
    prompt = "[[refuse]] unsafe"
    tasks = set()
    for _ in range(2):
        with pytest.raises(openai.BadRequestError, match="rejected as a result of the safety system") as refused:
            await generate(routed.url, routed.key, prompt, 2)
        assert (refused.value.code, refused.value.type) == ("content_policy_violation", "image_generation_user_error")
        tasks.add(refused.value.response.headers["x-task-id"])
    assert len(tasks) == 2
    assert bought(simulator)[prompt] == 0


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("submit.post_commit", marks=pytest.mark.gate),
        "spool.fsynced",
        pytest.param("settle.post_commit", marks=pytest.mark.gate),
    ],
)
async def test_s11_join_kill_9_one_purchase_and_the_image(tmp_path: Path, simulator: Simulator, point: str) -> None:
    prompt, options = f"killed at {point}", ("--port", str(free_port()))
    gateway = RoutedGateway(tmp_path / "data", *rows(simulator), options=options, env={"IMAGEGATE_CRASH": point})
    gateway.start()
    del gateway.env["IMAGEGATE_CRASH"]
    url, key = gateway.url, gateway.key
    call = asyncio.create_task(generate(url, key, prompt, 8))
    await asyncio.to_thread(gateway.wait_for_exit)
    await asyncio.to_thread(gateway.start)
    try:
        assert_image(await call)
        assert bought(simulator)[prompt] == 1
        await asyncio.to_thread(gateway.check)
    finally:
        await asyncio.to_thread(gateway.stop)


async def test_s11_join_a_drain_hands_the_call_to_the_next_process(tmp_path: Path, simulator: Simulator) -> None:
    """The wait ends after a second, the upstream's call does not; the SDK's retries reach who comes next."""
    prompt, options = "[[latency:2]] drained", ("--port", str(free_port()))
    gateway = RoutedGateway(tmp_path / "data", *rows(simulator), options=options)
    gateway.start()
    call = asyncio.create_task(generate(gateway.url, gateway.key, prompt, 8))
    await asyncio.to_thread(wait_until, lambda: any("drained" in call["prompt"] for call in simulator.calls()))
    await asyncio.to_thread(gateway.stop)
    await asyncio.to_thread(gateway.start)
    try:
        assert_image(await call)
        assert bought(simulator)[prompt] == 1
    finally:
        await asyncio.to_thread(gateway.stop)
