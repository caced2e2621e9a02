"""Calls to upstreams over all tasks: how they went lately, what they cost and what they earned.

Every function here crosses accounts; only callers that require the scope `admin` may show names and costs.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.tasks import AttemptOutcome
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

    `revenue` is what customers were charged for its images: routes that share a task share its charge by images, and a
    refunded task counts as nothing.
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
    rows = tx.fetch_all(
        """SELECT route, COUNT(*) AS calls, CAST(SUM(images) AS BIGINT) AS images, CAST(SUM(cost) AS BIGINT) AS cost,
            CAST(SUM(CASE WHEN outcome = 'produced' THEN 1 ELSE 0 END) AS BIGINT) AS produced,
            CAST(SUM(CASE WHEN outcome = 'unknown' THEN 1 ELSE 0 END) AS BIGINT) AS unknown,
            CAST(SUM(duplicate) AS BIGINT) AS duplicates
        FROM attempts WHERE ended >= :since AND outcome <> 'not_sent' GROUP BY route ORDER BY route""",
        {"since": since},
    )
    revenue = _sum_revenue_by_route(tx, since)
    return [RouteSpend(**row, revenue=revenue.get(row["route"], 0)) for row in rows]


def _sum_revenue_by_route(tx: Tx, since: int) -> dict[str, int]:
    rows = tx.fetch_all(
        """SELECT a.route, CAST(SUM(t.charge * a.images / (SELECT SUM(o.images) FROM attempts o
            WHERE o.task_id = a.task_id AND o.outcome = 'produced')) AS BIGINT) AS revenue
        FROM attempts a JOIN tasks t ON t.id = a.task_id
        WHERE a.ended >= :since AND a.outcome = 'produced' AND a.images > 0 AND t.charge > 0
            AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.task_id = t.id)
        GROUP BY a.route""",
        {"since": since},
    )
    return {row["route"]: row["revenue"] for row in rows}


def load_margin(tx: Tx, task_id: str) -> dict[str, int]:
    """Return what a task earned and what its calls cost, in nanos. `waste` bought nothing that we know of."""
    rows = tx.fetch_all(
        """SELECT account, kind, CAST(SUM(amount) AS BIGINT) AS total FROM entries
        WHERE task_id = :id AND (account LIKE 'sys:upstream_%' OR account NOT LIKE 'sys:%') GROUP BY account, kind""",
        {"id": task_id},
    )
    totals = {row["kind"]: row["total"] for row in rows}
    charged, refunded = -totals.get("charge", 0), totals.get("refund", 0)
    cost, waste = totals.get("cost", 0), totals.get("waste", 0)
    margin = charged - refunded - cost - waste
    return {"charged": charged, "refunded": refunded, "cost": cost, "waste": waste, "margin": margin}
