"""Server-sent events in what a scanner keeps of a response."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from imagegate.upstreams.json_images import (
    MAX_ENVELOPE_BYTES,
    JsonImageScanner,
    UnreadableResponse,
    decode_object,
)

_LINE_END: Final = re.compile(rb"\r\n?|\n")


class EventReader:
    """The events that are JSON objects, decoded, with their name under `event`. All others are passed over.

    After each chunk that the scanner was fed, `read` gives the events that are complete.
    """

    def __init__(self, scanner: JsonImageScanner) -> None:
        self._scanner = scanner
        self._scanned = 0
        self._after_cr = False
        self._name = ""
        self._data: list[bytes] = []
        self._data_bytes = 0

    def read(self) -> Iterator[dict[str, Any]]:
        kept = self._scanner.kept
        if self._after_cr and kept:
            self._after_cr = False
            if kept.startswith(b"\n"):
                self._scanner.discard(1)
        while end := _LINE_END.search(kept, self._scanned):
            line = bytes(kept[: end.start()])
            # The other half of this line end may come with the next chunk.
            self._after_cr = end[0] == b"\r" and end.end() == len(kept)
            self._scanner.discard(end.end())
            self._scanned = 0
            event = self._read_line(line)
            if event is not None:
                yield event
        self._scanned = len(kept)

    def finish(self) -> Iterator[dict[str, Any]]:
        """A last event without the empty line that should follow it."""
        self._scanner.finish()
        self._scanner.feed(b"\n\n")
        yield from self.read()

    def _read_line(self, line: bytes) -> dict[str, Any] | None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            self._name = value[:100].decode("utf-8", "replace")
        elif name == b"data":
            self._data.append(value)
            self._data_bytes += len(value) + 1
            if self._data_bytes > MAX_ENVELOPE_BYTES:
                raise UnreadableResponse("an event is too large")
        elif not line:
            return self._finish_event()
        return None

    def _finish_event(self) -> dict[str, Any] | None:
        text, event = b"\n".join(self._data), self._name
        self._data, self._name, self._data_bytes = [], "", 0
        if text.strip() in (b"", b"[DONE]"):
            return None
        try:
            return {**decode_object(text), "event": event}
        except UnreadableResponse:
            # Heartbeats are no JSON, and no event of interest is anything but an object.
            return None
