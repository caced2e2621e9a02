"""The status of a response whose head never became readable: headers that are too large, odd, late or cut off.

The client gives nothing of a response before its whole head was parsed, so the bytes are looked at as they come in.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from aiohttp.client_proto import ResponseHandler

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[0-9] ([1-5][0-9]{2})[ \r\n]")
_SWITCHING_PROTOCOLS: Final = 101
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
# Room for interim responses before the real one; after it nothing is kept.
_MAX_BYTES: Final = 64 * 1024


class StatusLine:
    """The status of the first response that is not interim; 0 while there is none."""

    def __init__(self) -> None:
        self.status = 0
        self._kept = b""

    def feed(self, data: bytes) -> None:
        if self.status or len(self._kept) > _MAX_BYTES:
            return
        self._kept += data
        while found := _STATUS_LINE.match(self._kept):
            status = int(found[1])
            # 101 is no interim response: nothing of HTTP comes after it.
            if status >= 200 or status == _SWITCHING_PROTOCOLS:
                self.status, self._kept = status, b""
                return
            end = _HEAD_END.search(self._kept)
            if end is None:
                return
            self._kept = self._kept[end.end() :]


_current: ContextVar[StatusLine | None] = ContextVar("status_line", default=None)


@contextmanager
def read_status_line() -> Iterator[StatusLine]:
    """Reads along on the connection that is opened inside, which must be new and carry one request."""
    status_line = StatusLine()
    token = _current.set(status_line)
    try:
        yield status_line
    finally:
        _current.reset(token)


class StatusLineHandler(ResponseHandler):
    """The client's protocol of one connection, in the context of the request that opens it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._status_line = _current.get()

    def data_received(self, data: bytes) -> None:
        if self._status_line is not None:
            self._status_line.feed(data)
        super().data_received(data)
