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
    models: dict[str, MarginSum] = {}
    routes: dict[str, MarginSum] = {}
    # Both at once: what is not closed yet is read entry by entry.
    for row in sum_days(tx, MARGIN_ACCOUNTS, first_day, last_day, ("model", "route")):
        for found, name in ((models, row["model"]), (routes, row["route"])):
            _add_row(found.setdefault(name, MarginSum(name=name)), row)
    by_model = [models[name] for name in sorted(models)]
    rest = routes.pop("", MarginSum())
    by_route = [routes[name] for name in sorted(routes)] + ([rest] if rest != MarginSum() else [])
    return MarginSums(total=add_up("", by_model), models=by_model, routes=by_route)


def sum_margin_by_day(tx: Tx, first_day: int, last_day: int) -> dict[int, MarginSum]:
    """The same by day since 1970; days on which nothing was booked are left out."""
    found: dict[int, MarginSum] = defaultdict(MarginSum)
    for row in sum_days(tx, MARGIN_ACCOUNTS, first_day, last_day, ("day",)):
        _add_row(found[row["day"]], row)
    return dict(found)


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
