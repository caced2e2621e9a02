"""GET /v1/ledger: every change of the available balance, newest first."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar.params import QueryParameter

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import get
from imagegate.api.pagination import CursorPage, cursor_page, decode_cursor, read_list
from imagegate.api.params import Cursor, PageLimit
from imagegate.api.responses import view_of
from imagegate.api_docs.schema import PriceVersion, Seconds, TaskIdText, doc
from imagegate.domain import ids
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.money import Money
from imagegate.domain.time import US_PER_SECOND
from imagegate.runtime import Runtime
from imagegate.store.queries.past_balances import LinePosition
from imagegate.store.queries.statement import LINE_TYPES, StatementFilter, list_statement_lines

_NO_TASK = "-"
_NARROW = "ask for one task_id, or for fewer lines with limit"


class LedgerLine(msgspec.Struct):
    """One change of the available balance."""

    id: Annotated[str, doc("The id of the line", pattern="^led_")]
    type: Annotated[str, doc("What happened", enum=[*LINE_TYPES])]
    task_id: TaskIdText | None
    created: Seconds
    amount: Annotated[Money, doc("The change of the available balance; the sum of all is the balance")]
    available_after: Money
    price_version: PriceVersion | None


class Ledger(CursorPage, kw_only=True):
    data: list[LedgerLine]


@get(
    "/v1/ledger",
    summary="Every change of the available balance, newest first",
    tag="credits",
    scope=Scope.billing_read,
    response_example=examples.LEDGER,
)
async def get_ledger(
    runtime: Runtime,
    key: ApiKey,
    limit: PageLimit = 50,
    cursor: Cursor = "",
    task_id: Annotated[str, QueryParameter(), doc("Only of this task", examples=[examples.TASK_ID])] = "",
    line_type: Annotated[str, QueryParameter(name="type"), doc("Only lines of this type", enum=["", *LINE_TYPES])] = "",
) -> Ledger:
    # what is not a task id finds nothing, like the id of another account's task
    wanted_task = task_id if not task_id or ids.TASK_ID_RE.fullmatch(task_id) else _NO_TASK
    before = decode_cursor(cursor, LinePosition)
    wanted = StatementFilter(task_id=wanted_task, type=line_type, before=before, limit=limit)
    page = await read_list(runtime, key, _NARROW, list_statement_lines, key.account_id, wanted)
    rate = runtime.credits_per_usd
    return cursor_page(Ledger, page, lambda line: view_of(LedgerLine, line, rate, created=line.at // US_PER_SECOND))
