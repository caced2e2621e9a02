"""Webhooks, signed as Standard Webhooks says."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping

import msgspec

from imagegate_client._errors import WebhookVerificationError
from imagegate_client._types import Task

_PREFIX = "whsec_"
# Of the message's own clock, to both sides: an older one may be a replay.
DEFAULT_TOLERANCE_S = 300


class Webhooks:
    """What a receiver of webhooks needs. It makes no requests."""

    def verify(
        self, body: bytes | str, headers: Mapping[str, str], secret: str, *, tolerance_s: float = DEFAULT_TOLERANCE_S
    ) -> Task:
        """The task of a webhook whose signature is right; WebhookVerificationError for any other.

        `body` must be the bytes as they came. `secret` is the account's (`GET /v1/webhooks/secret`). A message can come
        twice: the header `webhook-id` is then the same. The task of a test webhook has `test`, and does not exist.
        """
        given = {name.lower(): value for name, value in headers.items()}
        message_id, timestamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
        content = body.encode() if isinstance(body, str) else body
        _check_age(timestamp, tolerance_s)
        signed = b"%s.%s.%s" % (message_id.encode(), timestamp.encode(), content)
        expected = b"v1," + base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256))
        # while secrets are exchanged there is one signature for each
        if not any(hmac.compare_digest(one.encode(), expected) for one in given.get("webhook-signature", "").split()):
            raise WebhookVerificationError("the signature is not that of this secret")
        try:
            return msgspec.json.decode(content, type=Task, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WebhookVerificationError(f"the message is no task: {error}") from error


def _check_age(timestamp: str, tolerance_s: float) -> None:
    is_number = timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16
    if not is_number or abs(time.time() - int(timestamp)) > tolerance_s:
        raise WebhookVerificationError("webhook-timestamp is missing, too old or too new")


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise WebhookVerificationError("the secret is not whsec_ and base64") from error
