"""The short-lived bearer token that the page trades its session for.

Shape: `imt_` + base64url of who it is for + `.` + base64url of an HMAC-SHA256 over that. It is checked without a
database; that its key and its session still live is asked apart. Refuses to know: sessions and keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

import msgspec

PREFIX = "imt_"
LIFETIME_S = 600
_MAX_TOKEN_CHARS = 1000


class PageToken(msgspec.Struct, frozen=True, array_like=True):
    """`session` is the hash of the session's id, empty for the local account; the token ends at `exp`, Unix seconds."""

    account_id: str
    key_id: str
    session: str
    exp: int


class InvalidToken(msgspec.Struct, frozen=True):
    """Not ours, or over."""


def sign_page_token(key: bytes, token: PageToken) -> str:
    body = _text(msgspec.json.encode(token))
    return f"{PREFIX}{body}.{_signature(key, body)}"


def verify_page_token(key: bytes, text: str, now_s: int) -> PageToken | InvalidToken:
    body, _, signature = text[:_MAX_TOKEN_CHARS].removeprefix(PREFIX).partition(".")
    if not hmac.compare_digest(_signature(key, body).encode(), signature.encode()):
        return InvalidToken()
    try:
        raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        token = msgspec.json.decode(raw, type=PageToken)
    except (binascii.Error, msgspec.DecodeError, ValueError):
        return InvalidToken()
    return token if now_s < token.exp else InvalidToken()


def _signature(key: bytes, body: str) -> str:
    return _text(hmac.new(key, f"page-token\n{body}".encode(), hashlib.sha256).digest())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
