"""GET /v1/usage: what was settled in a range of days, by day, model and key."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get
from msgspec import UNSET, UnsetType

from imagegate.api.auth import require_scope
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation, described, query
from imagegate.api.responses import json_response
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.errors import InvalidRequest
from imagegate.domain.fields import Count, Day, KeyIdText, doc
from imagegate.domain.money import Money, to_money
from imagegate.domain.time import US_PER_DAY
from imagegate.runtime import Runtime
from imagegate.store.queries.usage import GROUP_COLUMNS, UsageTotal, sum_usage

_DEFAULT_DAYS, _MAX_DAYS = 30, 366
_GROUP_LIST = f"^({'|'.join(GROUP_COLUMNS)})(,({'|'.join(GROUP_COLUMNS)})){{0,5}}$"
_DAY = {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
_EPOCH = datetime.date(1970, 1, 1)


class UsageRow(msgspec.Struct, kw_only=True):
    """A settled total; day, model and key where it was grouped by them."""

    day: Day | UnsetType = UNSET
    model: str | UnsetType = UNSET
    key: KeyIdText | UnsetType = UNSET
    tasks: Count
    images: Count
    amount: Annotated[Money, doc("Charges less refunds")]
    refunded: Annotated[Money, doc("What operators gave back, on the day of the refund; tasks and images stay")]


class UsageList(msgspec.Struct, kw_only=True):
    object: Literal["list"] = "list"
    data: list[UsageRow]
    has_more: Annotated[Literal[False], doc("All is in one answer")] = False
    next_cursor: None = None
    first_day: Day
    last_day: Day
    total: UsageRow


@get(
    "/v1/usage",
    opt=described(
        Operation(
            summary="Settled totals",
            tag="credits",
            scope=Scope.billing_read,
            response_type=UsageList,
            response_example=examples.USAGE,
            parameters=(
                query(
                    "group_by",
                    {"type": "string", "pattern": _GROUP_LIST, "default": "day", "examples": ["day,model,key"]},
                    "day, model, key; a comma list",
                ),
                query("from", _DAY, "The first day, UTC; 30 days before `to` when absent, at most 365"),
                query("to", _DAY, "The last day, UTC; today when absent"),
            ),
        )
    ),
)
async def get_usage(request: Request[Any, Any, Any], runtime: Runtime, key: ApiKey) -> Response[bytes]:
    require_scope(key, Scope.billing_read)
    groups, (first, last) = _groups(request), _day_range(request, runtime.clock())
    found = await runtime.db.read(sum_usage, key.account_id, groups, first, last)
    sum_total = UsageTotal(
        amount=sum(one.amount for one in found),
        refunded=sum(one.refunded for one in found),
        tasks=sum(one.tasks for one in found),
        images=sum(one.images for one in found),
    )
    rows = [_usage_row(one, runtime.credits_per_usd) for one in found]
    total = _usage_row(sum_total, runtime.credits_per_usd)
    return json_response(UsageList(data=rows, first_day=_iso_date(first), last_day=_iso_date(last), total=total))


def _groups(request: Request[Any, Any, Any]) -> tuple[str, ...]:
    requested = request.query_params.get("group_by", "day").split(",")
    if not set(requested) <= set(GROUP_COLUMNS):
        raise InvalidRequest(f"group_by must list some of {', '.join(GROUP_COLUMNS)}", param="group_by")
    return tuple(dict.fromkeys(requested))


def _day_range(request: Request[Any, Any, Any], now: int) -> tuple[int, int]:
    """First and last day, both included; by default the last 30."""
    last = _read_day(request, "to", now // US_PER_DAY)
    first = _read_day(request, "from", last - _DEFAULT_DAYS + 1)
    if not 0 <= last - first < _MAX_DAYS:
        raise InvalidRequest(f"from must lie 0 to {_MAX_DAYS - 1} days before to", param="from")
    return first, last


def _read_day(request: Request[Any, Any, Any], name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        if len(text) != len("2026-11-22"):
            raise ValueError(text)
        return (datetime.date.fromisoformat(text) - _EPOCH).days
    except ValueError as error:
        raise InvalidRequest(f"{name} must be a day such as 2026-11-22, in UTC", param=name) from error


def _iso_date(day: int) -> str:
    return (_EPOCH + datetime.timedelta(days=day)).isoformat()


def _usage_row(total: UsageTotal, rate: int) -> UsageRow:
    return UsageRow(
        day=UNSET if total.day is None else _iso_date(total.day),
        model=total.model or UNSET,
        key=total.key or UNSET,
        tasks=total.tasks,
        images=total.images,
        amount=to_money(total.amount, rate),
        refunded=to_money(total.refunded, rate),
    )
