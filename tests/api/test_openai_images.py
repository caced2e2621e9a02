"""Section 11: the vendor's own Python SDK, unmodified, against the running program."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from tests.api.helpers import SMALL_IMAGE, assert_unchanged, parse_error, parse_response
from tests.support.gateway import Gateway

GATEWAY_ENV = {"IMAGEGATE_OPENAI_MODELS": "dall-e-3=gpt-image-2"}
PATH = "/openai/v1/images/generations"
LOGO: dict[str, Any] = {"prompt": "logo", "size": "816x816", "quality": "low"}
REFUSED = {"svg": {"model": "gpt-x"}, "complexity": "low", "frame_count": 9, "frame_duration_ms": 100, "markup": "x"}
WITHOUT_EFFECT = {"style": "vivid", "moderation": "low", "input_fidelity": "high", "seed": 7, "user": "someone"}


@pytest.fixture(scope="module")
def sdk(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/openai/v1", api_key=gateway.key, max_retries=0) as client:
        yield client


def pixels(image: openai.types.Image) -> tuple[int, int]:
    assert image.b64_json
    with Image.open(io.BytesIO(base64.b64decode(image.b64_json, validate=True))) as opened:
        return opened.size


def test_s11_answer_has_the_images_and_what_they_cost(sdk: openai.OpenAI, client: httpx.Client) -> None:
    raw = sdk.images.with_raw_response.generate(**LOGO, n=2, output_format="jpeg", safety_identifier="hashed")
    answer, task_id = raw.parse(), raw.headers["x-task-id"]
    assert answer.data
    assert answer.usage
    assert [pixels(one) for one in answer.data] == [(816, 816), (816, 816)]
    assert {(one.url, one.revised_prompt) for one in answer.data} == {(None, None)}
    assert (answer.background, answer.output_format, answer.quality, answer.size) == (
        "opaque",
        "jpeg",
        "low",
        "816x816",
    )
    assert answer.safety_identifier == "hashed"
    task = parse_response(client.get(f"/v1/tasks/{task_id}"))
    tokens = task["usage"]["tokens"]
    assert answer.usage.output_tokens == tokens["image_output"]
    assert answer.usage.input_tokens == tokens["text_input"]
    assert answer.usage.total_tokens == tokens["image_output"] + tokens["text_input"]
    assert raw.headers["x-model"] == "gpt-image-2"
    assert float(raw.headers["x-credits-reserved"]) == task["usage"]["credits_reserved"]
    assert re.fullmatch(r"req_\w+", raw.headers["x-request-id"])
    assert int(raw.headers["content-length"]) == len(raw.content)


def test_s11_url_in_place_of_base64(sdk: openai.OpenAI) -> None:
    answer = sdk.images.generate(**LOGO, response_format="url")
    assert answer.data
    image = answer.data[0]
    assert image.b64_json is None
    assert image.url
    assert httpx.get(image.url).headers["content-type"] == "image/png"


@pytest.mark.parametrize(("name", "served_by"), [
    ("gpt-image-2-2026-04-21", "gpt-image-2"),
    ("chatgpt-image-latest", "gpt-image-2"),
    ("gpt-image-1", "gpt-image-2.5-flare"),
    ("gpt-image-1-mini", "gpt-image-2.5-flare"),
])  # fmt: skip
def test_s11_names_of_the_vendor_are_served_by_living_models(sdk: openai.OpenAI, name: str, served_by: str) -> None:
    raw = sdk.images.with_raw_response.generate(model=name, prompt="logo", size="1024x1024", quality="low")
    assert raw.headers["x-model"] == served_by
    assert sdk.models.retrieve(name).id == name
    assert name in [one.id for one in sdk.models.list()]


def test_s11_names_dall_e_by_opt_in_answers_as_it_used_to(sdk: openai.OpenAI) -> None:
    raw = sdk.images.with_raw_response.generate(model="dall-e-3", prompt="logo", size="512x512", quality="standard")
    answer = raw.parse()
    assert answer.data
    assert answer.data[0].url
    assert (answer.size, answer.quality, raw.headers["x-model"]) == ("1024x1024", "medium", "gpt-image-2")


@pytest.mark.parametrize("field", REFUSED)
def test_s11_refused_by_name(sdk: openai.OpenAI, client: httpx.Client, field: str) -> None:
    with assert_unchanged(client):
        error = parse_error(client.post(PATH, json={**LOGO, field: REFUSED[field]}), 400, "invalid_request", field)
    assert field in error["message"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"output_format": "gif"}, "output_format"),
        ({"output_format": "svg"}, "output_format"),
        ({"response_format": "b64"}, "response_format"),
        ({"partial_images": 4}, "partial_images"),
        ({"n": 11}, "n"),
        ({"n": 2, "model": "gpt-image-2-beta"}, "n"),
        ({"n": "2"}, "n"),
        ({"stream": "true"}, "stream"),
        ({"size": "256x256"}, "size"),
        ({"prompt": " "}, "prompt"),
        ({"model": "dall-e-2"}, "model"),
        ({"model": "gpt-9"}, "model"),
    ],
)
def test_s11_refused_values_hold_nothing(client: httpx.Client, fields: dict[str, Any], param: str) -> None:
    with assert_unchanged(client):
        answer = client.post(PATH, json={**LOGO, **fields})
        code = "model_not_found" if param == "model" else "invalid_request"
        parse_error(answer, answer.status_code, code, param)
    assert "x-task-id" not in answer.headers


def test_s11_ignored_and_auto(sdk: openai.OpenAI) -> None:
    answer = sdk.images.generate(
        prompt="logo", size="1024x1024", quality="auto", background="auto", extra_body=WITHOUT_EFFECT
    )
    assert (answer.quality, answer.background) == ("medium", "opaque")
    ignoring = sdk.images.generate(model="gpt-image-2-beta", prompt="logo", size="1024x1024", quality="high")
    assert ignoring.quality is None


@pytest.mark.parametrize(
    "path", ["/openai/images/generations", "//openai//v1/images/generations/", "/openai/v1/v1/images/generations?x=1"]
)
def test_s11_paths_are_read_as_clients_join_them(gateway: Gateway, path: str) -> None:
    answer = httpx.post(gateway.url + path, json={**LOGO, "response_format": "url"}, headers={"api-key": gateway.key})
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"][0]["url"]


@pytest.mark.parametrize("path", ["", "/v1/chat/completions", "/v1/responses", "/v1/nothing", "/v1/models/nothing"])
def test_s11_errors_have_param_and_code_and_cors_everywhere(client: httpx.Client, path: str) -> None:
    answer = client.get(f"/openai{path}", headers={"Accept": "text/html"})
    error = parse_response(answer, 404)["error"]
    assert error["code"] == ("model_not_found" if "models/" in path else "not_found")
    assert error["param"] == ("model" if "models/" in path else None)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "x-task-id" in answer.headers["access-control-expose-headers"]
    assert ("no responses, chat" in error["message"]) == ("chat" in path or "responses" in path)


def test_s11_errors_of_the_sdk(gateway: Gateway, sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        sdk.with_options(api_key="sk-wrong").models.list()
    assert (refused.value.code, refused.value.param) == ("unauthorized", None)
    assert httpx.get(f"{gateway.url}/openai/v1/images/generations").status_code == 405
    poor = sdk.with_options(api_key=gateway.new_key("poor", "0.01"))
    with pytest.raises(openai.APIStatusError) as unpaid:
        poor.images.generate(**LOGO)
    assert unpaid.value.status_code == 402
    with pytest.raises(openai.BadRequestError) as invalid:
        sdk.images.generate(prompt="logo", size="816x817")
    assert (invalid.value.code, invalid.value.param) == ("invalid_request", "size")


def test_s11_cors_preflight_needs_no_key(gateway: Gateway) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Headers": "authorization,x-stainless-os"}
    answer = httpx.options(f"{gateway.url}{PATH}", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-headers"] == asked["Access-Control-Request-Headers"]
    assert "access-control-allow-credentials" not in answer.headers
    assert "access-control-allow-origin" not in httpx.get(f"{gateway.url}/v1/models").headers


def test_s11_models_a_key_sees_and_uses_only_its_models(gateway: Gateway, sdk: openai.OpenAI) -> None:
    narrow = sdk.with_options(api_key=gateway.new_key("narrow", "10", "--model", "gpt-image-2.5-flare"))
    listed = {one.id for one in narrow.models.list()}
    assert listed == {"gpt-image-2.5-flare", "gpt-image-2.5-flare-2026-09-08", "gpt-image-1", "gpt-image-1-mini"}
    narrow.images.generate(**LOGO, model="gpt-image-1-mini", response_format="url")
    with pytest.raises(openai.PermissionDeniedError) as denied:
        narrow.images.generate(**LOGO)
    assert denied.value.code == "model_access_denied"


def test_s11_wrong_base_is_named_before_anything_is_held(gateway: Gateway, client: httpx.Client) -> None:
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as lost,
        assert_unchanged(client),
    ):
        with pytest.raises(openai.BadRequestError, match=f"{gateway.url}/openai/v1"):
            lost.images.generate(**LOGO)
        with pytest.raises(openai.NotFoundError, match=f"{gateway.url}/openai/v1"):
            lost.images.edit(**LOGO, image=b"x")
    agent = {"User-Agent": "OpenAI/Python 3.54.0", "Prefer": "wait=60"}
    parse_response(client.post("/v1/images/generations", json=SMALL_IMAGE, headers=agent))


def test_s11_idempotency_key_replays_the_answer(sdk: openai.OpenAI, client: httpx.Client) -> None:
    keyed = {"Idempotency-Key": "run_11"}
    first = sdk.images.with_raw_response.generate(**LOGO, extra_headers=keyed)
    again = sdk.images.with_raw_response.generate(**LOGO, extra_headers=keyed)
    assert again.headers["x-task-id"] == first.headers["x-task-id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert again.content == first.content
    other = client.post(PATH, json={**LOGO, "user": "another"}, headers=keyed)
    parse_error(other, 409, "idempotency_conflict", "Idempotency-Key")
    assert other.headers["x-should-retry"] == "false"


def test_s11_respond_async_answers_with_the_task(client: httpx.Client) -> None:
    answer = client.post(PATH, json=LOGO, headers={"Prefer": "respond-async"})
    task = parse_response(answer)
    assert (task["object"], task["id"]) == ("image.generation.task", answer.headers["x-task-id"])
    assert answer.headers["preference-applied"] == "respond-async"


async def test_s11_answer_of_the_asynchronous_sdk(gateway: Gateway) -> None:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/openai/v1", api_key=gateway.key) as sdk:
        answer = await sdk.images.generate(**LOGO)
    assert answer.data
    assert pixels(answer.data[0]) == (816, 816)
