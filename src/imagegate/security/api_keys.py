"""The text of an API key: how one is made, recognised offline and turned into what is stored.

Shape: `imk_live_` + 43 base62 characters (32 random bytes) + 6 base62 characters of CRC32. Refuses to know: whose it
is. The key itself is shown once and kept nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import zlib

PREFIXES = ("imk_live_", "imk_test_")
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY_CHARS, _CHECKSUM_CHARS = 43, 6


def generate_key(prefix: str = PREFIXES[0]) -> str:
    body = _base62(secrets.randbits(256), _BODY_CHARS)
    return f"{prefix}{body}{_checksum(prefix + body)}"


def is_well_formed(key: str) -> bool:
    """Whether the checksum fits: a mistyped key is refused without a look into the database."""
    prefix = next((prefix for prefix in PREFIXES if key.startswith(prefix)), None)
    if prefix is None or not key.isascii() or len(key) != len(prefix) + _BODY_CHARS + _CHECKSUM_CHARS:
        return False
    return hmac.compare_digest(_checksum(key[:-_CHECKSUM_CHARS]), key[-_CHECKSUM_CHARS:])


def hash_key(pepper: bytes, key: str) -> str:
    """What is stored: HMAC-SHA256 in hex. 256 random bits need no slow hash."""
    return hmac.new(pepper, key.encode(), hashlib.sha256).hexdigest()


def mask_key(key: str) -> str:
    """The part that may be shown again: prefix and four characters."""
    return key[: len(PREFIXES[0]) + 4] + "…"


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), _CHECKSUM_CHARS)


def _base62(value: int, width: int) -> str:
    digits = []
    for _ in range(width):
        value, rest = divmod(value, 62)
        digits.append(_BASE62[rest])
    return "".join(reversed(digits))
