"""What a successful response holds: its images as files, and what it says beside them."""

from __future__ import annotations

import codecs
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from imagegate.catalog.routes import Dialect
from imagegate.http.client import iter_body
from imagegate.job import JobThread
from imagegate.upstreams.base import PartialImageHook
from imagegate.upstreams.downloads import IMAGE_MARK, ImageFile, Place
from imagegate.upstreams.error_body import ErrorBody, parse_error
from imagegate.upstreams.json_images import (
    BROKEN_OFF,
    JsonImageScanner,
    UnreadableResponse,
    decode_object,
    is_whole_json,
)
from imagegate.upstreams.openai.events import EventReader
from imagegate.upstreams.response_fields import image_urls_field, text_field

# Three unfinished images at most may be asked for, then the finished one.
_MAX_IMAGES_PER_STREAM: Final = 4
# Enough to see a byte order mark.
_MIN_SNIFF_BYTES: Final = len(codecs.BOM_UTF8)
# What no stream of events begins with: JSON, and the markup of an intermediary.
_OBJECT_STARTS: Final = (b"{", b"[", b'"', b"<")
_QUALITY = re.compile("(?!auto$)[a-z]{1,16}")


class ParsedResponse(msgspec.Struct):
    """`items` are the images in order, as the response describes them; `files` has the files that they name.

    `image_errors` tells the operator why an image is unusable. `error` came in place of images. `quality` is in our
    words, empty where the response does not say.
    """

    items: list[dict[str, Any]]
    files: dict[str, ImageFile]
    image_errors: list[str]
    usage: Any = None
    error: ErrorBody | None = None
    partials: int = 0
    quality: str = ""

    @property
    def has_image(self) -> bool:
        return any(self.image_url(item) for item in self.items)

    def image_url(self, item: dict[str, Any]) -> str:
        """Where the item's image is: one of `files`, or a URL. Empty where nothing readable stands."""
        # One that is broken leaves its place to the other.
        urls = [url for name in ("b64_json", "url") for url in image_urls_field(item.get(name))]
        return next((url for url in urls if url in self.files or not url.startswith(IMAGE_MARK)), "")


