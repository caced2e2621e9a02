"""Ids: opaque, unique, generated before anything is written so that every write can be repeated.

Nothing depends on an id being secret.
"""

from __future__ import annotations

import os
import random
import re

from imagegate.domain.time import US_PER_MS

TASK_PREFIX = "task-unified-"
TASK_ID_RE = re.compile(r"task-unified-[0-9]{1,20}-[a-z0-9]{8}")
# Made at no time: no task has such an id, but the one in the body of a test webhook.
TEST_TASK_PREFIX = f"{TASK_PREFIX}0-"
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]
_SHIFTS = range(120, -1, -10)

# Seeded by the system. A draw is one step of C, so threads never share one.
_RANDOM = random.Random()  # noqa: S311
os.register_at_fork(after_in_child=_RANDOM.seed)  # a child that went on with our state would repeat our ids


def new_task_id(created_s: int) -> str:
    """`task-unified-<created>-<8 of [a-z0-9]>`; `created_s` in Unix seconds."""
    value, digits = _RANDOM.getrandbits(64), []  # 64 bits for 41: no digit is likelier than another by more than 2**-22
    for _ in range(8):
        value, digit = divmod(value, 36)
        digits.append(_BASE36[digit])
    return f"{TASK_PREFIX}{created_s}-{''.join(digits)}"


def is_test_task_id(task_id: str) -> bool:
    return task_id.startswith(TEST_TASK_PREFIX)


def new_id(kind: str, now_us: int) -> str:
    """`<kind>_<26 characters>`: sorts by the millisecond of `now_us`, then random (80 bits)."""
    value = (now_us // US_PER_MS) << 80 | _RANDOM.getrandbits(80)
    return f"{kind}_" + "".join([_PAIRS[(value >> shift) & 1023] for shift in _SHIFTS])


def new_request_id() -> str:
    return f"req_{_RANDOM.getrandbits(96):024x}"
