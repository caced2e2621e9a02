"""Closes hours: those of yesterday and today, each in one commit, for what is asked of the last 24 hours and of the day
that is not over."""

from __future__ import annotations

import msgspec

from imagegate.domain.time import US_PER_DAY, US_PER_HOUR
from imagegate.store.daily_sums import CLOSING_DELAY_US, MARGIN_ACCOUNTS, sum_entries
from imagegate.store.dialect import Row
from imagegate.store.queries.ended_tasks import EndedTasks, count_ended
from imagegate.store.route_hours import count_calls
from imagegate.store.transaction import Tx


class HourSums(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of hourly_sums and route_hours without their hour, a few for each route, and the tasks that ended."""

    sums: list[Row]
    calls: list[Row]
    ended: EndedTasks


def find_next_hour(tx: Tx) -> int | None:
    """The hour since 1970 that can be closed now; None where all are that are over. In order, without gaps."""
    row = tx.fetch_all("SELECT MAX(hour) AS hour FROM closed_hours")[0]
    hour = _first_hour(tx) if row["hour"] is None else max(_first_hour(tx), row["hour"] + 1)
    return hour if (hour + 1) * US_PER_HOUR + CLOSING_DELAY_US <= tx.now else None


def _first_hour(tx: Tx) -> int:
    return (tx.now // US_PER_DAY - 1) * 24


def sum_hour(tx: Tx, hour: int) -> HourSums:
    start, end = hour * US_PER_HOUR, (hour + 1) * US_PER_HOUR
    return HourSums(
        sums=sum_entries(tx, MARGIN_ACCOUNTS, start, end, ("model", "route"), ("amount",)),
        calls=count_calls(tx, start, end),
        ended=count_ended(tx, start, end),
    )


def close_hour(tx: Tx, hour: int, found: HourSums) -> None:
    """Also delete the hours that are too old to be asked for, and what a closing has left that was undone."""
    values = {"hour": hour, "first": _first_hour(tx), **msgspec.structs.asdict(found.ended)}
    if not tx.execute(
        """INSERT INTO closed_hours (hour, closed, completed, failed, cancelled)
        VALUES (:hour, :now, :completed, :failed, :cancelled) ON CONFLICT (hour) DO NOTHING""",
        values,
    ):
        return  # another process was faster
    tx.execute_nowait("DELETE FROM closed_hours WHERE hour < :first", values)
    for table in ("hourly_sums", "route_hours"):
        tx.execute_nowait(f"DELETE FROM {table} WHERE hour < :first OR hour >= :hour", values)
    tx.insert_rows("hourly_sums", [{"hour": hour, **row} for row in found.sums])
    tx.insert_rows("route_hours", [{"hour": hour, **row} for row in found.calls])
