"""Charges less refunds, summed up by day, model and key."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import msgspec

from imagegate.domain.accounts import EntryKind
from imagegate.store.daily_sums import sum_days
from imagegate.store.transaction import Tx

GROUP_COLUMNS = {"day": "day", "model": "model", "key": "key_id"}


class UsageTotal(msgspec.Struct, frozen=True, kw_only=True):
    """`day` in days since 1970, UTC, of the settlement or the refund; a part that was not grouped by is None.

    `amount` is charges less `refunded`. Tasks and images count where they were charged: a refund takes back the money,
    not the images.
    """

    day: int | None = None
    model: str | None = None
    key: str | None = None
    amount: int
    refunded: int
    tasks: int
    images: int


def sum_usage(tx: Tx, account_id: str, groups: tuple[str, ...], first_day: int, last_day: int) -> list[UsageTotal]:
    """Sum up these days, both ends included: one total for each combination of `groups` (of `GROUP_COLUMNS`)."""
    found: dict[tuple[int | str, ...], Counter[str]] = defaultdict(Counter)
    columns = tuple(GROUP_COLUMNS[group] for group in groups)
    for row in sum_days(tx, [account_id], first_day, last_day, columns, ("amount", "lines", "images")):
        place = tuple(row[column] for column in columns)
        if row["kind"] == EntryKind.charge:
            found[place].update(amount=-row["amount"], tasks=row["lines"], images=row["images"])
        elif row["kind"] == EntryKind.refund:
            found[place].update(amount=-row["amount"], refunded=row["amount"])
    return [_total(groups, place, found[place]) for place in sorted(found)]


def _total(groups: tuple[str, ...], place: tuple[int | str, ...], sums: Counter[str]) -> UsageTotal:
    known: dict[str, Any] = {group: value for group, value in zip(groups, place, strict=True) if value != ""}
    return UsageTotal(
        amount=sums["amount"], refunded=sums["refunded"], tasks=sums["tasks"], images=sums["images"], **known
    )
