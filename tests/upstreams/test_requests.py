"""What each dialect is sent, read from the wire; the official SDK's types judge what is meant for OpenAI.

The SDK is imported where it is needed: every worker of a run imports this file, and the SDK takes a second.
"""

from __future__ import annotations

import asyncio
import base64
import json
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest
from pydantic import TypeAdapter

from imagegate.catalog.routes import Dialect, load_dialects
from imagegate.domain.images import Size
from imagegate.upstreams.base import Call, Produced
from tests.egress.raw_server import http_response, reply_with, serve_raw
from tests.images.corpus import encoded_image
from tests.upstreams.helpers import (
    ATTEMPT,
    SECRET,
    base64_image,
    make_call,
    make_config,
    make_upstream,
    one_image_body,
    run_call,
)

AUTO = Size("auto", 2048, 2048, assumed=True)


class Sent(msgspec.Struct):
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> list[tuple[str, str, bytes]]:
        """Name, file name and content of each part, read by the standard library."""
        whole = b"Content-Type: " + self.headers["content-type"].encode() + b"\r\n\r\n" + self.body
        parts = message_from_bytes(whole).get_payload()
        assert isinstance(parts, list)
        return [_part(part) for part in parts if isinstance(part, Message)]

    @property
    def fields(self) -> dict[str, str]:
        return {name: content.decode() for name, file, content in self.form if not file}


def _part(part: Message) -> tuple[str, str, bytes]:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return str(part.get_param("name", header="content-disposition")), part.get_filename() or "", content


def must_be(params: Any, found: dict[str, Any]) -> None:
    """Every field is one that the official SDK knows, with a value that its type allows."""
    hints = get_type_hints(params)
    for name, value in found.items():
        TypeAdapter(hints[name]).validate_python(value, strict=True)


def sent(tmp_path: Path, asked: Call, dialect: str | Dialect = "openai", **fields: Any) -> Sent:
    async def run() -> bytes:
        async with serve_raw(
            reply_with(http_response(200, one_image_body(), "Content-Type: application/json"))
        ) as server:
            preset = dialect if isinstance(dialect, Dialect) else load_dialects()[dialect]
            base = fields.pop("base_url", "/v1")
            asked_row = make_config(server.port, base_url=f"http://127.0.0.1:{server.port}{base}", **fields)
            outcome = await run_call(make_upstream(tmp_path, asked_row, dialect=preset), asked)
            assert isinstance(outcome, Produced), outcome
            (request,) = server.requests
            return request

    head, _, body = asyncio.run(run()).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert int(headers["content-length"]) == len(body)
    return Sent(first.split(" ")[1], headers, body)


@pytest.fixture
def references(tmp_path: Path) -> tuple[Path, ...]:
    paths = tuple(tmp_path / name for name in ("first", "second"))
    paths[0].write_bytes(encoded_image("PNG"))
    paths[1].write_bytes(encoded_image("JPEG"))
    return paths


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    path = tmp_path / "mask"
    path.write_bytes(encoded_image("PNG", "RGBA"))
    return path


def test_a_generation_for_openai(tmp_path: Path) -> None:
    from openai.types.image_generate_params import ImageGenerateParamsNonStreaming

    seen = sent(tmp_path, make_call(prompt='a "cat" 猫', n=1, output_format="webp", output_compression=70))
    assert seen.target == "/v1/images/generations"
    assert seen.json == {
        "model": "gpt-image-2",
        "prompt": 'a "cat" 猫',
        "n": 1,
        "size": "1024x1024",
        "quality": "medium",
        "background": "opaque",
        "output_format": "webp",
        "output_compression": 70,
        "safety_identifier": "c-77",
    }
    must_be(ImageGenerateParamsNonStreaming, seen.json)
    assert seen.headers["authorization"] == f"Bearer {SECRET}"
    assert seen.headers["accept-encoding"] == "identity"
    assert seen.headers["x-client-request-id"] == ATTEMPT
    assert seen.headers["content-type"] == "application/json"
    assert "idempotency-key" not in seen.headers


def test_an_auto_size_is_left_to_the_model_where_the_dialect_lets_it(tmp_path: Path) -> None:
    assert sent(tmp_path, make_call(size=AUTO)).json["size"] == "auto"
    assert sent(tmp_path, make_call(size=AUTO), "localai").json["size"] == "2048x2048"


