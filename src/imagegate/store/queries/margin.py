"""What was earned and spent over a range of days, over all accounts, by model, by route and by day: from the
ledger.

It crosses accounts; only callers that require the scope `admin` may show it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec

from imagegate.store.daily_sums import MARGIN_ACCOUNTS, sum_days
from imagegate.store.transaction import Tx


class MarginSum(msgspec.Struct, kw_only=True):
    """In nanos. `revenue` is what customers were charged before `refunds`, `waste` what calls cost, or may have, that
    bought nothing that we know of."""

    name: str = ""
    revenue: int = 0
    refunds: int = 0
    cost: int = 0
    waste: int = 0

    @property
    def margin(self) -> int:
        return self.revenue - self.refunds - self.cost - self.waste


class MarginSums(msgspec.Struct, kw_only=True):
    """Both lists sum to `total`. A route without a name has what cannot be told any more: its tasks are purged."""

    total: MarginSum
    models: list[MarginSum]
    routes: list[MarginSum]


_AMOUNTS = ("revenue", "refunds", "cost", "waste")


def sum_margin(tx: Tx, first_day: int, last_day: int) -> MarginSums:
    """Sum up these days since 1970 in UTC, both ends included. A refund counts on its own day."""
    models = _sums(tx, first_day, last_day, "model")
    routes = _sums(tx, first_day, last_day, "route")
    rest = [one for one in routes if not one.name and one != MarginSum()]
    return MarginSums(total=add_up("", models), models=models, routes=[one for one in routes if one.name] + rest)


def sum_margin_by_day(tx: Tx, first_day: int, last_day: int) -> dict[int, MarginSum]:
    """The same by day since 1970; days on which nothing was booked are left out."""
    found: dict[int, MarginSum] = defaultdict(MarginSum)
    for row in sum_days(tx, MARGIN_ACCOUNTS, first_day, last_day, ("day",)):
        _add_row(found[row["day"]], row)
    return dict(found)


def _sums(tx: Tx, first_day: int, last_day: int, column: str) -> list[MarginSum]:
    found: dict[str, MarginSum] = defaultdict(MarginSum)
    for row in sum_days(tx, MARGIN_ACCOUNTS, first_day, last_day, (column,)):
        one = found[row[column]]
        one.name = row[column]
        _add_row(one, row)
    return [found[name] for name in sorted(found)]


def _add_row(one: MarginSum, row: dict[str, Any]) -> None:
    match row["account"], row["kind"]:
        case _, "refund":
            one.refunds -= row["amount"]
        case "sys:upstream_cost", _:
            one.cost += row["amount"]
        case "sys:upstream_waste", _:
            one.waste += row["amount"]
        case _:
            one.revenue += row["amount"]


def add_up(name: str, sums: list[MarginSum]) -> MarginSum:
    return MarginSum(name=name, **{amount: sum(getattr(one, amount) for one in sums) for amount in _AMOUNTS})
