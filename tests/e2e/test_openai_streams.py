"""Section 11, streaming: the vendor's own SDK against an upstream with partial images, one without, and the embedded
engine."""

from __future__ import annotations

import asyncio
import base64
import io
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from imagegate.api.openai.streaming import usage_of_image, watch_task
from imagegate.domain.tasks import Task
from imagegate.domain.usage import Usage
from tests.contract.scripted import HOLD, scripted_gateway
from tests.support.cutting_proxy import Cut, CuttingProxy
from tests.support.gateway import Gateway
from tests.support.image_files import image_bytes
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

LOGO: dict[str, Any] = {"prompt": "logo", "size": "816x816", "quality": "low"}
pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")
PATH = "/openai/v1/images/generations"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator() as served:
        yield served


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[RoutedGateway]:
    rows = (
        upstream_config("sim", f"{simulator.url}/v1", on_unknown="fail"),
        route_config("sim"),
        route_config("sim", "0.01", model="gpt-image-2-beta", upstream_model="gpt-image-2"),
    )
    with RoutedGateway(tmp_path_factory.mktemp("streams") / "data", *rows) as served:
        yield served


@pytest.fixture(scope="module", params=["routed", "gateway"])
def served(request: pytest.FixtureRequest) -> Gateway:
    """With an upstream that streams, and with the embedded engine."""
    found: Gateway = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def sdk(served: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/openai/v1", api_key=served.key, max_retries=0) as client:
        yield client


def pixels(text: str) -> tuple[int, int]:
    with Image.open(io.BytesIO(base64.b64decode(text, validate=True))) as image:
        return image.size


def charged(served: Gateway, task_id: str) -> dict[str, Any]:
    with served.client() as client:
        usage: dict[str, Any] = client.get(f"/v1/tasks/{task_id}").json()["usage"]
        return usage


def assert_published(kind: Any, answer: Any) -> None:
    """It has all that the vendor's types require, of their types, and nothing else."""
    given = answer.model_dump(exclude_unset=True)
    strict: Any = type(kind.__name__, (kind,), {}, extra="forbid")
    strict.model_validate(given, strict=True)
    assert {name for name, field in kind.model_fields.items() if field.is_required()} <= given.keys()


def test_c22_answers_and_events_fit_the_published_types(sdk: openai.OpenAI) -> None:
    types = openai.types
    for options in ({}, {"response_format": "url"}, {"n": 2, "user": "me"}):
        assert_published(types.ImagesResponse, sdk.images.generate(**LOGO, **options))
    assert_published(types.ImagesResponse, sdk.images.edit(**LOGO, image=image_bytes()))
    kinds = {
        "image_generation.partial_image": types.ImageGenPartialImageEvent,
        "image_generation.completed": types.ImageGenCompletedEvent,
        "image_edit.partial_image": types.ImageEditPartialImageEvent,
        "image_edit.completed": types.ImageEditCompletedEvent,
    }
    streamed: dict[str, Any] = {**LOGO, "stream": True, "partial_images": 2}
    events = [*sdk.images.generate(**streamed), *sdk.images.edit(**streamed, image=image_bytes())]
    assert {event.type for event in events} == set(kinds)
    for event in events:
        assert_published(kinds[event.type], event)
    for model in sdk.models.list():
        assert_published(types.Model, model)


@pytest.mark.parametrize("partials", [0, 1, 3])
def test_s11_partial_images_come_before_the_image_and_are_billed(
    served: Gateway, sdk: openai.OpenAI, partials: int
) -> None:
    with sdk.images.with_streaming_response.generate(**LOGO, stream=True, partial_images=partials) as raw:
        events = list(raw.parse())
        task_id = raw.headers["x-task-id"]
        assert raw.headers["content-type"].startswith("text/event-stream")
    assert [event.type for event in events] == [
        *["image_generation.partial_image"] * partials,
        "image_generation.completed",
    ]
    assert [event.partial_image_index for event in events if hasattr(event, "partial_image_index")] == [
        *range(partials)
    ]
    assert {pixels(event.b64_json) for event in events} == {(816, 816)}
    assert {(event.size, event.quality, event.background, event.output_format) for event in events} == {
        ("816x816", "low", "opaque", "png")
    }
    last = events[-1]
    assert isinstance(last, openai.types.ImageGenCompletedEvent)
    tokens = charged(served, task_id)["tokens"]
    assert last.usage.output_tokens == tokens["image_output"]
    assert last.usage.input_tokens == tokens["text_input"]
    assert tokens["image_output"] == 171 + 100 * partials
    assert list((served.data / "incoming").glob("partial-*")) == []


def test_s11_streaming_of_several_images_adds_up_to_the_bill(served: Gateway, sdk: openai.OpenAI) -> None:
    with sdk.images.with_streaming_response.generate(**LOGO, n=3, stream=True, user="me") as raw:
        events = list(raw.parse())
        tokens = charged(served, raw.headers["x-task-id"])["tokens"]
    completed = [event for event in events if isinstance(event, openai.types.ImageGenCompletedEvent)]
    assert len(completed) == len(events) == 3
    assert sum(event.usage.output_tokens for event in completed) == tokens["image_output"]
    assert [event.usage.input_tokens for event in completed] == [tokens["text_input"], 0, 0]
    assert sum(event.usage.total_tokens for event in completed) == tokens["image_output"] + tokens["text_input"]
    assert {event.safety_identifier for event in completed} == {"me"}


def test_s11_streaming_of_an_edit_has_its_own_events(sdk: openai.OpenAI) -> None:
    events = list(sdk.images.edit(**LOGO, image=image_bytes(), stream=True, partial_images=1))
    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]
    assert isinstance(events[-1], openai.types.ImageEditCompletedEvent)
    assert events[-1].usage.input_tokens_details.image_tokens > 0


