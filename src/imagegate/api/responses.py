"""What several resources share: rows as views, the task of an account, waiting for its end, replayed responses."""

from __future__ import annotations

import functools
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from litestar.params import PathParameter

from imagegate.api.client_connection import Caller
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import ResponseHeader
from imagegate.api_docs.schema import Seconds, doc
from imagegate.domain import ids
from imagegate.domain.errors import InvalidTaskId, TaskNotFound
from imagegate.domain.money import Money, to_money
from imagegate.domain.tasks import Task
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.wait import wait_until_terminal
from imagegate.runtime import Runtime
from imagegate.store.tasks import find_task

View = TypeVar("View", bound=msgspec.Struct)
TaskIdPath = Annotated[
    str,
    PathParameter(name="task_id"),
    doc("The id of a task of this account", pattern=f"^{ids.TASK_ID_RE.pattern}$", examples=[examples.TASK_ID]),
]
REPLAYED_HEADER = ResponseHeader(
    "Idempotency-Replayed", {"enum": ["true"]}, "Where this is the response of an earlier request"
)


def view_of(kind: type[View], row: object, credits_per_usd: int = 0, **given: Any) -> View:
    """A view with the row's fields of the same names, nanos as Money and microseconds as Seconds, and what is given."""
    for name, unit in _row_fields(kind):
        if name not in given:
            value = getattr(row, name)
            if value is not None and unit == "nanos":
                assert credits_per_usd, f"{name} is money"
                value = to_money(value, credits_per_usd)
            given[name] = value // US_PER_SECOND if value is not None and unit == "us" else value
    return kind(**given)


@functools.cache
def _row_fields(kind: type[msgspec.Struct]) -> list[tuple[str, Literal["nanos", "us", ""]]]:
    """The fields without a default, and the unit in which a row has them."""
    fields = [(one.name, list(_types_in(one.type))) for one in msgspec.structs.fields(kind) if one.required]
    return [(name, "nanos" if Money in types else "us" if Seconds in types else "") for name, types in fields]


def _types_in(annotation: Any) -> Iterator[Any]:
    yield annotation
    for inner in typing.get_args(annotation):
        yield from _types_in(inner)


def replayed_headers(replayed: bool) -> dict[str, str]:
    return {"Idempotency-Replayed": "true"} if replayed else {}


async def find_owned_task(runtime: Runtime, account_id: str, task_id: str) -> Task:
    """The account's own task; another account's is as unknown as one that never was."""
    if not task_id.startswith(ids.TASK_PREFIX):
        raise InvalidTaskId(param="task_id")
    task = await runtime.db.read(find_task, account_id, task_id) if ids.TASK_ID_RE.fullmatch(task_id) else None
    if task is None:
        raise TaskNotFound
    return task


async def wait_for_task(
    runtime: Runtime, account_id: str, task_id: str, seconds: int, caller: Caller, *, is_new: bool = False
) -> Task:
    """The account's own task when it has ended, or as it is after these seconds. `is_new`: it was created just now."""
    load = functools.partial(find_owned_task, runtime, account_id, task_id)
    if seconds == 0:
        return await load()
    with caller:
        return await wait_until_terminal(runtime, task_id, load, seconds, is_new=is_new)
