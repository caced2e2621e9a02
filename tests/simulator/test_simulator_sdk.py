"""The official SDK takes the simulator for the real thing: its types read every answer."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import pytest
from PIL import Image

from tests.support.simulator import Simulator

if TYPE_CHECKING:  # every worker of a run imports this file, and the SDK takes a second
    import openai
    from openai import BaseModel

Format = Literal["png", "jpeg", "webp"]


@pytest.fixture
def client(simulator: Simulator) -> Iterator[openai.OpenAI]:
    import openai

    with openai.OpenAI(api_key="any", base_url=f"{simulator.url}/v1", max_retries=0) as client:
        yield client


def png_bytes(width: int = 512, height: int = 512, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, (width, height), "teal").save(file, "PNG")
    return file.getvalue()


def validate(answer: BaseModel) -> None:
    """The SDK takes answers as they come; this compares each field with its declared type."""
    type(answer).model_validate(answer.to_dict())


def open_image(payload: str | None) -> Image.Image:
    """The image, decoded to its last pixel."""
    image = Image.open(io.BytesIO(base64.b64decode(payload or "", validate=True)))
    image.load()
    return image


@pytest.mark.parametrize(("output_format", "shown"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_generates_as_asked(client: openai.OpenAI, simulator: Simulator, output_format: Format, shown: str) -> None:
    from openai.types import ImagesResponse

    answer = client.images.generate(
        model="gpt-image-2", prompt="a red fox", n=2, size="1360x768", quality="low", output_format=output_format
    )
    assert isinstance(answer, ImagesResponse)
    validate(answer)
    assert answer.data is not None
    images = [open_image(item.b64_json) for item in answer.data]
    assert [(image.format, image.size) for image in images] == [(shown, (1360, 768))] * 2
    assert (answer.size, answer.output_format, answer.quality) == ("1360x768", output_format, "low")
    assert answer.usage is not None
    assert (answer.usage.output_tokens, answer.usage.total_tokens) == (220, 220 + 2 * 9)
    assert answer.usage.input_tokens_details.text_tokens == 2 * (6 + len("a red fox") // 3)
    assert (simulator.total["images"], simulator.total["nanos"]) == (2, 220 * 30_000 + 18 * 5_000)


def test_each_png_and_jpeg_is_its_own_file(client: openai.OpenAI) -> None:
    formats: list[Format] = ["png", "jpeg"]
    for output_format in formats:
        answer = client.images.generate(
            model="gpt-image-2", prompt="x", n=3, size="1024x1024", quality="low", output_format=output_format
        )
        assert len({item.b64_json for item in answer.data or []}) == 3


def test_a_transparent_image_has_transparency(client: openai.OpenAI) -> None:
    answer = client.images.generate(model="gpt-image-2", prompt="x", quality="low", background="transparent")
    assert answer.data is not None
    image = open_image(answer.data[0].b64_json)
    assert image.mode == "RGBA"
    assert image.getchannel("A").getextrema() == (0, 255)


def test_edits_take_files_and_a_mask_and_count_their_tokens(client: openai.OpenAI, simulator: Simulator) -> None:
    files = [("a.png", png_bytes(512, 512)), ("b.png", png_bytes(256, 256))]
    answer = client.images.edit(
        model="gpt-image-2", prompt="make it blue", image=files, mask=png_bytes(512, 512, "RGBA"), quality="low"
    )
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens == 1024 + 256
    (call,) = simulator.calls()
    assert [(reference["name"], reference["width"], reference["bytes"]) for reference in call["references"]] == [
        ("a.png", 512, len(files[0][1])),
        ("b.png", 256, len(files[1][1])),
    ]
    assert call["mask"]["width"] == 512
    one = client.images.edit(model="gpt-image-2", prompt="x", image=png_bytes(), quality="low")
    assert one.data is not None


def test_streams_partials_and_then_the_image(client: openai.OpenAI, simulator: Simulator) -> None:
    from openai.types import ImageGenCompletedEvent, ImageGenPartialImageEvent

    stream = client.images.generate(
        model="gpt-image-2",
        prompt="[[latency:0.2]] fox",
        quality="low",
        size="1024x1024",
        stream=True,
        partial_images=2,
    )
    *partials, last = list(stream)
    for event in [*partials, last]:
        validate(event)
    assert [event.partial_image_index for event in partials if isinstance(event, ImageGenPartialImageEvent)] == [0, 1]
    assert isinstance(last, ImageGenCompletedEvent)
    assert open_image(last.b64_json).size == (1024, 1024)
    assert last.usage.output_tokens == 196 + 2 * 100
    assert simulator.total["images"] == 1


def test_edits_stream_under_their_own_names(client: openai.OpenAI) -> None:
    from openai.types import ImageEditCompletedEvent

    stream = client.images.edit(model="gpt-image-2", prompt="x", image=png_bytes(), quality="low", stream=True)
    (last,) = list(stream)
    assert isinstance(last, ImageEditCompletedEvent)
    assert last.type == "image_edit.completed"
    validate(last)


def test_models_tell_their_shutdown(client: openai.OpenAI) -> None:
    days = {model.id: model.to_dict()["shutdown_date"] for model in client.models.list()}
    assert days["gpt-image-2"] is None
    assert days["gpt-image-1.5"] == "2026-12-01"


def test_azure_serves_both_addresses(simulator: Simulator) -> None:
    import openai

    dated = openai.AzureOpenAI(
        api_key="any",
        azure_endpoint=f"{simulator.url}/azure",
        api_version="2025-04-01-preview",
        max_retries=0,
        azure_deployment="images",
    )
    v1 = openai.OpenAI(
        api_key="any", base_url=f"{simulator.url}/azure/openai/v1", max_retries=0, default_headers={"api-key": "any"}
    )
    with dated, v1:
        with pytest.raises(openai.BadRequestError) as refused:
            dated.images.generate(model="gpt-image-2", prompt="x", quality="low")
        assert "does not exist" in refused.value.message
        dated.images.generate(prompt="x", quality="low")
        v1.images.generate(model="images", prompt="x")
        with pytest.raises(openai.BadRequestError):
            v1.images.generate(model="images", prompt="x", output_format="webp")
    calls = simulator.calls()
    assert [(call["shape"], call["billed_images"]) for call in calls] == [
        ("azure-dated", 0),
        ("azure-dated", 1),
        ("azure", 1),
        ("azure", 0),
    ]
    assert [call["quality"] for call in calls[1:3]] == ["low", "high"]


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("401", "AuthenticationError", "invalid_api_key"),
        ("403-unverified", "PermissionDeniedError", "organization_not_verified"),
        ("403-blocked", "PermissionDeniedError", "Forbidden"),
        ("404-model", "NotFoundError", "model_not_found"),
        ("429", "RateLimitError", "rate_limit_exceeded"),
        ("429-spent", "RateLimitError", "insufficient_quota"),
        ("400-unpaid", "BadRequestError", "billing_hard_limit_reached"),
        ("moderation-refusal", "BadRequestError", "moderation_blocked"),
        ("azure-content-filter", "BadRequestError", "content_policy_violation"),
        ("500-json", "InternalServerError", None),
        ("503-json", "InternalServerError", "server_overloaded"),
    ],
)
def test_errors_become_the_sdks_own(
    client: openai.OpenAI, simulator: Simulator, fault: str, kind: str, code: str | None
) -> None:
    import openai

    with pytest.raises(openai.APIStatusError) as refused:
        client.images.generate(model="gpt-image-2", prompt=f"[[fault:{fault}]]", quality="low")
    assert type(refused.value).__name__ == kind
    assert refused.value.code == code
    assert refused.value.request_id
    assert simulator.total == {"calls": 1, "purchases": 0, "images": 0, "nanos": 0, "usd": "0"}


def test_a_stream_that_fails_raises(client: openai.OpenAI) -> None:
    import openai

    stream = client.images.generate(model="gpt-image-2", prompt="[[fault:stream-error]]", quality="low", stream=True)
    with pytest.raises(openai.APIError):
        list(stream)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"size": "1792x936"}, "size"),
        ({"size": "16:9"}, "size"),
        ({"quality": "best"}, "quality"),
        ({"n": 11}, "n"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "[[fault:no-such]]"}, "prompt"),
        ({"output_format": "tiff"}, "output_format"),
    ],
)
def test_bad_requests_name_their_parameter(client: openai.OpenAI, changes: dict[str, str], param: str) -> None:
    import openai

    wanted = {"model": "gpt-image-2", "prompt": "x", "quality": "low"} | changes
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(**wanted)  # type: ignore[call-overload]
    assert refused.value.param == param


def test_bad_key_is_the_one_key_that_fails(simulator: Simulator) -> None:
    import openai

    with openai.OpenAI(api_key="bad-key", base_url=f"{simulator.url}/v1", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError):
            client.images.generate(model="gpt-image-2", prompt="x")
        with pytest.raises(openai.AuthenticationError):
            client.models.list()
