"""Images that end while a backup copies them: what the copy of the database says of them, and what may not end."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from imagegate.backup.images import CopiedImages, copy_images
from imagegate.blobs import LocalBlobStore
from imagegate.domain.assets import Asset, AssetKind, FileFacts, new_asset
from imagegate.domain.tasks import Task
from imagegate.domain.time import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE
from imagegate.store import assets, files, installation, settlement, tasks
from imagegate.store.database import Database
from imagegate.store.invariants import find_violations
from tests.conftest import OpenDatabase
from tests.store.helpers import (
    LEASE_US,
    FakeClock,
    claim_tasks,
    create_customer,
    new_file,
    new_settlement,
    new_task,
    render_webhook,
)

CLOCK_START = 1_795_000_000_000_000
BYTES = b"0123456789"
FACTS = FileFacts("image/png", len(BYTES), hashlib.sha256(BYTES).hexdigest())


async def add_input(db: Database, task: Task) -> Asset:
    asset = new_asset(AssetKind.reference, task.account_id, task.id, FACTS, CLOCK_START)
    await db.write(assets.add_asset, asset, CLOCK_START + US_PER_HOUR, None)
    return asset


async def make_rows(db: Database) -> tuple[Asset, Asset]:
    """A settled and an unfinished task with a reference each, and an upload. Returns the two references."""
    account, key = await create_customer(db, 10_000)
    for _ in range(2):
        await db.write(tasks.submit_task, account, new_task(key), None, 100)
    done, unfinished = await db.write(claim_tasks, account, "boot", LEASE_US, 2)
    references = [await add_input(db, task) for task in (done, unfinished)]
    await db.write(files.add_file, account, new_file(account), US_PER_DAY, 9)
    await db.write(settlement.complete_task, account, done.id, 1, new_settlement(done, 700), render_webhook)
    return references[0], references[1]


def test_what_ended_meanwhile_is_deleted_in_the_copy_but_not_what_a_task_still_needs(
    open_database: OpenDatabase,
) -> None:
    db = open_database(FakeClock(CLOCK_START))

    async def scenario() -> None:
        _, needed = await make_rows(db)
        found = await db.read(assets.list_live_assets, "", 100)
        assert {asset.kind for asset in found} == {AssetKind.result, AssetKind.reference, AssetKind.upload}
        ended = [asset for asset in found if await db.write(files.end_in_copy, asset.account_id, asset)]
        assert {asset.id for asset in found} - {asset.id for asset in ended} == {needed.id}
        assert [asset.id for asset in await db.read(assets.list_live_assets, "", 100)] == [needed.id]
        assert await db.snapshot(find_violations, US_PER_MINUTE) == []

    asyncio.run(scenario())


def test_no_input_is_deleted_while_a_backup_is_under_way(open_database: OpenDatabase) -> None:
    clock = FakeClock(CLOCK_START)
    db = open_database(clock)

    async def list_expired() -> set[AssetKind]:
        return {asset.kind for asset in await db.read(assets.list_expired_assets, 100)}

    async def scenario() -> None:
        await make_rows(db)
        assert await list_expired() == {AssetKind.reference}, "that of the task that was settled"
        await db.write(installation.keep_inputs, US_PER_MINUTE)
        assert await list_expired() == set()
        clock.now += US_PER_MINUTE + 1
        assert await list_expired() == {AssetKind.reference}, "the backup was killed"
        clock.now += 2 * US_PER_DAY
        await db.write(installation.keep_inputs, US_PER_MINUTE)
        assert await list_expired() == {AssetKind.upload}, "the result waits for its thumbnail"

    asyncio.run(scenario())


@pytest.mark.parametrize("has_ended", [True, False])
def test_an_image_that_is_gone_or_damaged_has_ended_or_is_missing(
    open_database: OpenDatabase, tmp_path: Path, *, has_ended: bool
) -> None:
    db = open_database(FakeClock(CLOCK_START))
    source, target = (LocalBlobStore(tmp_path / name) for name in ("source", "target"))

    async def answer(_: Asset) -> bool:
        return has_ended

    async def scenario() -> CopiedImages:
        whole, damaged = await make_rows(db)
        for asset, content in ((whole, BYTES), (damaged, BYTES[::-1])):
            (tmp_path / "file").write_bytes(content)
            await source.put(tmp_path / "file", asset)
            (tmp_path / "file").unlink()
        copied = await copy_images(db, source, target, tmp_path / "incoming", answer)
        assert [key async for page in target.list_pages() for key, _ in page] == [whole.key]
        return copied

    copied = asyncio.run(scenario())
    assert (copied.number, copied.bytes) == (1, len(BYTES))
    assert (len(copied.ended), len(copied.missing)) == ((3, 0) if has_ended else (0, 3))
    assert not (tmp_path / "incoming").exists()
