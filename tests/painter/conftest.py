"""Requests for the painter, and helpers to read the result."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from imagegate.painter.paint import paint
from imagegate.painter.request import PaintRequest

Pixels = npt.NDArray[np.uint8]
MakeRequest = Callable[..., PaintRequest]


@pytest.fixture
def make_request(tmp_path: Path) -> MakeRequest:
    """A request for a small quick image; anything may be set."""
    plain = PaintRequest(
        prompt="a mountain lake at dawn",
        width=256,
        height=160,
        quality="low",
        index=0,
        references=(),
        mask="",
        transparent=False,
        format="png",
        compression=100,
        out=str(tmp_path / "out"),
    )

    def make(**changes: object) -> PaintRequest:
        return msgspec.structs.replace(plain, **changes)

    return make


def paint_bytes(request: PaintRequest) -> bytes:
    paint(request)
    return Path(request.out).read_bytes()


def paint_pixels(request: PaintRequest) -> Pixels:
    paint(request)
    with Image.open(request.out) as image:
        return np.array(image)
