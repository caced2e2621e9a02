"""GET /v1/ledger: every change of the available balance, newest first."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get

from imagegate.api.answers import cursor, json_answer, next_cursor, whole_number
from imagegate.api.auth import need
from imagegate.api.operations import Operation, described, query
from imagegate.domain import ids
from imagegate.domain.credit import Key, Scope
from imagegate.domain.errors import InvalidRequest
from imagegate.domain.money import Money, money
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.store.statement import TYPES, Place, StatementLine, Wanted, statement

_NO_TASK = "-"


class LedgerLine(msgspec.Struct):
    id: str
    type: str
    task_id: str | None
    created: int
    amount: Money
    available_after: Money
    price_version: str | None


class Ledger(msgspec.Struct, kw_only=True):
    object: str = "list"
    data: list[LedgerLine]
    has_more: bool
    next_cursor: str | None


@get(
    "/v1/ledger",
    opt=described(
        Operation(
            summary="Every change of the available balance, newest first",
            tag="credits",
            answer=Ledger,
            parameters=(
                query(
                    "limit", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}, "Entries of an answer"
                ),
                query("cursor", {"type": "string"}, "next_cursor of the answer before"),
                query("task_id", {"type": "string"}, "Only of this task"),
                query("type", {"type": "string"}, "grant, hold, release, charge, refund or adjustment"),
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
