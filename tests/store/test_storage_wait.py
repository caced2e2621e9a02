"""A running task that waits for the storage of images: it says so, once, and stays with its worker."""

from __future__ import annotations

import asyncio

from imagegate.domain.tasks import TaskState
from imagegate.store import attempts, claims, tasks
from imagegate.store.queries.tasks import load_history
from tests.conftest import OpenDatabase
from tests.store.helpers import LEASE_US, ROUTE, new_attempt
from tests.store.test_claims import claim_new_task, load_task


def test_s3_3_a_wait_for_the_storage_is_noted_once_and_by_its_worker_alone(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        key, task = await claim_new_task(db)

        async def note(claim_no: int, next_try: int) -> bool:
            return await db.write(tasks.note_storage_wait, key.account_id, task.id, claim_no, next_try)

        assert not await note(task.claim_no + 1, 5), "another worker's"
        assert await note(task.claim_no, 5)
        assert not await note(task.claim_no, 6), "nothing is written for each try"
        stored = await load_task(db, task)
        assert (stored.state, stored.waiting_reason, stored.due) == (TaskState.running, tasks.WAITING_FOR_STORAGE, 5)
        assert await db.write(claims.renew_leases, "one", [(task.id, task.claim_no)], LEASE_US) == []
        found = await db.snapshot(load_history, key.account_id, task.id)
        assert found is not None
        last = found.changes[-1]
        assert (last.waiting_reason, last.waiting_until) == (tasks.WAITING_FOR_STORAGE, 5)
        # The next call ends it.
        assert await db.write(attempts.begin_attempt, key.account_id, new_attempt(task), "one", ROUTE) == tasks.Done()
        assert (await load_task(db, task)).waiting_reason is None

    asyncio.run(scenario())
