"""Masks written anew: the same pixels to repaint, and nothing else of the file that came."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from imagegate.images import inspect
from imagegate.images.jobs import mask
from imagegate.images.jobs.decode import ImageSize
from imagegate.images.jobs.mask import MaskRequest
from imagegate.images.jobs.process_pool import JobFailed, WorkerDied
from tests.images.jobs.helpers import run_job


def rewritten(source: Path, target: Path, cpu_s: float = 5) -> ImageSize:
    return run_job(mask.JOB, MaskRequest(str(source), str(target)), ImageSize, cpu_s=cpu_s)


def soft(size: tuple[int, int]) -> Image.Image:
    """Every alpha from 0 to 255."""
    return Image.linear_gradient("L").resize(size)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_below_255_is_clear_and_255_is_solid(tmp_path: Path, mode: str) -> None:
    drawn = Image.effect_noise((640, 480), 90).convert(mode)
    drawn.putalpha(soft(drawn.size))
    drawn.save(tmp_path / "in.png")
    told = rewritten(tmp_path / "in.png", tmp_path / "out.png")
    assert (told.width, told.height) == (640, 480)
    with Image.open(tmp_path / "out.png") as image:
        assert (image.format, image.mode) == ("PNG", "RGBA")
        alpha, before = np.asarray(image.getchannel("A")), np.asarray(soft((640, 480)))
        assert np.array_equal(alpha == 0, before < 255)
        assert np.array_equal(alpha == 255, before == 255)
        assert 0 < (alpha == 255).sum() < alpha.size
        assert image.convert("RGB").getextrema() == ((0, 0), (0, 0), (0, 0))
    assert inspect(tmp_path / "out.png").has_alpha


def test_a_palette_with_one_clear_colour_is_a_mask(tmp_path: Path) -> None:
    drawn = Image.new("P", (64, 64), 1)
    ImageDraw.Draw(drawn).rectangle((0, 0, 31, 63), fill=0)
    drawn.putpalette([255, 255, 255, 0, 0, 0])
    drawn.save(tmp_path / "in.png", transparency=0)
    rewritten(tmp_path / "in.png", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        alpha = np.asarray(image.getchannel("A"))
    assert (alpha[:, :32] == 0).all()
    assert (alpha[:, 32:] == 255).all()


def test_words_of_the_sender_are_gone_and_orientation_is_obeyed(tmp_path: Path) -> None:
    exif, outcome = Image.Exif(), PngInfo()
    exif[0x0112] = 6
    outcome.add_text("Author", "someone at home")
    drawn = Image.new("RGBA", (64, 32), (0, 0, 0, 0))
    drawn.save(tmp_path / "in.png", exif=exif, pnginfo=outcome)
    told = rewritten(tmp_path / "in.png", tmp_path / "out.png")
    assert (told.width, told.height) == (32, 64), "as people see it"
    with Image.open(tmp_path / "out.png") as image:
        assert (image.info, dict(image.getexif())) == ({}, {})


@pytest.mark.gate
def test_a_noisy_4k_mask_becomes_small(tmp_path: Path) -> None:
    drawn = Image.effect_noise((3840, 2160), 90).convert("RGBA")
    alpha = Image.new("L", drawn.size, 255)
    ImageDraw.Draw(alpha).ellipse((400, 400, 1400, 1400), fill=0)
    drawn.putalpha(alpha)
    drawn.save(tmp_path / "in.png", compress_level=1)
    rewritten(tmp_path / "in.png", tmp_path / "out.png")
    assert (tmp_path / "in.png").stat().st_size > 5_000_000
    assert (tmp_path / "out.png").stat().st_size < 300_000


@pytest.mark.gate
def test_the_largest_that_is_decoded_fits_the_child_and_more_is_refused(tmp_path: Path) -> None:
    Image.new("RGBA", (8000, 8000), (9, 9, 9, 0)).save(tmp_path / "in.png", compress_level=1)
    rewritten(tmp_path / "in.png", tmp_path / "out.png")
    with pytest.raises(WorkerDied, match="signal 24"):
        rewritten(tmp_path / "in.png", tmp_path / "late.png", cpu_s=0)
    Image.new("LA", (8001, 8000)).save(tmp_path / "in.png", compress_level=1)
    with pytest.raises(JobFailed, match="8001x8000 is too large to decode"):
        rewritten(tmp_path / "in.png", tmp_path / "out.png")


def test_an_image_without_alpha_is_no_mask(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "in.png")
    with pytest.raises(JobFailed, match="no alpha channel"):
        rewritten(tmp_path / "in.png", tmp_path / "out.png")
