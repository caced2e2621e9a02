"""Uploaded files: what is known of one, and what its name may be.

Knows: the shapes and the rules of names. Refuses to know: where the bytes are and how an address is built.
"""

from __future__ import annotations

import enum
import re
import secrets

import msgspec

from imagegate.domain.assets import EXTENSION

DEFAULT_PATH = "images"
LONGEST_NAME = 255
FILE_ID = re.compile(r"file_[0-9a-f]{32}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_SLASHES = re.compile(r"[/\\]+")
_ENDINGS = {"image/jpeg": ("jpg", "jpeg")}
_LONGEST_STEM = 80


class Standing(enum.Enum):
    """What a link to a file shows at a moment."""

    live = "live"
    expired = "expired"
    removed = "removed"


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """An upload. `secret` is the unguessable part of its address; times are UTC microseconds."""

    id: str
    account_id: str
    asset_id: str
    secret: str
    file_name: str
    original_name: str
    upload_path: str
    created: int
    expires: int
    removed: int | None
    key: str
    media_type: str
    bytes: int

    def standing(self, now: int) -> Standing:
        if self.removed is not None:
            return Standing.removed
        return Standing.expired if self.expires <= now else Standing.live


def file_id() -> str:
    """128 random bits: who has the id may download the file."""
    return f"file_{secrets.token_hex(16)}"


def file_secret() -> str:
    return secrets.token_hex(16)


def base_name(path: str) -> str:
    """What stands behind the last slash, whichever way it leans."""
    return _SLASHES.split(path)[-1]


def safe_name(wanted: str, media_type: str) -> str:
    """ASCII letters, digits, `.`, `_`, `-`; no leading dot; an ending that is true to the bytes."""
    stem, _, ending = _UNSAFE.sub("_", base_name(wanted)).rpartition(".")
    true = EXTENSION[media_type]
    if ending.lower() in _ENDINGS.get(media_type, (true,)):
        true = ending.lower()
    elif not stem:
        stem = ending
    stem = stem.strip("._-")[:_LONGEST_STEM] or "image"
    return f"{stem}.{true}"


def tidy_path(path: str) -> str:
    """A label for people and for replacing, never a place on a disk."""
    parts = [part.strip() for part in _SLASHES.split(path)]
    return "/".join(part for part in parts if part not in ("", ".", "..")) or DEFAULT_PATH
