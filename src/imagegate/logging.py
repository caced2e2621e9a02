"""Log lines as JSON on standard error, with secrets removed.

An event is a stable snake_case name; everything that varies is a field. Three levels: `log` for what happens in normal
operation, `log_warning` for what was refused or done less well than asked, `log_error` for what the operator must
act on.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

_SECRET_PATTERN = re.compile(r"\b(imk_(?:live|test)_|whsec_|sk-|Bearer )[A-Za-z0-9_\-+/=.]{6,}")


class _Threshold:
    level = logging.INFO


def configure_logging(level: str) -> None:
    """`level` is a name such as "info": what is below it is not written."""
    _Threshold.level = logging.getLevelNamesMapping()[level.upper()]


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
    if level < _Threshold.level:
        return
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    line = {**fields, "event": event, "level": logging.getLevelName(level).lower(), "timestamp": at}
    # One call for the whole line: threads write too.
    sys.stderr.write(json.dumps({name: _redact(value) for name, value in line.items()}, default=repr) + "\n")
    sys.stderr.flush()


def _redact(value: Any) -> Any:
    """Secrets are cut out of every text by their prefix."""
    return _SECRET_PATTERN.sub(r"\1[removed]", value) if isinstance(value, str) else value
