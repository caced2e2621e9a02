"""How many calls of each route this process makes at once.

A route whose upstream has no `concurrency` begins at FIRST_LIMIT. The limit grows by one with each call that delivers
and saw the route full, so it doubles in the time of a call; after the first refusal for too many requests, which
halves it, it grows by one in the time of a call. While calls fail it does not grow. So whoever configures nothing
neither waits for places that an upstream would have, nor runs into its limit again and again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Final, NamedTuple

from imagegate.domain.tasks import AttemptOutcome, FailureKind

FIRST_LIMIT: Final = 256
# Webhooks and fetches under way, database connections, blobs that are sent, and what the libraries open.
OTHER_FILES: Final = 500


def most_calls(wanted: int, open_files: int, connections: int) -> int:
    """`wanted`, or what the limit of open files leaves beside so many connections of clients."""
    return min(wanted, max(FIRST_LIMIT, open_files - OTHER_FILES - connections))


class CallPlace(NamedTuple):
    """Which calls share a limit: those of a route, or of an upstream whose limit is `fixed`."""

    name: str
    fixed: int = 0


class _Calls:
    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.running = 0
        self.full = self.halved = self.failed = 0  # when it last was, in UTC microseconds


class CallLimits:
    """`most` bounds every limit. `on_free` is called when a call ends.

    `wanted`: tasks that were claimed and want a place for their call still.
    """

    def __init__(self, most: int, on_free: Callable[[], None]) -> None:
        self._most = most
        self._on_free = on_free
        self._calls: defaultdict[str, _Calls] = defaultdict(lambda: _Calls(min(FIRST_LIMIT, most)))
        self.wanted: set[str] = set()

    def free(self, place: CallPlace) -> int:
        """How many calls may begin now."""
        calls = self._calls[place.name]
        return max(0, (place.fixed or int(calls.limit)) - calls.running)

    def take(self, place: CallPlace, now: int) -> None:
        """A call begins, also where the limit was lowered meanwhile."""
        calls = self._calls[place.name]
        calls.running += 1
        if calls.running >= int(calls.limit):
            calls.full = now

    def release(self, place: CallPlace) -> None:
        self._calls[place.name].running -= 1
        self._on_free()

    def learn(self, place: CallPlace, outcome: AttemptOutcome, failure_kind: str, started: int, now: int) -> None:
        """What became of a call. Times are UTC microseconds."""
        calls = self._calls[place.name]
        match outcome:
            case AttemptOutcome.produced if calls.failed <= started <= calls.full:
                calls.limit = min(self._most, calls.limit + (1 / calls.limit if calls.halved else 1))
            case AttemptOutcome.unavailable if failure_kind == FailureKind.throttled:
                # Calls that were under way when it was halved say nothing about the half.
                if started >= calls.halved:
                    calls.limit, calls.halved = max(1.0, calls.limit / 2), now
            case AttemptOutcome.unavailable | AttemptOutcome.unknown:
                calls.failed = now
            case _:
                pass
