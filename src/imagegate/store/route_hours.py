"""What calls of each route came to: in closed hours by their rows, in the rest as the attempts say."""

from __future__ import annotations

from imagegate.domain.time import US_PER_HOUR
from imagegate.store.daily_sums import FOR_EVER, closed_hours
from imagegate.store.dialect import Row
from imagegate.store.transaction import Tx

COUNT_CALLS = """SELECT route, COUNT(*) AS calls,
        CAST(SUM(images) AS BIGINT) AS images, CAST(SUM(cost) AS BIGINT) AS cost,
        CAST(SUM(CASE WHEN outcome = 'produced' THEN 1 ELSE 0 END) AS BIGINT) AS produced,
        CAST(SUM(CASE WHEN outcome = 'unknown' THEN 1 ELSE 0 END) AS BIGINT) AS unknown
    FROM attempts WHERE ended >= :start AND ended < :end AND outcome <> 'not_sent' GROUP BY route"""
_SUMS = ", ".join(
    f"CAST(SUM({name}) AS BIGINT) AS {name}" for name in ("calls", "images", "cost", "produced", "unknown")
)


def count_calls(tx: Tx, start: int, end: int) -> list[Row]:
    """By route, of the calls that ended from `start` on and before `end`."""
    return tx.fetch_all(COUNT_CALLS, {"start": start, "end": end})


def sum_calls(tx: Tx, since: int) -> list[Row]:
    """By route, of all calls that ended since then; a route can have several rows."""
    first, after = closed_hours(tx, since, FOR_EVER)
    rows = tx.fetch_all(
        f"SELECT route, {_SUMS} FROM route_hours WHERE hour >= :first AND hour < :after GROUP BY route",
        {"first": first // US_PER_HOUR, "after": after // US_PER_HOUR},
    )
    for start, end in ((since, first), (after, FOR_EVER)):
        if start < end:
            rows += count_calls(tx, start, end)
    return rows
