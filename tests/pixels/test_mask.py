"""Masks are made so that "below 255" and "0" mean the same pixels."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imagegate.imaging import inspect
from imagegate.pixels.mask import JOB, MaskOrder, Sharpened, sharpen
from imagegate.pixels.pool import ChildPool, ChildRefused


def _made(tmp_path: Path, mask: Image.Image, **options: Any) -> tuple[Sharpened, Image.Image]:
    mask.save(tmp_path / "in.png", **options)
    done = sharpen(MaskOrder(str(tmp_path / "in.png"), str(tmp_path / "out.png")))
    with Image.open(tmp_path / "out.png") as made:
        made.load()
        return done, made


def test_every_alpha_below_255_becomes_0(tmp_path: Path) -> None:
    mask = Image.new("RGBA", (4, 2), (200, 10, 10, 255))
    for x, alpha in enumerate((0, 1, 254, 255)):
        mask.putpixel((x, 0), (9, 9, 9, alpha))
    done, made = _made(tmp_path, mask)
    assert list(made.getchannel("A").tobytes()) == [0, 0, 0, 255, 255, 255, 255, 255]
    assert made.convert("RGB").getcolors() == [(8, (0, 0, 0))]
    assert (done.width, done.height, done.repainted) == (4, 2, 3)
    assert inspect(tmp_path / "out.png").has_alpha


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_a_mask_without_alpha_repaints_nothing(mode: str, tmp_path: Path) -> None:
    assert _made(tmp_path, Image.new(mode, (3, 3)))[0].repainted == 0


def test_a_palette_may_be_transparent_too(tmp_path: Path) -> None:
    mask = Image.new("P", (2, 1))
    mask.putpalette([0, 0, 0, 255, 255, 255])
    mask.putpixel((1, 0), 1)
    assert _made(tmp_path, mask, transparency=1)[0].repainted == 1


def test_the_largest_output_makes_a_file_far_below_the_limit_of_4_mb(tmp_path: Path) -> None:
    soft = Image.radial_gradient("L").resize((3840, 2160))
    mask = Image.merge("RGBA", (soft, soft, soft, soft))
    done, _ = _made(tmp_path, mask)
    assert done.bytes < 400_000


def test_it_runs_in_a_child_and_refuses_what_is_no_png(tmp_path: Path) -> None:
    source = tmp_path / "in.jpg"
    Image.new("RGB", (8, 8)).save(source)

    async def run() -> None:
        async with ChildPool(1) as pool:
            with pytest.raises(ChildRefused):
                await pool.run(JOB, MaskOrder(str(source), str(tmp_path / "o")), Sharpened, cpu_s=5, wall_s=20)
            Image.new("RGBA", (8, 8), (0, 0, 0, 7)).save(tmp_path / "in.png")
            order = MaskOrder(str(tmp_path / "in.png"), str(tmp_path / "o.png"))
            assert (await pool.run(JOB, order, Sharpened, cpu_s=5, wall_s=20)).repainted == 64

    asyncio.run(run())
