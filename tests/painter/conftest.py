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
MakeOrder = Callable[..., PaintRequest]


@pytest.fixture
def order(tmp_path: Path) -> MakeOrder:
    """An order for a small quick picture; anything may be set."""
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


def paint_bytes(order: PaintRequest) -> bytes:
    paint(order)
    return Path(order.out).read_bytes()


def paint_pixels(order: PaintRequest) -> Pixels:
    paint(order)
    with Image.open(order.out) as image:
        return np.array(image)
