"""Log lines: readable in a terminal, JSON elsewhere, and never a way for others to write to either."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from imagegate import logging
from imagegate.logging import configure_logging, log, log_error, log_warning


class Screen(io.StringIO):
    """Standard error of a process that a person started."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    yield
    configure_logging("info")
    logging._Output.for_people = logging._Output.in_colour = None


def written(
    write: Callable[[], None], stream: io.StringIO | None = None, form: str = "auto", level: str = "info"
) -> str:
    """What `write` logs, to a terminal by default."""
    stream = stream or Screen()
    with contextlib.redirect_stderr(stream):
        configure_logging(level, form)
        write()
    return stream.getvalue()


def fail(text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError:
        log_error("request_failed", exc_info=True, request_id="req_1")


def test_a_terminal_gets_local_time_level_event_and_the_fields_that_say_something() -> None:
    fields = {"delivery": "evt_1", "attempt": 0, "error": None, "detail": "", "ids": [], "charged": False, "a": "b c"}
    [line] = written(lambda: log("webhook", **fields)).splitlines()
    assert abs((datetime.now(UTC) - datetime.fromisoformat(line[:23]).astimezone()).total_seconds()) < 60
    assert line[23:] == ' INFO    webhook                delivery=evt_1 attempt=0 charged=false a="b c"'


def test_fields_stand_below_each_other_whatever_level_and_event() -> None:
    def write() -> None:
        log("a", x=1)
        log_warning("setting_renamed", x=1)
        log_error("loop_step_failed", x=1)

    assert len({line.index("x=1") for line in written(write).splitlines()}) == 1


def test_elsewhere_lines_are_json_with_time_level_and_event_first() -> None:
    def write() -> None:
        log("webhook", delivery="evt_1", error=None, words="two\nlines\x1b[31m")

    [line] = written(write, io.StringIO()).splitlines()
    found = json.loads(line)
    assert list(found) == ["timestamp", "level", "event", "delivery", "error", "words"]
    assert (found["level"], found["event"], found["error"]) == ("info", "webhook", None)
    assert found["timestamp"].endswith("Z")
    assert line.isascii()
    assert line.isprintable()


def test_before_it_is_configured_the_terminal_decides() -> None:
    for stream, is_json in ((Screen(), False), (io.StringIO(), True)):
        with contextlib.redirect_stderr(stream):
            log("audit", action="key.create")
        assert stream.getvalue().startswith("{") == is_json


@pytest.mark.parametrize(("form", "is_json"), [("json", True), ("console", False)])
def test_the_form_can_be_set_whatever_standard_error_is(form: str, is_json: bool) -> None:
    for stream in (Screen(), io.StringIO()):
        text = written(lambda: log("ready", address="http://127.0.0.1:8000"), stream, form)
        assert text.startswith("{") == is_json


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def line(stream: io.StringIO) -> str:
        return written(lambda: log("ready", port=8000), stream, "console")

    assert "\x1b" not in line(Screen()), "NO_COLOR is set"
    monkeypatch.delenv("NO_COLOR")
    coloured = line(Screen())
    assert "\x1b[32mINFO   \x1b[0m" in coloured
    assert "\x1b" not in line(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    plain = line(Screen())
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[0-9]+m", "", coloured)[23:] == plain[23:]


def test_an_exception_is_readable_below_its_line() -> None:
    head, *below = written(lambda: fail("bad\x1b[31m\nand worse")).splitlines()
    assert head.endswith(" ERROR   request_failed         request_id=req_1")
    assert below[0] == "    Traceback (most recent call last):"
    assert below[-2:] == ["    ValueError: bad\\x1b[31m", "    and worse"]
    assert all(line.startswith("    ") for line in below)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x\n2026-01-01 00:00:00.000 ERROR   forged", r'"x\n2026-01-01 00:00:00.000 ERROR   forged"'),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("\x7f\b\r", r'"\x7f\b\r"'),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u2028b", r'"a\u2028b"'),
        ("\ud800", r"\ud800"),
        ("a=1 level=error", '"a=1 level=error"'),
        ('say "x"', r'"say \"x\""'),
        (["a\x1b", {"b": "\n"}], r'["a\u001b", {"b": "\n"}]'),
        ("여우 🦊", '"여우 🦊"'),
    ],
)
def test_a_value_writes_no_line_of_its_own_and_rules_no_terminal(value: object, shown: str) -> None:
    text = written(lambda: log("request", value=value))
    assert text.endswith(f"request                value={shown}\n")
    assert text[:-1].isprintable()


@pytest.mark.parametrize("form", ["json", "console"])
def test_key_7_secrets_are_removed_wherever_they_stand(form: str) -> None:
    secret = "imk_live_abcdefghijkl"

    class Held:
        def __repr__(self) -> str:
            return f"Held({secret})"

    def write() -> None:
        fail(f"line\n{secret}")
        log("x", text=f"\n{secret}", listed=[secret, (secret,)], named={"a": secret}, held=Held())

    text = written(write, form=form)
    assert "abcdefghijkl" not in text
    assert text.count("imk_live_[removed]") == 6


def test_what_is_below_the_level_is_not_written() -> None:
    def write() -> None:
        log("ready")
        log_warning("setting_renamed")

    assert [line.split()[3] for line in written(write, level="warning").splitlines()] == ["setting_renamed"]
