"""GET /v1/ledger: every change of the available balance, newest first."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get

from imagegate.api.auth import require_scope
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation, described, page_parameters, query
from imagegate.api.responses import decode_cursor, encode_cursor, json_response, whole_number
from imagegate.domain import ids
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.errors import InvalidRequest
from imagegate.domain.fields import HasMore, NextCursor, PriceVersion, Seconds, TaskIdText, doc
from imagegate.domain.money import Money, to_money
from imagegate.domain.time import US_PER_SECOND
from imagegate.runtime import Runtime
from imagegate.store.queries.statement import (
    LINE_TYPES,
    LinePosition,
    StatementFilter,
    StatementLine,
    list_statement_lines,
)

_NO_TASK = "-"


class LedgerLine(msgspec.Struct):
    """One change of the available balance."""

    id: Annotated[str, doc("The id of the line", pattern="^led_")]
    type: Annotated[str, doc("What happened", enum=[*LINE_TYPES])]
    task_id: TaskIdText | None
    created: Seconds
    amount: Annotated[Money, doc("The change of the available balance; the sum of all is the balance")]
    available_after: Money
    price_version: PriceVersion | None


class Ledger(msgspec.Struct, kw_only=True):
    object: Literal["list"] = "list"
    data: list[LedgerLine]
    has_more: HasMore
    next_cursor: NextCursor


@get(
    "/v1/ledger",
    opt=described(
        Operation(
            summary="Every change of the available balance, newest first",
            tag="credits",
            scope=Scope.billing_read,
            response_type=Ledger,
            response_example=examples.LEDGER,
            parameters=(
                *page_parameters("Lines"),
                query("task_id", {"type": "string", "examples": [examples.TASK_ID]}, "Only of this task"),
                query("type", {"type": "string", "enum": [*LINE_TYPES]}, "Only lines of this type"),
            ),
        )
    ),
)
async def get_ledger(request: Request[Any, Any, Any], runtime: Runtime, key: ApiKey) -> Response[bytes]:
    require_scope(key, Scope.billing_read)
    limit = whole_number(request, "limit", 50, 1, 200)
    wanted = StatementFilter(
        task_id=_task_filter(request),
        type=_type_filter(request),
        before=decode_cursor(request, LinePosition),
        limit=limit,
    )
    page = await runtime.db.snapshot(list_statement_lines, key.account_id, wanted)
    data = [_ledger_line(line, runtime.credits_per_usd) for line in page.rows]
    return json_response(Ledger(data=data, has_more=page.has_more, next_cursor=encode_cursor(page.next_position)))


def _type_filter(request: Request[Any, Any, Any]) -> str:
    kind = request.query_params.get("type", "")
    if kind and kind not in LINE_TYPES:
        raise InvalidRequest(f"type must be one of {', '.join(LINE_TYPES)}", param="type")
    return kind


def _task_filter(request: Request[Any, Any, Any]) -> str:
    """What is no task id finds nothing, like the id of another account's task."""
    task_id = request.query_params.get("task_id", "")
    return task_id if not task_id or ids.TASK_ID_RE.fullmatch(task_id) else _NO_TASK


def _ledger_line(line: StatementLine, rate: int) -> LedgerLine:
    return LedgerLine(
        id=line.id,
        type=line.type,
        task_id=line.task_id,
        created=line.at // US_PER_SECOND,
        amount=to_money(line.amount, rate),
        available_after=to_money(line.available_after, rate),
        price_version=line.price_version,
    )
