"""Wrong inputs: one line that says what, which value and what is allowed, exit code 2, and nothing is made."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import click
import pytest

from imagegate.cli import program
from tests.support.gateway import Gateway, free_port

# Their output is no result.
WITHOUT_JSON = {"serve", "worker", "mcp", "simulate"}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Gateway]:
    """With one account; it is the only one at the end too."""
    data = tmp_path_factory.mktemp("data")
    shutil.copyfile(sqlite_template, data / "imagegate.db")
    gateway = Gateway(data)
    gateway.run("keys", "create", "--account", "shop", "--credits", "68")
    yield gateway
    database = apsw.Connection(str(data / "imagegate.db"))
    accounts = database.execute("SELECT name, posted FROM accounts WHERE name NOT LIKE 'sys:%'").fetchall()
    keys = database.execute("SELECT COUNT(*) FROM api_keys").fetchall()
    assert (accounts, keys) == ([("shop", 1_000_000_000)], [(1,)])


def refused(gateway: Gateway, *arguments: str, code: int = 2) -> str:
    """The line."""
    done = gateway.run(*arguments, check=False)
    assert (done.returncode, done.stdout) == (code, ""), (arguments, done)
    assert done.stderr.startswith("imagegate: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--account", ""), "--account is '': must be 1 to 100 characters"),
        (("--account", " \t"), "--account is ' \\t': must be"),
        (("--account", "x" * 101), "must be 1 to 100 characters"),
        (("--account", "a\nb"), "--account is 'a\\nb': must be"),
        (("--account", "a\x1b[2Jb"), "without control characters"),
        (("--name", ""), "--name is '': must be 1 to 100 characters"),
        (("--credits", "-5"), "--credits is '-5': must be 0 or more; credits grant takes credits back"),
        (("--credits", "0.00000000001"), "--credits is '0.00000000001': must not be 0"),
        (("--credits", "nan"), "--credits is 'nan': credits must be a plain decimal number"),
        (("--credits", "9" * 24), "--credits is"),
        (("--cap", "0"), "--cap is '0': must be more than 0"),
        (("--cap", "-1"), "--cap is '-1': must not be negative"),
        (("--daily-cap", "nan"), "--daily-cap is 'nan': credits must be a plain decimal number"),
        (("--in-flight-cap", "1e3"), "--in-flight-cap is '1e3'"),
        (("--model", "nope"), "--model is 'nope': must be a model, such as gpt-image-2"),
        (("--model", "gpt-image-2", "--model", "gpt-imge-1"), "--model is 'gpt-imge-1': must be a model, such as gpt"),
        (("--expires", "soon"), "--expires is 'soon': must be a date such as 2027-01-31"),
        (("--expires", "2001-01-31"), "--expires is '2001-01-31': must be a future date"),
        (("--rate-per-minute", "0"), "--rate-per-minute: 0 is not in the range"),
        (("--scope", "all"), "--scope: 'all' is not one of"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_a_key_that_cannot_be_made_as_told_is_not_made(
    installation: Gateway, options: tuple[str, ...], said: str
) -> None:
    account = () if options[0] == "--account" else ("--account", "new")
    assert said in refused(installation, "keys", "create", *account, *options)


@pytest.mark.parametrize(
    ("amount", "said", "code"),
    [
        ("0", "CREDITS is '0': must not be 0", 2),
        ("-0.00000000001", "must not be 0", 2),
        ("nan", "CREDITS is 'nan': credits must be a plain decimal number such as 100 or 2.5", 2),
        ("1,000", "CREDITS is '1,000'", 2),
        ("-69", "shop has 68 credits: 69 cannot be taken back", 1),
    ],
)
def test_credits_that_cannot_be_granted_are_not(installation: Gateway, amount: str, said: str, code: int) -> None:
    assert said in refused(installation, "credits", "grant", "--account", "shop", amount, code=code)


def test_a_refund_needs_a_reason_that_can_be_read(installation: Gateway) -> None:
    said = refused(installation, "credits", "refund", "task-unified-1-aaaaaaaa", "--reason", " ")
    assert "--reason is ' ': must be 1 to 500 characters" in said
    assert "TASK is 'nonsense': must be the id of a task" in refused(installation, "credits", "refund", "nonsense")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8000",
        "localhost",
        "ftp://127.0.0.1",
        "http://",
        "http://127.0.0.1:8000/v2/images",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:port",
        "http://256.1.1.1",
        "http://a..b",
        "http://[::1",
        "http://somebody@127.0.0.1",
        "http://127.0.0.1?x=1",
        "http://a b",
    ],
)
def test_a_url_that_is_none_is_malformed_and_not_unreachable(installation: Gateway, url: str) -> None:
    command = ("health",) if url == "ftp://127.0.0.1" else ("credits", "--key", "imk_live_x")
    said = refused(installation, *command, "--url", url)
    assert said.startswith(f"imagegate: --url is {url!r}: must be http:// or https://, a host, and a port if need be")


def test_a_url_of_the_environment_is_named_by_its_variable(installation: Gateway) -> None:
    place = Gateway(installation.data, env={"IMAGEGATE_URL": "localhost:8000"})
    assert "imagegate: IMAGEGATE_URL is 'localhost:8000': must be" in refused(place, "tasks")


@pytest.mark.parametrize("key", ["", "two words", "ключ"])
def test_what_is_no_key_is_refused_and_not_shown(installation: Gateway, key: str) -> None:
    said = refused(installation, "credits", "--url", "http://127.0.0.1:1", "--key", key)
    assert "--key holds no key" in said
    assert not key or key not in said


def test_who_does_not_answer_is_named_in_the_words_of_the_system(installation: Gateway) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    said = refused(installation, "credits", "--key", "imk_live_x", "--url", url, code=5)
    assert said == f"imagegate: no gateway responds at {url}: connection refused\n"


def test_who_does_not_speak_http_is_said_so(installation: Gateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-server\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        said = refused(installation, "credits", "--key", "imk_live_x", "--url", url, code=5)
    assert said == f"imagegate: no gateway responds at {url}: what came back is no answer in HTTP\n"


def test_a_gateway_that_has_ended_is_named_by_its_folder(installation: Gateway, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    (tmp_path / "address").write_text(url)
    (tmp_path / "demo-key").write_text("imk_live_x")
    said = refused(Gateway(tmp_path), "tasks", code=5)
    assert said.startswith(f"imagegate: the gateway of {tmp_path} is not running (no gateway responds at {url}")
    assert f"imagegate serve --data {tmp_path}" in said
    (tmp_path / "address").write_text("\x00")
    assert f"{tmp_path}/address is '\\x00': must be" in refused(Gateway(tmp_path), "tasks")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("genrate",), "there is no command 'genrate' (did you mean generate"),
        (("keys", "craete"), "there is no command 'craete' (did you mean create?)"),
        (("xyzzy",), "(commands: serve, worker,"),
        (("tasks", "--pag", "1"), "Did you mean '--page'?"),
        (("tasks", "--page", "0"), "--page: 0 is not in the range x>=1; see imagegate tasks --help"),
        (("tasks", "--page", "x"), "--page: 'x' is not a valid integer"),
        (("tasks", "nonsense"), "TASK is 'nonsense': must be the id of a task such as task-unified-"),
        (("tasks", "task-unified-1-a/../x"), "TASK is"),
        (("tasks", "task-unified-1-a", "--status", "failed"), "leave them out with TASK"),
        (("cancel",), "missing argument 'TASK'"),
        (("generate",), "missing argument 'PROMPT'"),
        (("generate", "x", "--task", "task-unified-1-a"), "PROMPT cannot be given with --task"),
        (("generate", "--task", "task-unified-1-a", "--size", "1:1"), "--size cannot be given with --task"),
        (("generate", "--task", "nonsense"), "--task is 'nonsense': must be the id of a task"),
        (("quote", "x", "--compression", "500"), "--compression: 500 is not in the range 0<=x<=100"),
        (
            ("generate", "x", "--format", "webp", "-o", "x.png"),
            "--format is webp, but -o is x.png: must be a file that",
        ),
        (
            ("generate", "x", "--format", "png", "-o", "x.JPG"),
            "ends in .png, or leave --format out; nothing was bought",
        ),
        (("generate", "x", "-o", "absent/x.png"), "there is no folder"),
        (("generate", "x", "-o", "-"), "-o is '-': must be a file or a folder; nothing was bought"),
        (("edit", "x", "-i", "absent.png"), "--image: absent.png not found; nothing was bought"),
        (("edit", "x", "-i", "https://images.example/a.png", "--mask", ""), "--mask:  not found; nothing was bought"),
        (("mcp", "--wait", "nan"), "--wait is nan: must be 0 to 3600 seconds"),
        (("keys", "create"), "missing option '--account'; see imagegate keys create --help"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_a_command_that_cannot_be_meant_is_one_line(
    installation: Gateway, arguments: tuple[str, ...], said: str
) -> None:
    done = installation.run(*arguments, check=False) if arguments[0] not in ("genrate", "xyzzy") else None
    done = done or installation._run(list(arguments))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done
    assert said in done.stderr, done.stderr


def test_a_folder_or_file_that_cannot_be_looked_at_is_named(installation: Gateway, tmp_path: Path) -> None:
    too_long = tmp_path / ("x" * 300)  # refused to everybody, as one without rights is to others than root
    for arguments in (("keys", "list", "--account", "a"), ("credits",), ("doctor",), ("check",)):
        said = refused(Gateway(too_long), *arguments)
        assert f"{too_long}" in said
        assert "cannot be read: File name too long" in said
    assert list(tmp_path.iterdir()) == []
    options = ("--url", "http://127.0.0.1:1", "--key", "imk_live_x")
    said = refused(installation, "edit", "x", "-i", str(too_long), *options)
    assert said == f"imagegate: {too_long} cannot be read: File name too long; nothing was bought\n"


def test_a_question_that_nobody_answers_changes_nothing(installation: Gateway) -> None:
    done = installation.run("secret", "rotate", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "not confirmed" in done.stderr


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(command)
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, (*path, name))


def test_every_command_that_prints_a_result_takes_json_and_explains_its_options() -> None:
    for path, command in commands(program):
        options = [one for one in command.params if isinstance(one, click.Option)]
        assert command.help, path
        assert all(option.help for option in options), path
        has_json = any("--json" in option.opts for option in options)
        assert has_json == (path[0] not in WITHOUT_JSON), path


def test_the_help_tells_exit_codes_and_completion(installation: Gateway) -> None:
    text = installation._run(["--help"]).stdout
    for part in ("130  stopped by Ctrl-C", "5    no gateway responds", "_IMAGEGATE_COMPLETE=bash_source"):
        assert part in text
    completion = Gateway(installation.data, env={"_IMAGEGATE_COMPLETE": "bash_source"})._run([])
    assert "_imagegate_completion" in completion.stdout


def run_json(gateway: Gateway, *arguments: str) -> Any:
    return json.loads(gateway.run(*arguments, "--json").stdout)


def test_results_of_the_operators_commands_as_json(tmp_path: Path, sqlite_template: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.copyfile(sqlite_template, tmp_path / "data" / "imagegate.db")
    gateway = Gateway(tmp_path / "data")
    made = run_json(gateway, "keys", "create", "--account", "shop", "--credits", "68")
    granted = run_json(gateway, "credits", "grant", "--account", "shop", "-34")
    assert granted == {
        "account": "shop",
        "granted": {"credits": "-34", "usd": "-0.5", "nanos": "-500000000"},
        "available": {"credits": "34", "usd": "0.5", "nanos": "500000000"},
    }
    ended = run_json(gateway, "keys", "disable", "--account", "shop", made["id"])
    assert ended == {"id": made["id"], "account": "shop", "disabled": True, "ended_keys": []}
    assert run_json(gateway, "secret", "accept", "--yes") == {"changed": False}
    assert list(run_json(gateway, "secret", "rotate", "--yes")) == ["both_hold_until"]
    found = run_json(gateway, "doctor")
    assert {one["name"] for one in found["checks"]} >= {"catalog", "database", "secret", "storage", "disk"}
    assert {one["state"] for one in found["checks"]} == {"ok"}
    assert run_json(gateway, "upstreams", "list")[0]["routes"]
    assert run_json(gateway, "upstreams", "reset", "embedded") == {"name": "embedded", "reset": True}
    assert run_json(gateway, "migrate")["migrations"] == []
    copied = run_json(gateway, "copy", "--from", str(gateway.data), "--to", str(tmp_path / "copy"))
    assert (copied["images"], copied["broken"]) == (0, [])
