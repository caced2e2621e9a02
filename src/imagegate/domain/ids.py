"""Ids: opaque, unique, generated before anything is written so that every write can be repeated.

Nothing depends on an id being secret.
"""

from __future__ import annotations

import re
import secrets

from imagegate.domain.time import US_PER_MS

TASK_PREFIX = "task-unified-"
TASK_ID_RE = re.compile(r"task-unified-[0-9]{1,20}-[a-z0-9]{8}")
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


def new_task_id(created_s: int) -> str:
    """`task-unified-<created>-<8 of [a-z0-9]>`; `created_s` in Unix seconds."""
    return f"{TASK_PREFIX}{created_s}-" + "".join(secrets.choice(_BASE36) for _ in range(8))


def new_id(kind: str, now_us: int) -> str:
    """`<kind>_<26 characters>`: sorts by the millisecond of `now_us`, then random (80 bits)."""
    value = (now_us // US_PER_MS) << 80 | secrets.randbits(80)
    return f"{kind}_" + "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5))


def new_request_id() -> str:
    return f"req_{secrets.token_hex(12)}"
