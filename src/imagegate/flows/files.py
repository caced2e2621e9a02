"""Files that customers upload, or have fetched from a URL: received in chunks, checked by their first bytes, stored.

The order is: bytes on disk, blob, `[ file, asset, count ]`. If the process dies before the commit, the blob has no row
and is deleted as an orphan; after it the file is kept. A refusal leaves nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import urllib.parse
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from imagegate.blobs import BlobDamaged, BlobNotFound
from imagegate.domain import errors
from imagegate.domain import files as names
from imagegate.domain.assets import Asset, AssetKind, FileFacts, new_asset
from imagegate.domain.files import StoredFile
from imagegate.domain.time import US_PER_HOUR
from imagegate.egress import CheckedUrl, FetchFailed, Purpose, UrlRefused, check_url
from imagegate.flows.discard import discard_blobs
from imagegate.flows.disk_space import is_disk_full
from imagegate.flows.execution.reference_fetch import BUDGET_EXCEEDED_REASON, FetchBudgetExceeded, fetch_within_budget
from imagegate.flows.local_urls import is_local_url, resolve_local_url
from imagegate.images import sniff
from imagegate.logging import log_error, log_warning
from imagegate.runtime import Runtime
from imagegate.spool import fsync_and_hash
from imagegate.store import assets, files

_SNIFF_BYTES = 16
_CHUNK_BYTES = 256 * 1024
# Refusals that concern the text of the URL. Refused addresses and host names are reported as a failed fetch, so that
# they tell nothing about the network.
_SYNTAX_REASONS = ("scheme", "too_long", "bad_character", "userinfo", "host", "port")


class UploadNames(msgspec.Struct, frozen=True):
    """The names that the sender gave. `original_name` is the file's own, used where `file_name` is not given."""

    upload_path: str | None = None
    file_name: str | None = None
    original_name: str | None = None


class IncomingFile:
    """A file that is being received: a sink that refuses as soon as the bytes are too many or of another type."""

    def __init__(self, file: BinaryIO, path: Path, max_bytes: int) -> None:
        self.path = path
        self.bytes = 0
        self._file = file
        self._max_bytes = max_bytes
        self._head = b""

    def limit(self, max_bytes: int) -> IncomingFile:
        """The same with a lower bound."""
        self._max_bytes = max_bytes
        return self

    def write(self, data: bytes) -> None:
        self.bytes += len(data)
        if self.bytes > self._max_bytes:
            raise errors.FileTooLarge(f"The file is too large: at most {self._max_bytes:,} bytes")
        if len(self._head) < _SNIFF_BYTES:
            self._head += data[: _SNIFF_BYTES - len(self._head)]
            if len(self._head) == _SNIFF_BYTES:
                self.sniff_media_type()
        self._file.write(data)

    def sniff_media_type(self) -> str:
        """By the first bytes; names and headers do not count. FileTypeNotAllowed."""
        found = sniff(self._head)
        if found is None:
            raise errors.FileTypeNotAllowed
        return found

    def finish(self) -> str:
        """Close the file when all bytes are here; returns the media type."""
        self._file.close()
        if self.bytes == 0:
            raise errors.InvalidRequest("The file is empty", param="file")
        return self.sniff_media_type()


@contextlib.asynccontextmanager
async def receive_file(runtime: Runtime, account_id: str) -> AsyncIterator[IncomingFile]:
    """A temporary file for one upload; removed at the end, whether it was stored or not.

    Refused before a byte is received where no place is left beside the files and the uploads under way: what is kept
    for a moment is bounded by the same quota as what stays.
    """
    if is_disk_full(runtime):
        raise errors.StorageFailed("The service has no space left", reason="storage_full")
    used, under_way = await runtime.db.read(files.count_files, account_id), runtime.uploads_under_way
    if used + under_way[account_id] >= runtime.settings.limits.files_per_account:
        raise _limit_reached(runtime)
    under_way[account_id] += 1
    try:
        async with _temporary_file(runtime) as incoming:
            yield incoming
    finally:
        under_way[account_id] -= 1
        if not under_way[account_id]:
            del under_way[account_id]


@contextlib.asynccontextmanager
async def _temporary_file(runtime: Runtime) -> AsyncIterator[IncomingFile]:
    folder = runtime.settings.data_dir / "incoming"
    path = folder / f"upload-{secrets.token_hex(8)}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("xb", buffering=_CHUNK_BYTES) as file:
            yield IncomingFile(file, path, runtime.settings.limits.max_upload_bytes)
    except OSError as error:
        log_error("upload_not_stored", error=str(error))
        raise errors.StorageFailed from error
    finally:
        await asyncio.to_thread(path.unlink, missing_ok=True)


