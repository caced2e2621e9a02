"""GET /v1/usage: what was settled in a range of days, by day, model and key."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

import msgspec
from litestar.params import QueryParameter
from msgspec import UNSET, Meta, UnsetType

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import get
from imagegate.api.pagination import read_list
from imagegate.api.responses import view_of
from imagegate.api_docs.schema import Count, Day, KeyIdText, doc
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.errors import InvalidRequest
from imagegate.domain.money import Money
from imagegate.domain.time import US_PER_DAY
from imagegate.runtime import Runtime
from imagegate.store.queries.usage import GROUP_COLUMNS, UsageTotal, sum_usage

_DEFAULT_DAYS, _MAX_DAYS = 30, 366
_GROUP_LIST = f"^({'|'.join(GROUP_COLUMNS)})(,({'|'.join(GROUP_COLUMNS)}))*$"
_EPOCH = datetime.date(1970, 1, 1)


class UsageRow(msgspec.Struct, kw_only=True):
    """A total of settled tasks; day, model and key if grouped by them."""

    day: Day | UnsetType = UNSET
    model: str | UnsetType = UNSET
    key: KeyIdText | UnsetType = UNSET
    tasks: Count
    images: Count
    amount: Annotated[Money, doc("Charges minus refunds")]
    refunded: Annotated[Money, doc("Refunds of operators, on the day of the refund; tasks and images still count")]


class UsageList(msgspec.Struct, kw_only=True):
    object: Literal["list"] = "list"
    data: list[UsageRow]
    has_more: Annotated[Literal[False], doc("Everything is in one response")] = False
    next_cursor: None = None
    first_day: Day
    last_day: Day
    total: UsageRow


def _day(description: str) -> Meta:
    pattern, rule = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "must be a day such as 2026-11-22, in UTC"
    return Meta(description=description, extra_json_schema={"pattern": pattern}, extra={"rule": rule})


@get("/v1/usage", summary="Settled totals", tag="credits", scope=Scope.billing_read, response_example=examples.USAGE)
async def get_usage(
    runtime: Runtime,
    key: ApiKey,
    group_by: Annotated[
        str,
        QueryParameter(),
        Meta(
            pattern=_GROUP_LIST,
            description="day, model, key; a comma list",
            extra_json_schema={"examples": ["day,model,key"]},
            extra={"rule": f"must list some of {', '.join(GROUP_COLUMNS)}"},
        ),
    ] = "day",
    from_day: Annotated[
        datetime.date | None,
        QueryParameter(name="from"),
        _day("The first day, UTC; 30 days before `to` when absent, at most 365"),
    ] = None,
    to_day: Annotated[
        datetime.date | None, QueryParameter(name="to"), _day("The last day, UTC; today when absent")
    ] = None,
) -> UsageList:
    first, last = _day_range(from_day, to_day, runtime.clock())
    groups = tuple(dict.fromkeys(group_by.split(",")))
    found = await read_list(
        runtime, key, "ask for fewer days with from and to", sum_usage, key.account_id, groups, first, last
    )
    sums = {name: sum(getattr(one, name) for one in found) for name in ("amount", "refunded", "tasks", "images")}
    rate = runtime.credits_per_usd
    return UsageList(
        data=[_usage_row(one, rate) for one in found],
        first_day=_iso_date(first),
        last_day=_iso_date(last),
        total=_usage_row(UsageTotal(**sums), rate),
    )


def _day_range(from_day: datetime.date | None, to_day: datetime.date | None, now: int) -> tuple[int, int]:
    """First and last day since 1970, both included; by default the last 30."""
    last = now // US_PER_DAY if to_day is None else (to_day - _EPOCH).days
    first = last - _DEFAULT_DAYS + 1 if from_day is None else (from_day - _EPOCH).days
    if not 0 <= last - first < _MAX_DAYS:
        raise InvalidRequest(f"from must lie 0 to {_MAX_DAYS - 1} days before to", param="from")
    return first, last


def _iso_date(day: int) -> str:
    return (_EPOCH + datetime.timedelta(days=day)).isoformat()


def _usage_row(total: UsageTotal, rate: int) -> UsageRow:
    day = UNSET if total.day is None else _iso_date(total.day)
    return view_of(UsageRow, total, rate, day=day, model=total.model or UNSET, key=total.key or UNSET)
