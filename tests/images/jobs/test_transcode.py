"""Transcoding: the same image in another file type, made in the child from file to file."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms

from imagegate.images import MediaType, inspect
from imagegate.images.jobs import transcode
from imagegate.images.jobs.decode import ImageSize
from imagegate.images.jobs.process_pool import JobFailed, WorkerDied
from imagegate.images.jobs.transcode import TranscodeRequest
from tests.images.jobs.helpers import run_job

TYPES: dict[str, MediaType] = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
SAMPLE = [("png", "webp"), ("jpg", "png"), ("webp", "jpg")]  # each once from and once to
SIZE = (640, 400)


def transcoded(source: Path, target: Path, media_type: str, compression: int = 100, **limits: float) -> ImageSize:
    order = TranscodeRequest(str(source), str(target), media_type, compression)
    return run_job(transcode.JOB, order, ImageSize, **limits)


def soft(mode: str = "RGB") -> Image.Image:
    return Image.merge("RGB", [Image.linear_gradient("L").resize(SIZE).rotate(180 * n) for n in range(3)]).convert(mode)


@pytest.mark.parametrize(
    ("of", "into"),
    [pytest.param(of, into, marks=() if (of, into) in SAMPLE else pytest.mark.gate) for of in TYPES for into in TYPES],
)
def test_each_type_becomes_each_other(tmp_path: Path, of: str, into: str) -> None:
    source, target = tmp_path / f"in.{of}", tmp_path / f"out.{into}"
    soft().save(source, quality=95)
    told = transcoded(source, target, TYPES[into])
    assert (told.width, told.height) == SIZE
    facts = inspect(target, checksums=True)
    assert (facts.media_type, facts.width, facts.height) == (TYPES[into], *SIZE)
    with Image.open(target) as image, Image.open(source) as before:
        assert _apart(image.convert("RGB"), before.convert("RGB")) <= (0 if into == "png" else 12)


def _apart(one: Image.Image, other: Image.Image) -> int:
    return max(abs(a - b) for a, b in zip(one.tobytes(), other.tobytes(), strict=True))


def test_transparency_is_kept_where_the_type_has_it_and_lies_on_white_elsewhere(tmp_path: Path) -> None:
    Image.new("RGBA", SIZE, (255, 0, 0, 0)).save(tmp_path / "in.png")
    for ext in ("png", "webp"):
        transcoded(tmp_path / "in.png", tmp_path / f"out.{ext}", TYPES[ext])
        with Image.open(tmp_path / f"out.{ext}") as image:
            assert image.getchannel("A").getextrema() == (0, 0)
    transcoded(tmp_path / "in.png", tmp_path / "out.jpg", "image/jpeg")
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.getpixel((9, 9)) == (255, 255, 255)


@pytest.mark.parametrize("ext", ["jpg", "webp"])
def test_compression_is_obeyed(tmp_path: Path, ext: str) -> None:
    Image.effect_noise(SIZE, 60).convert("RGB").save(tmp_path / "in.png")
    sizes = []
    for compression in (0, 50, 100):
        transcoded(tmp_path / "in.png", tmp_path / f"out.{ext}", TYPES[ext], compression)
        sizes.append((tmp_path / f"out.{ext}").stat().st_size)
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("into", TYPES)
def test_the_profile_goes_along_and_exif_does_not(tmp_path: Path, into: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "taken at home"
    soft().save(tmp_path / "in.jpg", icc_profile=profile, exif=exif)
    told = transcoded(tmp_path / "in.jpg", tmp_path / f"out.{into}", TYPES[into])
    assert (told.width, told.height) == (SIZE[1], SIZE[0]), "turned upright"
    with Image.open(tmp_path / f"out.{into}") as image:
        assert image.info["icc_profile"] == profile
        assert dict(image.getexif()) == {}


def test_a_profile_of_ink_is_not_put_on_light(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    ink = srgb[:16] + b"CMYK" + srgb[20:]
    soft("CMYK").save(tmp_path / "in.jpg", icc_profile=ink)
    for ext, media_type in TYPES.items():
        transcoded(tmp_path / "in.jpg", tmp_path / f"out.{ext}", media_type)
        with Image.open(tmp_path / f"out.{ext}") as image:
            assert "icc_profile" not in image.info


@pytest.mark.parametrize(
    ("order", "why"), [({"media_type": "image/gif"}, "not written"), ({"compression": 101}, "0..100")]
)
def test_what_is_not_offered_is_refused(tmp_path: Path, order: dict[str, Any], why: str) -> None:
    soft().save(tmp_path / "in.png")
    with pytest.raises(JobFailed, match=why):
        transcoded(tmp_path / "in.png", tmp_path / "out", **{"media_type": "image/png", **order})
    assert not (tmp_path / "out").exists()


@pytest.mark.gate
def test_the_limits_hold(tmp_path: Path) -> None:
    Image.new("1", (8001, 8001)).save(tmp_path / "large.png")
    with pytest.raises(JobFailed, match="8001x8001 is too large to decode"):
        transcoded(tmp_path / "large.png", tmp_path / "out.webp", "image/webp")
    Image.effect_noise((4000, 4000), 60).convert("RGB").save(tmp_path / "noise.jpg")
    with pytest.raises(WorkerDied, match="longer than"):
        transcoded(tmp_path / "noise.jpg", tmp_path / "out.webp", "image/webp", wall_s=0.3)
