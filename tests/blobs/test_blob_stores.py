"""What every store of blobs does: the same tests on a folder and on S3."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from pathlib import Path

import msgspec
import pytest

from imagegate.blobs import BlobDamaged, BlobNotFound, BlobStore
from imagegate.domain.assets import Asset, AssetKind, FileFacts, new_asset
from tests.blobs.conftest import OpenBlobs

PART = 8 * 1024 * 1024
SIZES = [1, 300_000, PART, PART + 1]


def make_file(folder: Path, data: bytes, kind: AssetKind = AssetKind.result) -> tuple[Path, Asset]:
    source = folder / f"{secrets.token_hex(8)}.png"  # a blob may be a link to it
    source.write_bytes(data)
    facts = FileFacts("image/png", len(data), hashlib.sha256(data).hexdigest())
    return source, new_asset(kind, "acc_1", "task-unified-1-x", facts, 1_700_000_000_000_000)


async def read(store: BlobStore, asset: Asset, start: int = 0, length: int | None = None, chunk: int = 65536) -> bytes:
    blob = await store.open(asset.key, asset.bytes)
    assert blob.size == asset.bytes
    chunks = [one async for one in blob.read(start, asset.bytes - start if length is None else length, chunk)]
    assert all(len(one) == chunk for one in chunks[:-1])
    return b"".join(chunks)


async def keys(store: BlobStore) -> list[str]:
    return sorted([key async for page in store.list_pages() for key, _ in page])


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_put_is_read_whole_and_in_parts(store: BlobStore, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    source, asset = make_file(tmp_path, data)
    await store.put(source, asset)
    assert await read(store, asset) == data
    start = size // 3
    assert await read(store, asset, start, size // 2, chunk=10_000) == data[start : start + size // 2]
    await store.verify(asset)
    async with store.local_copy(asset, verified=True) as path:
        assert path.read_bytes() == data
        assert path.stat().st_mode & 0o077 == 0
        assert store.key_of(path) == asset.key
    assert await keys(store) == [asset.key]


async def test_a_local_copy_is_gone_afterwards_and_the_blob_is_not(store: BlobStore, tmp_path: Path) -> None:
    source, asset = make_file(tmp_path, b"bytes")
    await store.put(source, asset)
    with pytest.raises(ZeroDivisionError):
        async with store.local_copy(asset):
            raise ZeroDivisionError
    assert not list((tmp_path / "incoming").glob("*"))
    await store.verify(asset)


@pytest.mark.parametrize("size", [1000, PART + 1000])
async def test_a_repeated_put_changes_nothing(store: BlobStore, tmp_path: Path, size: int) -> None:
    source, asset = make_file(tmp_path, os.urandom(size))
    await asyncio.gather(*(store.put(source, asset) for _ in range(3)))
    [page] = [page async for page in store.list_pages()]
    await store.put(source, asset)
    assert [page async for page in store.list_pages()] == [page]
    await store.verify(asset)


@pytest.mark.parametrize("size", [1000, PART + 1000])
async def test_a_repeated_put_replaces_what_was_damaged_since(store: BlobStore, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    source, asset = make_file(tmp_path, data[1:] + data[:1])
    await store.put(source, asset)
    source.unlink()
    source, good = make_file(tmp_path, data)
    good = msgspec.structs.replace(good, key=asset.key)
    with pytest.raises(BlobDamaged):
        await store.verify(good)
    with pytest.raises(BlobDamaged):
        async with store.local_copy(good, verified=True):
            pass
    await store.put(source, good)
    await store.verify(good)


async def test_what_is_missing_or_of_another_size_is_told_from_what_is_there(store: BlobStore, tmp_path: Path) -> None:
    source, asset = make_file(tmp_path, b"bytes")
    _, other = make_file(tmp_path, b"bytes and more")
    with pytest.raises(BlobNotFound):
        await store.open(asset.key)
    with pytest.raises(BlobNotFound):
        await store.verify(asset)
    with pytest.raises(BlobNotFound):
        await store.copy(asset, other)
    with pytest.raises(BlobNotFound):
        await store.put(tmp_path / "missing", asset)
    await store.put(source, other)
    with pytest.raises(BlobDamaged):
        await store.open(other.key, 3)
    with pytest.raises(BlobDamaged):
        await store.copy(msgspec.structs.replace(other, bytes=3), asset)
    assert await keys(store) == [other.key]


async def test_a_copy_outlives_its_source(store: BlobStore, tmp_path: Path) -> None:
    source, asset = make_file(tmp_path, b"bytes")
    _, target = make_file(tmp_path, b"bytes")
    await store.put(source, asset)
    await store.copy(asset, target)
    await store.delete(asset.key, asset.key)
    await store.delete(asset.key)
    assert await keys(store) == [target.key]
    await store.verify(target)
    await store.delete(target.key, asset.key)
    assert await keys(store) == []


async def test_lists_have_pages_and_times(store: BlobStore, tmp_path: Path) -> None:
    source, _ = make_file(tmp_path, b"bytes")
    before = source.stat().st_mtime
    assets = [make_file(tmp_path, b"bytes")[1] for _ in range(30)]
    for asset in assets:
        await store.put(source, asset)
    found = [(key, changed) async for page in store.list_pages() for key, changed in page]
    assert sorted(key for key, _ in found) == sorted(asset.key for asset in assets)
    assert all(changed >= before - 2 for _, changed in found)


@pytest.mark.parametrize("key", ["t/../x", "/etc/passwd", "t/acc_1/2026/01/01/../../x.png", "folder-id", ""])
async def test_no_other_key_reaches_the_store(store: BlobStore, tmp_path: Path, key: str) -> None:
    source, asset = make_file(tmp_path, b"bytes")
    bad = msgspec.structs.replace(asset, key=key)
    for call in (store.put(source, bad), store.open(key), store.delete(key), store.verify(bad), store.copy(asset, bad)):
        with pytest.raises((ValueError, BlobNotFound)):
            await call


async def test_of_two_markers_one_is_kept(open_store: OpenBlobs) -> None:
    one, other = open_store(), open_store()
    assert await one.read_marker() == ""
    await asyncio.gather(one.add_marker("fld_1\n"), other.add_marker("fld_2\n"))
    assert await one.read_marker() == await other.read_marker() != ""
    assert await keys(one) == []
