"""P1 on the real program: what is quoted is what is charged, to the nano, through painting, storing and settling."""

from __future__ import annotations

import io
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from imagegate.families.sizes import RATIOS, parse_pixels
from tests.support.gateway import Gateway

PIXELS = ("1024x640", "832x800", "1280x512", "1600x544")


class _ImageHandler(BaseHTTPRequestHandler):
    body = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        return None


@pytest.fixture(scope="module")
def reference_url() -> Iterator[str]:
    """A real image on a real HTTP server."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "JPEG")
    handler = type("Picture", (_ImageHandler,), {"body": buffer.getvalue()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/reference.jpg"
        server.shutdown()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, reference_url: str) -> Iterator[Gateway]:
    port = reference_url.rpartition(":")[2].partition("/")[0]
    data: Path = tmp_path_factory.mktemp("bill")
    with Gateway(data, "--egress-allow", f"127.0.0.1/32:{port}") as gateway:
        yield gateway


def _some_request(dice: random.Random, reference_url: str) -> dict[str, Any]:
    model = dice.choice(["gpt-image-2", "gpt-image-2", "gpt-image-2.5-flare", "gpt-image-2-beta", "gpt-image-1"])
    size = dice.choice(["auto", "1:1", "3:2"] if model == "gpt-image-1" else ["auto", *RATIOS, *PIXELS])
    return {
        "model": model,
        "prompt": "logo " + dice.choice(["x", "노을 지는 바다", "🌊" * 40]),
        "size": size,
        "quality": dice.choice(["low", "medium", "high"]),
        "n": 1 if model == "gpt-image-2-beta" else dice.choice([1, 1, 2]),
        "image_urls": [reference_url] * dice.choice([0, 0, 1, 3]),
        "output_format": "jpeg",
    }


@pytest.mark.parametrize("requests", [4, pytest.param(30, marks=pytest.mark.gate)])
def test_p1_the_quote_is_the_bill(served: Gateway, reference_url: str, requests: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    with served.client() as client:
        for _ in range(requests):
            body = _some_request(dice, reference_url)
            quote = client.post("/v1/images/quotes", json=body).json()
            task = client.post("/v1/images/generations", json=body, headers={"Prefer": "wait=60"}).json()
            assert task["status"] == "completed", task
            assert str(task["usage"]["cost"]["usd"]) == str(float(quote["expected"]["usd"])), body
            assert str(task["usage"]["credits_reserved"]) == str(float(quote["maximum"]["credits"])), body
            assert len(task["results"]) == body["n"]
            image = Image.open(io.BytesIO(httpx.get(task["results"][0], timeout=60).content))
            assert image.size == (quote["size"]["width"], quote["size"]["height"]), body
            if parse_pixels(body["size"]):
                assert image.size == parse_pixels(body["size"])
    served.check()