def test_edits_for_openai_are_a_form(tmp_path: Path, references: tuple[Path, ...], mask: Path) -> None:
    from openai.types.image_edit_params import ImageEditParamsNonStreaming

    seen = sent(tmp_path, make_call(references=references, mask=mask, prompt="猫\r\n--x", n=2))
    assert seen.target == "/v1/images/edits"
    files = [(name, file, content) for name, file, content in seen.form if file]
    assert files == [
        ("image[]", "8.png", encoded_image("PNG")),
        ("image[]", "9.jpg", encoded_image("JPEG")),
        ("mask", "10.png", encoded_image("PNG", "RGBA")),
    ]
    assert seen.fields["prompt"] == "猫\r\n--x"
    must_be(ImageEditParamsNonStreaming, {**seen.fields, "n": int(seen.fields["n"])})


def test_one_reference_goes_as_image(tmp_path: Path, references: tuple[Path, ...]) -> None:
    names = [name for name, file, _ in sent(tmp_path, make_call(references=references[:1])).form if file]
    assert names == ["image"]
    names = [name for name, file, _ in sent(tmp_path, make_call(references=references), "vllm-omni").form if file]
    assert names == ["image", "image"]


def test_dated_azure_has_the_deployment_in_the_path_and_no_model(tmp_path: Path, references: tuple[Path, ...]) -> None:
    azure = {"base_url": "", "deployment": "my image", "api_version": "2025-04-01-preview"}
    seen = sent(tmp_path, make_call(), "azure-dated", **azure)
    assert seen.target == "/openai/deployments/my%20image/images/generations?api-version=2025-04-01-preview"
    assert "model" not in seen.json
    assert seen.json["quality"] == "medium", "its default is the dearest"
    assert seen.headers["api-key"] == SECRET
    assert "authorization" not in seen.headers
    assert "model" not in sent(tmp_path, make_call(references=references), "azure-dated", **azure).fields


def test_azure_v1_may_have_a_version_too(tmp_path: Path) -> None:
    seen = sent(tmp_path, make_call(output_format="webp"), "azure", base_url="/openai/v1/", api_version="preview")
    assert seen.target == "/openai/v1/images/generations?api-version=preview"
    assert seen.json["output_format"] == "png", "webp is made here from what loses nothing"
    assert "output_compression" not in seen.json


def test_json_edits_carry_the_images_as_data_urls(tmp_path: Path, references: tuple[Path, ...], mask: Path) -> None:
    seen = sent(tmp_path, make_call(references=references, mask=mask), Dialect(name="d", edits="json_images"))
    assert seen.target == "/v1/images/edits"
    assert seen.json["images"] == [
        {"image_url": f"data:image/png;base64,{base64_image()}"},
        {"image_url": f"data:image/jpeg;base64,{base64_image('JPEG')}"},
    ]
    assert seen.json["mask"] == {"image_url": f"data:image/png;base64,{base64_image('PNG', 'RGBA')}"}


def test_xai_takes_ratio_and_tier(tmp_path: Path, references: tuple[Path, ...], mask: Path) -> None:
    seen = sent(
        tmp_path,
        make_call(references=references[:1], mask=mask, size=Size("16:9", 2736, 1536, assumed=False, resolution="2K")),
        "xai",
    )
    assert (seen.json["aspect_ratio"], seen.json["resolution"]) == ("16:9", "2k")
    assert seen.json["image"] == {"url": f"data:image/png;base64,{base64_image()}", "type": "image_url"}
    assert seen.json["mask"] == {"url": f"data:image/png;base64,{base64_image('PNG', 'RGBA')}"}
    assert not {"size", "quality", "style", "background", "moderation"} & set(seen.json)
    free = sent(
        tmp_path, make_call(references=references, size=Size("1536x1024", 1536, 1024, assumed=False)), "xai"
    ).json
    assert (free["aspect_ratio"], free["resolution"], len(free["images"])) == ("3:2", "1k", 2)


def test_together_takes_edges_and_references_in_generations(tmp_path: Path, references: tuple[Path, ...]) -> None:
    seen = sent(tmp_path, make_call(references=references), "together")
    assert seen.target == "/v1/images/generations"
    assert (seen.json["width"], seen.json["height"], seen.json["response_format"]) == (1024, 1024, "base64")
    assert [url[:16] for url in seen.json["reference_images"]] == ["data:image/png;b", "data:image/jpeg;"]


@pytest.mark.parametrize("dialect", [row.name for row in load_dialects().values()])
def test_nothing_is_sent_that_the_dialect_drops(dialect: str, tmp_path: Path, references: tuple[Path, ...]) -> None:
    preset = load_dialects()[dialect]
    seen = sent(tmp_path, make_call(), dialect, api_version="1", deployment="d")
    assert not set(seen.json) & set(preset.drop)
    assert "model" in set(seen.json) | set(preset.drop)
    if preset.edits.startswith("multipart"):
        assert not set(sent(tmp_path, make_call(references=references), dialect, api_version="1").fields) & set(
            preset.drop
        )


