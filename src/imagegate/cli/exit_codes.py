"""Exit codes by kind of failure, so that scripts need not parse messages."""

from __future__ import annotations

DONE, FAILED, USAGE, REFUSED, QUOTA_EXCEEDED, UNREACHABLE = 0, 1, 2, 3, 4, 5


class Exit(Exception):
    """Exit with this code, after printing this message to standard error."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def exit_code_for(error_code: str) -> int:
    """The exit code for an error code of the API."""
    if error_code == "content_policy_violation":
        return REFUSED
    if error_code in ("insufficient_quota", "insufficient_token_quota", "token_daily_quota_exceeded"):
        return QUOTA_EXCEEDED
    if error_code in ("invalid_request", "model_not_found", "invalid_task_id", "invalid_parameters"):
        return USAGE
    return FAILED
