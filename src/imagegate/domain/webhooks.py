"""Webhooks: one delivery to one URL, its attempts, and the secret that signs it."""

from __future__ import annotations

import base64
import enum
import re

import msgspec

ID_PREFIX = "evt_"
SECRET_PREFIX = "whsec_"  # noqa: S105  the public prefix of every secret, not one of them
_AUTHORITY_END = re.compile(r"[/?#]")


class DeliveryState(enum.StrEnum):
    waiting = "waiting"
    delivered = "delivered"
    exhausted = "exhausted"


class CloseReason(enum.StrEnum):
    """Why a delivery is exhausted."""

    failed = "failed"
    gone = "gone"
    host_down = "host_down"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """The row. `id` is the webhook-id; `round` counts replays, `number` all attempts; times are UTC microseconds."""

    id: str
    account_id: str
    task_id: str | None
    url: str
    host: str
    body: str
    state: DeliveryState
    reason: str | None
    round: int
    number: int
    due: int
    created: int
    closed: int | None


class DeliveryAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One request; without `ended` its response is not known yet."""

    number: int
    round: int
    started: int
    ended: int | None
    duration_ms: int | None
    status: int | None
    error: str | None
    retry_after: str | None
    excerpt: str | None


class DeliveryResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one attempt ended: with a status, or with the kind of error that prevented a response."""

    duration_ms: int
    status: int | None = None
    error: str | None = None
    retry_after: str | None = None
    excerpt: str = ""

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Status 410: the receiver wants no more attempts."""
        return self.status == 410


class SecretVersion(msgspec.Struct, frozen=True):
    """Which secret an account signs with, and when it replaced the one before (UTC microseconds)."""

    version: int
    rotated: int | None


def task_delivery_id(task_id: str) -> str:
    """The same in every attempt. Without a dot, which ends the id in the signed text."""
    return f"{ID_PREFIX}{task_id}"


def host_of(url: str) -> str:
    """Host and port as written, in lower case. Never raises, whatever the URL is."""
    return _AUTHORITY_END.split(url.partition("://")[2], maxsplit=1)[0].lower()


def format_secret(key: bytes) -> str:
    """`whsec_` and the key in base64, as Standard Webhooks libraries take it."""
    return SECRET_PREFIX + base64.b64encode(key).decode()
