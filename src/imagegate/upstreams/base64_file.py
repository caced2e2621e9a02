"""One image as text inside a JSON string, from the chunks of a response to a file.

Bytes that turn out to be no image are dropped at that point; the rest of their string is passed over.
"""

from __future__ import annotations

import hashlib
from io import FileIO
from pathlib import Path
from typing import Final

from imagegate.crash_points import crash_point
from imagegate.http.json_base64 import MAX_PREFIX_BYTES, FileTextReader, JsonStringReader
from imagegate.images.sniff import SNIFF_BYTES, sniff
from imagegate.upstreams.downloads import MAX_IMAGE_BYTES, ImageFile

# MAX_IMAGE_BYTES in base64. No image may have more text in another encoding.
MAX_BASE64_BYTES: Final = MAX_IMAGE_BYTES // 3 * 4


class Base64File:
    """`feed` chunks until the string ends. `error` is empty while an image may come of it.

    At most MAX_IMAGE_BYTES are written to `path`, which exists from the first byte on; without a path nothing is.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: FileIO | None = None
        self._string = JsonStringReader(self._accept)
        self._text = FileTextReader(self._write)
        self._first_bytes = b""
        self._sha256 = hashlib.sha256()
        self._chars_read = 0
        self._is_finished = False
        self.bytes_written = 0
        self.error = "" if path else "more images than asked for"

    @property
    def file(self) -> ImageFile | None:
        """The finished file, where there is one."""
        return (
            None
            if self.error or self._path is None
            else ImageFile(self._path, self.bytes_written, self._sha256.hexdigest())
        )

    def feed(self, chunk: bytes) -> int:
        """Where the string ended in the chunk, behind its quote, or -1. OSError is the disk's."""
        end = self._string.feed(chunk)
        if end >= 0:
            self._finish()
        return end

    def abort(self) -> None:
        """No more will come: an unfinished image leaves nothing behind."""
        if not self._is_finished and not self.error:
            self._fail("truncated")

    def _accept(self, text: bytes) -> None:
        self._chars_read += len(text)
        if self.error:
            return
        if self._chars_read > MAX_BASE64_BYTES + MAX_PREFIX_BYTES:
            self._fail("too large")
            return
        try:
            self._text.feed(text)
        except ValueError:
            self._fail("not base64")

    def _write(self, data: bytes) -> None:
        if self.bytes_written + len(data) > MAX_IMAGE_BYTES:
            self._fail("too large")
            return
        if self._file is None:
            data = self._first_bytes + data
            if len(data) < SNIFF_BYTES:
                self._first_bytes = data
                return
            if not self._open(data):
                return
        self._sha256.update(data)
        self._write_all(memoryview(data))
        crash_point("spool.mid")
        self.bytes_written += len(data)

    def _write_all(self, data: memoryview) -> None:
        # The file is unbuffered, so that a full disk is met here and not a second time when it is closed.
        assert self._file is not None
        while data:
            data = data[self._file.write(data) :]

    def _open(self, data: bytes) -> bool:
        if sniff(data[:SNIFF_BYTES]) is None:
            self._fail("no image by its first bytes")
            return False
        assert self._path is not None
        self._file = self._path.open("wb", buffering=0)
        return True

    def _finish(self) -> None:
        self._is_finished = True
        if not self.error:
            try:
                self._text.finish()
            except ValueError:
                self._fail("not base64")
        if self.bytes_written == 0 and not self.error:
            self._fail("no image by its first bytes")
        self._close()

    def _fail(self, error: str) -> None:
        self.error = error
        self._first_bytes = b""
        self._close()
        if self._path is not None and self.bytes_written:
            self._path.unlink()
        self.bytes_written = 0

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
