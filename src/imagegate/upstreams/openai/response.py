"""What a 2xx answer holds: its pictures as files, and what it says beside them.

Knows: the two forms of an answer, one object and a stream of events. Refuses to know what follows from it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from imagegate.catalog.routes import Dialect
from imagegate.http.client import iter_body
from imagegate.upstreams.base import PartialImageHook
from imagegate.upstreams.error_body import ErrorBody, parse_error
from imagegate.upstreams.openai.events import EventReader
from imagegate.upstreams.openai.json_images import JsonImageScanner, UnreadableResponse

_JSON = msgspec.json.Decoder(float_hook=Decimal)
_MAX_PARTIALS_PER_IMAGE = 4
_QUALITY = re.compile("(?!auto$)[a-z]{1,16}")


class ParsedResponse(msgspec.Struct):
    """`items` are the pictures in their order, as the answer describes them; `drafts` the files that they name.

    `image_errors` says for the operator why a picture is none. `error` is an error that came in place of pictures.
    `quality`
    is in our words, empty where nothing was said.
    """

    items: list[dict[str, Any]]
    drafts: dict[str, Path]
    image_errors: list[str]
    usage: Any = None
    error: ErrorBody | None = None
    partials: int = 0
    quality: str = ""


class ResponseReader:
    """Reads one answer of at most `wanted` pictures into `folder`. Raises BadAnswer, and what the wire raises."""

    def __init__(self, folder: Path, wanted: int, dialect: Dialect, partial: PartialImageHook) -> None:
        self._folder = folder
        self._max_images = wanted
        self._dialect = dialect
        self._on_partial_image = partial

    async def read(self, response: aiohttp.ClientResponse) -> ParsedResponse:
        if response.content_type == "text/event-stream":
            return await self._read_events(response)
        scanner = JsonImageScanner(self._draft_path, self._max_images)
        try:
            async for piece in iter_body(response):
                await _write(scanner.feed, piece)
            return self._parse_object(scanner)
        finally:
            scanner.close()

    def _draft_path(self, number: int) -> Path | None:
        return self._folder / f"p{number}.part" if number < self._max_images else None

    def _event_draft_path(self, number: int) -> Path:
        return self._folder / f"p{number}.part"

    def _parse_object(self, scanner: JsonImageScanner) -> ParsedResponse:
        try:
            decoded = _JSON.decode(scanner.finish())
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise UnreadableResponse(f"the answer is no JSON: {error}"[:200]) from None
        if not isinstance(decoded, dict):
            raise UnreadableResponse("the answer is no object")
        data = decoded.get("data")
        items = [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []
        parsed = ParsedResponse(items[: self._max_images], *_split_files(scanner), usage=decoded.get("usage"))
        parsed.error = parse_error(decoded, self._dialect)
        parsed.quality = self._quality(decoded)
        return parsed

    async def _read_events(self, response: aiohttp.ClientResponse) -> ParsedResponse:
        scanner = JsonImageScanner(self._event_draft_path, self._max_images * _MAX_PARTIALS_PER_IMAGE)
        events, parsed = EventReader(scanner), ParsedResponse([], {}, [])
        try:
            async for piece in iter_body(response):
                await _write(scanner.feed, piece)
                for event in events.read():
                    await self._handle_event(event, scanner, parsed)
                if len(parsed.items) >= self._max_images or parsed.error:
                    break
            else:
                for event in events.finish():
                    await self._handle_event(event, scanner, parsed)
        finally:
            scanner.close()
        parsed.drafts, parsed.image_errors = _split_files(scanner)
        return parsed

    async def _handle_event(self, event: dict[str, Any], scanner: JsonImageScanner, parsed: ParsedResponse) -> None:
        kind = str(event.get("type") or event["event"])
        if kind.endswith(".partial_image"):
            parsed.partials += 1
            await self._forward_partial(event, scanner)
        elif kind.endswith(".completed"):
            parsed.items.append(event)
            parsed.usage = event.get("usage", parsed.usage)
            parsed.quality = self._quality(event) or parsed.quality
        elif event.get("error") or "error" in (kind, event["event"]):
            parsed.error = parse_error(event if event.get("error") else {"error": event}, self._dialect)

    def _quality(self, response: dict[str, Any]) -> str:
        """Our word for what was used; `auto` says nothing."""
        theirs = str(response.get("quality", ""))
        word = next((ours for ours, word in self._dialect.qualities.items() if word == theirs), theirs)
        return word if _QUALITY.fullmatch(word) else ""

    async def _forward_partial(self, event: dict[str, Any], scanner: JsonImageScanner) -> None:
        index, draft = event.get("partial_image_index"), _split_files(scanner)[0].get(str(event.get("b64_json")))
        if draft is None or not draft.exists():
            return
        if isinstance(index, int):
            await self._on_partial_image(index, draft)
        draft.unlink(missing_ok=True)


async def _write(feed: Callable[[bytes], None], piece: bytes) -> None:
    """In a thread, because a disk that stalls must stall this call alone."""
    work = asyncio.get_running_loop().run_in_executor(None, feed, piece)
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        # The file is closed next: nobody may still be writing to it.
        await asyncio.wait([work])
        raise


def _split_files(scanner: JsonImageScanner) -> tuple[dict[str, Path], list[str]]:
    payloads = scanner.files
    drafts = {f"@{number}": payload.draft for number, payload in enumerate(payloads) if payload.draft}
    return drafts, [f"picture {number}: {payload.error}" for number, payload in enumerate(payloads) if payload.error]
