"""Charges less refunds, summed up by day, model and key."""

from __future__ import annotations

import msgspec

from imagegate.domain.time import US_PER_DAY
from imagegate.store.transaction import Tx

GROUP_COLUMNS = {"day": f"e.created / {US_PER_DAY}", "model": "e.model", "key": "e.key_id"}
_AMOUNTS = """CAST(SUM(-e.amount) AS BIGINT) AS amount,
    CAST(SUM(CASE WHEN e.kind = 'refund' THEN e.amount ELSE 0 END) AS BIGINT) AS refunded,
    COUNT(DISTINCT CASE WHEN e.kind = 'charge' THEN e.task_id END) AS tasks,
    CAST(SUM(CASE WHEN e.kind = 'charge' THEN e.images ELSE 0 END) AS BIGINT) AS images"""


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
    names = [f"{GROUP_COLUMNS[group]} AS {group}_" for group in groups]
    positions = ", ".join(str(position) for position in range(1, len(groups) + 1))
    rows = tx.fetch_all(
        f"""SELECT {", ".join([*names, _AMOUNTS])} FROM entries e
        WHERE e.account = :account_id AND e.kind IN ('charge', 'refund')
            AND e.created >= :start AND e.created < :end
        {f"GROUP BY {positions} ORDER BY {positions}" if groups else ""}""",
        {"account_id": account_id, "start": first_day * US_PER_DAY, "end": (last_day + 1) * US_PER_DAY},
    )
    return [
        UsageTotal(**{name.rstrip("_"): value for name, value in row.items()})
        for row in rows
        if row["amount"] is not None
    ]
