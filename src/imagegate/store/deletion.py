"""Deleting a task for its account: what it was asked for and what was made of it goes, what it cost stays.

The row stays until the purge, without a word of the customer's, and is shown to nobody: hold, attempts and ledger are
those of a task for as long as of any other. The bytes expire in the same commit: whatever dies afterwards, the next
sweep deletes them.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.assets import Asset
from imagegate.domain.images import ImageOrder
from imagegate.domain.tasks import TERMINAL_STATES
from imagegate.domain.time import US_PER_SECOND
from imagegate.store.assets import list_task_assets
from imagegate.store.transaction import Tx


class TaskDeleted(msgspec.Struct, frozen=True):
    """The task is gone; the bytes of these assets can be deleted. `is_repeat`: an earlier commit did it."""

    assets: list[Asset]
    is_repeat: bool = False


class NotEnded(msgspec.Struct, frozen=True):
    """The task has not ended: something may still be bought for it."""


class NotThere(msgspec.Struct, frozen=True):
    """The account has no such task, or no more."""


# Deliveries before their attempts are deleted: whoever claims one at this moment has it, or finds none.
_LOCKS = (
    "SELECT id FROM deliveries WHERE task_id = :id",
    "SELECT id FROM assets WHERE task_id = :id ORDER BY id",
)
_DELETE_ROWS = (
    "DELETE FROM delivery_attempts WHERE delivery_id IN (SELECT id FROM deliveries WHERE task_id = :id)",
    "DELETE FROM deliveries WHERE task_id = :id",
    "DELETE FROM idempotency WHERE task_id = :id",
    "DELETE FROM answers WHERE task_id = :id",
    "DELETE FROM task_metadata WHERE task_id = :id",
    "DELETE FROM starred_tasks WHERE task_id = :id",
    "DELETE FROM task_search WHERE task_id = :id",
)


def delete_task(tx: Tx, account_id: str, task_id: str) -> TaskDeleted | NotEnded | NotThere:
    """[ words, metadata, keys, answers and webhooks deleted, bytes expired ], once the task has ended."""
    row = tx.lock_row(
        "SELECT state, deleted, order_body FROM tasks WHERE id = :id AND account_id = :account_id",
        {"id": task_id, "account_id": account_id},
    )
    if row is None or (row["deleted"] is not None and not tx.is_retry):
        return NotThere()
    if row["state"] not in TERMINAL_STATES:
        return NotEnded()
    if row["deleted"] is not None:
        return TaskDeleted(list_task_assets(tx, account_id, task_id), is_repeat=True)
    this = {"id": task_id}
    for select in _LOCKS:
        tx.lock_rows(select, this)
    for statement in _DELETE_ROWS:
        tx.execute_nowait(statement, this)
    # Links carry their end in whole seconds; a result ends when its task says.
    ends = {**this, "end": tx.now // US_PER_SECOND * US_PER_SECOND}
    tx.execute_nowait(
        """UPDATE tasks SET deleted = :now, order_body = :order_body, callback_url = NULL,
            results_expire = CASE WHEN results_expire > :end THEN :end ELSE results_expire END,
            thumbnail_expires = CASE WHEN thumbnail_expires > :end THEN :end ELSE thumbnail_expires END
        WHERE id = :id""",
        {**ends, "order_body": _without_words(row["order_body"])},
    )
    tx.execute_nowait(
        """UPDATE assets SET expires = CASE WHEN expires > :end THEN :end ELSE expires END, thumbnail_due = NULL
        WHERE task_id = :id""",
        ends,
    )
    return TaskDeleted(list_task_assets(tx, account_id, task_id))


def _without_words(order_body: str) -> str:
    order = msgspec.json.decode(order_body, type=ImageOrder)
    return msgspec.json.encode(
        msgspec.structs.replace(order, prompt="", image_urls=(), mask_url=None, callback_url=None, trace=msgspec.UNSET)
    ).decode()
