"""One page of a list that is read by cursor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")
P = TypeVar("P")


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Where a row stands in a list that is newest first: when it was created, in UTC microseconds, then its id."""

    created: int
    id: str


# No row is newer: 2^62 microseconds are a time no clock will show, and both databases can compare with it.
NEWEST = Position(2**62, "")


class Page(msgspec.Struct, Generic[T, P], frozen=True):
    """`next_position` is that of the last row where more rows follow, else None."""

    rows: list[T]
    next_position: P | None

    @property
    def has_more(self) -> bool:
        return self.next_position is not None


def paged(rows: list[T], limit: int, position: Callable[[T], P]) -> Page[T, P]:
    """Make a page of at most `limit` rows out of up to `limit + 1`: the last one only says that the list goes on."""
    shown = rows[:limit]
    return Page(shown, position(shown[-1]) if len(rows) > limit else None)
