"""A database that was or will be built: its folder, its engine, and commands of the program on it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import psycopg

from bench.postgres import postgres_database
from bench.processes import clean_environment

KEYS_FILE = "keys.json"
OPERATOR = "operator"


@dataclass(frozen=True)
class Place:
    """Where the database is, and how it is served."""

    folder: Path
    engine: str
    url: str = ""
    python: str = sys.executable

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def file(self) -> Path:
        """Of SQLite."""
        return self.data / "imagegate.db"

    @property
    def keys(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.folder / KEYS_FILE).read_text())
        return found

    def environment(self, **settings: object) -> dict[str, str]:
        named = {f"IMAGEGATE_{name.upper()}": str(value) for name, value in settings.items()}
        database = {"IMAGEGATE_DATABASE": self.url} if self.engine == "postgres" else {}
        return {"SIMULATOR_KEY": "a-key", **database, **named}

    def command(self, *words: str) -> list[str]:
        return [self.python, "-m", "imagegate", *words, "--data", str(self.data)]

    def run(self, *words: str) -> tuple[float, subprocess.CompletedProcess[str]]:
        """Run a command of the program; its seconds and what it said."""
        started = time.monotonic()
        done = subprocess.run(
            self.command(*words),
            check=False,
            capture_output=True,
            text=True,
            env=clean_environment(**self.environment()),
        )
        return time.monotonic() - started, done

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Of the database itself, beside the program; `?` are the values."""
        if self.engine == "sqlite":
            path = str(self.file)
            connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
            connection.set_busy_timeout(10_000)
            with contextlib.closing(connection):
                return list(connection.execute(sql, values))
        with psycopg.connect(self.url, autocommit=True) as postgres:
            return postgres.execute(sql.replace("%", "%%").replace("?", "%s"), values).fetchall()


@contextlib.contextmanager
def opened(folder: Path, engine: str, python: str = sys.executable) -> Iterator[Place]:
    """With its PostgreSQL running, where that is the engine."""
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(postgres_database(folder / "postgres")) if engine == "postgres" else ""
        yield Place(folder, engine, url, python)
