"""Rows and blobs that do not agree, in a folder and in a bucket; and whose store it is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
import pytest

from imagegate.blobs import BlobStore
from imagegate.domain.assets import Asset, AssetKind
from imagegate.flows import blob_audit
from imagegate.flows.blob_audit import audit_blobs
from imagegate.flows.folder_check import verify_storage
from imagegate.settings import SettingsError
from imagegate.store import assets
from imagegate.store.database import Database, create_engine
from tests.blobs.conftest import OpenBlobs
from tests.blobs.test_blob_stores import make_file
from tests.store.helpers import create_customer

DAY_S = 24 * 3600


@pytest.fixture
def db(sqlite_template: Path, tmp_path: Path) -> Database:
    file = tmp_path / "test.db"
    file.write_bytes(sqlite_template.read_bytes())
    return Database(create_engine(str(file)))


async def add(db: Database, store: BlobStore, folder: Path, account_id: str) -> Asset:
    source, asset = make_file(folder, os.urandom(50), AssetKind.upload)
    asset = msgspec.structs.replace(asset, task_id=None, account_id=account_id)
    await store.put(source, asset)
    await db.write(assets.add_asset, asset, 2**60, None)
    return asset


async def test_bytes_and_orphans_are_found_page_by_page(
    db: Database, store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blob_audit, "_PAGE", 3)
    try:
        account_id, _ = await create_customer(db, 0)
        known = [await add(db, store, tmp_path, account_id) for _ in range(8)]
        source, orphan = make_file(tmp_path, b"nobody's")
        await store.put(source, orphan)
        assert await audit_blobs(db, store) == [], "a young one may still get its row"
        monkeypatch.setattr(time, "time", lambda real=time.time: real() + DAY_S + 60)
        [found] = await audit_blobs(db, store)
        assert (found.id, found.rows) == ("I12.orphans", [{"key": orphan.key}])
        await store.delete(orphan.key, known[5].key)
        [found] = await audit_blobs(db, store)
        assert (found.id, found.rows) == ("I12.bytes", [{"id": known[5].id, "key": known[5].key}])
        await db.write(assets.mark_assets_deleted, [known[5].id])
        assert await audit_blobs(db, store) == []
    finally:
        db.close()


async def test_a_store_is_that_of_the_database_or_refused(db: Database, open_store: OpenBlobs, tmp_path: Path) -> None:
    try:
        await verify_storage(db, open_store(), adopt=False)
        assert await open_store().read_marker() == "", "a check changes nothing"
        await verify_storage(db, open_store(), adopt=True)
        await verify_storage(db, open_store(), adopt=True)
        source, asset = make_file(tmp_path, b"bytes")
        await open_store().put(source, asset)
        newcomer = Database(create_engine(str(tmp_path / "newcomer.db")))
        newcomer.migrate()
        with pytest.raises(SettingsError, match="holds images, and the database is new"):
            await verify_storage(newcomer, open_store(), adopt=True)
        newcomer.close()
    finally:
        db.close()
