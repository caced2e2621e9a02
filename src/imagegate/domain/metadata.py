"""Metadata of a task: what its account notes on it, as keys with text values, and the bounds of that."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

MAX_KEYS = 16
MAX_VALUE_CHARS = 512
MAX_JSON_BYTES = 8 * 1024
KEY_PATTERN = "^[A-Za-z0-9_.-]{1,64}$"
_KEY = re.compile(KEY_PATTERN.strip("^$"))
# No object within a task has a key of this name: clients look for the first one in the text.
RESERVED_KEYS = ("id", "status")
STARRED, STARRED_VALUE = "starred", "true"
TAGS = "tags"  # a list with commas


def metadata_fault(metadata: Mapping[str, str]) -> str:
    """What is wrong with it, for people; empty where nothing is."""
    if len(metadata) > MAX_KEYS:
        return f"metadata must have at most {MAX_KEYS} keys"
    for key, value in metadata.items():
        if not _KEY.fullmatch(key) or key in RESERVED_KEYS:
            return "a key of metadata must be 1 to 64 letters, digits, _, . or -, and neither id nor status"
        if len(value) > MAX_VALUE_CHARS:
            return f"metadata.{key} must have 0 to {MAX_VALUE_CHARS} characters"
        if "\0" in value:
            return f"metadata.{key} must not contain U+0000"
    if len(msgspec.json.encode(metadata)) > MAX_JSON_BYTES:
        return f"metadata must be at most {MAX_JSON_BYTES:,} bytes as JSON"
    return ""


def merge_metadata(metadata: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """What it is after the changes; None removes a key."""
    merged = {**metadata, **changes}
    return {key: value for key, value in sorted(merged.items()) if value is not None}


def is_starred(metadata: Mapping[str, str]) -> bool:
    return metadata.get(STARRED) == STARRED_VALUE
