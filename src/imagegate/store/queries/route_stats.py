"""Calls to upstreams over all tasks: how they went lately, what they cost and what they earned.

Every function here crosses accounts; only callers that require the scope `admin` may show names and costs.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec

from imagegate.domain.tasks import AttemptOutcome
from imagegate.store.daily_sums import EARNED_ACCOUNTS, FOR_EVER, sum_margin_entries
from imagegate.store.dialect import Row
from imagegate.store.route_hours import sum_calls
from imagegate.store.transaction import Tx

_MAX_CALLS = 20_000


class RecentCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call that ended lately; `duration_us`, `failure_kind` a FailureKind or empty."""

    route: str
    outcome: AttemptOutcome
    failure_kind: str
    duration_us: int


class RouteSpend(msgspec.Struct, frozen=True, kw_only=True):
    """All calls of one route since a time; amounts in nanos.

    `revenue` is what customers were charged for its images in that time less what they were refunded: routes that share
    a task share its charge by images.
    """

    route: str
    calls: int = 0
    images: int = 0
    cost: int = 0
    revenue: int = 0
    produced: int = 0
    unknown: int = 0
    duplicates: int = 0


def list_recent_calls(tx: Tx, since: int) -> list[RecentCall]:
    """Return calls that ended since then, newest first, at most 20,000."""
    return tx.fetch_structs(
        RecentCall,
        """SELECT route, outcome, failure_kind, ended - started AS duration_us FROM attempts
        WHERE ended >= :since AND outcome <> 'not_sent' ORDER BY ended DESC LIMIT :limit""",
        {"since": since, "limit": _MAX_CALLS},
    )


def sum_spend_by_route(tx: Tx, since: int) -> list[RouteSpend]:
    """By name; in a snapshot."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in [*sum_calls(tx, since), *_count_duplicates(tx, since)]:
        found[row.pop("route")].update(row)
    for row in sum_margin_entries(tx, EARNED_ACCOUNTS, since, FOR_EVER, ("route",)):
        if row["route"]:
            found[row["route"]].update(revenue=row["amount"])
    return [RouteSpend(route=route, **found[route]) for route in sorted(found)]


def _count_duplicates(tx: Tx, since: int) -> list[Row]:
    """What an attempt was repeated for is known only after it ended, and so is not in the sums of its hour."""
    return tx.fetch_all(
        "SELECT route, COUNT(*) AS duplicates FROM attempts WHERE duplicate = 1 AND ended >= :since GROUP BY route",
        {"since": since},
    )


# One ref at a time, for the index on ref and account: entries have none by task.
_OF_TASK = " UNION ALL ".join(
    f"SELECT e.account, e.kind, e.amount FROM {found}"
    for found in (
        "entries e WHERE e.ref = 'settle:' || :id",
        "entries e WHERE e.ref = 'refund:' || :id",
        "attempts a JOIN entries e ON e.ref = 'cost:' || a.id WHERE a.task_id = :id",
        "attempts a JOIN entries e ON e.ref = 'waste:' || a.id WHERE a.task_id = :id",
    )
)


def load_margin(tx: Tx, task_id: str) -> dict[str, int]:
    """Return what a task earned and what its calls cost, in nanos. `waste` bought nothing that we know of."""
    rows = tx.fetch_all(
        f"""SELECT kind, CAST(SUM(amount) AS BIGINT) AS total FROM ({_OF_TASK}) AS entry
        WHERE account LIKE 'sys:upstream_%' OR account NOT LIKE 'sys:%' GROUP BY kind""",
        {"id": task_id},
    )
    totals = {row["kind"]: row["total"] for row in rows}
    charged, refunded = -totals.get("charge", 0), totals.get("refund", 0)
    cost, waste = totals.get("cost", 0), totals.get("waste", 0)
    margin = charged - refunded - cost - waste
    return {"charged": charged, "refunded": refunded, "cost": cost, "waste": waste, "margin": margin}
