"""Blobs as objects of a bucket: S3 and what speaks its protocol, Google Cloud Storage, Azure.

Every call is bounded: the library alone waits three minutes for a server that accepts connections and says nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import from_url

from imagegate.blobs.base import (
    CHUNK_BYTES,
    KEY_PATTERN,
    KEY_ROOT,
    MARKER,
    BlobDamaged,
    BlobNotFound,
    Outage,
    StorageUnavailable,
    StoredBytes,
    check_key,
)
from imagegate.blobs.probe import StoreUnfit, probe_object_store
from imagegate.crash_points import crash_point
from imagegate.domain.assets import Asset, shown_name
from imagegate.logging import log_error, log_warning

# A black hole fails the first try after 10 s, and then no other one is made; a connection that is refused has three.
_CLIENT: Final[dict[str, Any]] = {"connect_timeout": "2s", "timeout": "10s"}
_RETRIES: Final[dict[str, Any]] = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=8),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
}
_OPERATION_S = 30.0
_PART_BYTES = 8 * 1024 * 1024
_PAGE = 1000
# Bytes of uploads that are in memory at a time: a file up to one part whole, of others one part and the next one.
_UNIT_BYTES, _UNITS = 1024 * 1024, 64
# The variables of an endpoint of one's own; it is called without TLS where that is what they say.
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
_SIGNED = re.compile(r"[?&](X-Amz-Signature|X-Goog-Signature|sig)=")
_MAX_ERROR_CHARS = 300


class ObjectBlobStore:
    """The bucket and prefix of `url`. Credentials and endpoint come from the environment, as for the vendor's tools.

    `scratch` is the folder of local copies.
    """

    def __init__(self, url: str, scratch: Path) -> None:
        self.location = url
        self._scratch = scratch
        self._store = _connect(url)
        self._budget = _UploadBudget()
        self._writes, self._reads = Outage(), Outage()
        self._copies: dict[Path, str] = {}

    @property
    def is_out(self) -> bool:
        return self._writes.is_closed

    async def put(self, source: Path, asset: Asset) -> None:
        check_key(asset.key)
        if not await asyncio.to_thread(source.exists):
            raise BlobNotFound(str(source))
        crash_point("blob.mid_write")
        is_one_part = asset.bytes <= _PART_BYTES
        async with self._budget.reserve(asset.bytes if is_one_part else 2 * _PART_BYTES):
            crash_point("blob.pre_publish")
            is_stored = is_one_part and await self._create(source, asset)
            if not is_stored and not await self._is_there(asset):
                await self._upload(source, asset)
        crash_point("blob.post_publish")

    async def _create(self, source: Path, asset: Asset) -> bool:
        """False where the key exists."""
        try:
            async with self._call(self._writes, asset.key):
                await obstore.put_async(
                    self._store, asset.key, source, mode="create", attributes=_attributes(asset), use_multipart=False
                )
        except AlreadyExistsError:
            return False
        return True

    async def _upload(self, source: Path, asset: Asset) -> None:
        """In parts, which no server creates only where nothing is: whoever comes here has looked. Each part is sent
        with its checksum, and the object appears when all are there."""
        async with self._call(self._writes, asset.key):
            await obstore.put_async(
                self._store,
                asset.key,
                source,
                attributes=_attributes(asset),
                use_multipart=asset.bytes > _PART_BYTES,
                chunk_size=_PART_BYTES,
                max_concurrency=1,
            )
            stored = await obstore.head_async(self._store, asset.key)
            if stored["size"] != asset.bytes:
                raise self._writes.failed(f"{asset.key}: {stored['size']} bytes arrived instead of {asset.bytes}")

    async def _is_there(self, asset: Asset) -> bool:
        """From a repeat of the same step. Where it has been damaged since, it is replaced."""
        try:
            await self._head(asset.key, self._writes)
            await self.verify(asset)
        except BlobNotFound:
            return False
        except BlobDamaged as error:
            log_warning("blob_replaced", key=asset.key, error=str(error))
            return False
        return True

    async def _head(self, key: str, outage: Outage) -> int:
        """Its size in bytes."""
        try:
            async with self._call(outage, key):
                size: int = (await obstore.head_async(self._store, check_key(key)))["size"]
        except FileNotFoundError:
            raise BlobNotFound(key) from None
        return size

    async def copy(self, source: Asset, target: Asset) -> None:
        """By the server itself. The target's key is new."""
        if (size := await self._head(source.key, self._writes)) != source.bytes:
            raise BlobDamaged(f"{source.key}: {size} bytes instead of {source.bytes}")
        try:
            async with self._call(self._writes, source.key):
                await obstore.copy_async(self._store, source.key, check_key(target.key))
        except FileNotFoundError:
            raise BlobNotFound(source.key) from None

    @contextlib.asynccontextmanager
    async def local_copy(self, stored: StoredBytes, *, verified: bool = False) -> AsyncIterator[Path]:
        """A file of its own, removed at the end; always compared, because all of it passes here anyway."""
        path = self._scratch / f"blob-{secrets.token_hex(8)}-{stored.key.rpartition('/')[2]}"
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                await self._read_whole(stored, file)
            self._copies[path] = stored.key
            yield path
        finally:
            self._copies.pop(path, None)
            await asyncio.to_thread(path.unlink, missing_ok=True)

    def key_of(self, path: Path) -> str:
        return self._copies[path]

    async def verify(self, stored: StoredBytes) -> None:
        await self._read_whole(stored)

    async def _read_whole(self, stored: StoredBytes, target: BinaryIO | None = None) -> None:
        digest = hashlib.sha256()

        def take(chunk: bytes) -> None:
            digest.update(chunk)
            if target is not None:
                target.write(chunk)

        blob = await self.open(stored.key, stored.bytes)
        try:
            async for chunk in blob.read(0, stored.bytes):
                await asyncio.to_thread(take, chunk)
        finally:
            blob.close()
        if digest.hexdigest() != stored.sha256:
            raise BlobDamaged(f"{stored.key}: another SHA-256")

    async def open(self, key: str, expected_bytes: int | None = None) -> OpenObject:
        response = await self.get(check_key(key))
        size: int = response.meta["size"]
        if expected_bytes is not None and size != expected_bytes:
            raise BlobDamaged(f"{key}: {size} bytes instead of {expected_bytes}")
        return OpenObject(self, key, size, response)

    async def delete(self, *keys: str) -> None:
        async with self._call(self._writes, " ".join(keys[:1])):
            try:
                await obstore.delete_async(self._store, [check_key(key) for key in keys])
            except FileNotFoundError:  # some stores say so, and leave the others
                for key in keys:
                    with contextlib.suppress(FileNotFoundError):
                        await obstore.delete_async(self._store, key)

    async def list_pages(self) -> AsyncIterator[list[tuple[str, float]]]:
        pages = obstore.list(self._store, f"{KEY_ROOT}/", chunk_size=_PAGE)
        while True:
            async with self._call(self._reads, KEY_ROOT):
                page = await anext(pages, None)
            if page is None:
                return
            yield [
                (found["path"], found["last_modified"].timestamp())
                for found in page
                if KEY_PATTERN.fullmatch(found["path"])
            ]

    async def read_marker(self) -> str:
        try:
            response = await self.get(MARKER)
        except BlobNotFound:
            return ""
        async with self._call(self._reads, MARKER):
            return bytes(await response.bytes_async()).decode("utf-8", "replace").strip()

    async def add_marker(self, text: str) -> None:
        with contextlib.suppress(AlreadyExistsError):
            async with self._call(self._writes, MARKER):
                await obstore.put_async(self._store, MARKER, text.encode(), mode="create")

    async def sign_link(self, key: str, method: str, seconds: int) -> str:
        check_key(key)
        sign: Any = obstore.sign_async  # its types know no store that may not sign
        try:
            async with asyncio.timeout(_OPERATION_S):
                link = str(await sign(self._store, method, key, timedelta(seconds=seconds)))
        except (BaseError, TimeoutError) as error:
            raise ValueError(f"{self.location} cannot sign links: {describe_error(error)}") from error
        if not _SIGNED.search(link):
            raise ValueError(f"{self.location} cannot sign links: without credentials they have no signature")
        return link

    async def probe(self, *, links: bool) -> str:
        try:
            found = await probe_object_store(self._store, _connect, self.location, links=links)
        except BaseError as error:
            raise StoreUnfit(f"{self.location}: {describe_error(error)}") from error
        return f"{self.location}: {found}"

    @contextlib.asynccontextmanager
    async def _call(self, outage: Outage, key: str) -> AsyncIterator[None]:
        """Bounds a call and counts how it went. FileNotFoundError, the library's for a missing key, and
        AlreadyExistsError are answers."""
        outage.begin_call()
        try:
            async with asyncio.timeout(_OPERATION_S):
                yield
        except AlreadyExistsError:
            outage.succeeded()
            raise
        except FileNotFoundError as error:
            # Without its bucket the store holds nothing, and says the same of every key.
            if "NoSuchBucket" in str(error) or "ContainerNotFound" in str(error):
                raise outage.failed(f"{self.location}: {describe_error(error)}") from error
            outage.succeeded()
            raise
        except (BaseError, TimeoutError) as error:
            raise self._failed(outage, key, error) from error
        else:
            outage.succeeded()

    def read_failed(self, key: str, error: Exception) -> StorageUnavailable:
        return self._failed(self._reads, key, error)

    def _failed(self, outage: Outage, key: str, error: Exception) -> StorageUnavailable:
        log_error("storage_unavailable", storage=self.location, key=key, error=describe_error(error))
        return outage.failed(f"{self.location}: {describe_error(error)}")

    async def get(self, key: str, start: int = 0, end: int | None = None) -> Any:
        """The response from byte `start` on, whose body has not been read yet."""
        span: Any = {"offset": start} if end is None else (start, end)
        options: Any = {"range": span} if start or end is not None else {}
        try:
            async with self._call(self._reads, key):
                return await obstore.get_async(self._store, key, options=options)
        except FileNotFoundError:
            raise BlobNotFound(key) from None


