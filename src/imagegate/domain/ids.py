"""Ids: opaque, unique, generated before anything is written so that every write can be repeated.

Nothing depends on an id being secret.
"""

from __future__ import annotations

import os
import re

from imagegate.domain.time import US_PER_MS

TASK_PREFIX = "task-unified-"
TASK_ID_RE = re.compile(r"task-unified-[0-9]{1,20}-[a-z0-9]{8}")
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_BUFFER_BYTES = 3000  # about 250 request ids


class _RandomSource:
    """Random bytes of the system, taken many at a time: a system call per id costs more than the rest of the id."""

    def __init__(self) -> None:
        self.forget()
        os.register_at_fork(after_in_child=self.forget)  # a child that went on with these would repeat our ids

    def forget(self) -> None:
        self._left = b""

    def bits(self, count: int) -> int:
        size = (count + 7) // 8
        if len(self._left) < size:
            self._left = os.urandom(_BUFFER_BYTES)
        taken, self._left = self._left[:size], self._left[size:]
        return int.from_bytes(taken) >> (8 * size - count)


_RANDOM = _RandomSource()


def new_task_id(created_s: int) -> str:
    """`task-unified-<created>-<8 of [a-z0-9]>`; `created_s` in Unix seconds."""
    value, digits = _RANDOM.bits(64), []  # 64 bits for 41: no digit is likelier than another by more than 2**-22
    for _ in range(8):
        value, digit = divmod(value, 36)
        digits.append(_BASE36[digit])
    return f"{TASK_PREFIX}{created_s}-{''.join(digits)}"


def new_id(kind: str, now_us: int) -> str:
    """`<kind>_<26 characters>`: sorts by the millisecond of `now_us`, then random (80 bits)."""
    value = (now_us // US_PER_MS) << 80 | _RANDOM.bits(80)
    return f"{kind}_" + "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5))


def new_request_id() -> str:
    return f"req_{_RANDOM.bits(96):024x}"
