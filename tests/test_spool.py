"""What was spooled is read back as it was written, or not at all."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from imagegate.domain.usage import UsageSource
from imagegate.spool import Spool, SpoolDamaged, SpooledImage, SpooledResponse, SpoolSize

DATA = b"not an image, but these bytes and no others"
IMAGE = SpooledImage("0.png", "image/png", 1, 1, len(DATA), hashlib.sha256(DATA).hexdigest())
RESPONSE = SpooledResponse((IMAGE,), None, UsageSource.estimated)


def _flip(path: Path) -> None:
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


DAMAGES: list[Callable[[Path], object]] = [
    lambda path: path.write_bytes(DATA[:-1]),
    lambda path: path.write_bytes(DATA + b"x"),
    lambda path: path.write_bytes(bytes(len(DATA))),
    _flip,
    Path.unlink,
]


def _save(spool: Spool, *attempts: str) -> None:
    for attempt in attempts:
        spool.path(attempt, "0.png").write_bytes(DATA)
        asyncio.run(spool.save_response(attempt, RESPONSE))


def _logs(root: Path) -> list[Path]:
    return list(root.glob("responses-*"))


def test_a_whole_response_is_read_back_by_its_process_and_by_the_next(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    _save(spool, "att")
    for reader in (spool, Spool(tmp_path)):
        assert reader.read_response("att") == RESPONSE
        assert reader.read_response("another") is None


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_of_an_image_is_noticed(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    spool = Spool(tmp_path)
    _save(spool, "att")
    damage(spool.path("att", "0.png"))
    for reader in (spool, Spool(tmp_path)):
        with pytest.raises(SpoolDamaged):
            reader.read_response("att")


@pytest.mark.parametrize("at", [0, 12, -3])
def test_a_damaged_line_counts_as_none_and_spares_the_others(tmp_path: Path, at: int) -> None:
    _save(Spool(tmp_path), "first", "second", "third")
    [log] = _logs(tmp_path)
    lines = log.read_bytes().splitlines(keepends=True)
    damaged = bytearray(lines[1])
    damaged[at] ^= 1
    log.write_bytes(lines[0] + damaged + lines[2])
    spool = Spool(tmp_path)
    assert spool.read_response("second") is None
    assert (spool.read_response("first"), spool.read_response("third")) == (RESPONSE, RESPONSE)


def test_a_line_that_was_being_written_counts_as_none_until_it_is_whole(tmp_path: Path) -> None:
    _save(Spool(tmp_path), "att")
    [log] = _logs(tmp_path)
    line = log.read_bytes()
    log.write_bytes(line[:-1])
    spool = Spool(tmp_path)
    assert spool.read_response("att") is None
    log.write_bytes(line)
    assert spool.read_response("att") == RESPONSE


def test_what_is_discarded_leaves_nothing_and_the_last_log_goes_with_its_process(tmp_path: Path) -> None:
    async def work() -> None:
        spool = Spool(tmp_path)
        spool.path("att", "0.png").write_bytes(DATA)
        spool.path("att", "p3.part").write_bytes(DATA)
        await spool.save_response("att", RESPONSE)
        spool.discard("att")
        await spool.save_response("other", SpooledResponse((), None, UsageSource.estimated))
        assert [path for path in tmp_path.iterdir() if path not in _logs(tmp_path)] == []
        spool.discard("other")
        await spool.save_response("third", SpooledResponse((), None, UsageSource.estimated))
        spool.close()

    asyncio.run(work())
    assert len(_logs(tmp_path)) == 1  # the third is not settled


def test_the_sweep_finds_what_a_dead_process_left_and_keeps_the_log_of_a_living_one(tmp_path: Path) -> None:
    living, dead = Spool(tmp_path), Spool(tmp_path)
    _save(living, "theirs")
    _save(dead, "needed", "settled")
    dead.path("torn", "p0.part").write_bytes(DATA[:5])
    dead._log.close()  # type: ignore[union-attr]

    async def sweep(needed: set[str]) -> set[str]:
        found = spool.list_attempt_ids()
        for attempt in found - needed - {"theirs"}:
            spool.discard(attempt)
        spool.delete_logs_without(needed)
        await spool.save_response("last", SpooledResponse((), None, UsageSource.estimated))  # behind the discards
        return found

    spool = Spool(tmp_path)
    assert asyncio.run(sweep({"needed"})) == {"needed", "settled", "theirs", "torn"}
    assert {path.name for path in tmp_path.iterdir()} >= {"needed.0.png", "theirs.0.png"}
    assert len(_logs(tmp_path)) == 3
    assert asyncio.run(sweep(set())) >= {"needed", "settled", "theirs"}
    assert [path.name for path in tmp_path.iterdir() if path not in _logs(tmp_path)] == ["theirs.0.png"]
    assert len(_logs(tmp_path)) == 2
    assert living.read_response("theirs") == RESPONSE


def test_the_directory_of_an_attempt_of_version_0_2_is_read_and_discarded(tmp_path: Path) -> None:
    (tmp_path / "att").mkdir()
    (tmp_path / "att" / "0.png").write_bytes(DATA)
    (tmp_path / "att" / "answer.json").write_bytes(msgspec.json.encode(RESPONSE))
    spool = Spool(tmp_path)
    assert spool.list_attempt_ids() == {"att"}
    assert spool.read_response("att") == RESPONSE
    assert spool.path("att", "0.png").read_bytes() == DATA

    async def discard() -> None:
        spool.discard("att")
        await spool.save_response("last", SpooledResponse((), None, UsageSource.estimated))

    asyncio.run(discard())
    assert [path for path in tmp_path.iterdir() if path not in _logs(tmp_path)] == []


def test_the_size_of_the_spool_is_that_of_what_is_not_settled(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    assert spool.measure() == SpoolSize()
    _save(spool, "a", "b")
    found = spool.measure()
    assert (found.files, found.bytes) == (2, 2 * len(DATA))
    assert found.oldest > 0
