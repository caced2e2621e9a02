"""Every file of the corpus gets the verdict that stands beside it, in little memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from imagegate.images import InvalidImage, inspect, sniff
from tests.images.corpus import CORPUS, PNG, encoded_image

HOSTILE = [name for name in CORPUS if "50 MB" in name or "bomb" in name or "scans" in name or "13000" in name]


def put(tmp_path: Path, data: bytes, name: str = "holiday.png") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def seen(path: Path, *, checksums: bool = False) -> object:
    try:
        facts = inspect(path, checksums=checksums)
    except InvalidImage as refused:
        return refused.reason
    assert facts.bytes == path.stat().st_size
    return facts.media_type, facts.width, facts.height, facts.has_alpha


def test_the_corpus_is_as_large_as_it_should_be() -> None:
    assert len(CORPUS) >= 60


@pytest.mark.parametrize("name", CORPUS)
def test_s2_1_reference_limits_are_found_in_the_bytes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CORPUS[name]
    path = put(tmp_path, case.make())

    def decode(self: object) -> None:
        raise AssertionError("pixels were touched")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    assert seen(path) == case.inspect_verdict
    assert seen(path, checksums=True) == (case.checksum_verdict or case.inspect_verdict)
    path.unlink()


@pytest.mark.gate
@pytest.mark.parametrize("name", HOSTILE)
def test_little_memory(name: str, tmp_path: Path) -> None:
    path = put(tmp_path, CORPUS[name].make())
    tracemalloc.start()
    try:
        seen(path)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()
    path.unlink()


@pytest.mark.parametrize(
    "name", [n for n, c in CORPUS.items() if isinstance(c.inspect_verdict, tuple) and n not in HOSTILE]
)
def test_pillow_agrees_about_what_is_accepted(name: str, tmp_path: Path) -> None:
    case = CORPUS[name]
    path = put(tmp_path, case.make())
    seen(path)
    with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as image:
        assert case.inspect_verdict == (Image.MIME[image.format or ""], *image.size, case.inspect_verdict[3])
        if "zero" not in name and image.format != "JPEG":
            assert (image.has_transparency_data) == case.inspect_verdict[3]


def test_the_pixel_limit_outlives_a_change_by_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert seen(put(tmp_path, encoded_image("PNG"))) == (PNG, 40, 30, False)


@pytest.mark.parametrize(
    ("first", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WEBPVP8L", "image/webp"),
        (b"RIFF\0\0\0\0WEBPVP8X", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"RIFF\0\0\0\0WEBP", None),
        (b"\x89PNG\n\x1a\n", None),
        (b"\xff\xd8", None),
        (b"GIF90a", None),
        (b"", None),
    ],
)
def test_sniff(first: bytes, media_type: str | None) -> None:
    assert sniff(first) == media_type


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@given(
    edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.integers(0, 400),
)
@settings(max_examples=150, deadline=None)
def test_any_damage_ends_in_a_verdict(
    kind: str, edits: list[tuple[int, int]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = bytearray(encoded_image(kind))
    for at, value in edits:
        data[at % len(data)] = value
    path = tmp_path_factory.getbasetemp() / f"damaged.{kind}"
    path.write_bytes(data[: len(data) - cut % len(data)])
    first, second = seen(path), seen(path, checksums=True)
    assert second in (first, "corrupt"), "checksums find damage, and nothing else"


@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x90\x01\0\0WEBPVP8X"]),
)
@settings(max_examples=200, deadline=None)
def test_any_bytes_end_in_a_verdict(tmp_path_factory: pytest.TempPathFactory, data: bytes, head: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "noise"
    path.write_bytes(head + data)
    seen(path)
    seen(path, checksums=True)
