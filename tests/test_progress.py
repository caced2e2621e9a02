"""Long work says how far it is: a line that is written anew on a terminal, log lines elsewhere."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable

import pytest

from imagegate import progress
from imagegate.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SILENT_S", 0.01)
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.01)


def _wait_for(found: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not found():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.mark.usefixtures("at_once")
def test_a_log_has_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []

    def has_line() -> bool:
        lines.extend(capsys.readouterr().err.splitlines())
        return bool(lines)

    with Progress("migrating") as shown:
        shown.update("statement 3 of 7", statement=3, of=7)
        _wait_for(has_line)
        time.sleep(0.1)
        assert not capsys.readouterr().err, "one line for a quarter of a minute"
    (line,) = [json.loads(text) for text in lines]
    assert (line["event"], line["statement"], line["of"], line["seconds"]) == ("migrating", 3, 7, 0)


@pytest.mark.usefixtures("at_once")
def test_a_terminal_has_one_line_which_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress("migrating") as shown:
        shown.update("statement 3 of 7")
        _wait_for(lambda: "statement 3 of 7 (0 s)" in terminal.getvalue())
        shown.update("statement 4 of 7")
        _wait_for(lambda: "statement 4 of 7 (0 s)" in terminal.getvalue())
    assert "\n" not in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[2K")


def test_what_ends_soon_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("migrating") as shown:
        shown.update("statement 3 of 7")
    assert capsys.readouterr().err == ""
