"""The body of an edit, a form or JSON: its parameters, and its references and mask as URLs and received files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from imagegate.api.body import ApiRequest, check_json_type, decode_json, stream_body
from imagegate.api.openai.form_body import MAX_IMAGES, MAX_TEXTS_BYTES, EditFormParser
from imagegate.api.openai.json_body import MAX_FILES, DataUrlExtractor
from imagegate.api.openai.parameters import Parameters, parse_form
from imagegate.domain.errors import FileTooLarge, FileTypeNotAllowed, InvalidRequest, RequestTooLarge
from imagegate.domain.files import FILE_ID_RE
from imagegate.flows.execution.inputs import ReceivedFile
from imagegate.flows.files import IncomingFile
from imagegate.flows.local_urls import DOWNLOADS_PATH
from imagegate.flows.received_files import ensure_mask_fits, read_received, received_url
from imagegate.runtime import Runtime

MAX_JSON_BYTES: Final = 64 * 1024 * 1024
MAX_DATA_URL_BYTES: Final = 20_971_520 // 4 * 3  # what so many characters of base64 hold

OpenFile = Callable[[], IncomingFile]


class ImageSource(msgspec.Struct, frozen=True):
    """One of the two."""

    image_url: str | None = None
    file_id: str | None = None


class EditParameters(Parameters, frozen=True, kw_only=True):
    images: list[ImageSource] | None = None
    mask: ImageSource | None = None


class EditBody(msgspec.Struct, frozen=True):
    """`received`: the files that came with the request, by the URL that stands for each."""

    parameters: Parameters
    image_urls: list[str]
    mask_url: str | None
    received: dict[str, ReceivedFile]


async def read_edit_body(request: ApiRequest, runtime: Runtime, open_file: OpenFile) -> EditBody:
    """InvalidRequest names the field at fault."""
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() == "multipart/form-data":
        return await _read_form(request, runtime, content_type, open_file)
    check_json_type(content_type)
    return await _read_json(request, runtime, open_file)


async def _read_form(request: ApiRequest, runtime: Runtime, content_type: str, open_file: OpenFile) -> EditBody:
    form = EditFormParser(content_type, open_file)
    max_bytes = MAX_FILES * (runtime.settings.limits.max_upload_bytes + 16 * 1024) + 2 * MAX_TEXTS_BYTES
    await _feed(request, runtime, form.feed, max_bytes)
    form.finish()
    if not form.images:
        raise InvalidRequest("image is required", param="image")
    reader = _InputReader(runtime)
    urls = [await reader.url_of(file, _name("image", at, len(form.images))) for at, file in enumerate(form.images)]
    mask_url = await reader.url_of(form.mask, "mask") if form.mask else None
    reader.check_mask(urls, mask_url, "mask")
    return EditBody(parse_form(form.texts), urls, mask_url, reader.received)


def _name(field: str, position: int, count: int) -> str:
    return field if count == 1 else f"{field}[{position}]"


async def _read_json(request: ApiRequest, runtime: Runtime, open_file: OpenFile) -> EditBody:
    max_bytes = min(MAX_DATA_URL_BYTES, runtime.settings.limits.max_upload_bytes)
    extractor = DataUrlExtractor(lambda: open_file().limit(max_bytes))
    try:
        await _feed(request, runtime, extractor.feed, MAX_JSON_BYTES)
    except (FileTooLarge, FileTypeNotAllowed) as problem:
        problem.param = "images"
        raise
    parameters = decode_json(extractor.finish(), EditParameters)
    if not parameters.images:
        raise InvalidRequest("images is required", param="images")
    if len(parameters.images) > MAX_IMAGES:
        raise InvalidRequest(f"At most {MAX_IMAGES} images", param="images")
    reader = _InputReader(runtime)

    async def url_of(source: ImageSource, field: str) -> str:
        if (source.image_url is None) == (source.file_id is None):
            raise InvalidRequest(f"{field} must have either image_url or file_id", param=field)
        if source.file_id is not None:
            if not FILE_ID_RE.fullmatch(source.file_id):
                raise InvalidRequest(f"{field}.file_id is not the id of a file", param=f"{field}.file_id")
            return f"{runtime.origin}{DOWNLOADS_PATH}/{source.file_id}"
        file = extractor.file_of(source.image_url or "")
        return await reader.url_of(file, f"{field}.image_url") if file else source.image_url or ""

    urls = [await url_of(source, f"images[{at}]") for at, source in enumerate(parameters.images)]
    mask_url = await url_of(parameters.mask, "mask") if parameters.mask else None
    reader.check_mask(urls, mask_url, "mask")
    return EditBody(parameters, urls, mask_url, reader.received)


async def _feed(request: ApiRequest, runtime: Runtime, feed: Callable[[bytes], None], max_bytes: int) -> None:
    too_large = RequestTooLarge(f"The request body is over {max_bytes:,} bytes")
    idle_s, total_s = runtime.settings.server.body_timeout_s, runtime.settings.limits.upload_timeout_s
    async for chunk in stream_body(request, max_bytes, too_large, idle_s=idle_s, total_s=total_s):
        feed(chunk)


class _InputReader:
    def __init__(self, runtime: Runtime) -> None:
        self.received: dict[str, ReceivedFile] = {}
        self._runtime = runtime

    async def url_of(self, file: IncomingFile, field: str) -> str:
        received = await read_received(self._runtime, file, field)
        url = received_url(self._runtime, received)
        self.received[url] = received
        return url

    def check_mask(self, urls: list[str], mask_url: str | None, field: str) -> None:
        """Where both came with the request; what is fetched is compared by the worker."""
        mask, first = self.received.get(mask_url or ""), self.received.get(urls[0])
        if mask and first:
            ensure_mask_fits(mask, first, field)
