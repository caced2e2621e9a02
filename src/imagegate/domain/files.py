"""Uploaded files: their rows and the rules of their names."""

from __future__ import annotations

import enum
import re
import secrets

import msgspec

from imagegate.domain.assets import EXTENSION_BY_MEDIA_TYPE

DEFAULT_PATH = "images"
MAX_NAME_CHARS = 255
FILE_ID_RE = re.compile(r"file_[0-9a-f]{32}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_SLASHES = re.compile(r"[/\\]+")
_EXTENSIONS = {"image/jpeg": ("jpg", "jpeg")}
_MAX_STEM_CHARS = 80


class FileState(enum.Enum):
    """What a link to the file leads to at a moment."""

    live = "live"
    expired = "expired"
    removed = "removed"


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """An upload. `secret` is the unguessable part of its link; times are UTC microseconds."""

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

    def state_at(self, now: int) -> FileState:
        if self.removed is not None:
            return FileState.removed
        return FileState.expired if self.expires <= now else FileState.live


def new_file_id() -> str:
    """128 random bits: who has the id may download the file."""
    return f"file_{secrets.token_hex(16)}"


def new_file_secret() -> str:
    return secrets.token_hex(16)


def base_name(path: str) -> str:
    """What follows the last slash or backslash."""
    return _SLASHES.split(path)[-1]


def safe_name(name: str, media_type: str) -> str:
    """ASCII letters, digits, `.`, `_`, `-`; no leading dot; an extension that fits the media type."""
    stem, _, suffix = _UNSAFE.sub("_", base_name(name)).rpartition(".")
    extension = EXTENSION_BY_MEDIA_TYPE[media_type]
    if suffix.lower() in _EXTENSIONS.get(media_type, (extension,)):
        extension = suffix.lower()
    elif not stem:
        stem = suffix
    stem = stem.strip("._-")[:_MAX_STEM_CHARS] or "image"
    return f"{stem}.{extension}"


def normalize_path(path: str) -> str:
    """The label that a file is listed and replaced under; never a path on a disk."""
    parts = [part.strip() for part in _SLASHES.split(path)]
    return "/".join(part for part in parts if part not in ("", ".", "..")) or DEFAULT_PATH
