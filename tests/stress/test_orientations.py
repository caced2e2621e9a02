"""What a real upstream gets of a photo and its mask: every orientation, format and way to draw the mask."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from aiohttp import web
from PIL import Image, ImageOps

from tests.api.helpers import CREATE, WAIT, parse_response
from tests.support.image_files import PNG, b64
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config

STORED = (96, 64)
UPLOAD = "/api/v1/files/upload"


class EditServer:
    """Keeps the images and the mask of the last edit that it was asked for."""

    def __init__(self) -> None:
        self.port = 0
        self.last: dict[str, bytes] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(30)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _edit(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.last = {name: part.file.read() for name, part in form.items() if isinstance(part, web.FileField)}
        return web.json_response({"created": 1, "data": [{"b64_json": base64.b64encode(PNG).decode()}]})

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application(client_max_size=2**24)
        app.router.add_post("/v1/images/edits", self._edit)
        runner = web.AppRunner(app)
        self._loop.run_until_complete(runner.setup())
        self._loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
        self.port = runner.addresses[0][1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()


@pytest.fixture(scope="module")
def upstream() -> Iterator[EditServer]:
    server = EditServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def client(upstream: EditServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    rows = [upstream_config("there", f"http://127.0.0.1:{upstream.port}/v1"), route_config("there", "0.01")]
    data, env = tmp_path_factory.mktemp("front") / "data", {"IMAGEGATE_FILES_PER_ACCOUNT": "1000"}
    with RoutedGateway(data, *rows, env=env) as gateway, gateway.client() as opened:
        yield opened


def photo(file_format: str, orientation: int) -> bytes:
    """Red in the upper left as it is stored, other colours elsewhere."""
    image = Image.new("RGB", STORED, "white")
    for at, colour in (((0, 0), "red"), ((48, 0), "green"), ((0, 32), "blue")):
        image.paste(Image.new("RGB", (48, 32), colour), at)
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    image.save(out, file_format, exif=exif, **({} if file_format == "PNG" else {"quality": 95}))
    return out.getvalue()


def red_of(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image.convert("RGB")).astype(int)
    return (pixels[:, :, 0] > 150) & (pixels[:, :, 1] < 110) & (pixels[:, :, 2] < 110)


def mask_of(clear: np.ndarray) -> bytes:
    pixels = np.zeros((*clear.shape, 4), np.uint8)
    pixels[:, :, 3] = np.where(clear, 0, 255)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def upload(client: httpx.Client, data: bytes, door: str) -> str:
    if door == "base64":
        kept = client.post(f"{UPLOAD}/base64", json={"base64_data": b64(data)})
    else:
        kept = client.post(f"{UPLOAD}/stream", files={"file": ("photo", data)})
    return str(parse_response(kept)["data"]["file_url"])


@pytest.mark.gate
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("drawn_on", ["what people see", "what is stored"])
@pytest.mark.parametrize("door", ["base64", "form"])
def test_what_an_upstream_gets_is_upright_and_the_mask_lies_where_it_was_drawn(
    client: httpx.Client, upstream: EditServer, file_format: str, orientation: int, drawn_on: str, door: str
) -> None:
    if drawn_on == "what is stored" and orientation in (2, 3, 4):
        pytest.skip("of the same size both ways: what people see is what counts")
    data = photo(file_format, orientation)
    stored = Image.open(io.BytesIO(data))
    shown = ImageOps.exif_transpose(stored)
    mask = mask_of(red_of(shown if drawn_on == "what people see" else stored))
    order = {"model": "gpt-image-2", "prompt": "x", "size": "1:1", "quality": "low"}
    order |= {"image_urls": [upload(client, data, door)], "mask_url": upload(client, mask, door)}  # type: ignore[dict-item]
    task = parse_response(client.post(CREATE, json=order, headers=WAIT))
    assert task["status"] == "completed", task
    sent = Image.open(io.BytesIO(next(part for name, part in upstream.last.items() if name.startswith("image"))))
    sent_mask = Image.open(io.BytesIO(upstream.last["mask"]))
    assert sent.size == sent_mask.size == shown.size
    assert sent.getexif().get(0x0112, 1) == 1
    red, clear = red_of(sent), np.asarray(sent_mask.getchannel("A")) == 0
    assert clear.sum() > 1000
    assert (red & clear).sum() > 0.9 * max(red.sum(), clear.sum())
