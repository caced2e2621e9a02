"""Log lines on standard error, with secrets removed: for people in a terminal, as JSON elsewhere.

An event is a stable snake_case name; everything that varies is a field. Three levels: `log` for what happens in normal
operation, `log_warning` for what was refused or done less well than asked, `log_error` for what the operator must
act on.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

_SECRET_PATTERN = re.compile(r"\b(imk_(?:live|test)_|whsec_|sk-|Bearer )[A-Za-z0-9_\-+/=.]{6,}")


_MIN_EVENT_CHARS = 22  # of most events, so that fields stand below each other
_COLOURS = {"INFO": "32", "WARNING": "33", "ERROR": "31"}


class _Output:
    """`for_people` and `in_colour`: None until they are configured; then the terminal decides, line by line."""

    level = logging.INFO
    for_people: bool | None = None
    in_colour: bool | None = None


def configure_logging(level: str, form: str = "auto") -> None:
    """`level` is a name such as "info": what is below it is not written. `form` is auto, console or json."""
    _Output.level = logging.getLevelNamesMapping()[level.upper()]
    _Output.for_people = sys.stderr.isatty() if form == "auto" else form == "console"
    _Output.in_colour = _obeys_colours()


def _obeys_colours() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def log(event: str, **fields: Any) -> None:
    _write(logging.INFO, event, fields)


def log_warning(event: str, **fields: Any) -> None:
    _write(logging.WARNING, event, fields)


def log_error(event: str, *, exc_info: Any = None, **fields: Any) -> None:
    """`exc_info`: an exception, what `sys.exc_info` returned, or True for the one that is handled now."""
    if exc_info is True:
        exc_info = sys.exc_info()
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(error, BaseException):
        fields["exception"] = "".join(traceback.format_exception(error)).rstrip()
    _write(logging.ERROR, event, fields)


def _write(level: int, event: str, fields: dict[str, Any]) -> None:
    if level < _Output.level:
        return
    now, name = datetime.now(UTC), logging.getLevelName(level)
    fields = {field: _redact(value) for field, value in fields.items()}
    for_people = sys.stderr.isatty() if _Output.for_people is None else _Output.for_people
    if for_people:
        in_colour = _obeys_colours() if _Output.in_colour is None else _Output.in_colour
        line = _line_for_people(now.astimezone(), name, event, fields, in_colour=in_colour)
    else:
        at = now.isoformat().replace("+00:00", "Z")
        head = {"timestamp": at, "level": name.lower(), "event": event}
        line = json.dumps({**head, **fields}, default=_shown_object)
    # One call for the whole line: threads write too.
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _redact(value: Any) -> Any:
    """Secrets are cut out of every text by their prefix."""
    match value:
        case str():
            return _SECRET_PATTERN.sub(r"\1[removed]", value)
        case dict():
            return {name: _redact(one) for name, one in value.items()}
        case list() | tuple():
            return [_redact(one) for one in value]
        case _:
            return value


def _shown_object(value: object) -> Any:
    return _redact(repr(value))


def _line_for_people(now: datetime, level: str, event: str, fields: dict[str, Any], *, in_colour: bool) -> str:
    """Local time, level, event and the fields that say something; an exception on lines of its own below."""

    def paint(code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if in_colour else text

    exception = fields.pop("exception", "")
    said = [f"{paint('2', f'{name}=')}{_shown(value)}" for name, value in fields.items() if not _is_empty(value)]
    time = paint("2", now.isoformat(" ", "milliseconds")[:23])
    head = f"{time} {paint(_COLOURS[level], f'{level:7}')} {paint('1', f'{event:{_MIN_EVENT_CHARS}}')}"
    below = [f"    {_escape(line)}" for line in exception.split("\n")] if exception else []
    return "\n".join([" ".join([head, *said]).rstrip(), *below])


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)


def _shown(value: Any) -> str:
    """In quotes where it would not read as one word."""
    if isinstance(value, str) and not re.search(r'[\s"=\\]', value):
        return _escape(value)
    return _escape(json.dumps(value, ensure_ascii=False, default=_shown_object))


def _escape(text: str) -> str:
    """What a terminal would obey, or what would pass for another line, as an escape sequence of Python."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
