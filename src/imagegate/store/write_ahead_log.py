"""Whether SQLite's log was damaged in its middle: SQLite then reads what is before the damage, and says nothing."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import apsw

# Of the file format: https://sqlite.org/fileformat2.html#the_write_ahead_log
_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
_PAGE_BYTES_AT, _SALT_AT = 8, 16
_LITTLE_ENDIAN_SUMS = 0x82  # the last byte of the first word, which is 0x377F0682 then, else 0x377F0683


def find_lost_commits(database: Path) -> str:
    """What is damaged, or nothing. Nobody may have the database open, and nothing may have been written since.

    A power cut may tear the newest transaction, which was not acknowledged: only it was not flushed yet. So where a
    transaction is complete behind the last frame that SQLite reads, and another one began after it, the first one had
    been flushed and acknowledged. That the newest transaction itself was damaged cannot be told from a power cut.
    """
    log = database.with_name(database.name + "-wal")
    try:
        frames = _read_frames(log)
    except OSError:
        return ""  # the database itself will tell
    if not frames:
        return ""
    valid = _count_valid(database)
    # Frames of the log's earlier rounds have other salts, and are in the database already.
    salt = frames[max(valid - 1, 0)][1]
    if valid == 0 and _begins_new_round(log, salt):
        return ""
    rest = [ends_transaction for ends_transaction, its_salt in frames[valid:] if its_salt == salt]
    if True not in rest[:-1]:
        return ""
    lost = rest.count(True)
    return f"{log} is damaged at frame {valid + 1} of {len(frames)}, and {lost} commits from there on cannot be read"


def _read_frames(log: Path) -> list[tuple[bool, bytes]]:
    """For each frame whether it ends a transaction, and its salt."""
    if not log.exists() or log.stat().st_size <= _HEADER_BYTES:
        return []
    found = []
    with log.open("rb") as file:
        (page_bytes,) = struct.unpack_from(">I", file.read(_HEADER_BYTES), _PAGE_BYTES_AT)
        if page_bytes not in (2**power for power in range(9, 17)):
            page_bytes = 4096  # the header itself is damaged
        while len(frame := file.read(_FRAME_HEADER_BYTES)) == _FRAME_HEADER_BYTES:
            pages_after = struct.unpack_from(">I", frame, 4)[0]
            found.append((pages_after != 0, frame[8:16]))
            file.seek(page_bytes, os.SEEK_CUR)
    return found


def _begins_new_round(log: Path, salt: bytes) -> bool:
    """Whether the header is whole and of another round than the frames, which are in the database already then."""
    with log.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    words = struct.unpack("<8I" if header[3] == _LITTLE_ENDIAN_SUMS else ">8I", header)
    first = second = 0
    for even, odd in zip(words[0:6:2], words[1:6:2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return header[_SALT_AT : _SALT_AT + 8] != salt and struct.pack(">2I", first, second) == header[-8:]


def _count_valid(database: Path) -> int:
    """How many frames SQLite reads. The log is left as it is."""
    db = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        return int(next(db.execute("PRAGMA wal_checkpoint(NOOP)"))[1])
    finally:
        db.close()
