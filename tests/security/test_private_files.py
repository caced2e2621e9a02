"""Nothing that is stored is open to other users of the machine."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from imagegate.security.private_files import NotPrivate, keep_from_others


@pytest.mark.parametrize(("mode", "left"), [(0o755, 0o750), (0o777, 0o770), (0o701, 0o700), (0o750, 0o750)])
def test_rights_of_others_are_taken_away_and_those_of_the_group_kept(
    tmp_path: Path, mode: int, left: int, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(mode)
    keep_from_others(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == left
    logged = map(json.loads, capsys.readouterr().err.splitlines())
    assert [line["event"] for line in logged] == ["access_of_others_removed"] * (mode != left)


def test_what_is_not_there_is_not_open(tmp_path: Path) -> None:
    keep_from_others(tmp_path / "imagegate.db-wal")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_another_user_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    os.chown(folder, 12_345, 12_345)
    with pytest.raises(NotPrivate, match=f"chmod o-rwx {folder}"):
        keep_from_others(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    folder.chmod(0o770)
    keep_from_others(folder)
