"""The local spool: what an upstream delivered, safe on disk before anything else is done with it.

An attempt's image files are `<attempt>.<name>`; what it produced is a line in the log of its process. That line proves
that the attempt produced, so a crash after it never leads to a second purchase. One log for all attempts, because a
file of its own for each would cost as much as its images.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from imagegate.crash_points import crash_point
from imagegate.disk import DiskWriter, Unflushed, fsync
from imagegate.domain.usage import Usage, UsageSource

_LOG_PREFIX = "responses-"
_MAX_LOG_BYTES = 8 * 1024 * 1024  # some 20,000 responses; then a new one is begun, and this one can be deleted
_OLD_RESPONSE_FILE = "answer.json"  # until 0.2 each attempt had a directory, with this file in it


class SpooledImage(msgspec.Struct, frozen=True):
    """One image file of an attempt. Sizes in pixels and bytes, `sha256` in hex."""

    name: str
    media_type: str
    width: int
    height: int
    bytes: int
    sha256: str


class SpooledResponse(msgspec.Struct, frozen=True):
    """Everything that settlement needs. `usage` is None where the upstream reported none.

    `request_id` is the upstream's own id of the call, `cost_nanos` what it says the call cost. `partials` counts the
    partial images that were sent on the way: reported usage includes them, a formula does not. `quality` is what the
    upstream says it used, in our words; empty where it says nothing. Field names are stored in the log.
    """

    images: tuple[SpooledImage, ...]
    usage: Usage | None
    usage_source: UsageSource
    engine: str | None = None
    request_id: str = ""
    cost_nanos: int | None = None
    partials: int = 0
    quality: str = ""


class SpoolSize(msgspec.Struct, frozen=True):
    """Image files of attempts that are not settled, their bytes, and when the oldest was last written to, Unix seconds;
    0 where there are none."""

    files: int = 0
    bytes: int = 0
    oldest: float = 0.0


class SpoolDamaged(Exception):
    """What is on disk is not what the upstream delivered."""


class _Record(msgspec.Struct, frozen=True):
    attempt: str
    response: SpooledResponse


class _Log:
    """The log of this process, locked for as long as it may be written to: a sweep elsewhere leaves it alone."""

    def __init__(self, root: Path) -> None:
        while True:
            self.path = root / f"{_LOG_PREFIX}{secrets.token_hex(8)}"
            self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            if self.path.exists():  # else a sweep has seen it before it was locked
                break
            os.close(self._handle)
        self.size = 0

    def append(self, record: _Record) -> None:
        """All of the line or nothing: what a full disk cut off must not stand in front of the next line."""
        text = msgspec.json.encode(record)
        line = b"%08x %b\n" % (zlib.crc32(text), text)
        try:
            written = os.pwrite(self._handle, line, self.size)
            if written < len(line):
                raise OSError(f"{self.path.name}: {written} of {len(line)} bytes written")
        except OSError:
            os.ftruncate(self._handle, self.size)
            raise
        self.size += len(line)

    def close(self) -> None:
        os.close(self._handle)


class Spool:
    """Files and logs below `root`, which several processes may share. `disk` is who writes and flushes. `folder_id`
    tells the folder apart from those of processes elsewhere."""

    def __init__(self, root: Path, disk: DiskWriter | None = None) -> None:
        self._root = root
        self.folder_id = ""
        self._disk = disk or DiskWriter()
        self._log: _Log | None = None
        self._names: defaultdict[str, set[str]] = defaultdict(set)
        self._own: dict[str, tuple[SpooledResponse, _Log]] = {}
        self._unsettled: Counter[_Log] = Counter()
        self._foreign: dict[str, SpooledResponse] = {}
        self._read_up_to: dict[Path, int] = {}
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def root(self) -> Path:
        return self._root

    def path(self, attempt_id: str, name: str) -> Path:
        """Where a file of the attempt is, or is to be made; `discard` deletes it."""
        if attempt_id not in self._names and (directory := self._root / attempt_id).is_dir():
            return directory / name
        self._names[attempt_id].add(name)
        return self._root / f"{attempt_id}.{name}"

    async def save_response(self, attempt_id: str, response: SpooledResponse) -> None:
        """Make response and image files durable: from here on a power cut loses nothing. OSError."""
        await self._disk.run(self.write_response, attempt_id, response)
        crash_point("spool.fsynced")

    def write_response(self, unflushed: Unflushed, attempt_id: str, response: SpooledResponse) -> None:
        # In any order: `read_response` compares the images with the line, so one without the other counts as nothing.
        for image in response.images:
            unflushed.add_file(self.path(attempt_id, image.name))
        log = self._open_log()
        log.append(_Record(attempt_id, response))
        self._own[attempt_id] = (response, log)
        self._unsettled[log] += 1
        unflushed.add_file(log.path)
        unflushed.add_folder(self._root)

    def _open_log(self) -> _Log:
        if self._log is not None and self._log.size > _MAX_LOG_BYTES:
            log, self._log = self._log, None
            log.close()
            if not self._unsettled[log]:
                del self._unsettled[log]
                log.path.unlink(missing_ok=True)
        self._log = self._log or _Log(self._root)
        return self._log

    def read_response(self, attempt_id: str) -> SpooledResponse | None:
        """What the attempt produced; None where it did not get that far. SpoolDamaged.

        Every image is read and compared: it would be delivered and charged as it is.
        """
        own, _ = self._own.get(attempt_id, (None, None))
        response = own or self._find_foreign(attempt_id) or self._read_old(attempt_id)
        for image in response.images if response else ():
            try:
                size, digest = hash_file(self.path(attempt_id, image.name))
            except OSError as error:
                raise SpoolDamaged(f"{image.name}: {error.strerror}") from error
            if (size, digest) != (image.bytes, image.sha256):
                raise SpoolDamaged(f"{image.name}: {size} bytes with SHA-256 {digest}, not what was written")
        return response

    def _find_foreign(self, attempt_id: str) -> SpooledResponse | None:
        """From the logs of other processes, dead ones for the most part. Only what is new in them is read."""
        if attempt_id not in self._foreign:
            for path in self._foreign_logs():
                start = self._read_up_to.get(path, 0)
                text = _read_from(path, start)
                self._read_up_to[path] = start + len(text)
                self._foreign |= {record.attempt: record.response for record in _records(text)}
        return self._foreign.get(attempt_id)

    def _foreign_logs(self) -> list[Path]:
        own = {log.path for log in [*self._unsettled, self._log] if log is not None}
        return [path for path in self._root.glob(f"{_LOG_PREFIX}*") if path not in own]

    def _read_old(self, attempt_id: str) -> SpooledResponse | None:
        try:
            return msgspec.json.decode(
                (self._root / attempt_id / _OLD_RESPONSE_FILE).read_bytes(), type=SpooledResponse
            )
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (msgspec.MsgspecError, OSError) as error:
            raise SpoolDamaged(f"{_OLD_RESPONSE_FILE}: {error}") from error

    def discard(self, attempt_id: str) -> None:
        """Delete the attempt's files, some time soon: what is left when the process dies is swept."""
        self._disk.post(self._delete, attempt_id)

    def _delete(self, _unflushed: Unflushed, attempt_id: str) -> None:
        names = self._names.pop(attempt_id, None)
        for name in names or ():
            (self._root / f"{attempt_id}.{name}").unlink(missing_ok=True)
        if not names:
            shutil.rmtree(self._root / attempt_id, ignore_errors=True)
        self._foreign.pop(attempt_id, None)
        _, log = self._own.pop(attempt_id, (None, None))
        if log is not None:
            self._unsettled[log] -= 1
            if not self._unsettled[log] and log is not self._log:
                del self._unsettled[log]
                log.path.unlink(missing_ok=True)

    def list_attempt_ids(self) -> set[str]:
        """Whose files or responses are here; `discard` deletes them, also those that another process made."""
        logs = self._foreign_logs()
        found = {record.attempt for log in logs for record in _records(_read_from(log))} | set(self._own)
        with os.scandir(self._root) as entries:
            for entry in entries:
                attempt_id, _, name = entry.name.partition(".")
                if name:
                    self._names[attempt_id].add(name)
                if name or entry.is_dir():
                    found.add(attempt_id)
        return found

    def measure(self) -> SpoolSize:
        """Of the whole folder, whoever wrote what is in it. Looks at each file."""
        sizes, changed = [], []
        with os.scandir(self._root) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # settled meanwhile
                    if "." in entry.name and entry.is_file(follow_symlinks=False):
                        sizes.append(entry.stat().st_size)
                        changed.append(entry.stat().st_mtime)
        return SpoolSize(len(sizes), sum(sizes), min(changed, default=0.0))

    def delete_logs_without(self, needed: set[str]) -> None:
        """Delete the logs of dead processes in which none of these attempts is."""
        for path in self._foreign_logs():
            with suppress(FileNotFoundError), path.open("rb") as log:
                try:
                    fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:  # its process is alive, and may write to it at any moment
                    continue
                if not any(record.attempt in needed for record in _records(log.read())):
                    path.unlink()
                    self._read_up_to.pop(path, None)

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
            if not self._unsettled[self._log]:
                self._log.path.unlink(missing_ok=True)
            self._log = None


def _read_from(log: Path, start: int = 0) -> bytes:
    """Whole lines only: the last one may be being written."""
    with suppress(FileNotFoundError), log.open("rb") as file:
        file.seek(start)
        text = file.read()
        return text[: text.rfind(b"\n") + 1]
    return b""


def _records(lines: bytes) -> Iterator[_Record]:
    """A line that is damaged, or was never finished, is as if it had not been written."""
    for line in lines.splitlines():
        checksum, _, text = line.partition(b" ")
        with suppress(msgspec.MsgspecError):
            if checksum == b"%08x" % zlib.crc32(text):
                yield msgspec.json.decode(text, type=_Record)


def fsync_and_hash(path: Path) -> tuple[int, str]:
    """Flush a finished file to disk; its size in bytes and its SHA-256 in hex."""
    fsync(path)
    return hash_file(path)


def hash_file(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 in hex."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest
