"""Log lines as JSON on standard error, with secrets removed.

An event is a stable snake_case name; everything that varies is a field. Three levels: `log` for what happens in normal
operation, `log_warning` for what was refused or done less well than asked, `log_error` for what the operator must
act on.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

_SECRET_PATTERN = re.compile(r"\b(imk_(?:live|test)_|whsec_|sk-|Bearer )[A-Za-z0-9_\-+/=.]{6,}")


def configure_logging(level: str) -> None:
    """`level` is a name such as "info". Secrets are cut out of every text field by their prefix."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redact,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def log(event: str, **fields: Any) -> None:
    structlog.get_logger().info(event, **fields)


def log_warning(event: str, **fields: Any) -> None:
    structlog.get_logger().warning(event, **fields)


def log_error(event: str, **fields: Any) -> None:
    structlog.get_logger().error(event, **fields)


def _redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    return {
        key: _SECRET_PATTERN.sub(r"\1[removed]", value) if isinstance(value, str) else value
        for key, value in event.items()
    }
