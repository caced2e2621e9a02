"""How far a long check has come, on standard error: its output is for what it finds."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

import click

from imagegate.store.invariants import Check

_TERMINAL_S, _LOG_S = 0.2, 10.0
_CLEAR = "\r\033[K"


@contextlib.contextmanager
def show_progress() -> Iterator[Callable[[Check], None]]:
    """Yield what is to be told of each piece: one line that is rewritten on a terminal, elsewhere one now and then."""
    began = shown = time.monotonic()
    is_terminal = sys.stderr.isatty()

    def show(check: Check) -> None:
        nonlocal shown
        now = time.monotonic()
        if check.is_done or now - shown < (_TERMINAL_S if is_terminal else _LOG_S):
            return
        shown = now
        part, took = check.place.part, f"{now - began:.0f} s"
        line = f"checking {part}: {check.rows[part]:,} rows, {check.rows.total():,} in all, {took}"
        click.echo(f"{_CLEAR}{line}" if is_terminal else line, err=True, nl=not is_terminal)

    try:
        yield show
    finally:
        if is_terminal:
            click.echo(_CLEAR, err=True, nl=False)