@contextlib.asynccontextmanager
async def receive_inputs(runtime: Runtime, account_id: str) -> AsyncIterator[Callable[[], IncomingFile]]:
    """What opens the files of one request, references and masks; they are removed at the end.

    They are no uploads of the account, but as many requests may send some at once as it may have uploads.
    """
    under_way = runtime.uploads_under_way
    if under_way[account_id] >= runtime.settings.limits.files_per_account:
        raise errors.RateLimitExceeded("Too many uploads at the same time", reason="uploads_under_way")
    folder = runtime.settings.data_dir / "incoming" / f"inputs-{secrets.token_hex(8)}"
    under_way[account_id] += 1
    opened: list[BinaryIO] = []

    def open_file() -> IncomingFile:
        if is_disk_full(runtime):
            raise errors.StorageFailed("The service has no space left", reason="storage_full")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / str(len(opened))
        opened.append(path.open("xb", buffering=_CHUNK_BYTES))
        return IncomingFile(opened[-1], path, runtime.settings.limits.max_upload_bytes)

    try:
        yield open_file
    except OSError as error:
        log_error("upload_not_stored", error=str(error))
        raise errors.StorageFailed from error
    finally:
        under_way[account_id] -= 1
        if not under_way[account_id]:
            del under_way[account_id]
        for file in opened:
            with contextlib.suppress(OSError):  # a full disk, once more
                file.close()
        if opened:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def store_file(
    runtime: Runtime, account_id: str, incoming: IncomingFile, upload_names: UploadNames
) -> StoredFile:
    """Bytes first, then [ file, asset, count ]. FileQuotaExceeded where the account has too many files."""
    media_type = incoming.finish()
    size, digest = await asyncio.to_thread(fsync_and_hash, incoming.path)
    new = _new_file(runtime, account_id, upload_names, FileFacts(media_type, size, digest))
    await runtime.blobs.put(incoming.path, new.asset)
    keep_us = runtime.settings.storage.upload_hours * US_PER_HOUR
    max_files = runtime.settings.limits.files_per_account
    match await runtime.db.write(files.add_file, account_id, new, keep_us, max_files):
        case files.FileAdded(file=file, replaced=replaced):
            await _delete_blobs(runtime, replaced)
            return file
        case files.FileLimitReached():
            await discard_blobs(runtime, [new.asset.key])
            raise _limit_reached(runtime)
        case files.OwnerClosed():
            await discard_blobs(runtime, [new.asset.key])
            raise errors.Unauthorized


def _limit_reached(runtime: Runtime) -> errors.FileQuotaExceeded:
    most = runtime.settings.limits.files_per_account
    return errors.FileQuotaExceeded(f"File limit reached: at most {most:,} files; delete some files first")


def _new_file(runtime: Runtime, account_id: str, naming: UploadNames, facts: FileFacts) -> files.NewFile:
    given = naming.file_name
    name = names.safe_name(given or naming.original_name or "image", facts.media_type)
    return files.NewFile(
        id=names.new_file_id(),
        secret=names.new_file_secret(),
        file_name=name,
        original_name=given or naming.original_name or name,
        given_name=given,
        upload_path=names.normalize_path(naming.upload_path or ""),
        asset=new_asset(AssetKind.upload, account_id, None, facts, runtime.clock()),
    )


async def _delete_blobs(runtime: Runtime, removed: tuple[Asset, ...]) -> None:
    """Their links have ended already; if the process dies in between, the sweep deletes them."""
    if removed and await discard_blobs(runtime, [asset.key for asset in removed]):
        await runtime.db.write(assets.mark_assets_deleted, [asset.id for asset in removed])


async def delete_file(runtime: Runtime, account_id: str, file_id: str) -> None:
    """NotFound for unknown, foreign, expired and deleted files alike."""
    match await runtime.db.write(files.remove_file, account_id, file_id):
        case files.FileRemoved(asset=asset):
            await _delete_blobs(runtime, (asset,))
        case files.NoSuchFile():
            raise errors.NotFound("The requested file could not be found", param="file_id")


async def fetch_file(runtime: Runtime, account_id: str, url: str, naming: UploadNames) -> StoredFile:
    """Fetch by the same rules as references, then store. URLs of this origin are read from storage."""
    checked = None if is_local_url(runtime, url) else _check_file_url(runtime, url)
    named = msgspec.structs.replace(naming, original_name=_name_from_url(url))
    async with receive_file(runtime, account_id) as incoming:
        if checked is None:
            await _copy_local(runtime, account_id, url, incoming)
        else:
            await _download(runtime, account_id, checked, incoming)
        return await store_file(runtime, account_id, incoming, named)


def _check_file_url(runtime: Runtime, url: str) -> CheckedUrl:
    try:
        return check_url(url, Purpose.REFERENCE, runtime.egress_rules)
    except UrlRefused as refused:
        if refused.reason in _SYNTAX_REASONS:
            raise errors.InvalidRequest(f"file_url: {refused}", param="file_url") from refused
        raise errors.FileNotFetched(param="file_url") from refused


async def _download(runtime: Runtime, account_id: str, url: CheckedUrl, incoming: IncomingFile) -> None:
    limit = runtime.settings.limits.max_upload_bytes
    try:
        await fetch_within_budget(runtime, account_id, url, incoming, limit)
    except FetchBudgetExceeded as spent:
        message = "The account's hourly fetch budget is used up; try again in the next hour"
        raise errors.FileQuotaExceeded(message, param="file_url", reason=BUDGET_EXCEEDED_REASON) from spent
    except FetchFailed as failed:
        log_warning("upload_not_fetched", reason=str(failed))
        if failed.reason == "too_large":
            raise errors.FileTooLarge(f"The file is too large: at most {limit:,} bytes", param="file_url") from failed
        raise errors.FileNotFetched(param="file_url") from failed


async def _copy_local(runtime: Runtime, account_id: str, url: str, incoming: IncomingFile) -> None:
    asset = await resolve_local_url(runtime, url, account_id)
    try:
        if asset is None:
            raise errors.FileNotFetched(param="file_url")
        blob = await runtime.blobs.open(asset.key, asset.bytes)
        async for chunk in blob.read(0, asset.bytes):
            incoming.write(chunk)
    except (BlobNotFound, BlobDamaged) as error:
        log_error("blob_unusable", key=asset.key if asset else "", error=str(error))
        raise errors.FileNotFetched(param="file_url") from None


def _name_from_url(url: str) -> str | None:
    """The last part of a URL's path, without characters that no database can store or no terminal should print."""
    path = url.partition("#")[0].partition("?")[0].partition("://")[2].partition("/")[2]
    name = names.base_name(urllib.parse.unquote(path))
    return "".join(letter for letter in name if letter.isprintable())[: names.MAX_NAME_CHARS] or None
