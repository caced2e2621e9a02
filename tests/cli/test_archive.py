"""`imagegate archive`: what it says, and killed anywhere it goes on when it is given again."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from imagegate.store.database import Database, create_engine
from imagegate.store.invariants import find_violations
from tests.store.helpers import FakeClock
from tests.store.old_months import fill
from tests.store.test_ledger_archives import load_totals
from tests.support.gateway import Gateway

MARCH_AND_APRIL = ("archive", "--before", "2026-05", "--to")


@pytest.fixture(scope="module")
def filled(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose March can be archived, and whose April has open days."""
    file = shutil.copyfile(sqlite_template, tmp_path_factory.mktemp("filled") / "imagegate.db")

    async def scenario() -> None:
        clock = FakeClock()
        db = Database(create_engine(str(file), clock))
        await fill(db, clock)
        db.close()

    asyncio.run(scenario())
    return file


@pytest.fixture
def installation(filled: Path, tmp_path: Path) -> Gateway:
    """Nobody serves from it."""
    gateway = Gateway(tmp_path / "data")
    gateway.data.mkdir(mode=0o700)
    shutil.copyfile(filled, gateway.data / "imagegate.db")
    return gateway


def read(gateway: Gateway) -> tuple[Any, list[str]]:
    """The sums of the ledger, and which invariants about money do not hold."""

    async def look() -> tuple[Any, list[str]]:
        db = Database(create_engine(str(gateway.data / "imagegate.db")))
        try:
            broken = await db.snapshot(find_violations, 0)
            return await db.read(load_totals), [one.id for one in broken if one.id[1] in "12356"]
        finally:
            db.close()

    return asyncio.run(look())


def archive(gateway: Gateway, folder: Path, *more: str) -> list[dict[str, Any]]:
    done = gateway.run(*MARCH_AND_APRIL, str(folder), "--json", *more)
    months: list[dict[str, Any]] = json.loads(done.stdout)["months"]
    return months


def test_a_dry_run_says_what_would_be_done_and_does_nothing(installation: Gateway, tmp_path: Path) -> None:
    folder, before = tmp_path / "books", read(installation)
    march, april = archive(installation, folder, "--dry-run")
    assert (march["month"], march["state"]) == ("2026-03", "archivable")
    assert (april["state"], "summed up" in april["reason"]) == ("kept", True)
    assert not folder.exists()
    done, _ = archive(installation, folder)
    assert (done["state"], done["lines"], done["bytes"]) == ("archived", march["lines"], march["bytes"])
    assert read(installation) == before
    said = installation.run(*MARCH_AND_APRIL, str(folder)).stdout.splitlines()
    assert said[0].startswith(f"2026-03  {march['lines']} lines  0.0 MB  {folder}")
    assert said[1].startswith("2026-04  stays: ")
    assert said[2] == f"archived: 1 month, {march['lines']} lines, 0.0 MB"
    assert f"archive: 2026-03, {march['lines']}" not in said
    assert "ledger.archive" in installation.run("audit").stdout


@pytest.mark.fault("F1")
@pytest.mark.parametrize("place", ["archive.file_written", "archive.mid", "archive.post_commit"])
def test_f1_killed_while_archiving(installation: Gateway, tmp_path: Path, place: str) -> None:
    """The books add up after the kill, and the next try ends as one that was not killed."""
    folder, before = tmp_path / "books", read(installation)
    installation.env["IMAGEGATE_CRASH"] = place
    assert installation.run(*MARCH_AND_APRIL, str(folder), check=False).returncode == -signal.SIGKILL
    del installation.env["IMAGEGATE_CRASH"]
    assert read(installation) == before == (before[0], [])
    [file] = folder.iterdir()
    content = file.read_bytes()
    march, _ = archive(installation, folder)
    assert march["state"] == "archived"
    assert read(installation) == before
    assert file.read_bytes() == content
    assert len(json.loads(installation.run("audit", "--action", "ledger.archive", "--json").stdout)) == 1


def test_a_file_that_is_something_else_is_left_alone(installation: Gateway, tmp_path: Path) -> None:
    folder, before = tmp_path / "books", read(installation)
    folder.mkdir()
    file = folder / "ledger-2026-03.jsonl.gz"
    file.write_text("another installation's")
    done = installation.run(*MARCH_AND_APRIL, str(folder), check=False)
    assert (done.returncode, "is there already" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    assert [path.name for path in folder.iterdir()] == [file.name]
    assert file.read_text() == "another installation's"
    assert read(installation) == before


def test_i23_check_reads_the_files_of_archived_months(installation: Gateway, tmp_path: Path) -> None:
    def check(*more: str) -> tuple[int, list[str], str]:
        done = installation.run("check", "--json", *more, check=False)
        return done.returncode, [one["id"] for one in json.loads(done.stdout)["broken"]], done.stderr

    folder, moved = tmp_path / "books", tmp_path / "moved"
    archive(installation, folder)
    folder.rename(moved)
    code, broken, said = check()
    assert (code, broken, "not there" in said) == (0, [], True)
    assert check("--archive", str(moved)) == (0, [], "")
    (moved / "ledger-2026-03.jsonl.gz").rename(moved / "elsewhere")
    assert check("--archive", str(moved)) == (1, ["I23.files"], "")
