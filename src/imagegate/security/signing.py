"""Signed addresses of results and thumbnails: who has the link may read the image until the link ends.

Knows: `/files/results/<task>/<index>.<ext>?exp=<unix>&sig=<key id>.<signature>`, and that
a thumbnail's extension is `thumb.webp`. Refuses to know: where the bytes are.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

import msgspec

KEY_ID = "k1"
THUMBNAIL_EXTENSION = "thumb.webp"


class ValidLink(msgspec.Struct, frozen=True):
    """The signature is ours; the link ends at `exp` (Unix seconds)."""

    exp: int


class InvalidLink(msgspec.Struct, frozen=True):
    """Not a signature of ours."""


def sign_result_link(origin: str, key: bytes, task_id: str, index: int, ext: str, exp: int) -> str:
    return f"{origin}/files/results/{task_id}/{index}.{ext}?exp={exp}&sig={_signature(key, task_id, index, ext, exp)}"


def verify_result_link(key: bytes, task_id: str, index: int, ext: str, exp: str, sig: str) -> ValidLink | InvalidLink:
    if not (exp.isascii() and exp.isdigit() and len(exp) <= 12):
        return InvalidLink()
    expected = _signature(key, task_id, index, ext, int(exp))
    return ValidLink(int(exp)) if hmac.compare_digest(expected.encode(), sig.encode()) else InvalidLink()


def sign_input_link(origin: str, key: bytes, blob: str, exp: int) -> str:
    """For upstreams that read references by URL only: the bytes of one blob until `exp`."""
    name = base64.urlsafe_b64encode(blob.encode()).decode().rstrip("=")
    ext = blob.rpartition(".")[2]
    return f"{origin}/files/inputs/{name}.{ext}?exp={exp}&sig={_input_signature(key, blob, exp)}"


def decode_blob_name(name: str) -> str:
    """The blob that the last part of an input link means; rubbish for rubbish, which no signature fits."""
    text = name.partition(".")[0]
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:
        return ""


def verify_input_link(key: bytes, blob: str, exp: str, sig: str) -> ValidLink | InvalidLink:
    if not (exp.isascii() and exp.isdigit() and len(exp) <= 12):
        return InvalidLink()
    expected = _input_signature(key, blob, int(exp))
    return ValidLink(int(exp)) if hmac.compare_digest(expected.encode(), sig.encode()) else InvalidLink()


def _input_signature(key: bytes, blob: str, exp: int) -> str:
    return _sign(key, f"v1\nGET\ninput\n{blob}\n{exp}\n{KEY_ID}")


def _signature(key: bytes, task_id: str, index: int, ext: str, exp: int) -> str:
    return _sign(key, f"v1\nGET\n{task_id}\n{index}\n{ext}\n{exp}\n{KEY_ID}")


def _sign(key: bytes, text: str) -> str:
    mac = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return f"{KEY_ID}." + base64.urlsafe_b64encode(mac).decode().rstrip("=")
