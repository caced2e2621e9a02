"""Metadata of tasks: written with the task, changed at any time; a starred task is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from imagegate.domain.assets import NEVER
from imagegate.domain.metadata import is_starred, merge_metadata, metadata_fault
from imagegate.store.dialect import METADATA_OBJECT
from imagegate.store.transaction import Tx

SELECT_METADATA = f"(SELECT {METADATA_OBJECT} FROM task_metadata m WHERE m.task_id = tasks.id) AS metadata"
SELECT_STARRED = "(SELECT s.since FROM starred_tasks s WHERE s.task_id = tasks.id) AS starred_since"


class MetadataChanged(msgspec.Struct, frozen=True):
    """The metadata are as asked."""


class MetadataRefused(msgspec.Struct, frozen=True):
    """Nothing was changed: with the changes they would break a bound, which `fault` names."""

    fault: str


class NoSuchTask(msgspec.Struct, frozen=True):
    """The account has no such task."""


def insert_metadata(tx: Tx, tasks: Sequence[tuple[str, str, Mapping[str, str]]]) -> None:
    """The metadata of new tasks, each with its account."""
    tx.insert_rows(
        "task_metadata",
        [
            {"task_id": task_id, "name": name, "value": value, "account_id": account_id}
            for task_id, account_id, metadata in tasks
            for name, value in metadata.items()
        ],
    )
    for task_id, account_id, metadata in tasks:
        if is_starred(metadata):
            tx.insert("starred_tasks", task_id=task_id, account_id=account_id, since=tx.now)


def change_metadata(
    tx: Tx, account_id: str, task_id: str, changes: Mapping[str, str | None]
) -> MetadataChanged | MetadataRefused | NoSuchTask:
    """Merge the changes into the task's metadata, all or none; None removes a key."""
    # The lock: of two that change one task at the same time the second one merges into what the first one left.
    task = tx.lock_row(
        "SELECT id, thumbnail_expires FROM tasks WHERE id = :id AND account_id = :account_id AND deleted IS NULL",
        {"id": task_id, "account_id": account_id},
    )
    if task is None:
        return NoSuchTask()
    rows = tx.fetch_all("SELECT name, value FROM task_metadata WHERE task_id = :id", {"id": task_id})
    before = {row["name"]: row["value"] for row in rows}
    after = merge_metadata(before, changes)
    if fault := metadata_fault(after):
        return MetadataRefused(fault)
    for name in before.keys() - after.keys():
        tx.execute_nowait(
            "DELETE FROM task_metadata WHERE task_id = :id AND name = :name", {"id": task_id, "name": name}
        )
    for name, value in after.items():
        if before.get(name) != value:
            tx.execute_nowait(
                """INSERT INTO task_metadata (task_id, name, value, account_id)
                VALUES (:task_id, :name, :value, :account_id)
                ON CONFLICT (task_id, name) DO UPDATE SET value = excluded.value""",
                {"task_id": task_id, "name": name, "value": value, "account_id": account_id},
            )
    if is_starred(after) and not is_starred(before):
        _star(tx, account_id, task_id)
    elif is_starred(before) and not is_starred(after):
        _unstar(tx, task_id, task["thumbnail_expires"])
    return MetadataChanged()


def _star(tx: Tx, account_id: str, task_id: str) -> None:
    _lock_assets(tx, task_id)
    tx.insert("starred_tasks", unless_exists="task_id", task_id=task_id, account_id=account_id, since=tx.now)
    tx.execute_nowait(
        "UPDATE assets SET expires = :never WHERE task_id = :id AND kind = 'thumbnail' AND expires > :now",
        {"id": task_id, "never": NEVER},
    )


def _unstar(tx: Tx, task_id: str, thumbnail_expires: int | None) -> None:
    """The thumbnails end when the task says, at once where that has passed."""
    _lock_assets(tx, task_id)
    tx.execute_nowait("DELETE FROM starred_tasks WHERE task_id = :id", {"id": task_id})
    tx.execute_nowait(
        "UPDATE assets SET expires = :expires WHERE task_id = :id AND kind = 'thumbnail' AND expires = :never",
        {"id": task_id, "expires": max(thumbnail_expires or 0, tx.now), "never": NEVER},
    )


def _lock_assets(tx: Tx, task_id: str) -> None:
    """A thumbnail that is added at this moment is there, or is added when it is known whether the task is starred."""
    tx.lock_rows("SELECT id FROM assets WHERE task_id = :id ORDER BY id", {"id": task_id})


def is_task_starred(tx: Tx, task_id: str) -> bool:
    return tx.fetch_one("SELECT task_id FROM starred_tasks WHERE task_id = :id", {"id": task_id}) is not None
