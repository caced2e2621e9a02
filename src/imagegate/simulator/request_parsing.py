"""Reads requests: JSON and multipart bodies, references by data URL or by http URL. Images are measured, not kept."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from aiohttp import BodyPartReader, ClientError, ClientSession, ClientTimeout, MultipartReader, web
from PIL import Image

from imagegate.simulator.calls import Call, Reference
from imagegate.simulator.error_responses import Denial, invalid_value

_MAX_HEADER_BYTES = 1 << 18  # enough for the dimensions behind any metadata
_CHUNK_BYTES = 1 << 16
MOST_REFERENCE = 50 << 20
_FETCH_TIMEOUT_S = 30


async def read_object(request: web.Request, call: Call) -> dict[str, Any]:
    """The JSON object of the body; from here on the whole request counts as received. Raises Denial."""
    call.body = "partial"
    body = await request.read()
    call.body = "complete"
    try:
        content = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise invalid_value("We could not parse the JSON body of your request.", None) from error
    if not isinstance(content, dict):
        raise invalid_value("The body must be a JSON object.", None)
    return content


class Form(msgspec.Struct):
    """Text fields, and files with their field names in order of arrival."""

    fields: dict[str, str]
    files: list[tuple[str, Reference]]


async def read_form(request: web.Request, call: Call) -> Form:
    """A multipart form; files are measured while they stream and not kept. Raises Denial."""
    call.body = "partial"
    form = Form({}, [])
    try:
        async for part in await request.multipart():
            await _read_part(form, part)
    except ValueError as error:
        raise invalid_value("The form is not readable.", None) from error
    call.body = "complete"
    return form


async def _read_part(form: Form, part: MultipartReader | BodyPartReader | None) -> None:
    if not isinstance(part, BodyPartReader) or not part.name:
        raise invalid_value("Each part of the form needs a name.", None)
    if part.filename is None:
        form.fields[part.name] = await part.text()
    else:
        form.files.append((part.name, await measure_image(part.filename, _chunks(part))))


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(_CHUNK_BYTES):
        yield chunk


async def measure_image(name: str, chunks: AsyncIterator[bytes]) -> Reference:
    """Size, hash and dimensions of a streamed image. Raises Denial where it is not an image."""
    digest, size, head = hashlib.sha256(), 0, bytearray()
    async for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        if len(head) < _MAX_HEADER_BYTES:
            head += chunk
    width, height = _image_size(bytes(head))
    return Reference(size, digest.hexdigest(), width, height, name)


def _image_size(head: bytes) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(head), formats=("PNG", "JPEG", "WEBP")) as image:
            return image.size
    except (OSError, SyntaxError, ValueError) as error:
        raise Denial(400, "invalid_image_file", "Invalid image file or mode for image.", param="image") from error


async def read_reference(url: str, http_client: ClientSession | None) -> Reference:
    """The image at a data or http URL. Without `http_client` nothing is fetched and the dimensions stay 0."""
    if url.startswith("data:"):
        return await measure_image("data:", _decode_data_url(url))
    if not url.startswith(("http://", "https://")):
        raise invalid_value("Expected a URL or a data URL of an image.", "image_urls")
    if http_client is None:
        return Reference(0, "", 0, 0, url)
    try:
        async with http_client.get(url, timeout=ClientTimeout(total=_FETCH_TIMEOUT_S)) as answer:
            if answer.status != 200:
                raise _download_failed(url, f"HTTP {answer.status}")
            return await measure_image(url, answer.content.iter_chunked(_CHUNK_BYTES))
    except (ClientError, TimeoutError) as error:
        raise _download_failed(url, type(error).__name__) from error


def _download_failed(url: str, why: str) -> Denial:
    return Denial(
        400, "image_processing_error", f"Failed to download {url.partition('?')[0]}: {why}", param="image_urls"
    )


async def _decode_data_url(url: str) -> AsyncIterator[bytes]:
    try:
        yield base64.b64decode(url.partition(",")[2], validate=True)
    except ValueError as error:
        raise invalid_value("The data URL holds no base64.", "image_urls") from error
