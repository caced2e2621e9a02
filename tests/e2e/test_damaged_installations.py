"""What is on disk at the start may be damaged, foreign, lost or open to others: one line, never a traceback."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.gateway import Gateway, GatewayExited
from tests.support.program import wait_until


def scribble(data: Path) -> None:
    """Over everything behind the first page: the header is whole."""
    file = data / "imagegate.db"
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.seek(8192)
        opened.write(b"\x5a" * (size - 8192))


def not_a_database(data: Path) -> None:
    for end in ("-wal", "-shm"):
        (data / f"imagegate.db{end}").unlink(missing_ok=True)
    (data / "imagegate.db").write_bytes(b"these are notes, and no database\n" * 500)


def lost_secret(data: Path) -> None:
    (data / "secret").unlink()


def another_secret(data: Path) -> None:
    (data / "secret").write_text("0" * 64)


def secret_of_other_letters(data: Path) -> None:
    (data / "secret").write_text("비밀" * 30)


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "scribbled": (scribble, ""),
    "no database": (not_a_database, "imagegate.db"),
    "lost secret": (lost_secret, "imagegate secret accept"),
    "another secret": (another_secret, "imagegate secret accept"),
    "secret that is not ASCII": (secret_of_other_letters, "not ASCII"),
}


@pytest.fixture
def stopped(tmp_path: Path) -> Gateway:
    """A gateway that has served and was stopped in order."""
    gateway = Gateway(tmp_path / "data")
    with gateway:
        pass
    return gateway


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_installation_is_refused_in_one_line(stopped: Gateway, damage: str) -> None:
    apply, hint = DAMAGES[damage]
    apply(stopped.data)
    with pytest.raises(GatewayExited) as refused:
        stopped.start()
    assert refused.value.code == 1
    said = [line for line in stopped.output if not line.startswith("{")]
    assert len(said) == 1, said
    assert said[0].startswith("imagegate: ")
    assert hint in said[0]
    assert "Traceback" not in "".join(stopped.output)


@pytest.mark.parametrize("apply", [scribble, not_a_database])
def test_check_says_that_it_could_not_run(stopped: Gateway, apply: Callable[[Path], None]) -> None:
    apply(stopped.data)
    done = stopped.run("check", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("imagegate: ")
    assert done.stderr.count("\n") == 1
    found = stopped.run("doctor", check=False)
    assert found.returncode == 1
    assert "FAIL  database: " in found.stdout
    assert "Traceback" not in found.stderr


def test_after_an_unclean_stop_the_whole_database_is_checked_while_it_serves(stopped: Gateway) -> None:
    (stopped.data / "serving").touch()
    with stopped:
        wait_until(lambda: any('"database_checked"' in line for line in stopped.output))
    [checked] = [json.loads(line) for line in stopped.output if '"database_checked"' in line]
    assert checked["damaged"] is False
    assert not (stopped.data / "serving").exists()


def test_what_others_could_read_is_closed_to_them(stopped: Gateway) -> None:
    for path in (stopped.data, stopped.data / "imagegate.db"):
        path.chmod(path.stat().st_mode | stat.S_IROTH | stat.S_IRGRP | stat.S_IXOTH)
    with stopped:
        for path in (stopped.data, stopped.data / "imagegate.db"):
            assert not path.stat().st_mode & stat.S_IRWXO, path
            assert path.stat().st_mode & stat.S_IRGRP, "the group is the operator's business"
    assert any('"access_of_others_removed"' in line for line in stopped.output)


def test_a_new_database_is_private_from_its_first_byte(stopped: Gateway) -> None:
    assert stat.S_IMODE((stopped.data / "imagegate.db").stat().st_mode) == 0o600
