"""Months of the calendar in UTC: what the ledger is archived by."""

from __future__ import annotations

import datetime
import re
from typing import Self

import msgspec

from imagegate.domain.time import US_PER_DAY

_EPOCH = datetime.date(1970, 1, 1)
_WRITTEN = re.compile(r"(?P<year>[0-9]{4})-(?P<number>0[1-9]|1[0-2])")


class Month(msgspec.Struct, frozen=True, order=True):
    """`2026-03`. Days count from 1970, moments are microseconds; `end` is the first moment after it."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None where it is not YYYY-MM of the years since 1970."""
        found = _WRITTEN.fullmatch(text)
        return cls(int(found["year"]), int(found["number"])) if found and int(found["year"]) >= _EPOCH.year else None

    @classmethod
    def containing(cls, moment: int) -> Self:
        day = _EPOCH + datetime.timedelta(days=moment // US_PER_DAY)
        return cls(day.year, day.month)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    @property
    def next(self) -> Month:
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    @property
    def first_day(self) -> int:
        return (datetime.date(self.year, self.number, 1) - _EPOCH).days

    @property
    def last_day(self) -> int:
        return self.next.first_day - 1

    @property
    def start(self) -> int:
        return self.first_day * US_PER_DAY

    @property
    def end(self) -> int:
        return self.next.first_day * US_PER_DAY
