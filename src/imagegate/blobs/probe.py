"""What `imagegate doctor` asks of an object store: whether it does what the blobs rely on, by real calls."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import os
import secrets
import urllib.parse
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError

_DATA = b"0123456789"
_TIMEOUT_S = 10.0
_LINK_S = 1


class StoreUnfit(Exception):
    """It answers, and does not do what is needed."""


async def probe_object_store(store: Any, connect: Callable[..., Any], url: str, *, links: bool) -> str:
    """What was found, in words. `connect` opens the same store with another configuration. StoreUnfit, or the library's
    own errors where it does not answer."""
    key = f"doctor-{secrets.token_hex(8)}"
    await obstore.put_async(store, key, _DATA, mode="create")
    try:
        await _require_create_only(store, key)
        if bytes(await obstore.get_range_async(store, key, start=3, end=7)) != _DATA[3:7]:
            raise StoreUnfit("a range of an object is not what was asked for")
        await _require_list(store, key)
        found = ["create-only writes", "ranges", "lists"]
        if url.startswith("s3://"):
            await _require_checksums(store, key)
            found.append("checksums")
            if "AWS_SECRET_ACCESS_KEY" in os.environ:
                await _require_signatures(connect(url, secret_access_key=secrets.token_hex(20)), key)
                found.append("a wrong secret is refused")
        if links:
            await _require_links_that_end(store, key)
            found.append("links end")
    finally:
        await obstore.delete_async(store, key)
    return ", ".join(found)


async def _require_create_only(store: Any, key: str) -> None:
    try:
        await obstore.put_async(store, key, b"other", mode="create")
    except AlreadyExistsError:
        return
    raise StoreUnfit("it overwrites an object that was to be created only (If-None-Match: *)")


async def _require_list(store: Any, key: str) -> None:
    """Who may not list is told of a missing object that it is forbidden."""
    try:
        await obstore.head_async(store, f"{key}-missing")
        raise StoreUnfit("it knows an object that does not exist")
    except FileNotFoundError:
        pass
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise StoreUnfit("these credentials may not list the bucket (s3:ListBucket)") from error
    names = [one["path"] async for page in obstore.list(store, chunk_size=1000) for one in page]
    if key not in names:
        raise StoreUnfit("an object that was written is not in the list")


async def _require_checksums(store: Any, key: str) -> None:
    link = await _sign(store, "PUT", key, 60)
    wrong = base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode()
    status, _ = await _call("PUT", link, _DATA, {"Content-MD5": wrong})
    if status < 400:
        raise StoreUnfit("it stores bytes that do not have the checksum that was sent with them")


async def _require_signatures(stranger: Any, key: str) -> None:
    try:
        await obstore.head_async(stranger, key)
    except (PermissionDeniedError, UnauthenticatedError):
        return
    except BaseError as error:
        raise StoreUnfit(f"a wrong secret is not refused in words: {error}") from error
    raise StoreUnfit("it accepts a wrong secret: everybody can read and write the images")


async def _require_links_that_end(store: Any, key: str) -> None:
    link = await _sign(store, "GET", key, _LINK_S)
    if await _call("GET", link) != (200, _DATA):
        raise StoreUnfit("a signed link does not give the object: does the clock of this machine go right?")
    await asyncio.sleep(_LINK_S + 1)  # its clock may be a part of a second behind
    status, _ = await _call("GET", link)
    if status < 400:
        raise StoreUnfit("a signed link works after its end")


async def _sign(store: Any, method: str, key: str, seconds: int) -> str:
    sign: Any = obstore.sign_async
    return str(await sign(store, method, key, timedelta(seconds=seconds)))


async def _call(
    method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    def call() -> tuple[int, bytes]:
        parts = urllib.parse.urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=_TIMEOUT_S)
        try:
            connection.request(method, f"{parts.path}?{parts.query}", body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    return await asyncio.to_thread(call)