class ResponseReader:
    """Reads one response of at most `n` results into files at `place`: a JSON object, or a stream of events.

    Of one that breaks off it reads what came before, where there is an image in it.

    `max_images` bounds what may be in an object, with images that are no results.

    Raises UnreadableResponse and what aiohttp raises; OSError is the disk's.
    """

    def __init__(
        self,
        place: Place,
        decoder: JobThread,
        n: int,
        max_images: int,
        dialect: Dialect,
        on_partial_image: PartialImageHook,
    ) -> None:
        self._place = place
        self._decoder = decoder
        self._n = n
        self._max_images = max_images
        self._dialect = dialect
        self._on_partial_image = on_partial_image

    async def read(self, response: aiohttp.ClientResponse) -> ParsedResponse:
        """The bytes tell an object from a stream: servers and proxies label either as the other."""
        chunks, beginning = iter_body(response), b""
        async for chunk in chunks:
            beginning += chunk
            del chunk
            if len(beginning) >= _MIN_SNIFF_BYTES and beginning.removeprefix(codecs.BOM_UTF8).strip():
                break
        beginning = beginning.removeprefix(codecs.BOM_UTF8)
        is_object = beginning.lstrip()[:1] in _OBJECT_STARTS
        chunks = _prepend(beginning, chunks)
        del beginning  # it may be large, and this function lasts as long as the response
        return await (self._read_object(chunks) if is_object else self._read_events(chunks))

    async def _read_object(self, chunks: AsyncIterator[bytes]) -> ParsedResponse:
        scanner = JsonImageScanner(self._image_path, self._max_images)
        try:
            async for chunk in chunks:
                await self._decoder.call(scanner.feed, chunk)
                del chunk
            return self._parse_object(scanner)
        except BROKEN_OFF as error:
            return self._salvage_object(scanner, error)
        finally:
            scanner.close()

    def _image_path(self, number: int) -> Path | None:
        return self._event_image_path(number) if number < 2 * self._max_images else None

    def _event_image_path(self, number: int) -> Path:
        return self._place(f"p{number}.part")

    def _parse_object(self, scanner: JsonImageScanner) -> ParsedResponse:
        decoded = decode_object(scanner.finish())
        parsed = ParsedResponse(_items(decoded)[: self._n], scanner.finished_files, scanner.image_errors)
        parsed.usage = decoded.get("usage")
        parsed.error = parse_error(decoded, self._dialect)
        parsed.quality = self._quality(decoded)
        return parsed

    def _salvage_object(self, scanner: JsonImageScanner, error: Exception) -> ParsedResponse:
        """What came before the error, where an image did. Raises the error."""
        try:
            parsed = self._parse_object(scanner)
        except UnreadableResponse:
            raise error from None
        if not parsed.has_image:
            raise error
        if not is_whole_json(scanner.finish()):
            # Its figures may be cut off too.
            parsed.usage = None
        return parsed

    async def _read_events(self, chunks: AsyncIterator[bytes]) -> ParsedResponse:
        scanner = JsonImageScanner(self._event_image_path, self._n * _MAX_IMAGES_PER_STREAM)
        events, parsed = EventReader(scanner), ParsedResponse([], {}, [])
        try:
            async for chunk in chunks:
                await self._decoder.call(scanner.feed, chunk)
                del chunk
                for event in events.read():
                    await self._handle_event(event, scanner, parsed)
                if len(parsed.items) >= self._n or parsed.error:
                    break
            else:
                await self._finish_events(events, scanner, parsed)
        except BROKEN_OFF as error:
            with suppress(UnreadableResponse):
                await self._finish_events(events, scanner, parsed)
            parsed.files = scanner.finished_files
            if not parsed.has_image and parsed.error is None:
                raise error
        finally:
            scanner.close()
        parsed.files, parsed.image_errors = scanner.finished_files, scanner.image_errors
        return parsed

    async def _finish_events(self, events: EventReader, scanner: JsonImageScanner, parsed: ParsedResponse) -> None:
        for event in events.finish():
            await self._handle_event(event, scanner, parsed)

    async def _handle_event(self, event: dict[str, Any], scanner: JsonImageScanner, parsed: ParsedResponse) -> None:
        """A result is what is named so, or what has no name at all and is no unfinished image."""
        kind = (text_field(event.get("type")) or event["event"]).strip().lower()
        items = [event] if image_urls_field(event) else _items(event)
        if kind.endswith(".partial_image") or (not kind and "partial_image_index" in event):
            parsed.partials += 1
            await self._forward_partial(event, scanner)
        elif kind.endswith(".completed") or (not kind and items):
            parsed.items += items
            parsed.usage = event.get("usage", parsed.usage)
            parsed.quality = self._quality(event) or parsed.quality
        elif event.get("error") or "error" in (kind, event["event"]):
            parsed.error = parse_error(event if event.get("error") else {"error": event}, self._dialect)

    def _quality(self, response: dict[str, Any]) -> str:
        """Our word for the quality that was used; `auto` names none."""
        theirs = str(response.get("quality", ""))
        quality = next((ours for ours, word in self._dialect.qualities.items() if word == theirs), theirs)
        return quality if _QUALITY.fullmatch(quality) else ""

    async def _forward_partial(self, event: dict[str, Any], scanner: JsonImageScanner) -> None:
        index, file = event.get("partial_image_index"), scanner.finished_files.get(str(event.get("b64_json")))
        if file is None or not file.path.exists():
            return
        if isinstance(index, int):
            await self._on_partial_image(index, file.path)
        file.path.unlink(missing_ok=True)


def _items(response: dict[str, Any]) -> list[dict[str, Any]]:
    """What stands under `data`, of any shape, as far as there are images in it."""
    data = response.get("data")
    items = [item if isinstance(item, dict) else {"url": item} for item in (data if isinstance(data, list) else [data])]
    return [item for item in items if image_urls_field(item)]


async def _prepend(beginning: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield beginning
    del beginning
    async for chunk in chunks:
        yield chunk
        del chunk
