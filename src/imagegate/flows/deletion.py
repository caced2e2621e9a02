"""Deletes an ended task: [ hidden, its words deleted, its bytes expired, audit row ], then the bytes themselves.

If the process dies after that commit, or the storage is away, the sweep deletes the bytes.
"""

from __future__ import annotations

from imagegate.crash_points import crash_point
from imagegate.domain.audit import Actor
from imagegate.domain.errors import TaskNotDeletable, TaskNotFound
from imagegate.flows.audit import write_act
from imagegate.flows.discard import discard_blobs
from imagegate.runtime import Runtime
from imagegate.store import acts, assets
from imagegate.store.deletion import NotEnded, NotThere, TaskDeleted


async def delete_task(runtime: Runtime, account_id: str, task_id: str, actor: Actor) -> None:
    """TaskNotDeletable while it has not ended, TaskNotFound where there is no such task."""
    match await write_act(runtime.db, acts.delete_task, account_id, task_id, actor):
        case NotThere():
            raise TaskNotFound
        case NotEnded():
            raise TaskNotDeletable
        case TaskDeleted(assets=stored):
            crash_point("delete.post_commit")
            if await discard_blobs(runtime, [asset.key for asset in stored]):
                crash_point("delete.blobs_deleted")
                await runtime.db.write(assets.mark_assets_deleted, [asset.id for asset in stored])
