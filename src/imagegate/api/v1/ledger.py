"""GET /v1/ledger: every change of the available balance, newest first."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get

from imagegate.api.auth import need
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation, described, page_of, query
from imagegate.api.responses import cursor, json_answer, next_cursor, whole_number
from imagegate.domain import ids
from imagegate.domain.accounts import Key, Scope
from imagegate.domain.errors import InvalidRequest
from imagegate.domain.fields import HasMore, NextCursor, PriceVersion, Seconds, TaskIdText, said
from imagegate.domain.money import Money, money
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.store.queries.statement import TYPES, Place, StatementLine, Wanted, statement

_NO_TASK = "-"


class LedgerLine(msgspec.Struct):
    """One change of the available balance."""

    id: Annotated[str, said("The id of the line", pattern="^led_")]
    type: Annotated[str, said("What happened", enum=[*TYPES])]
    task_id: TaskIdText | None
    created: Seconds
    amount: Annotated[Money, said("The change of the available balance; the sum of all is the balance")]
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
            answer=Ledger,
            gives=examples.LEDGER,
            parameters=(
                *page_of("Lines"),
                query("task_id", {"type": "string", "examples": [examples.TASK_ID]}, "Only of this task"),
                query("type", {"type": "string", "enum": [*TYPES]}, "Only lines of this type"),
            ),
        )
    ),
)
async def get_ledger(request: Request[Any, Any, Any], runtime: Runtime, key: Key) -> Response[bytes]:
    need(key, Scope.billing_read)
    limit = whole_number(request, "limit", 50, 1, 200)
    wanted = Wanted(task_id=_task(request), type=_type(request), below=cursor(request, Place), limit=limit + 1)
    lines = await runtime.db.snapshot(statement, key.account_id, wanted)
    shown, more = lines[:limit], len(lines) > limit
    data = [_line(line, runtime.credits_per_usd) for line in shown]
    return json_answer(Ledger(data=data, has_more=more, next_cursor=next_cursor(shown[-1].place) if more else None))


def _type(request: Request[Any, Any, Any]) -> str:
    kind = request.query_params.get("type", "")
    if kind and kind not in TYPES:
        raise InvalidRequest(f"type must be one of {', '.join(TYPES)}", param="type")
    return kind


def _task(request: Request[Any, Any, Any]) -> str:
    """What is no task id finds nothing, like the id of another account's task."""
    task_id = request.query_params.get("task_id", "")
    return task_id if not task_id or ids.TASK_ID.fullmatch(task_id) else _NO_TASK


def _line(line: StatementLine, rate: int) -> LedgerLine:
    return LedgerLine(
        id=line.id,
        type=line.type,
        task_id=line.task_id,
        created=line.at // PER_SECOND,
        amount=money(line.amount, rate),
        available_after=money(line.available_after, rate),
        price_version=line.price_version,
    )
