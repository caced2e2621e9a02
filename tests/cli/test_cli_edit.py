"""`imagegate edit`: local files become references and a mask without a second step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.support.gateway import Gateway

SIZE = (832, 800)


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path]:
    """An image, and a mask that lets its right half be repainted."""
    picture, mask = tmp_path / "picture.png", tmp_path / "mask.png"
    Image.linear_gradient("L").resize(SIZE).convert("RGB").save(picture)
    alpha = Image.new("RGBA", SIZE, (0, 0, 0, 255))
    alpha.paste((0, 0, 0, 0), (SIZE[0] // 2, 0, *SIZE))
    alpha.save(mask)
    return picture, mask


def test_edit_uploads_local_files_and_keeps_what_the_mask_protects(
    gateway: Gateway, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    picture, mask = pictures
    out = tmp_path / "edited.png"
    done = gateway.run(
        "edit",
        "a red sun",
        "-i",
        str(picture),
        "--mask",
        str(mask),
        "--size",
        "832x800",
        "--quality",
        "low",
        "-o",
        str(out),
        "--json",
    )
    task = json.loads(done.stdout)
    assert task["usage"]["tokens"]["image_input"] == 1536
    with Image.open(picture) as given, Image.open(out) as made:
        before, after = given.convert("RGB"), made.convert("RGB")
    left = (0, 0, SIZE[0] // 2, SIZE[1])
    assert after.size == SIZE
    assert before.crop(left).tobytes() == after.crop(left).tobytes()
    assert before.tobytes() != after.tobytes()


def test_edit_takes_the_gateways_own_result_as_a_reference(gateway: Gateway, tmp_path: Path) -> None:
    first = gateway.run(
        "generate", "a logo", "--size", "832x800", "--quality", "low", "-o", str(tmp_path / "a.png"), "--json"
    )
    link = json.loads(first.stdout)["results"][0]
    done = gateway.run(
        "edit", "sepia", "-i", link, "--size", "832x800", "--quality", "low", "-o", str(tmp_path / "b.png")
    )
    assert "charged" in done.stdout
    with Image.open(tmp_path / "b.png") as edited:
        assert edited.size == SIZE


def test_edit_buys_nothing_for_a_file_that_is_not_there(gateway: Gateway) -> None:
    done = gateway.run("edit", "sepia", "-i", "nowhere.png", check=False)
    assert done.returncode == 2
    assert "nothing was bought" in done.stderr
