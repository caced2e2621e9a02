"""What is on disk at the start may be damaged, foreign, lost or open to others: one line, never a traceback."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_response
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


def zeroed_secret(data: Path) -> None:
    (data / "secret").write_bytes(bytes(64))


def view_of_another_program(data: Path) -> None:
    replace_database(data, "CREATE VIEW mine AS SELECT 1")


def migrations_of_another_program(data: Path) -> None:
    replace_database(data, "CREATE TABLE migrations (name TEXT, checksum TEXT)")


def replace_database(data: Path, statement: str) -> None:
    for file in data.glob("imagegate.db*"):
        file.unlink()
    with contextlib.closing(apsw.Connection(str(data / "imagegate.db"))) as db:
        db.execute(statement)
    (data / "imagegate.db").chmod(0o600)


def lost_database(data: Path) -> None:
    """A new one would have no row for any image, and delete them all."""
    image = data / "blobs" / "t" / "acc_1" / "2026" / "01" / "01" / "ast_1.png"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"an image")
    for file in data.glob("imagegate.db*"):
        file.unlink()


def another_blob_folder(data: Path) -> None:
    (data / "blobs" / "folder-id").unlink()


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "scribbled": (scribble, ""),
    "no database": (not_a_database, "imagegate.db"),
    "lost secret": (lost_secret, "imagegate secret accept"),
    "another secret": (another_secret, "imagegate secret accept"),
    "secret that is not ASCII": (secret_of_other_letters, "not ASCII"),
    "secret of zeros": (zeroed_secret, "cannot be printed"),
    "view of another program": (view_of_another_program, "database of another program"),
    "migrations of another program": (migrations_of_another_program, "database of another program"),
    "lost database": (lost_database, "Restore the database"),
    "another blob folder": (another_blob_folder, "Mount the right one"),
}


@pytest.fixture(scope="module")
def used_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("used") / "data"
    with Gateway(data):
        pass
    return data


@pytest.fixture
def stopped(used_folder: Path, tmp_path: Path) -> Gateway:
    """A gateway that has served and was stopped in order."""
    return Gateway(shutil.copytree(used_folder, tmp_path / "data"))


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


def test_the_way_out_of_a_lost_secret_works(tmp_path: Path) -> None:
    """Keys, links and sessions made with it end; accounts, balances, tasks and images stay."""
    gateway = Gateway(tmp_path / "data")
    with gateway, gateway.client() as client:
        old_key = gateway.key
        task = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
        image, path = client.get(task["results"][0]).content, task["results"][0].removeprefix(gateway.url)
        left = parse_response(client.get("/v1/credits"))["data"]["user"]
    lost_secret(gateway.data)
    with pytest.raises(GatewayExited, match="imagegate secret accept"):
        gateway.start()
    gateway.run("secret", "accept", "--yes")
    with gateway, gateway.client() as client, gateway.client(old_key) as old:
        assert old.get("/v1/credits").status_code == 401
        assert client.get(path).status_code == 403
        assert parse_response(client.get("/v1/credits"))["data"]["user"] == left, "of the same account"
        again = parse_response(client.get(f"/v1/tasks/{task['id']}"))["results"][0]
        assert client.get(again).content == image
        operator = gateway.new_key("operator", "1", "--scope", "admin")
        with gateway.client(operator) as admin:
            acts = parse_response(admin.get("/v1/admin/audit"))["data"]
            assert [act["action"] for act in acts].count("secret.accept") == 1
    gateway.run("check", "--deep")


@pytest.mark.parametrize("apply", [view_of_another_program, migrations_of_another_program])
def test_the_database_of_another_program_is_left_as_it_is(stopped: Gateway, apply: Callable[[Path], None]) -> None:
    apply(stopped.data)
    before = (stopped.data / "imagegate.db").read_bytes()
    assert stopped.run("keys", "list", "--account", "demo", check=False).returncode == 1
    assert (stopped.data / "imagegate.db").read_bytes() == before
    assert not (stopped.data / "imagegate.db-wal").exists()


def test_commands_on_an_incomplete_database_say_so(stopped: Gateway) -> None:
    with contextlib.closing(apsw.Connection(str(stopped.data / "imagegate.db"))) as db:
        db.execute("DROP TABLE refunds")
    for words, code in ((("check",), 2), (("credits", "refund", "task-unified-1-aaaaaaaa"), 1)):
        done = stopped.run(*words, check=False)
        said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
        assert (done.returncode, len(said)) == (code, 1), done.stderr
        assert "no such table: refunds" in said[0]


def test_check_could_not_run_where_its_settings_or_rights_are_at_fault(stopped: Gateway) -> None:
    config = stopped.data / "gateway.toml"
    config.write_text("[work]\nworkerz = 1\n")
    done = stopped.run("check", "--config", str(config), check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


def test_a_log_that_was_damaged_in_its_middle_is_refused_until_somebody_decides(tmp_path: Path) -> None:
    """SQLite alone reads what is before the damage: acknowledged tasks are gone and nobody is told."""
    gateway = Gateway(tmp_path / "data", "--no-workers")
    with gateway:
        with gateway.client() as client:
            for _ in range(8):
                parse_response(client.post(CREATE, json=SMALL_IMAGE))
        gateway.kill()
        log = gateway.data / "imagegate.db-wal"
        with log.open("r+b") as file:
            file.seek(log.stat().st_size // 2)
            file.write(b"\x5a" * 5000)
        for _ in range(2):
            with pytest.raises(GatewayExited) as refused:
                gateway.start()
            assert refused.value.code == 1
            [line] = [line for line in gateway.output if not line.startswith("{")]
            assert re.match(r"imagegate: .*imagegate.db-wal is damaged at frame \d+ of \d+", line)
        gateway.run("check", check=False)
        gateway.start()


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


def test_books_that_do_not_balance_prevent_the_start_after_a_kill(stopped: Gateway) -> None:
    change_books(stopped, "UPDATE accounts SET posted = posted + 1")
    with stopped:
        stopped.kill()
        with pytest.raises(GatewayExited) as refused:
            stopped.start()
    assert refused.value.code == 1
    [line] = [line for line in stopped.output if not line.startswith("{")]
    assert line.startswith(
        "imagegate: the books do not balance (I2.posted posted is the sum of the account's entries);"
    )


def test_after_a_kill_all_books_are_checked_while_it_serves(stopped: Gateway) -> None:
    """Beyond what the start looks at; a check that did not come to its end is taken up by the next start."""

    def find_line(event: str) -> dict[str, Any]:
        wait_until(lambda: any(f'"{event}"' in line for line in stopped.output))
        return next(json.loads(line) for line in stopped.output if f'"{event}"' in line)

    with stopped:
        stopped.kill()
        # A refund of which the newest entries know nothing.
        change_books(
            stopped, "INSERT INTO refunds SELECT 'task-unified-1-a', 'ref_1', id, 1, '', '', '', '', 1 FROM accounts"
        )
        stopped.start()
        broken = find_line("invariant_broken")
        assert (broken["level"], broken["invariant"], broken["rows"]) == ("error", "I6.refunds", 1)
        checked = find_line("books_checked")
        assert (checked["broken"], checked["resumed"]) == (["I6.refunds"], False)
        assert (checked["refunds"], checked["tasks"]) == (1, 0)
        assert 'imagegate_invariant_broken{invariant="I6.refunds"} 1.0' in httpx.get(f"{stopped.url}/metrics").text
    place = '{"owner":"x","place":{"part":"tasks","after":""},"rows":{"refunds":5},"broken":["I1"]}'
    change_books(stopped, f"INSERT INTO installation VALUES ('book_check', '{place}', 1)")
    with stopped:
        checked = find_line("books_checked")
        assert (checked["broken"], checked["resumed"], checked["refunds"]) == (["I1"], True, 5)
    with stopped:
        wait_until(lambda: any('"ready"' in line for line in stopped.output))
    assert not any('"books_checked"' in line for line in stopped.output)


def change_books(stopped: Gateway, statement: str) -> None:
    with contextlib.closing(apsw.Connection(str(stopped.data / "imagegate.db"))) as books:
        books.execute(statement)


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
