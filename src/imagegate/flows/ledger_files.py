"""Files of archived ledger lines: JSON lines, compressed, written once and then only read.

What is read here proves itself: the file is whole, its lines are in their order and written in the one way that there
is, and the lines of each ref sum to zero.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import itertools
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from imagegate.disk import fsync
from imagegate.domain.ledger_files import Line, Sums, is_whole_ref, sum_lines
from imagegate.domain.months import Month

# The level of gzip itself: higher ones take twice as long for a few per cent.
_LEVEL = 6


class LedgerFileError(Exception):
    """A file that is missing, damaged, or not the ledger of this month; the text says which and why."""


class FileFacts(msgspec.Struct, frozen=True):
    """What a file is: `sha256` and `bytes` are those of the compressed file, as other programs see it."""

    sha256: str
    bytes: int
    lines: int
    sums: Sums


class LinesWriter:
    """Compresses lines into a stream, or only counts what they would take where there is none.

    The same lines make the same bytes: no name and no time stand in the header.
    """

    def __init__(self, stream: BinaryIO | None) -> None:
        self._tee = _Tee(stream)
        self._gzip = gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=self._tee, mtime=0)
        self._lines = 0
        self._sums: Sums = Sums()

    def write(self, lines: list[Line]) -> None:
        self._gzip.write(b"".join(_encode(line) for line in lines))
        self._lines += len(lines)
        self._sums.update(sum_lines(lines))

    def end(self) -> FileFacts:
        self._gzip.close()
        return FileFacts(self._tee.digest.hexdigest(), self._tee.size, self._lines, self._sums)


class _Tee:
    """What `GzipFile` writes to: digest and size of all that goes to the stream."""

    def __init__(self, stream: BinaryIO | None) -> None:
        self._stream = stream
        self.digest, self.size = hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.size += len(data)
        if self._stream is not None:
            self._stream.write(data)
        return len(data)

    def flush(self) -> None:
        if self._stream is not None:
            self._stream.flush()


def _encode(line: Line) -> bytes:
    return msgspec.json.encode(line) + b"\n"


@contextlib.contextmanager
def partial_file(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A private file beside `path`, on disk at the end; what was cut off before is overwritten, what fails removed."""
    partial = path.with_name(f"{path.name}.part")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            yield partial, stream
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def publish(partial: Path, path: Path, facts: FileFacts) -> None:
    """Give the file its name, durably. What has the name already, of a try that was cut off, has to be the same."""
    if path.exists():
        partial.unlink()
        if hash_file(path) != facts.sha256:
            raise LedgerFileError(f"{path} is there already, and is not what would be written: move it away")
    else:
        partial.rename(path)
        fsync(path.parent)


def verify_file(path: Path, month: Month) -> FileFacts:
    """Read the whole file, with bounded memory. LedgerFileError says what is wrong with it."""
    lines, sums, last = 0, Sums(), None
    for booking in read_bookings(path):
        if not is_whole_ref(booking, month):
            raise LedgerFileError(f"{path}: the lines of {booking[0].ref} are no booking of {month}")
        for line in booking:
            if last is not None and line.place <= last:
                raise LedgerFileError(f"{path}: entry {line.id} is not in its place")
            last = line.place
        lines += len(booking)
        sums.update(sum_lines(booking))
    return FileFacts(hash_file(path), path.stat().st_size, lines, sums)


def hash_file(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise LedgerFileError(f"{path} cannot be read: {error.strerror}") from error


def read_bookings(path: Path) -> Iterator[list[Line]]:
    """The lines of one ref at a time. LedgerFileError where the file is damaged."""
    for _, lines in itertools.groupby(_read_lines(path), lambda line: line.ref):
        yield list(lines)


def _read_lines(path: Path) -> Iterator[Line]:
    try:
        with gzip.open(path) as stream:
            for text in stream:
                line = msgspec.json.decode(text, type=Line)
                if _encode(line) != text:
                    raise LedgerFileError(f"{path}: entry {line.id} is not written as the program writes it")
                yield line
    except (EOFError, zlib.error, gzip.BadGzipFile, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LedgerFileError(f"{path} is damaged: {error}") from error
    except OSError as error:
        raise LedgerFileError(f"{path} cannot be read: {error.strerror}") from error
