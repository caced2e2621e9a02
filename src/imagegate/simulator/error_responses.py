"""Error responses that bill nothing, with the statuses, codes and messages of the vendors."""

from __future__ import annotations

from typing import Any

from imagegate.simulator.script import Plan

_BLOCKED_MESSAGE = (
    "Your resource has been temporarily blocked because we detected behavior that may violate our content policy. "
    "Please contact support to have it unblocked."
)
_MODERATION_MESSAGE = "Your request was rejected by the safety system. safety_violations=[violence]."
_CONTENT_FILTER_ERROR = {
    "message": "The request was filtered due to the prompt triggering the content management policy.",
    "type": None,
    "param": "prompt",
    "code": "content_policy_violation",
    "inner_error": {
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_results": {"violence": {"filtered": True, "severity": "medium"}},
    },
}


class Denial(Exception):
    """The request is refused and nothing is generated. `verbatim` replaces the protocol's own error body."""

    def __init__(
        self,
        status: int,
        code: str | None,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        headers: dict[str, str] | None = None,
        verbatim: Any = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.kind = kind
        self.param = param
        self.headers = headers or {}
        self.verbatim = verbatim


def invalid_value(message: str, param: str | None) -> Denial:
    return Denial(400, "invalid_value", message, param=param)


def denial_for(fault: str, plan: Plan, model: str, azure: bool) -> Denial:
    """The denial of a fault of kind `denied`. `model` is named in the message."""
    if fault in _FIXED_DENIALS:
        status, code, kind, message = _FIXED_DENIALS[fault]
        return Denial(status, code, message.format(model=model), kind=kind)
    return _denial_with_value(fault, plan.value(fault, ""), model, azure)


_FIXED_DENIALS: dict[str, tuple[int, str | None, str, str]] = {
    "401": (401, "invalid_api_key", "invalid_request_error", "Incorrect API key provided."),
    "402": (402, "insufficient_funds", "billing_error", "Insufficient credits. Add more to continue."),
    "403-unverified": (
        403,
        "organization_not_verified",
        "invalid_request_error",
        "Your organization must be verified to use the model `{model}`.",
    ),
    "413": (413, "request_too_large", "invalid_request_error", "Maximum content size limit exceeded."),
    "429-spent": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "400-unpaid": (
        400,
        "billing_hard_limit_reached",
        "image_generation_user_error",
        "Billing hard limit has been reached.",
    ),
    "503-json": (503, "server_overloaded", "server_error", "The server is currently overloaded. Try again later."),
}


def _denial_with_value(fault: str, value: str, model: str, azure: bool) -> Denial:
    match fault:
        case "403-blocked":
            return Denial(
                403,
                "Forbidden",
                _BLOCKED_MESSAGE,
                verbatim={"error": {"code": "Forbidden", "message": _BLOCKED_MESSAGE}},
            )
        case "404-model":
            return _model_not_found(model, azure)
        case "429":
            message = f"Rate limit reached for {model} on images per min. Please try again later."
            headers = {"Retry-After": value or "2", "x-ratelimit-remaining-requests": "0"}
            return Denial(429, "rate_limit_exceeded", message, kind="requests", headers=headers)
        case "400-parameter":
            name = value or "background"
            return Denial(400, "unknown_parameter", f"Unknown parameter: '{name}'.", param=name)
        case "500-json":
            message = "The server had an error while processing your request."
            return Denial(int(value or 500), None, message, kind="server_error")
        case _:
            return _unframed_denial(fault, value)


def _model_not_found(model: str, azure: bool) -> Denial:
    if azure:
        return Denial(404, "DeploymentNotFound", "The API deployment for this resource does not exist.")
    return Denial(404, "model_not_found", f"The model `{model}` does not exist or you do not have access to it.")


def _unframed_denial(fault: str, value: str) -> Denial:
    """Denials that are the same in every protocol."""
    match fault:
        case "moderation-refusal":
            return Denial(400, "moderation_blocked", _MODERATION_MESSAGE, kind="image_generation_user_error")
        case "azure-content-filter":
            return Denial(
                400,
                "content_policy_violation",
                str(_CONTENT_FILTER_ERROR["message"]),
                verbatim={"error": _CONTENT_FILTER_ERROR},
            )
        case "error-in-200":
            inner = {"code": int(value or 429), "message": "Provider returned error", "metadata": {}}
            return Denial(200, None, "an error in a 200", verbatim={"error": inner})
        case "string-error":
            return Denial(int(value or 400), None, "prompt required", verbatim={"error": "prompt required"})
        case "detail-error":
            wrong = [{"loc": ["body", "size"], "msg": "value is not valid", "type": "value_error"}]
            return Denial(int(value or 422), None, "value is not valid", verbatim={"detail": wrong})
        case _:
            raise ValueError(f"{fault!r} is no denial")
