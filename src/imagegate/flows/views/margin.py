"""Revenue, cost and margin of the last days, as operators see them: the same by API and on the command line."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from imagegate.api_docs.schema import Day, doc
from imagegate.domain.money import Money, to_money
from imagegate.domain.time import US_PER_DAY, utc_date
from imagegate.store.queries.margin import MarginSum, MarginSums

DEFAULT_MARGIN_DAYS, MAX_MARGIN_DAYS = 30, 90


class MarginRow(msgspec.Struct, kw_only=True):
    """`margin` is `revenue` minus `refunds`, `cost` and `waste`; below zero the operator pays."""

    revenue: Annotated[Money, doc("What customers were charged, before refunds")]
    refunds: Money
    cost: Annotated[Money, doc("What calls of upstreams cost that delivered images")]
    waste: Annotated[Money, doc("What other calls cost, or may have")]
    margin: Money


class ModelMargin(MarginRow, kw_only=True):
    model: Annotated[str, doc("As it was named in the requests")]


class RouteMargin(MarginRow, kw_only=True):
    """Routes that share a task share its charge by images."""

    route: Annotated[str, doc("Empty: what belongs to tasks that are purged, whose routes are not known any more")]


class MarginView(msgspec.Struct, kw_only=True):
    """Whole UTC days, up to the end of today. A refund counts on its own day. Both lists sum to `total`."""

    object: Literal["margin"] = "margin"
    first_day: Day
    last_day: Day
    total: MarginRow
    models: list[ModelMargin]
    routes: list[RouteMargin]


def margin_days(now: int, days: int) -> tuple[int, int]:
    """The first and the last of the last `days` days since 1970, today included."""
    last = now // US_PER_DAY
    return last - days + 1, last


def margin_amounts(one: MarginSum, credits_per_usd: int) -> dict[str, Money]:
    """The fields of a MarginRow."""
    return {name: to_money(getattr(one, name), credits_per_usd) for name in MarginRow.__struct_fields__}


def margin_view(found: MarginSums, days: tuple[int, int], credits_per_usd: int) -> MarginView:
    def amounts(one: MarginSum) -> dict[str, Money]:
        return margin_amounts(one, credits_per_usd)

    return MarginView(
        first_day=utc_date(days[0] * US_PER_DAY),
        last_day=utc_date(days[1] * US_PER_DAY),
        total=MarginRow(**amounts(found.total)),
        models=[ModelMargin(model=one.name, **amounts(one)) for one in found.models],
        routes=[RouteMargin(route=one.name, **amounts(one)) for one in found.routes],
    )
