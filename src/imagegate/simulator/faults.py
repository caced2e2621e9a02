"""Faults by name, and the syntax in which they are given: `429`, `429:3`, `wrong-pixels+usage-missing`."""

from __future__ import annotations

import enum
import re

import msgspec

Faults = dict[str, str]


class FaultKind(enum.StrEnum):
    """When a fault strikes. `before_body` and `denied` (after the body) bill nothing; all others are bought first.

    `wire`: the response does not arrive as it should. `answer`: another response arrives. `image`, `usage`: a part of
    the response is wrong. `job`: strikes polls and downloads.
    """

    before_body = "before_body"
    denied = "denied"
    wire = "wire"
    answer = "answer"
    image = "image"
    usage = "usage"
    job = "job"


class Fault(msgspec.Struct, frozen=True):
    """`description` is one line for the list that `imagegate simulate --list` prints; it explains the value."""

    kind: FaultKind
    description: str


FAULTS: dict[str, Fault] = {
    "refuse": Fault(FaultKind.before_body, "reset this call and refuse connections; value: seconds, default 1"),
    "reset-before-body": Fault(FaultKind.before_body, "reset before the body is read"),
    "401": Fault(FaultKind.denied, "invalid_api_key"),
    "402": Fault(FaultKind.denied, "no funds"),
    "403-blocked": Fault(FaultKind.denied, "Azure's block of a whole account"),
    "403-unverified": Fault(FaultKind.denied, "the organization is not verified for the model"),
    "404-model": Fault(FaultKind.denied, "model_not_found, or DeploymentNotFound"),
    "413": Fault(FaultKind.denied, "the body is too large"),
    "429": Fault(FaultKind.denied, "rate_limit_exceeded; value: Retry-After in seconds, default 2"),
    "429-spent": Fault(FaultKind.denied, "insufficient_quota"),
    "400-unpaid": Fault(FaultKind.denied, "billing_hard_limit_reached"),
    "400-parameter": Fault(FaultKind.denied, "unknown_parameter; value: its name, default background"),
    "500-json": Fault(FaultKind.denied, "an error object; value: the status, default 500"),
    "503-json": Fault(FaultKind.denied, "an error object, overloaded"),
    "redirect-307": Fault(FaultKind.denied, "to the same path with ?followed=1, where the call works"),
    "moderation-refusal": Fault(FaultKind.denied, "moderation_blocked; a task fails with content_policy_violation"),
    "azure-content-filter": Fault(FaultKind.denied, "content_policy_violation with Azure's inner_error"),
    "error-in-200": Fault(FaultKind.denied, "HTTP 200 with an error object; value: its code, default 429"),
    "string-error": Fault(FaultKind.denied, 'a bare {"error":"..."}; value: the status, default 400'),
    "detail-error": Fault(FaultKind.denied, '{"detail":...}; value: the status, default 422'),
    "reset-after-send": Fault(FaultKind.wire, "buy, then reset the connection"),
    "black-hole": Fault(FaultKind.wire, "buy, then never answer; value: seconds until the end, default 3600"),
    "slow-headers": Fault(FaultKind.wire, "the response head byte by byte; value: seconds for all of it, default 30"),
    "drip": Fault(FaultKind.wire, "the body slowly; value: bytes per second, default 1kB"),
    "truncated": Fault(FaultKind.wire, "half of the body, then the end"),
    "504": Fault(FaultKind.answer, "a gateway's HTML page after the purchase"),
    "5xx-html": Fault(FaultKind.answer, "a gateway's HTML page after the purchase; value: the status, default 502"),
    "html-200": Fault(FaultKind.answer, "HTTP 200 with an HTML page"),
    "empty-data": Fault(FaultKind.answer, "no images, but usage"),
    "huge-body": Fault(FaultKind.answer, "an image of unbounded size; value: bytes, default 200MB"),
    "stream-error": Fault(FaultKind.answer, "a stream ends with an error event"),
    "wrong-pixels": Fault(FaultKind.image, "half the requested width and height"),
    "wrong-format": Fault(FaultKind.image, "jpeg for png, png for anything else"),
    "bad-base64": Fault(FaultKind.image, "invalid base64 characters in the middle"),
    "fewer-images": Fault(FaultKind.image, "one image fewer than requested, at least one"),
    "url-result": Fault(FaultKind.image, "URLs instead of base64"),
    "usage-missing": Fault(FaultKind.usage, "no usage"),
    "usage-zero": Fault(FaultKind.usage, "zeros"),
    "usage-negative": Fault(FaultKind.usage, "negative counts"),
    "usage-huge": Fault(FaultKind.usage, "a billion times the truth"),
    "usage-cached": Fault(FaultKind.usage, "half of the input cached; value: 1 to 5, the spelling, default 1"),
    "task-fails": Fault(FaultKind.job, "ends failed, not charged; value: its code, default service_unavailable"),
    "task-lost": Fault(FaultKind.job, "the upstream forgets it midway: polls answer 404"),
    "poll-503": Fault(FaultKind.job, "polls answer 503 at first; value: how many, default 3"),
    "result-404": Fault(FaultKind.job, "downloads of results answer 404 at first; value: how many, default 1"),
}
_TEXT_VALUED, _BYTE_VALUED = ("400-parameter", "task-fails"), ("drip", "huge-body")
_SECONDS_VALUED = ("refuse", "black-hole", "slow-headers")
NO_FAULT = ("none", "ok", "")
_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1_000_000, "kib": 1024, "mib": 1 << 20}


def parse_faults(text: str) -> Faults:
    """Fault names mapped to their values; empty for `none`. Raises ValueError for an unknown name or a wrong value."""
    if text in NO_FAULT:
        return {}
    pairs = (part.strip().partition(":") for part in text.split("+"))
    faults = {name: value for name, _, value in pairs}
    for name, value in faults.items():
        if name not in FAULTS:
            raise ValueError(f"unknown fault {name!r}; the faults are {', '.join(FAULTS)}")
        if value:
            _check_value(name, value)
    return faults


def _check_value(name: str, value: str) -> None:
    if name in _TEXT_VALUED:
        return
    if name in _BYTE_VALUED:
        parse_byte_count(value)
    elif not re.fullmatch(r"[0-9]+" if name not in _SECONDS_VALUED else r"[0-9]+(\.[0-9]+)?", value):
        raise ValueError(f"{value!r} is not a value of {name}: {FAULTS[name].description}")


def first_fault(faults: Faults, when: FaultKind) -> str:
    """The first fault of this kind, or an empty string."""
    return next((name for name in faults if FAULTS[name].kind is when), "")


def parse_seconds(text: str) -> float:
    """Seconds from `2`, `1.5s` or `300ms`. Raises ValueError."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|)", text.strip())
    if not found:
        raise ValueError(f"{text!r} is not a time such as 2s or 300ms")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


def parse_byte_count(text: str) -> int:
    """Bytes from `512`, `20MB` or `1MiB`. Raises ValueError."""
    found = re.fullmatch(r"([0-9]+)\s*([kmi]*b?)", text.strip().lower())
    if not found or found[2] not in _UNITS:
        raise ValueError(f"{text!r} is not a size such as 20MB")
    return int(found[1]) * _UNITS[found[2]]