def test_s11_streaming_from_a_row_without_qualities_leaves_them_out(routed: RoutedGateway) -> None:
    with routed.client() as client:
        answer = client.post(PATH, json={**LOGO, "model": "gpt-image-2-beta", "stream": True, "partial_images": 2})
    assert answer.status_code == 200
    assert '"quality"' not in answer.text
    assert "image_generation.completed" in answer.text


async def test_s11_streaming_through_the_asynchronous_sdk(routed: RoutedGateway) -> None:
    async with openai.AsyncOpenAI(base_url=f"{routed.url}/openai/v1", api_key=routed.key) as sdk:
        stream = await sdk.images.generate(**LOGO, stream=True, partial_images=2)
        events = [event.type async for event in stream]
    assert events[-1] == "image_generation.completed"


@pytest.mark.parametrize(
    ("prompt", "code", "message"),
    [
        ("[[refuse]] unsafe", "content_policy_violation", "rejected as a result of the safety system"),
        ("[[fault:reset-after-send]] lost", "unknown_error", "could not be established"),
    ],
)
def test_s11_streaming_failures_are_the_sdks_own_error(
    routed: RoutedGateway, simulator: Simulator, prompt: str, code: str, message: str
) -> None:
    wanted = {**LOGO, "prompt": prompt, "stream": True, "partial_images": 1}
    with openai.OpenAI(base_url=f"{routed.url}/openai/v1", api_key=routed.key, max_retries=0) as sdk:
        with pytest.raises(openai.APIError) as failed:
            list(sdk.images.generate(**wanted))
        assert isinstance(failed.value.body, dict)
        assert {"code", "param", "message", "type"} <= set(failed.value.body)
        assert failed.value.body["code"] == code
        assert message in failed.value.message
        if code == "unknown_error":  # bought: the same again, and this time before the stream
            with pytest.raises(openai.InternalServerError, match=message):
                list(sdk.images.generate(**wanted))
    assert Counter(call["prompt"] for call in simulator.calls())[prompt] == 1


def test_s11_streaming_refusals_before_the_task_are_plain_errors(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        sdk.images.generate(**LOGO, n=11, stream=True)
    assert refused.value.param == "n"


async def test_s11_join_a_stream_that_was_cut(routed: RoutedGateway, simulator: Simulator) -> None:
    """SDKs repeat no stream that has begun: the next call finds the image."""
    wanted = {**LOGO, "prompt": "a cut stream", "stream": True, "partial_images": 1}

    async def events(url: str) -> list[Any]:
        async with openai.AsyncOpenAI(base_url=f"{url}/openai/v1", api_key=routed.key, max_retries=2) as sdk:
            return [event async for event in await sdk.images.generate(**wanted)]

    for after_bytes in (0, 900, 5000):
        async with CuttingProxy(routed.url, *[Cut("down", after_bytes)]) as proxy:
            if after_bytes:
                with pytest.raises((openai.APIConnectionError, httpx.TransportError)):
                    await events(proxy.url)
            found = await events(proxy.url)
            assert found[-1].type == "image_generation.completed"
            wanted["prompt"] += " again"
    assert {call["prompt"]: call["billed_images"] for call in simulator.calls() if "cut stream" in call["prompt"]} == {
        f"a cut stream{' again' * times}": 1 for times in range(3)
    }


async def test_s11_streaming_shows_signs_of_life_and_ends_with_the_waits(tmp_path: Path) -> None:
    async with scripted_gateway(tmp_path, {}) as (place, upstream):
        runtime = place.runtime
        created = await place.client.post("/v1/images/generations", json={**LOGO, "prompt": f"{HOLD}x"})
        task = await place.row(created.json()["id"])
        with runtime.partial_images.watch(task.id) as partials:
            changes: AsyncIterator[Any] = watch_task(runtime, task, partials, 0.01)
            assert [await anext(changes) for _ in range(3)] == [None, None, None]
            image = tmp_path / "pass"
            image.write_bytes(b"x")
            await runtime.partial_images.publish(task.id, 0, image)
            shown = await anext(one async for one in changes if one is not None)
            assert (shown.index, shown.path.read_bytes()) == (0, b"x")
            await runtime.partial_images.publish(task.id, 1, image)
            await asyncio.sleep(0)
            upstream.release.set()
            rest = [one async for one in changes if one is not None]
        assert isinstance(rest[-1], Task)
        assert rest[-1].terminal
        kept = [one.path for one in (shown, *rest[:-1])]
        assert set((runtime.settings.data_dir / "incoming").glob("partial-*")) == set(kept)


def test_s11_streaming_usage_is_shared_out_whole() -> None:
    usage = Usage(images=3, text_input=7, image_input=11, image_output=100)
    shares = [usage_of_image(usage, number, 3) for number in range(3)]
    assert [one.output_tokens for one in shares] == [34, 33, 33]
    assert [one.input_tokens for one in shares] == [18, 0, 0]
    assert sum(one.total_tokens for one in shares) == 118
