"""What was spooled is read back as it was written, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from imagegate.domain.usage import UsageSource
from imagegate.spool import Spool, SpoolDamaged, SpooledImage, SpooledResponse

DATA = b"not an image, but these bytes and no others"


def _flip(path: Path) -> None:
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


DAMAGES: list[tuple[str, Callable[[Path], object]]] = [
    ("0.png", lambda path: path.write_bytes(DATA[:-1])),
    ("0.png", lambda path: path.write_bytes(DATA + b"x")),
    ("0.png", lambda path: path.write_bytes(bytes(len(DATA)))),
    ("0.png", _flip),
    ("0.png", Path.unlink),
    ("answer.json", lambda path: path.write_bytes(b"")),
    ("answer.json", lambda path: path.write_bytes(path.read_bytes()[:-3])),
    ("answer.json", lambda path: path.write_bytes(b"\xff" * 20)),
]


def _spool(root: Path) -> tuple[Spool, SpooledResponse]:
    spool = Spool(root)
    (spool.create_directory("att") / "0.png").write_bytes(DATA)
    image = SpooledImage("0.png", "image/png", 1, 1, len(DATA), hashlib.sha256(DATA).hexdigest())
    response = SpooledResponse((image,), None, UsageSource.estimated)
    spool.write_response("att", response)
    return spool, response


def test_a_whole_response_is_read_back(tmp_path: Path) -> None:
    spool, response = _spool(tmp_path)
    assert spool.read_response("att") == response
    assert spool.read_response("another") is None


@pytest.mark.parametrize(("name", "damage"), DAMAGES)
def test_damage_is_noticed(tmp_path: Path, name: str, damage: Callable[[Path], object]) -> None:
    spool, _ = _spool(tmp_path)
    damage(tmp_path / "att" / name)
    with pytest.raises(SpoolDamaged):
        spool.read_response("att")
