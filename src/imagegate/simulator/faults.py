"""The faults by name, and how a person writes them: `429`, `429:3`, `wrong-pixels+usage-missing`.

Knows: which faults exist, when each strikes and what its value means. Refuses to know: how it looks on the wire.
"""

from __future__ import annotations

import enum
import re

import msgspec

Faults = dict[str, str]


class When(enum.StrEnum):
    """`head`: before the body is read. `denied`: after it, and nothing is generated. All others are bought first.

    `wire`: the answer does not arrive as it should. `answer`: another answer arrives. `picture`, `usage`: a part of
    the answer is wrong. `ticket`: happens to work that is polled for.
    """

    head = "head"
    denied = "denied"
    wire = "wire"
    answer = "answer"
    picture = "picture"
    usage = "usage"
    ticket = "ticket"


class Fault(msgspec.Struct, frozen=True):
    """`about` is one line for the list that `imagegate simulate --list` prints; it says what a value means."""

    when: When
    about: str


FAULTS: dict[str, Fault] = {
    "refuse": Fault(When.head, "reset this call and refuse connections; value: seconds, default 1"),
    "reset-before-body": Fault(When.head, "reset before the body is read"),
    "401": Fault(When.denied, "invalid_api_key"),
    "402": Fault(When.denied, "no funds"),
    "403-blocked": Fault(When.denied, "Azure's block of a whole account"),
    "403-unverified": Fault(When.denied, "the organization is not verified for the model"),
    "404-model": Fault(When.denied, "model_not_found, or DeploymentNotFound"),
    "413": Fault(When.denied, "the body is too large"),
    "429": Fault(When.denied, "rate_limit_exceeded; value: Retry-After in seconds, default 2"),
    "429-spent": Fault(When.denied, "insufficient_quota"),
    "400-unpaid": Fault(When.denied, "billing_hard_limit_reached"),
    "400-parameter": Fault(When.denied, "unknown_parameter; value: its name, default background"),
    "500-json": Fault(When.denied, "an error object; value: the status, default 500"),
    "503-json": Fault(When.denied, "an error object, overloaded"),
    "redirect-307": Fault(When.denied, "to the same path with ?followed=1, where the call works"),
    "moderation-refusal": Fault(When.denied, "moderation_blocked; a task fails with content_policy_violation"),
    "azure-content-filter": Fault(When.denied, "content_policy_violation with Azure's inner_error"),
    "error-in-200": Fault(When.denied, "HTTP 200 with an error object; value: its code, default 429"),
    "string-error": Fault(When.denied, 'a bare {"error":"..."}; value: the status, default 400'),
    "detail-error": Fault(When.denied, '{"detail":...}; value: the status, default 422'),
    "reset-after-send": Fault(When.wire, "buy, then reset the connection"),
    "black-hole": Fault(When.wire, "buy, then never answer; value: seconds until the end, default 3600"),
    "slow-headers": Fault(When.wire, "the head byte by byte; value: seconds for all of it, default 30"),
    "drip": Fault(When.wire, "the body slowly; value: bytes per second, default 1kB"),
    "truncated": Fault(When.wire, "half of the body, then the end"),
    "504": Fault(When.answer, "a gateway's HTML page after the purchase"),
    "5xx-html": Fault(When.answer, "a gateway's HTML page after the purchase; value: the status, default 502"),
    "html-200": Fault(When.answer, "HTTP 200 with an HTML page"),
    "empty-data": Fault(When.answer, "no images, usage as if there were"),
    "huge-body": Fault(When.answer, "a picture that never ends; value: bytes, default 200MB"),
    "stream-error": Fault(When.answer, "a stream ends with an error event"),
    "wrong-pixels": Fault(When.picture, "half the width and height that were asked for"),
    "wrong-format": Fault(When.picture, "jpeg for png, png for anything else"),
    "bad-base64": Fault(When.picture, "characters that are no base64 in the middle"),
    "fewer-images": Fault(When.picture, "one image fewer than asked for, at least one"),
    "url-result": Fault(When.picture, "links instead of base64"),
    "usage-missing": Fault(When.usage, "no usage"),
    "usage-zero": Fault(When.usage, "zeros"),
    "usage-negative": Fault(When.usage, "negative counts"),
    "usage-huge": Fault(When.usage, "a billion times the truth"),
    "usage-cached": Fault(When.usage, "half of the input cached; value: 1 to 5, the spelling, default 1"),
    "task-fails": Fault(When.ticket, "ends failed, not charged; value: its code, default service_unavailable"),
    "task-lost": Fault(When.ticket, "the upstream forgets it midway: polls answer 404"),
    "poll-503": Fault(When.ticket, "polls answer 503 at first; value: how many, default 3"),
    "result-404": Fault(When.ticket, "downloads of results answer 404 at first; value: how many, default 1"),
}
_WORDS, _BYTES = ("400-parameter", "task-fails"), ("drip", "huge-body")
_SECONDS = ("refuse", "black-hole", "slow-headers")
WORKS = ("none", "ok", "")
_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1_000_000, "kib": 1024, "mib": 1 << 20}


def parse_faults(text: str) -> Faults:
    """Names to values. ValueError names what is unknown; `none` means that the call works."""
    if text in WORKS:
        return {}
    pairs = (part.strip().partition(":") for part in text.split("+"))
    faults = {name: value for name, _, value in pairs}
    for name, value in faults.items():
        if name not in FAULTS:
            raise ValueError(f"there is no fault {name!r}; the faults are {', '.join(FAULTS)}")
        if value:
            _check_value(name, value)
    return faults


def _check_value(name: str, value: str) -> None:
    if name in _WORDS:
        return
    if name in _BYTES:
        byte_count(value)
    elif not re.fullmatch(r"[0-9]+" if name not in _SECONDS else r"[0-9]+(\.[0-9]+)?", value):
        raise ValueError(f"{value!r} is no value of {name}: {FAULTS[name].about}")


def named(faults: Faults, when: When) -> str:
    """The first fault of this kind, or the empty text."""
    return next((name for name in faults if FAULTS[name].when is when), "")


def seconds(text: str) -> float:
    """`2`, `1.5s`, `300ms`."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|)", text.strip())
    if not found:
        raise ValueError(f"{text!r} is no time such as 2s or 300ms")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


def byte_count(text: str) -> int:
    """`512`, `20MB`, `1MiB`."""
    found = re.fullmatch(r"([0-9]+)\s*([kmi]*b?)", text.strip().lower())
    if not found or found[2] not in _UNITS:
        raise ValueError(f"{text!r} is no amount of bytes such as 20MB")
    return int(found[1]) * _UNITS[found[2]]