class OpenObject:
    """An object of `size` bytes, and the response that has begun to deliver it."""

    def __init__(self, store: ObjectBlobStore, key: str, size: int, response: Any) -> None:
        self.size = size
        self._store = store
        self._key = key
        self._response = response

    async def read(self, start: int, length: int, chunk_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
        buffer = bytearray()
        async for part in self._receive(start, start + length):
            buffer += part
            while len(buffer) >= chunk_bytes:
                yield bytes(buffer[:chunk_bytes])
                del buffer[:chunk_bytes]
        if buffer:
            yield bytes(buffer)

    async def _receive(self, position: int, end: int) -> AsyncIterator[memoryview]:
        """A response ends after 10 s, so that a store that falls silent is noticed. Who reads more slowly, because his
        own reader is slow, goes on with another one from where it stopped."""
        response, self._response = (self._response if position == 0 else None), None
        while position < end:
            before = position
            try:
                response = response or await self._store.get(self._key, position, end)
                parts = aiter(response.stream(min_chunk_size=CHUNK_BYTES))
                while position < end and (part := await _next_part(parts)):
                    piece = memoryview(part)[: end - position]
                    position += len(piece)
                    yield piece
            except (BaseError, TimeoutError) as error:
                if position == before:
                    raise self._store.read_failed(self._key, error) from error
            except BlobNotFound as error:
                raise BlobDamaged(f"{self._key}: {error}") from error
            else:
                if position == before:
                    raise BlobDamaged(f"{self._key}: {end - position} bytes are missing")
            response = None

    def close(self) -> None:
        self._response = None


async def _next_part(parts: AsyncIterator[bytes]) -> bytes | None:
    async with asyncio.timeout(_OPERATION_S):
        return await anext(parts, None)


class _UploadBudget:
    """How many bytes uploads keep in memory: in the order in which they come, each gets what it needs."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_UNITS)
        self._line = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def reserve(self, count: int) -> AsyncIterator[None]:
        taken = 0
        try:
            async with self._line:  # one at a time collects, or two would each hold half of what they need
                for _ in range(max(1, -(-count // _UNIT_BYTES))):
                    await self._free.acquire()
                    taken += 1
            yield
        finally:
            for _ in range(taken):
                self._free.release()


def _connect(url: str, **config: Any) -> Any:
    is_plain = any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS)
    if url.startswith("s3://") and "AWS_CHECKSUM_ALGORITHM" not in os.environ:
        # A byte that flips on the way would arrive with the right length.
        config["checksum_algorithm"] = "SHA256"
    client = {**_CLIENT, "allow_http": True} if is_plain else _CLIENT
    connect: Any = from_url  # overloaded by the kind of store, which only the URL says here
    return connect(url.rstrip("/"), client_options=client, retry_config=_RETRIES, **config)


def _attributes(asset: Asset) -> dict[Any, str]:
    """What a browser is told by a link of the store itself."""
    name = shown_name(asset)
    return {
        "Content-Type": asset.media_type,
        "Content-Disposition": f'inline; filename="{name}"' if name else "attachment",
    }


def describe_error(error: BaseException) -> str:
    """In one line, without what the library adds for its own developers."""
    if isinstance(error, TimeoutError):
        return f"no answer within {_OPERATION_S:.0f} s"
    return " ".join(str(error).partition("Debug source:")[0].split())[:_MAX_ERROR_CHARS]
