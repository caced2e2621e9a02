"""PG-2, PG-3: connections of our own, with settings that hold; a pooler before the server is refused with words."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest
from psycopg import sql

from imagegate.store.database import DatabaseUnusable, create_engine

SSL_REQUEST = 80877103
REFUSAL = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"


@contextlib.contextmanager
def pooler(url: str, *, ignores_options: bool) -> Iterator[str]:
    """The URL of a stand-in for PgBouncer, which either refuses the options of a connection or drops them."""
    parts = psycopg.conninfo.conninfo_to_dict(url)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=answer, args=(client,), daemon=True).start()

        def answer(client: socket.socket) -> None:
            with client, contextlib.suppress(OSError):
                while (startup := _read_startup(client))[:4] == struct.pack("!I", SSL_REQUEST):
                    client.sendall(b"N")
                if not ignores_options:
                    client.sendall(b"E" + struct.pack("!I", len(REFUSAL) + 4) + REFUSAL)
                    return
                with _connect(parts) as server:
                    server.sendall(_without_options(startup))
                    threading.Thread(target=_pump, args=(client, server), daemon=True).start()
                    _pump(server, client)

        threading.Thread(target=serve, daemon=True).start()
        host, port = listener.getsockname()
        yield f"postgresql://{parts.get('user', 'postgres')}@{host}:{port}/{parts['dbname']}"


def _connect(parts: Mapping[str, Any]) -> socket.socket:
    host, port = str(parts.get("host", "127.0.0.1")), int(parts.get("port") or 5432)
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"{host}/.s.PGSQL.{port}")
    return server


def _read_startup(client: socket.socket) -> bytes:
    (size,) = struct.unpack("!I", client.recv(4, socket.MSG_WAITALL))
    return client.recv(size - 4, socket.MSG_WAITALL)


def _without_options(startup: bytes) -> bytes:
    words = startup[4:].rstrip(b"\0").split(b"\0")
    pairs = [pair for pair in zip(words[::2], words[1::2], strict=False) if pair[0] != b"options"]
    body = startup[:4] + b"".join(name + b"\0" + value + b"\0" for name, value in pairs) + b"\0"
    return struct.pack("!I", len(body) + 4) + body


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize(
    ("ignores_options", "said"),
    [(False, "does not take the settings"), (True, r"does not keep the settings .*statement_timeout is 0, not 30s")],
)
def test_pg_3_a_pooler_that_keeps_no_settings_of_a_connection_is_refused_with_the_cure(
    postgres_url: str, ignores_options: bool, said: str
) -> None:
    with (
        pooler(postgres_url, ignores_options=ignores_options) as url,
        pytest.raises(DatabaseUnusable, match=f"{said}.*PgBouncer.*setting `database`") as refused,
    ):
        create_engine(url)
    assert "\n" not in str(refused.value)


def test_pg_2_settings_hold_beside_those_of_the_url(postgres_url: str) -> None:
    shown = "SELECT current_setting('search_path') AS path, current_setting('lock_timeout') AS locks"
    engine = create_engine(postgres_url + ("&" if "?" in postgres_url else "?") + "options=-c%20search_path%3Dpublic")
    for readonly, state in ((True, "on"), (False, "off")):
        connection = engine.connect(readonly=readonly)
        try:
            assert connection.execute(shown, {})[1] == [{"path": "public", "locks": "10s"}]
            show = "SHOW default_transaction_read_only"
            assert connection.execute(show, {})[1] == [{"default_transaction_read_only": state}]
        finally:
            connection.close()


@pytest.fixture
def name(postgres_url: str) -> Iterator[str]:
    with psycopg.connect(postgres_url) as connection:
        yield connection.info.dbname


@pytest.mark.parametrize("where", ["database", "role in database"])
def test_synchronous_commit_off_is_refused_wherever_it_is_set(postgres_url: str, name: str, where: str) -> None:
    create_engine(postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        target = sql.SQL("DATABASE {}") if where == "database" else sql.SQL("ROLE CURRENT_USER IN DATABASE {}")
        admin.execute(sql.SQL("ALTER {} SET synchronous_commit = off").format(target.format(sql.Identifier(name))))
    with pytest.raises(DatabaseUnusable, match="synchronous_commit=off"):
        create_engine(postgres_url)


def test_synchronous_commit_off_in_the_url_is_refused(postgres_url: str) -> None:
    mark = "&" if "?" in postgres_url else "?"
    with pytest.raises(DatabaseUnusable, match="synchronous_commit=off"):
        create_engine(f"{postgres_url}{mark}options=-csynchronous_commit%3Doff")
