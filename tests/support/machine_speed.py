"""How slow the machine is at this moment, so that limits of time mean the same on each.

Knows: a piece of fixed work and the time that it takes on the machine for which the limits were written. Refuses to
know: which limit is meant.
"""

from __future__ import annotations

import time

_ROUNDS = 1_000_000
_NOMINAL_S = 0.025


def slowness() -> float:
    """1 where a core is as quick as the nominal one or quicker, 2 where it takes twice as long: the best of three."""
    return max(1.0, min(_once() for _ in range(3)) / _NOMINAL_S)


def _once() -> float:
    started, total = time.process_time(), 0
    for number in range(_ROUNDS):
        total += number
    return time.process_time() - started
