"""Exit codes by kind of failure, so that scripts need not parse messages."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable
from typing import Any

DONE, FAILED, USAGE, REFUSED, QUOTA_EXCEEDED, UNREACHABLE = 0, 1, 2, 3, 4, 5
INTERRUPTED = 130


class Exit(Exception):
    """Exit with this code, after printing this message to standard error."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def describe_failure(error: Exception) -> str | None:
    """The line for a failure that an installation can have; None for a fault of this program."""
    # Here, because they bring the database drivers and the ciphers along, which `health` and `--help` can do without.
    from imagegate.backup.manifest import BackupError
    from imagegate.domain.errors import Problem
    from imagegate.flows.ledger_files import LedgerFileError
    from imagegate.security.keyring import SecretError
    from imagegate.security.private_files import NotPrivate
    from imagegate.settings import SettingsError
    from imagegate.store.dialect import DatabaseError, DatabaseUnusable
    from imagegate.store.ledger_archives import LedgerDiffers

    match error:
        case BackupError() | SettingsError() | SecretError() | NotPrivate() | DatabaseUnusable() | DatabaseError():
            return f"imagegate: {error}"
        case LedgerFileError() | LedgerDiffers():
            return f"imagegate: {error}"
        case Problem():
            return f"imagegate: {error.message}"
        case OSError():
            return f"imagegate: {error.strerror or error}: {error.filename or ''}".rstrip(": ")
        case _:
            return None


def cannot_listen(host: str, port: int, error: OSError) -> Exit:
    if error.errno == errno.EADDRINUSE:
        return Exit(FAILED, f"imagegate: port {port} on {host} is in use; choose another with --port")
    # asyncio puts a sentence of its own with the address in place of the reason.
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    return Exit(
        FAILED, f"imagegate: cannot listen on port {port} of {host}: {reason}; choose others with --port and --host"
    )


def failures_exit_with(code: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """For a command whose exit code 1 has a meaning of its own."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**options: Any) -> None:
            try:
                command(**options)
            except Exception as error:
                message = describe_failure(error)
                if message is None:
                    raise
                raise Exit(code, message) from error

        return run

    return decorate


def exit_code_for(error_code: str) -> int:
    """The exit code for an error code of the API."""
    if error_code == "content_policy_violation":
        return REFUSED
    if error_code in ("insufficient_quota", "insufficient_token_quota", "token_daily_quota_exceeded"):
        return QUOTA_EXCEEDED
    if error_code in ("invalid_request", "model_not_found", "invalid_task_id", "invalid_parameters"):
        return USAGE
    return FAILED
