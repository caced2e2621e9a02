"""A start that is refused says so in one line, with what to change, and leaves the disk as it was."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from imagegate.security.private_files import NotPrivate, keep_from_others
from imagegate.store.database import DatabaseUnusable, create_engine
from tests.support.gateway import Gateway


def refusal_of(folder: Path, *arguments: str, code: int = 1, env: dict[str, str] | None = None) -> str:
    before = sorted(folder.rglob("*"))
    done = Gateway(folder / "new" / "data", env=env).run(*arguments, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert sorted(folder.rglob("*")) == before, "something was made"
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]  # a store that is away is logged
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("imagegate: ")
    return lines[0].removeprefix("imagegate: ")


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--port", "abc"), 2, "--port is 'abc': must be a whole number from 0 to 65535"),
        (("--port", "65536"), 2, "--port is '65536': must be a whole number"),
        (("--host", ""), 2, "--host is '': must be an address or a name of this machine"),
        (("--host", "no-such-host.invalid"), 1, "cannot listen on no-such-host.invalid: "),
        (
            ("--host", "203.0.113.7"),
            1,
            "cannot listen on port 0 of 203.0.113.7: Cannot assign requested address",
        ),
        (("--egress-allow", "10.0.0.1"), 2, "--egress-allow has '10.0.0.1': each must be CIDR[:PORT]"),
        (("--storage", "ftp://x"), 2, "--storage is 'ftp://x': must be a folder, file:///folder"),
        (("--config", "/nowhere.toml"), 1, "cannot read /nowhere.toml: No such file or directory"),
        (("--config", "/"), 1, "cannot read /: Is a directory"),
    ],
)
def test_an_option_of_serve_is_refused(tmp_path: Path, options: tuple[str, ...], code: int, told: str) -> None:
    assert refusal_of(tmp_path, "serve", "--port", "0", *options, code=code).startswith(told)


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"IMAGEGATE_SPOOL": "/proc/spool"}, "spool is '/proc/spool': it cannot be made: "),
        ({"IMAGEGATE_SPOOL": "/dev/null/x"}, "spool is '/dev/null/x': must be a folder, and /dev/null is none"),
        ({"IMAGEGATE_STORAGE": "/proc/blobs"}, "storage is '/proc/blobs': it cannot be made: "),
        ({"IMAGEGATE_DATABASE": "/nowhere/x.db"}, "database is '/nowhere/x.db': its folder is not there"),
        ({"IMAGEGATE_DATABASE": "/proc"}, "database is '/proc': must be the path of a file, and this is a folder"),
        ({"IMAGEGATE_DATABASE": "postgresql://me:hidden@127.0.0.1:9/x"}, "PostgreSQL does not answer: "),
        ({"IMAGEGATE_SECRET": "short"}, "IMAGEGATE_SECRET has 5 characters: must be at least 32"),
        ({"IMAGEGATE_SECRET_FILE": "/nowhere"}, "IMAGEGATE_SECRET_FILE names a file that cannot be read (No such file"),
    ],
)
def test_a_place_that_cannot_be_used_is_refused(tmp_path: Path, env: dict[str, str], told: str) -> None:
    line = refusal_of(tmp_path, "serve", "--port", "0", env=env)
    assert line.startswith(told)
    assert "hidden" not in line


def test_a_port_in_use_is_refused_by_serve_and_by_simulate(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = refusal_of(tmp_path, "serve", "--port", port)
        assert line == f"port {port} on 127.0.0.1 is in use; choose another with --port"
        done = Gateway(tmp_path)._run(["simulate", "--port", port])
    told = f"imagegate: cannot listen on port {port} of 127.0.0.1: Address already in use; choose others with --port"
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(told)


def test_a_worker_is_refused_in_the_same_words(tmp_path: Path) -> None:
    env = {"IMAGEGATE_DATABASE": "postgresql://127.0.0.1:9/x"}
    line = refusal_of(tmp_path, "worker", "--port", "-1", code=2, env=env)
    assert line.startswith("--port is '-1': must be a whole number from 0 to 65535")
    line = refusal_of(tmp_path, "worker", env={**env, "IMAGEGATE_WORKERS": "0"})
    assert line.startswith("IMAGEGATE_WORKERS is '0': must be a whole number from 1 ")


def test_a_folder_of_everybody_is_neither_taken_nor_changed(tmp_path: Path) -> None:
    (tmp_path / "theirs").touch()
    tmp_path.chmod(0o1777)
    with pytest.raises(NotPrivate, match="is shared by all users of this machine"):
        keep_from_others(tmp_path)
    with pytest.raises(DatabaseUnusable, match="must be the path of a file, and this is a folder"):
        create_engine(str(tmp_path))
    done = Gateway(tmp_path).run("serve", "--port", "0", check=False)
    assert "is shared by all users of this machine; use a folder of its own" in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["theirs"]
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777


def test_the_start_says_how_to_go_on_with_the_options_it_was_given_and_by_which_names_it_serves(tmp_path: Path) -> None:
    file = tmp_path / "my gateway.toml"
    file.write_text("[server]\nhost = '0.0.0.0'\n[[upstream]]\nname = 'a'\nprotocol = 'embedded'\n")
    with Gateway(tmp_path / "data", "--config", str(file)) as gateway:
        hint = next(line for line in gateway.output if line.startswith("create a key with: "))
        assert hint == (
            "create a key with: imagegate keys create --account NAME --credits N"
            f" --data {tmp_path / 'data'} --config '{file}'"
        )
        told = "\n".join(gateway.output)
    assert "WARNING: only loopback names and literal addresses are accepted as the host of a URL" in told
    assert "WARNING: there is no enabled [[route]], so no model is served" in told
    assert "[[upstream]] 'a' has no [[route]]: nothing is sent to it" in told
    assert "engine: embedded" not in told
