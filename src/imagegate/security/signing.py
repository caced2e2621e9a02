"""What is signed with keys of the installation: links to files, the page's bearer tokens, webhook messages.

Every signature is an HMAC-SHA256 over a text that begins with its purpose or comes from a key of its own, so that one
never passes for another, and is compared in constant time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable

import msgspec

THUMBNAIL_EXTENSION = "thumb.webp"
TOKEN_PREFIX = "imt_"  # noqa: S105  the public prefix of every token, not one of them
TOKEN_LIFETIME_S = 600
_MAX_TOKEN_CHARS = 1000  # ours have about 150; longer text is cut before anything is computed over it
_MAX_EXPIRY_DIGITS = 12
FIRST_KEY_ID = "k1"
_KEY_ID = re.compile("k[0-9]{1,6}")  # stands in every link: links of two keys can be told apart


def mac(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256."""
    return hmac.digest(key, message, hashlib.sha256)


def equal(expected: str, received: str) -> bool:
    """Compared in constant time; `received` may be any text."""
    return hmac.compare_digest(expected.encode(), received.encode())


def to_base64url(raw: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def from_base64url(text: str) -> bytes:
    """Padding may be absent. ValueError where the text is not base64url."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sign_result_link(
    origin: str, key: bytes, task_id: str, index: int, ext: str, exp: int, key_id: str = FIRST_KEY_ID
) -> str:
    """The link of a result, or of a thumbnail (`ext` THUMBNAIL_EXTENSION), until `exp` in Unix seconds."""
    signature = _link_signature(key, key_id, f"{task_id}\n{index}\n{ext}", exp)
    return f"{origin}/files/results/{task_id}/{index}.{ext}?exp={exp}&sig={signature}"


def verify_result_link(keys: Iterable[bytes], task_id: str, index: int, ext: str, exp: str, sig: str) -> int | None:
    """When the link ends (Unix seconds), past or not; None where the signature is not ours."""
    return _verified_expiry(keys, f"{task_id}\n{index}\n{ext}", exp, sig)


def sign_input_link(origin: str, key: bytes, blob_key: str, exp: int, key_id: str = FIRST_KEY_ID) -> str:
    """The link of one blob until `exp`, for upstreams that read references by URL only."""
    name = f"{to_base64url(blob_key.encode())}.{blob_key.rpartition('.')[2]}"
    signature = _link_signature(key, key_id, _input_subject(blob_key), exp)
    return f"{origin}/files/inputs/{name}?exp={exp}&sig={signature}"


def decode_blob_key(name: str) -> str:
    """The blob key in the last part of an input link; for any other text some key that no signature fits."""
    try:
        return from_base64url(name.partition(".")[0]).decode()
    except ValueError:
        return ""


def verify_input_link(keys: Iterable[bytes], blob_key: str, exp: str, sig: str) -> int | None:
    """When the link ends (Unix seconds), past or not; None where the signature is not ours."""
    return _verified_expiry(keys, _input_subject(blob_key), exp, sig)


def _input_subject(blob_key: str) -> str:
    return f"input\n{blob_key}"


def _verified_expiry(keys: Iterable[bytes], subject: str, exp: str, sig: str) -> int | None:
    if not (exp.isascii() and exp.isdigit() and len(exp) <= _MAX_EXPIRY_DIGITS) or exp != str(int(exp)):
        return None  # one link has one spelling: `exp=017…` is not what was signed
    key_id = sig.partition(".")[0]
    if _KEY_ID.fullmatch(key_id) is None:
        return None
    return int(exp) if any(equal(_link_signature(key, key_id, subject, int(exp)), sig) for key in keys) else None


def _link_signature(key: bytes, key_id: str, subject: str, exp: int) -> str:
    signed = f"v1\nGET\n{subject}\n{exp}\n{key_id}"
    return f"{key_id}.{to_base64url(mac(key, signed.encode()))}"


class PageToken(msgspec.Struct, frozen=True, array_like=True):
    """Whom a page's bearer token stands for, until `exp` (Unix seconds).

    `session` is the hash of the session's id. That key and session still live is for the caller to ask: a token is
    checked without a database.
    """

    account_id: str
    key_id: str
    session: str
    exp: int


def sign_page_token(key: bytes, token: PageToken) -> str:
    """`imt_<base64url of the token as JSON>.<signature>`."""
    body = to_base64url(msgspec.json.encode(token))
    return f"{TOKEN_PREFIX}{body}.{_token_signature(key, body)}"


def verify_page_token(key: bytes, text: str, now_s: int) -> PageToken | None:
    """None where the token is not ours or has expired."""
    body, _, signature = text[:_MAX_TOKEN_CHARS].removeprefix(TOKEN_PREFIX).partition(".")
    if not equal(_token_signature(key, body), signature):
        return None
    token = msgspec.json.decode(from_base64url(body), type=PageToken)  # signed by us, so it decodes
    return token if now_s < token.exp else None


def _token_signature(key: bytes, body: str) -> str:
    return to_base64url(mac(key, f"page-token\n{body}".encode()))


def sign_webhook(keys: list[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of Standard Webhooks: `v1,<base64>` for each key, separated by spaces."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join("v1," + base64.b64encode(mac(key, signed)).decode() for key in keys)
