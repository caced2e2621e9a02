"""SQLite's file without the space of deleted rows. A server gives its own back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from imagegate.store.dialect import Connection, DatabaseUnusable, Engine, first_line
from imagegate.store.transaction import Tx


class FileSize(msgspec.Struct, frozen=True):
    """Bytes of the file, and of those the ones that hold nothing."""

    bytes: int
    free_bytes: int

    @property
    def needed_bytes(self) -> int:
        """Of the disk while it is made anew: a copy of what it holds, which then goes through the log."""
        return 2 * (self.bytes - self.free_bytes)


def measure_file(tx: Tx) -> FileSize:
    page_bytes, pages, free = (tx.fetch_int(f"PRAGMA {name}") for name in ("page_size", "page_count", "freelist_count"))
    return FileSize(page_bytes * pages, page_bytes * free)


def compact_file(engine: Engine) -> None:
    """Build the file anew. DatabaseUnusable where another program writes, or the disk is too small.

    A crash leaves the file as it was, or as it was to be.
    """
    with _connected(engine) as connection:
        connection.execute("VACUUM", {})
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)", {})


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    connection = engine.connect(readonly=False)
    try:
        connection.lift_limits()
        yield connection
    except Exception as error:
        failure = engine.translate_error(error)
        if failure is None and not engine.is_driver_error(error):
            raise
        raise DatabaseUnusable(str(failure or f"the database cannot be compacted: {first_line(error)}")) from error
    finally:
        connection.close()