def test_the_operators_changes_come_last_in_both_forms(tmp_path: Path, references: tuple[Path, ...]) -> None:
    changed = Dialect(
        name="d",
        drop=("background",),
        add={"seed": 7, "moderation": "low"},
        rename={"n": "num", "image[]": "pics"},
        qualities={"medium": "hd"},
        auth="header:Ocp-Key",
        idempotency="header",
    )
    seen = sent(tmp_path, make_call(), changed)
    assert (seen.json["num"], seen.json["seed"], seen.json["moderation"], seen.json["quality"]) == (1, 7, "low", "hd")
    assert not {"n", "background"} & set(seen.json)
    assert (seen.headers["ocp-key"], seen.headers["idempotency-key"]) == (SECRET, ATTEMPT)
    form = sent(tmp_path, make_call(references=references), changed)
    assert (form.fields["num"], form.fields["seed"], form.fields["moderation"]) == ("1", "7", "low")
    assert [name for name, file, _ in form.form if file] == ["pics", "pics"]


def test_no_key_is_sent_where_none_is_needed(tmp_path: Path) -> None:
    assert SECRET not in str(sent(tmp_path, make_call(), "sd-server"))


def test_a_large_reference_goes_from_its_file_byte_for_byte(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(encoded_image("PNG") + bytes(range(256)) * 4000)
    (content,) = [content for _, file, content in sent(tmp_path, make_call(references=(big,))).form if file]
    assert content == big.read_bytes()
    seen = sent(tmp_path, make_call(references=(big,)), Dialect(name="d", edits="json_images"))
    assert base64.b64decode(seen.json["images"][0]["image_url"].partition(",")[2]) == big.read_bytes()


def test_the_official_client_reads_what_these_tests_serve(tmp_path: Path) -> None:
    from openai import OpenAI as OfficialClient

    usage = {
        "input_tokens": 26,
        "input_tokens_details": {"text_tokens": 26, "image_tokens": 0},
        "output_tokens": 196,
        "total_tokens": 222,
    }

    def generate(port: int) -> Any:
        client = OfficialClient(api_key="k", base_url=f"http://127.0.0.1:{port}/v1", max_retries=0)
        with client:
            return client.images.generate(model="gpt-image-2", prompt="a cat", size="1024x1024", quality="low")

    async def run() -> tuple[Any, bytes]:
        body = one_image_body(usage=usage)
        async with serve_raw(reply_with(http_response(200, body, "Content-Type: application/json"))) as server:
            official = await asyncio.to_thread(generate, server.port)
            ours = await run_call(make_upstream(tmp_path, make_config(server.port)), make_call())
            assert isinstance(ours, Produced)
            assert ours.answer.usage is not None
            assert official.usage.output_tokens == ours.answer.usage.image_output
            assert official.usage.input_tokens_details.text_tokens == ours.answer.usage.text_input
            return official, (tmp_path / "spool" / f"{ATTEMPT}.{ours.answer.images[0].name}").read_bytes()

    official, kept = asyncio.run(run())
    assert base64.b64decode(official.data[0].b64_json) == kept


def test_streaming_is_asked_for_only_where_it_is_wanted_and_known(tmp_path: Path) -> None:
    from openai.types.image_generate_params import ImageGenerateParamsStreaming

    wanted = sent(tmp_path, make_call(partial_images=5)).json
    assert (wanted["stream"], wanted["partial_images"]) == (True, 3)
    must_be(ImageGenerateParamsStreaming, wanted)
    for seen in (
        sent(tmp_path, make_call()),
        sent(tmp_path, make_call(partial_images=2), "generic"),
        sent(tmp_path, make_call(partial_images=2, n=2)),
    ):
        assert "stream" not in seen.json
        assert "partial_images" not in seen.json


def test_the_events_of_these_tests_are_those_of_the_official_types() -> None:
    from openai.types import ImageEditCompletedEvent, ImageEditPartialImageEvent, ImageGenCompletedEvent

    from tests.upstreams.test_events import completed, partial

    for kind, model in (
        ("image_generation.completed", ImageGenCompletedEvent),
        ("image_edit.completed", ImageEditCompletedEvent),
    ):
        model.model_validate(completed(kind))
    ImageEditPartialImageEvent.model_validate(partial(0, "image_edit.partial_image"))
