"""What was earned and spent over a range of days, over all accounts, by model, by route and by day: from the
ledger.

It crosses accounts; only callers that require the scope `admin` may show it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec

from imagegate.domain.accounts import SYS_COST, SYS_OVERRUN, SYS_REVENUE, SYS_WASTE
from imagegate.domain.time import US_PER_DAY
from imagegate.store.transaction import Tx

# The index of entries by account and time finds the days; what customers have is not read.
_IN_RANGE = "e.created >= :start AND e.created < :end"
_TOTALS = f"""SELECT COALESCE(e.model, '') AS name, e.account, e.kind, CAST(SUM(e.amount) AS BIGINT) AS amount
    FROM entries e WHERE e.account IN ('{SYS_REVENUE}', '{SYS_OVERRUN}', '{SYS_COST}', '{SYS_WASTE}') AND {_IN_RANGE}
    GROUP BY 1, 2, 3"""
_BY_DAY = f"""SELECT e.created / {US_PER_DAY} AS day, e.account, e.kind, CAST(SUM(e.amount) AS BIGINT) AS amount
    FROM entries e WHERE e.account IN ('{SYS_REVENUE}', '{SYS_OVERRUN}', '{SYS_COST}', '{SYS_WASTE}') AND {_IN_RANGE}
    GROUP BY 1, 2, 3"""
_SPENT_BY_ROUTE = f"""SELECT a.route AS name, e.account, e.kind, CAST(SUM(e.amount) AS BIGINT) AS amount
    FROM entries e JOIN attempts a ON a.id = substr(e.ref, length(e.kind) + 2)
    WHERE e.account IN ('{SYS_COST}', '{SYS_WASTE}') AND {_IN_RANGE} GROUP BY 1, 2, 3"""
# Routes that share a task share its charge by images. `upto` and what was before it are whole shares, so that no nano
# is lost by dividing.
_EARNED_BY_ROUTE = f"""SELECT name, account, kind,
        CAST(SUM(amount * upto / whole - amount * (upto - images) / whole) AS BIGINT) AS amount
    FROM (SELECT a.route AS name, e.account, e.kind, e.amount, a.images,
            CAST(SUM(a.images) OVER (PARTITION BY e.id ORDER BY a.id) AS BIGINT) AS upto,
            CAST(SUM(a.images) OVER (PARTITION BY e.id) AS BIGINT) AS whole
        FROM entries e JOIN attempts a ON a.task_id = e.task_id AND a.outcome = 'produced' AND a.images > 0
        WHERE e.account IN ('{SYS_REVENUE}', '{SYS_OVERRUN}') AND {_IN_RANGE}) AS shares
    GROUP BY 1, 2, 3"""


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
    days = {"start": first_day * US_PER_DAY, "end": (last_day + 1) * US_PER_DAY}
    models = _sums(tx, days, _TOTALS)
    routes = _sums(tx, days, _SPENT_BY_ROUTE, _EARNED_BY_ROUTE)
    total = add_up("", models)
    known = add_up("", routes)
    rest = MarginSum(**{name: getattr(total, name) - getattr(known, name) for name in _AMOUNTS})
    if rest != MarginSum():
        routes.append(rest)
    return MarginSums(total=total, models=models, routes=routes)


def sum_margin_by_day(tx: Tx, first_day: int, last_day: int) -> dict[int, MarginSum]:
    """The same by day since 1970; days on which nothing was booked are left out."""
    found: dict[int, MarginSum] = defaultdict(MarginSum)
    for row in tx.fetch_all(_BY_DAY, {"start": first_day * US_PER_DAY, "end": (last_day + 1) * US_PER_DAY}):
        _add_row(found[row["day"]], row)
    return dict(found)


def _sums(tx: Tx, days: dict[str, int], *statements: str) -> list[MarginSum]:
    found: dict[str, MarginSum] = defaultdict(MarginSum)
    for row in (row for statement in statements for row in tx.fetch_all(statement, days)):
        one = found[row["name"]]
        one.name = row["name"]
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
