"""A log that was damaged in its middle is told from one that a power cut tore at its end."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from imagegate.store.sqlite import SqliteEngine

FRAME, HEADER = 24 + 4096, 32
COMMITS = 8


def after_a_crash(folder: Path, *, rounds: int = 1) -> tuple[Path, list[int]]:
    """A database whose log was left behind, and after how many frames each commit of its last round ended."""
    source, copy = folder / "source.db", folder / "imagegate.db"
    db = apsw.Connection(str(source))
    db.pragma("journal_mode", "wal")
    db.pragma("synchronous", 2)
    db.execute("CREATE TABLE kept (number INTEGER, filling BLOB)")
    ends: list[int] = []
    for number in range(rounds):
        if number:
            db.execute("PRAGMA wal_checkpoint(RESTART)")
        ends = []
        for one in range(COMMITS if number == rounds - 1 else 3 * COMMITS):
            db.execute("INSERT INTO kept VALUES (?, zeroblob(9000))", (one,))
            ends.append(next(db.execute("PRAGMA wal_checkpoint(NOOP)"))[1])
    for end in ("", "-wal"):
        shutil.copyfile(f"{source}{end}", f"{copy}{end}")
    db.close()
    return copy, ends


def overwrite(database: Path, at: int, size: int = 100) -> None:
    with database.with_name("imagegate.db-wal").open("r+b") as log:
        log.seek(at)
        log.write(b"\xa5" * size)


def find(database: Path) -> str:
    return SqliteEngine(database).find_lost_commits()


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_whole_log_has_lost_nothing(tmp_path: Path, rounds: int) -> None:
    database, _ = after_a_crash(tmp_path, rounds=rounds)
    assert find(database) == ""
    assert find(database) == "", "looking changes nothing"


@pytest.mark.parametrize("rounds", [1, 2])
def test_damage_before_the_newest_commit_is_found(tmp_path: Path, rounds: int) -> None:
    database, ends = after_a_crash(tmp_path, rounds=rounds)
    damaged = ends[2]  # the first frame of the fourth commit
    overwrite(database, HEADER + damaged * FRAME + 500)
    found = find(database)
    assert f"imagegate.db-wal is damaged at frame {damaged + 1} of " in found
    assert f"and {COMMITS - 3} commits" in found
    assert find(database) == found, "looking changes nothing"


def test_damage_that_a_power_cut_could_have_done_is_none(tmp_path: Path) -> None:
    database, ends = after_a_crash(tmp_path)
    overwrite(database, HEADER + ends[-2] * FRAME + 500)
    assert find(database) == ""


def cut_within_the_newest_commit(log: Path, ends: list[int]) -> None:
    with log.open("r+b") as file:
        file.truncate(HEADER + ends[-2] * FRAME + 700)


def cut_to_its_header(log: Path, _: list[int]) -> None:
    with log.open("r+b") as file:
        file.truncate(HEADER)


def empty(log: Path, _: list[int]) -> None:
    log.write_bytes(b"")


def missing(log: Path, _: list[int]) -> None:
    log.unlink()


@pytest.mark.parametrize("end", [cut_within_the_newest_commit, cut_to_its_header, empty, missing])
def test_a_log_that_ends_early_is_no_damage(tmp_path: Path, end: Callable[[Path, list[int]], None]) -> None:
    database, ends = after_a_crash(tmp_path)
    end(database.with_name("imagegate.db-wal"), ends)
    assert find(database) == ""


@pytest.mark.parametrize("at", [0, 8, 16, 24], ids=["magic", "page size", "salt", "checksum"])
def test_a_damaged_header_is_found(tmp_path: Path, at: int) -> None:
    database, _ = after_a_crash(tmp_path)
    overwrite(database, at, 4)
    assert "damaged at frame 1 of " in find(database)


def test_a_log_that_was_begun_anew_is_no_damage(tmp_path: Path) -> None:
    """Its header is of the new round, its frames are of the old one: they are in the database."""
    database, _ = after_a_crash(tmp_path)
    copy = tmp_path / "restarted"
    copy.mkdir()
    other, _ = after_a_crash(copy)
    log = database.with_name("imagegate.db-wal")
    log.write_bytes(other.with_name("imagegate.db-wal").read_bytes()[:HEADER] + log.read_bytes()[HEADER:])
    assert find(database) == ""
