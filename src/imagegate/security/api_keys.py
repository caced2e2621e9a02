"""The text of an API key: made, checked without a database, hashed for storage, masked for display.

Shape: `imk_live_` or `imk_test_`, 43 base62 characters (32 random bytes), 6 base62 characters of CRC32. The key itself
is shown once and kept nowhere.
"""

from __future__ import annotations

import secrets
import zlib

from imagegate.security.signing import mac

PREFIXES = ("imk_live_", "imk_test_")
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY_CHARS, _CHECKSUM_CHARS = 43, 6  # 62**43 > 2**256 and 62**6 > 2**32


def generate_key(prefix: str = PREFIXES[0]) -> str:
    body = _base62(secrets.randbits(256), _BODY_CHARS)
    return f"{prefix}{body}{_checksum(prefix + body)}"


def is_well_formed(key: str) -> bool:
    """Whether the checksum fits: a mistyped key is refused without a database lookup."""
    prefix = next((prefix for prefix in PREFIXES if key.startswith(prefix)), None)
    if prefix is None or not key.isascii() or len(key) != len(prefix) + _BODY_CHARS + _CHECKSUM_CHARS:
        return False
    return _checksum(key[:-_CHECKSUM_CHARS]) == key[-_CHECKSUM_CHARS:]  # no secret: anyone can compute it


def hash_key(pepper: bytes, key: str) -> str:
    """What is stored: HMAC-SHA256 in hex. 256 random bits need no slow hash."""
    return mac(pepper, key.encode()).hex()


def mask_key(key: str) -> str:
    """The part that may be shown again: prefix and four characters."""
    return key[: len(PREFIXES[0]) + 4] + "…"


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), _CHECKSUM_CHARS)


def _base62(value: int, width: int) -> str:
    digits = []
    for _ in range(width):
        value, digit = divmod(value, 62)
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))
