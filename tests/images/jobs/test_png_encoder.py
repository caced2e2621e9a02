"""Our own PNG writer against somebody else's reader."""

import io
import struct
import sys
import zlib

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from imagegate.images.jobs.png_encoder import Pixels, write_png

_SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([3, 4]))
_PICTURES = _SHAPES.flatmap(lambda shape: hnp.arrays(np.uint8, shape))


def _written(pixels: Pixels, metadata: dict[str, str] | None = None) -> bytes:
    file = io.BytesIO()
    assert write_png(file, pixels, metadata) == len(file.getvalue())
    return file.getvalue()


def _read(data: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        return np.array(image)


@settings(max_examples=60, deadline=None)
@given(_PICTURES)
def test_what_is_written_is_read_back(pixels: Pixels) -> None:
    assert np.array_equal(_read(_written(pixels)), pixels)


@settings(max_examples=30, deadline=None)
@given(_PICTURES)
def test_without_isal_the_image_is_the_same(pixels: Pixels) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "isal", None)
        assert np.array_equal(_read(_written(pixels)), pixels)


def test_several_bands_and_odd_strides() -> None:
    wide = np.random.default_rng(1).integers(0, 256, (900, 1501, 3), np.uint8)
    assert np.array_equal(_read(_written(wide)), wide)
    part = wide[100:300:2, 7:900:3]
    assert np.array_equal(_read(_written(part)), part)


def test_every_chunk_has_its_checksum() -> None:
    data = _written(np.zeros((5, 5, 4), np.uint8), {"Software": "x"})
    at, kinds = 8, []
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        body = data[at + 4 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(body)
        kinds.append(body[:4])
        at += 12 + length
    assert kinds == [b"IHDR", b"iTXt", b"IDAT", b"IEND"]


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60))
def test_text_survives(text: str) -> None:
    with Image.open(io.BytesIO(_written(np.zeros((2, 2, 3), np.uint8), {"Description": text}))) as image:
        image.load()
        assert image.info["Description"] == text


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 2), (0, 4, 3), (4, 0, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected|pixel"):
        write_png(io.BytesIO(), np.zeros(shape, np.uint8))


@pytest.mark.parametrize("keyword", ["", "k" * 80, "a\0b"])
def test_bad_keywords_are_refused(keyword: str) -> None:
    with pytest.raises(ValueError, match="text entry"):
        write_png(io.BytesIO(), np.zeros((1, 1, 3), np.uint8), {keyword: "x"})
