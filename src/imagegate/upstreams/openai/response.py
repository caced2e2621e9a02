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
from imagegate.http.client import pieces_of
from imagegate.upstreams.base import Partial
from imagegate.upstreams.error_body import Fault, fault_of
from imagegate.upstreams.openai.events import Events
from imagegate.upstreams.openai.json_images import BadAnswer, Scanner

_JSON = msgspec.json.Decoder(float_hook=Decimal)
_MOST_PARTIALS = 4
_QUALITY = re.compile("(?!auto$)[a-z]{1,16}")


class Said(msgspec.Struct):
    """`items` are the pictures in their order, as the answer describes them; `drafts` the files that they name.

    `flaws` says for the operator why a picture is none. `fault` is an error that came in place of pictures. `quality`
    is in our words, empty where nothing was said.
    """

    items: list[dict[str, Any]]
    drafts: dict[str, Path]
    flaws: list[str]
    usage: Any = None
    fault: Fault | None = None
    partials: int = 0
    quality: str = ""


class Reader:
    """Reads one answer of at most `wanted` pictures into `folder`. Raises BadAnswer, and what the wire raises."""

    def __init__(self, folder: Path, wanted: int, dialect: Dialect, partial: Partial) -> None:
        self._folder = folder
        self._wanted = wanted
        self._dialect = dialect
        self._partial = partial

    async def read(self, response: aiohttp.ClientResponse) -> Said:
        if response.content_type == "text/event-stream":
            return await self._read_events(response)
        scanner = Scanner(self._place, self._wanted)
        try:
            async for piece in pieces_of(response):
                await _write(scanner.feed, piece)
            return self._whole(scanner)
        finally:
            scanner.close()

    def _place(self, number: int) -> Path | None:
        return self._folder / f"p{number}.part" if number < self._wanted else None

    def _place_event(self, number: int) -> Path:
        return self._folder / f"p{number}.part"

    def _whole(self, scanner: Scanner) -> Said:
        try:
            decoded = _JSON.decode(scanner.finish())
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise BadAnswer(f"the answer is no JSON: {error}"[:200]) from None
        if not isinstance(decoded, dict):
            raise BadAnswer("the answer is no object")
        data = decoded.get("data")
        items = [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []
        said = Said(items[: self._wanted], *_files(scanner), usage=decoded.get("usage"))
        said.fault = fault_of(decoded, self._dialect)
        said.quality = self._quality(decoded)
        return said

    async def _read_events(self, response: aiohttp.ClientResponse) -> Said:
        scanner = Scanner(self._place_event, self._wanted * _MOST_PARTIALS)
        events, said = Events(scanner), Said([], {}, [])
        try:
            async for piece in pieces_of(response):
                await _write(scanner.feed, piece)
                for event in events.read():
                    await self._take(event, scanner, said)
                if len(said.items) >= self._wanted or said.fault:
                    break
            else:
                for event in events.finish():
                    await self._take(event, scanner, said)
        finally:
            scanner.close()
        said.drafts, said.flaws = _files(scanner)
        return said

    async def _take(self, event: dict[str, Any], scanner: Scanner, said: Said) -> None:
        kind = str(event.get("type") or event["event"])
        if kind.endswith(".partial_image"):
            said.partials += 1
            await self._show(event, scanner)
        elif kind.endswith(".completed"):
            said.items.append(event)
            said.usage = event.get("usage", said.usage)
            said.quality = self._quality(event) or said.quality
        elif event.get("error") or "error" in (kind, event["event"]):
            said.fault = fault_of(event if event.get("error") else {"error": event}, self._dialect)

    def _quality(self, told: dict[str, Any]) -> str:
        """Our word for what was used; `auto` says nothing."""
        theirs = str(told.get("quality", ""))
        word = next((ours for ours, word in self._dialect.qualities.items() if word == theirs), theirs)
        return word if _QUALITY.fullmatch(word) else ""

    async def _show(self, event: dict[str, Any], scanner: Scanner) -> None:
        index, draft = event.get("partial_image_index"), _files(scanner)[0].get(str(event.get("b64_json")))
        if draft is None or not draft.exists():
            return
        if isinstance(index, int):
            await self._partial(index, draft)
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


def _files(scanner: Scanner) -> tuple[dict[str, Path], list[str]]:
    payloads = scanner.payloads
    drafts = {f"@{number}": payload.draft for number, payload in enumerate(payloads) if payload.draft}
    return drafts, [f"picture {number}: {payload.fault}" for number, payload in enumerate(payloads) if payload.fault]
