"""How far long work is: on a terminal one line that is written anew, elsewhere a log line now and then."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from types import TracebackType
from typing import Any, Self

from imagegate.logging import log

_SILENT_S = 2.0  # work that ends sooner needs no words
_LINE_EVERY_S, _LOG_EVERY_S = 0.5, 15.0


class Progress:
    """Within `with`, each `update` says what is being done. Nothing is shown of what ends within two seconds."""

    def __init__(self, event: str) -> None:
        """`event` names the log lines."""
        self._event = event
        self._began = time.monotonic()
        self._words, self._fields = "", dict[str, Any]()
        self._next_log = self._began + _SILENT_S
        self._is_shown = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, name="imagegate-progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        if self._is_shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()

    def update(self, words: str, **fields: Any) -> None:
        """`words` are for a terminal, and `fields` for the log."""
        self._words, self._fields = words, fields

    def _show(self) -> None:
        wait_s = _SILENT_S
        while not self._ended.wait(wait_s):
            wait_s = _LINE_EVERY_S
            elapsed_s = time.monotonic() - self._began
            if sys.stderr.isatty():
                self._is_shown = True
                line = f"{self._words} ({elapsed_s:.0f} s)"
                sys.stderr.write(f"\r\x1b[2K{line[: shutil.get_terminal_size().columns - 1]}")
                sys.stderr.flush()
            elif time.monotonic() >= self._next_log:
                self._next_log = time.monotonic() + _LOG_EVERY_S
                log(self._event, **self._fields, seconds=round(elapsed_s))
