"""Section 11, edits: forms as real clients send them, JSON with links, files and data URLs, and bad input."""

from __future__ import annotations

import base64
import io
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest
from PIL import Image

from tests.api.helpers import assert_unchanged, parse_error, parse_response, send_raw
from tests.support.gateway import Gateway
from tests.support.image_files import image_bytes, large_png

MAX_BYTES = 1024 * 1024
GATEWAY_ENV = {"IMAGEGATE_MAX_UPLOAD_BYTES": str(MAX_BYTES), "IMAGEGATE_BODY_TIMEOUT_S": "0.5"}
PATH = "/openai/v1/images/edits"
LOGO: dict[str, Any] = {"prompt": "logo", "size": "816x816", "quality": "low"}
TEXTS = {name: str(value) for name, value in LOGO.items()}
PNG, JPEG = image_bytes(), image_bytes("JPEG", (80, 60))
MASK, OTHER_MASK = image_bytes(mode="RGBA"), image_bytes(size=(50, 50), mode="RGBA")


@pytest.fixture(scope="module")
def sdk(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/openai/v1", api_key=gateway.key, max_retries=0) as client:
        yield client


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def edited(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    """The request of the task behind an answer that has an image."""
    body = parse_response(answer)
    with Image.open(io.BytesIO(base64.b64decode(body["data"][0]["b64_json"]))) as opened:
        assert opened.size == (816, 816)
    task = parse_response(client.get(f"/v1/tasks/{answer.headers['x-task-id']}?include=request"))
    request: dict[str, Any] = task["request"]
    assert task["usage"]["tokens"]["image_input"] == 1536 * len(request["image_urls"])
    return request


def test_s11_edits_by_the_sdk(sdk: openai.OpenAI, client: httpx.Client) -> None:
    one = sdk.images.edit(**LOGO, image=("fox.png", PNG))
    several = sdk.images.edit(**LOGO, image=[("a", PNG), ("b.png", JPEG, "application/octet-stream")], mask=MASK)
    for answer in (one, several):
        assert answer.data
        assert answer.data[0].b64_json
    assert several.usage
    assert several.usage.input_tokens_details.image_tokens == 2 * 1536
    assert parse_response(client.get("/api/v1/files/quota"))["data"]["used_files"] == 0


@pytest.mark.parametrize(
    "names",
    [["image"], ["image[]"], ["image[0]"], ["image", "image"], ["image[]", "image[]"], ["image[1]", "image[0]"]],
)
def test_s11_forms_three_spellings_are_one_list(client: httpx.Client, names: list[str]) -> None:
    files = [(name, ("x", data, "text/plain")) for name, data in zip(names, (PNG, JPEG), strict=False)]
    urls = edited(client, client.post(PATH, data=TEXTS, files=files))["image_urls"]
    kinds = [url.rpartition(".")[2] for url in urls]
    assert kinds == (["jpg", "png"] if names[0] == "image[1]" else ["png", "jpg"][: len(names)])


def test_s11_forms_in_any_order_with_texts_for_numbers(client: httpx.Client) -> None:
    fields = {"n": "1", "stream": "False", "size": TEXTS["size"], "quality": "low", "user": "", "output_format": "jpeg"}
    parts: list[Any] = [
        ("mask", ("m", MASK)),
        ("image", ("x", PNG)),
        *((name, (None, text)) for name, text in fields.items()),
    ]
    answer = client.post(PATH, files=[*parts, ("prompt", (None, "logo")), ("unknown", ("u", b"x" * 70_000))])
    request = edited(client, answer)
    assert request["mask_url"]
    assert request["output_format"] == "jpeg"


def test_s11_forms_chunked_and_expected(gateway: Gateway, client: httpx.Client) -> None:
    sent = client.build_request("POST", PATH, data=TEXTS, files={"image": PNG})
    body, kind = sent.read(), sent.headers["content-type"]

    def pieces() -> Iterator[bytes]:
        yield from (body[at : at + 100] for at in range(0, len(body), 100))

    edited(client, client.post(PATH, content=pieces(), headers={"Content-Type": kind}))
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\nContent-Type: {kind}\r\n"
    head += f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    address = urlsplit(gateway.url)
    with socket.create_connection((address.hostname, address.port or 80), timeout=30) as connection:
        connection.sendall(head.replace("Host: x", f"Host: {address.netloc}").encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(body)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_s11_edits_as_json(client: httpx.Client) -> None:
    stored = parse_response(client.post("/api/v1/files/upload/stream", files={"file": JPEG}))["data"]
    images = [{"image_url": data_url(PNG)}, {"file_id": stored["file_id"]}, {"image_url": stored["file_url"]}]
    answer = client.post(PATH, json={**LOGO, "images": images, "mask": {"image_url": data_url(MASK)}})
    request = edited(client, answer)
    assert request["image_urls"][0].endswith(".png")
    assert stored["file_id"] in request["image_urls"][1]


BAD: dict[str, tuple[Callable[[], dict[str, Any]], str, str | None]] = {
    "no_image": (lambda: {"data": TEXTS, "files": {"x": b"x"}}, "invalid_request", "image"),
    "an_empty_one": (lambda: {"data": TEXTS, "files": {"image": b""}}, "invalid_request", "image"),
    "seventeen": (lambda: {"data": TEXTS, "files": [("image[]", PNG)] * 17}, "invalid_request", "image"),
    "too_large": (lambda: {"data": TEXTS, "files": {"image": large_png(MAX_BYTES + 1)}}, "file_too_large", "image"),
    "no_type": (lambda: {"data": TEXTS, "files": {"image": b"x" * 99}}, "file_type_not_allowed", "image"),
    "cut_off": (lambda: {"data": TEXTS, "files": {"image": PNG[:60]}}, "invalid_request", "image"),
    "a_gif": (lambda: {"data": TEXTS, "files": {"image": image_bytes("GIF")}}, "invalid_request", "image"),
    "mask_of_another_size": (
        lambda: {"data": TEXTS, "files": {"image": PNG, "mask": OTHER_MASK}},
        "invalid_request",
        "mask",
    ),
    "mask_without_alpha": (lambda: {"data": TEXTS, "files": {"image": PNG, "mask": PNG}}, "invalid_request", "mask"),
    "two_masks": (
        lambda: {"data": TEXTS, "files": [("image", PNG), ("mask", MASK), ("mask", MASK)]},
        "invalid_request",
        "mask",
    ),
    "mask_that_no_row_takes": (
        lambda: {"data": {**TEXTS, "model": "gpt-image-2-beta"}, "files": {"image": PNG, "mask": MASK}},
        "invalid_request",
        "mask",
    ),
    "markup": (lambda: {"data": TEXTS, "files": {"image": PNG, "markup": MASK}}, "invalid_request", "markup"),
    "n": (lambda: {"data": {**TEXTS, "n": "two"}, "files": {"image": PNG}}, "invalid_request", "n"),
    "long_text": (
        lambda: {"data": {**TEXTS, "user": "x" * 300_000}, "files": {"image": PNG}},
        "invalid_request",
        "user",
    ),
    "json_without": (lambda: {"json": LOGO}, "invalid_request", "images"),
    "json_base64": (
        lambda: {"json": {**LOGO, "images": [{"image_url": "data:image/png;base64,@@@@"}]}},
        "invalid_request",
        "images",
    ),
    "json_both": (
        lambda: {"json": {**LOGO, "images": [{"image_url": "https://x", "file_id": "file_1"}]}},
        "invalid_request",
        "images[0]",
    ),
    "json_file_id": (
        lambda: {"json": {**LOGO, "images": [{"file_id": "file_1"}]}},
        "invalid_request",
        "images[0].file_id",
    ),
    "json_private": (
        lambda: {"json": {**LOGO, "images": [{"image_url": "http://127.0.0.1/x"}]}},
        "invalid_request",
        "image[0]",
    ),
    "json_too_many": (
        lambda: {"json": {**LOGO, "images": [{"image_url": data_url(PNG)}] * 18}},
        "invalid_request",
        "images",
    ),
    "another_type": (
        lambda: {"content": b"x", "headers": {"Content-Type": "text/plain"}},
        "unsupported_media_type",
        None,
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_s11_uploads_that_are_bad_hold_nothing(client: httpx.Client, gateway: Gateway, case: str) -> None:
    build, code, param = BAD[case]
    with assert_unchanged(client):
        answer = client.post(PATH, **build())
        if code == "file_too_large":  # the one refusal whose words may say so
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
            return
        parse_error(answer, 415 if code == "unsupported_media_type" else 400, code, param)
    assert "x-task-id" not in answer.headers
    assert list((gateway.data / "incoming").glob("*")) == []


def test_s11_uploads_a_file_of_another_account(gateway: Gateway, client: httpx.Client) -> None:
    with gateway.client(gateway.new_key("another")) as other:
        stored = parse_response(other.post("/api/v1/files/upload/stream", files={"file": PNG}))["data"]
    with assert_unchanged(client):
        answer = client.post(PATH, json={**LOGO, "images": [{"file_id": stored["file_id"]}]})
        parse_error(answer, 400, "invalid_request", "image[0]")


@pytest.mark.parametrize("length", [0, 10_000_000_000])
def test_s11_uploads_cut_slow_or_endless(gateway: Gateway, client: httpx.Client, length: int) -> None:
    sent = client.build_request("POST", PATH, data=TEXTS, files={"image": PNG})
    body = sent.read()[:-80]
    head = f"POST {PATH} HTTP/1.1\r\nHost: {urlsplit(gateway.url).netloc}\r\nAuthorization: Bearer {gateway.key}\r\n"
    head += f"Content-Type: {sent.headers['content-type']}\r\nContent-Length: {length or len(body) + 80}\r\n"
    head += "Connection: close\r\n\r\n"
    with assert_unchanged(client):
        answer = send_raw(gateway.url, head.encode() + body)
    assert answer.startswith(b"HTTP/1.1 413" if length else b"HTTP/1.1 400")
    assert list((gateway.data / "incoming").glob("*")) == []
