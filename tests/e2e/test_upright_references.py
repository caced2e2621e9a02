"""Photos that EXIF shows another way than they are stored, with their masks; and images that are too large to draw."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.api.helpers import CREATE, WAIT, parse_response
from tests.support.gateway import Gateway
from tests.support.image_files import b64

STORED = (1024, 768)
UPLOAD = "/api/v1/files/upload/base64"


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as opened:
        yield opened


def encoded(image: Image.Image, file_format: str, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    image.save(out, file_format, exif=exif, **({"compress_level": 1} if file_format == "PNG" else {"quality": 95}))
    return out.getvalue()


def upload(client: httpx.Client, data: bytes) -> str:
    kept = parse_response(client.post(UPLOAD, json={"base64_data": b64(data)}))
    return str(kept["data"]["file_url"])


def edit(client: httpx.Client, photo: str, mask: str, size: str) -> dict[str, Any]:
    order = {
        "model": "gpt-image-2",
        "prompt": "remove",
        "size": size,
        "quality": "low",
        "image_urls": [photo],
        "mask_url": mask,
    }
    task: dict[str, Any] = parse_response(client.post(CREATE, json=order, headers=WAIT))
    return task


def mask_of_the_upper_right(size: tuple[int, int]) -> Image.Image:
    mask = Image.new("RGBA", size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (size[0] // 2, 0, size[0], size[1] // 2))
    return mask


# 6: a phone held upright; 2: a mirrored selfie, whose sizes agree whichever way it is turned.
@pytest.mark.parametrize(
    ("file_format", "orientation"),
    [("JPEG", 6), *(pytest.param(*one, marks=pytest.mark.gate) for one in (("PNG", 8), ("WEBP", 5), ("JPEG", 2)))],
)
def test_a_mask_drawn_on_what_the_browser_shows_repaints_what_was_painted(
    client: httpx.Client, file_format: str, orientation: int
) -> None:
    photo = upload(client, encoded(Image.new("RGB", STORED, (90, 120, 200)), file_format, orientation))
    shown = STORED if orientation < 5 else STORED[::-1]
    mask = upload(client, encoded(mask_of_the_upper_right(shown), "PNG"))
    task = edit(client, photo, mask, f"{shown[0]}x{shown[1]}")
    assert task["status"] == "completed", task
    result = np.asarray(Image.open(io.BytesIO(client.get(task["results"][0]).content)).convert("RGB"), np.int16)
    changed = np.abs(result - np.median(result, axis=(0, 1))).max(axis=2) > 3
    height, width = changed.shape
    assert (width, height) == shown
    outside = changed.copy()
    outside[: height // 2, width // 2 :] = False
    assert not outside.any(), "only what the mask shows is repainted"


def test_a_mask_drawn_on_the_stored_image_still_fits(client: httpx.Client) -> None:
    photo = upload(client, encoded(Image.new("RGB", STORED, (90, 120, 200)), "JPEG", 6))
    mask = upload(client, encoded(mask_of_the_upper_right(STORED), "PNG"))
    assert edit(client, photo, mask, "768x1024")["status"] == "completed"


def test_a_mask_that_fits_neither_way_is_refused_with_the_size_that_people_see(client: httpx.Client) -> None:
    photo = upload(client, encoded(Image.new("RGB", STORED, (90, 120, 200)), "JPEG", 6))
    mask = upload(client, encoded(mask_of_the_upper_right((768, 768)), "PNG"))
    error = edit(client, photo, mask, "768x1024")["error"]
    assert error["code"] == "image_dimension_mismatch"
    assert "768x1024" in error["message"]


@pytest.mark.gate
def test_a_photo_that_is_too_large_to_be_turned_for_its_mask_is_refused(client: httpx.Client) -> None:
    """Sent as it is stored, it would be repainted in another place than the mask shows."""
    photo = upload(client, encoded(Image.new("RGB", (6_000, 4_200), (90, 120, 200)), "WEBP", 6))
    mask = upload(client, encoded(Image.new("LA", (4_200, 6_000), (9, 0)), "PNG"))
    error = edit(client, photo, mask, "768x1024")["error"]
    assert (error["code"], error["reason"], error["param"]) == (
        "image_processing_error",
        "too_many_pixels",
        "image_urls[0]",
    )


@pytest.mark.parametrize(
    ("file_format", "size", "limit"),
    [
        ("PNG", (10_000, 7_000), "64,000,000"),
        pytest.param("JPEG", (10_000, 7_000), "64,000,000", marks=pytest.mark.gate),
        ("WEBP", (6_000, 4_200), "24,000,000"),
    ],
)
def test_an_image_that_is_too_large_to_draw_is_refused_by_its_real_limit(
    client: httpx.Client, file_format: str, size: tuple[int, int], limit: str
) -> None:
    large = upload(client, encoded(Image.new("RGB", size, (9, 9, 9)), file_format))
    order = {"model": "gpt-image-2", "prompt": "x", "size": "1:1", "quality": "low", "image_urls": [large]}
    task = parse_response(client.post(CREATE, json=order, headers=WAIT))
    error = task["error"]
    assert (error["code"], error["reason"], error["param"]) == (
        "image_processing_error",
        "too_many_pixels",
        "image_urls[0]",
    )
    assert f"{size[0]}x{size[1]}" in error["message"]
    assert limit in error["message"]


@pytest.mark.gate
def test_a_mask_that_is_too_large_to_read_is_refused_by_its_real_limit(client: httpx.Client) -> None:
    size = (10_000, 7_000)
    photo = upload(client, encoded(Image.new("L", size, 9), "PNG"))
    mask = upload(client, encoded(Image.new("LA", size, (9, 0)), "PNG"))
    error = edit(client, photo, mask, "1:1")["error"]
    assert (error["code"], error["reason"], error["param"]) == ("image_processing_error", "too_many_pixels", "mask_url")
