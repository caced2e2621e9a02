"""Closes an account: [ closed, keys, sessions and upload links ended, cancel requests ], then its unsent tasks end.

If the process dies after that commit, whatever process claims or looks next ends those tasks. What was sent goes on:
it is charged and delivered as always.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TypeVar

from imagegate.domain.accounts import Account, ApiKey
from imagegate.domain.audit import Actor
from imagegate.domain.errors import NotFound, PermissionDenied, TaskNotCancellable, TaskNotFound
from imagegate.domain.tasks import Task
from imagegate.flows.audit import write_act
from imagegate.flows.cancel import cancel
from imagegate.runtime import Runtime
from imagegate.store import acts
from imagegate.store.accounts import find_account
from imagegate.store.closing import list_unsent_tasks

T = TypeVar("T")

_CANCELLED_TOGETHER = 100


async def close_account(runtime: Runtime, account_id: str, key: ApiKey, actor: Actor) -> Account:
    """The account when it is closed and what was not sent for it is cancelled.

    Not the account of the key that asks: with it the operator would lose the key that could reopen it.
    """
    if account_id == key.account_id:
        raise PermissionDenied("A key cannot close its own account; use the command line", param="account_id")
    _found(await write_act(runtime.db, acts.close_account, account_id, actor))
    await cancel_unsent(runtime)
    return _found(await runtime.db.read(find_account, account_id))


async def reopen_account(runtime: Runtime, account_id: str, actor: Actor) -> Account:
    """The account when it is open; the keys that its closing ended stay ended."""
    return _found(await write_act(runtime.db, acts.reopen_account, account_id, actor)).account


def _found(result: T | None) -> T:
    if result is None:
        raise NotFound("No account has this id", param="account_id")
    return result


async def cancel_unsent(runtime: Runtime) -> None:
    """End the tasks of closed accounts for which nothing is being bought."""
    tried: set[str] = set()  # whatever could not be ended is left to the next look
    while found := [
        task for task in await runtime.db.read(list_unsent_tasks, _CANCELLED_TOGETHER) if task.id not in tried
    ]:
        tried.update(task.id for task in found)
        await asyncio.gather(*(_cancel(runtime, task) for task in found))


async def _cancel(runtime: Runtime, task: Task) -> None:
    # It may have ended by itself since it was found.
    with contextlib.suppress(TaskNotCancellable, TaskNotFound):
        await cancel(runtime, task)
