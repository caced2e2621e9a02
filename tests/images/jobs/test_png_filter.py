"""A PNG is decoded without its captions: the same pixels, in the memory that pixels take."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imagegate.images.jobs.decode import open_upright
from imagegate.images.jobs.png_filter import open_filtered
from tests.images.corpus import CORPUS, chunk, encoded_image


def with_extras(data: bytes, *extras: bytes) -> bytes:
    """Chunks behind the header, and the last of them before the end too."""
    return data[:33] + b"".join(extras) + data[33:-12] + extras[-1] + data[-12:]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "1", "I;16"])
def test_the_pixels_are_the_same(mode: str, tmp_path: Path) -> None:
    data = encoded_image("PNG", mode)
    path = tmp_path / "x.png"
    path.write_bytes(with_extras(data, chunk(b"tEXt", b"k\0v" * 999), chunk(b"paDd", bytes(5_000_000))))
    with open_filtered(path) as slim:
        assert slim.read() == data
    with Image.open(io.BytesIO(data)) as image:
        grey = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)) if mode == "I;16" else image
        expected = grey.convert("RGBA" if image.has_transparency_data else "RGB")
        assert np.array_equal(np.asarray(open_upright(path)), np.asarray(expected))


def test_extras_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(with_extras(encoded_image("PNG"), chunk(b"paDd", bytes(20_000_000))))
    tracemalloc.start()
    try:
        open_upright(path)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["png zTXt bomb", "png iTXt bomb", "png iCCP bomb"])
def test_a_bomb_in_a_caption_is_never_looked_at(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(CORPUS[name].make())
    with open_filtered(path) as slim:
        assert len(slim.read()) < 100


@pytest.mark.parametrize("name", [name for name, case in CORPUS.items() if "50 MB" not in name])
def test_other_files_and_broken_ones_are_left_as_they_are(name: str, tmp_path: Path) -> None:
    data = CORPUS[name].make()
    path = tmp_path / "x.png"
    path.write_bytes(data)
    with open_filtered(path) as slim:
        seen = slim.read()
        assert slim.seek(0, io.SEEK_END) == len(seen)
        assert slim.seek(3) == slim.tell() == 3
        assert slim.read(5) == seen[3:8]
    assert seen == data or data.startswith(b"\x89PNG")
    if case_is_cut(data):
        assert seen.endswith(data[-4:])


def case_is_cut(data: bytes) -> bool:
    return data.startswith(b"\x89PNG") and b"IEND" not in data
