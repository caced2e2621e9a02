"""The purge looks at each old task once: what keeps it may be millions of others, which are passed over afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from imagegate.app import open_runtime
from imagegate.domain.accounts import ApiKey
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.time import US_PER_DAY, US_PER_MINUTE
from imagegate.flows import maintenance
from imagegate.flows.maintenance import PurgeWalk, purge_old
from imagegate.runtime import Runtime
from imagegate.settings import Settings, Storage
from imagegate.store import purge, settlement, tasks
from imagegate.store.idempotency import IdempotencyKey
from imagegate.store.invariants import find_violations
from imagegate.store.task_metadata import change_metadata
from imagegate.store.transaction import Tx
from tests.store.helpers import FakeClock, create_customer, new_task, render_webhook

KEEP_US = 30 * US_PER_DAY
ERROR = TaskError(TaskErrorCode.service_error, "test")


async def _end_task(runtime: Runtime, key: ApiKey, *, starred: bool = False, keep_key_us: int = 0) -> str:
    new = new_task(key)
    use = IdempotencyKey("create", new.id, "same", keep_key_us) if keep_key_us else None
    await runtime.db.write(tasks.submit_task, key.account_id, new, use, 100)
    await runtime.db.write(settlement.fail_task, key.account_id, new.id, 0, ERROR, f"cmt_{new.id}", render_webhook)
    if starred:
        await runtime.db.write(change_metadata, key.account_id, new.id, {"starred": "true"})
    return new.id


def _list_ids(tx: Tx) -> set[str]:
    return {row["id"] for row in tx.fetch_all("SELECT id FROM tasks")}


def test_tasks_that_are_kept_are_passed_over_until_what_keeps_them_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "_LOOKED_AT", 2)
    clock = FakeClock()
    settings = Settings(storage=Storage(data=str(tmp_path)))
    settings = msgspec.structs.replace(settings, work=msgspec.structs.replace(settings.work, workers=0))

    async def scenario() -> None:
        runtime = await open_runtime(settings, clock)
        try:
            _, key = await create_customer(runtime.db, 100_000)
            starred = [await _end_task(runtime, key, starred=True) for _ in range(3)]
            keyed = await _end_task(runtime, key, keep_key_us=40 * US_PER_DAY)
            ended = [await _end_task(runtime, key) for _ in range(4)]
            clock.now += 31 * US_PER_DAY
            walk = PurgeWalk()
            assert not await purge_old(runtime, walk)
            assert await runtime.db.read(_list_ids) == {*starred, keyed}
            assert set(ended).isdisjoint(await runtime.db.read(_list_ids))
            behind = await runtime.db.read(purge.list_old_tasks, KEEP_US, walk.last, 10)
            assert behind == purge.OldTasks([], None)

            await runtime.db.write(change_metadata, key.account_id, starred[0], {"starred": None})
            await purge_old(runtime, walk)
            assert await runtime.db.read(_list_ids) == {*starred, keyed}, "it was passed"
            clock.now += 10 * US_PER_DAY
            await purge_old(runtime, walk)
            assert await runtime.db.read(_list_ids) == set(starred), "its key has ended, and it goes with that"
            await purge_old(runtime)
            assert await runtime.db.read(_list_ids) == set(starred[1:]), "a new round sees all"
            assert await runtime.db.snapshot(find_violations, US_PER_MINUTE) == []
        finally:
            await runtime.close()

    asyncio.run(scenario())
