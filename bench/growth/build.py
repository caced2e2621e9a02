"""Build a database of any number of tasks, at the schema of the program that makes it: by bulk SQL."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import apsw
import httpx
import psycopg
from tests.support.gateway import free_port

from bench.growth import statements
from bench.growth.place import KEYS_FILE, OPERATOR, Place
from bench.growth.rows import ACCOUNTS, BIG, COLUMNS, DAY, DAYS, SMALL, Account, sortable_id, task_rows
from bench.processes import Server

CHUNK = 20_000
FIRST_GRANT, GRANT = 10**15, 5 * 10**10  # nanos; the first is more than can be spent


class Loader(Protocol):
    def execute(self, sql: str, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]: ...
    def stage(self, rows: Sequence[tuple[Any, ...]]) -> None: ...
    def insert(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None: ...
    def drop_indexes(self) -> list[str]: ...
    def finish(self) -> None: ...


class SqliteLoader:
    """Nobody else has the file, and what breaks off is thrown away: no journal, no locks, no syncs."""

    def __init__(self, path: Path) -> None:
        self._db = apsw.Connection(str(path))
        for pragma in (
            "journal_mode = OFF",
            "synchronous = OFF",
            "locking_mode = EXCLUSIVE",
            "foreign_keys = OFF",
            "cache_size = -3000000",
            "temp_store = MEMORY",
            "threads = 2",
        ):
            self._db.execute(f"PRAGMA {pragma}")

    def execute(self, sql: str, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        return list(self._db.execute(sql, values or {}))

    def stage(self, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._db:
            self._db.execute("DELETE FROM made")
            self._db.executemany(f"INSERT INTO made VALUES ({', '.join('?' * len(COLUMNS))})", rows)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        with self._db:
            marks = ", ".join("?" * len(columns))
            self._db.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)

    def drop_indexes(self) -> list[str]:
        found = self.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
        for name, _ in found:
            self._db.execute(f"DROP INDEX {name}")
        return [sql for _, sql in found]

    def finish(self) -> None:
        self._db.execute("PRAGMA locking_mode = NORMAL")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.close()


class PostgresLoader:
    # What breaks off is thrown away. The server's own settings are as before at the end.
    _SERVER = ("fsync = off", "full_page_writes = off", "autovacuum = off", "max_wal_size = '4GB'")

    def __init__(self, url: str) -> None:
        self._db = psycopg.connect(url, autocommit=True)
        for setting in self._SERVER:
            self._db.execute(f"ALTER SYSTEM SET {setting}")
        self._db.execute("SELECT pg_reload_conf()")
        for setting in (
            "session_replication_role = replica",  # no look-ups of foreign keys: the rows are right
            "synchronous_commit = off",
            "maintenance_work_mem = '1GB'",
            "work_mem = '256MB'",
            "temp_buffers = '256MB'",
        ):
            self._db.execute(f"SET {setting}")

    def execute(self, sql: str, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        if values:
            sql = sql.replace("%", "%%")
            for name in values:
                sql = sql.replace(f":{name}", f"%({name})s")
        done = self._db.execute(sql, values or None)
        return done.fetchall() if done.description else []

    def stage(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self._db.execute("TRUNCATE made")
        self._copy("made", tuple(COLUMNS), rows)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        self._copy(table, columns, rows)

    def _copy(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        with self._db.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def drop_indexes(self) -> list[str]:
        found = self.execute(
            """SELECT i.indexname, i.indexdef FROM pg_indexes i WHERE i.schemaname = current_schema()
            AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conname = i.indexname)"""
        )
        for name, _ in found:
            self._db.execute(f"DROP INDEX {name}")
        return [sql for _, sql in found]

    def finish(self) -> None:
        self._db.execute("VACUUM (ANALYZE)")
        self._db.execute("ALTER SYSTEM RESET ALL")
        self._db.execute("SELECT pg_reload_conf()")
        self._db.execute("CHECKPOINT")
        self._db.close()


def build(place: Place, tasks: int, tell: Callable[[str], None]) -> dict[str, float]:
    """Seconds by what took them. On PostgreSQL the database is empty."""
    started, took = time.monotonic(), {}
    _begin(place)
    loader = SqliteLoader(place.file) if place.engine == "sqlite" else PostgresLoader(place.url)
    indexes = loader.drop_indexes()
    loader.execute(statements.STAGE)
    now = time.time_ns() // 1000
    accounts = _accounts(loader, now)
    [(prices,)] = loader.execute("SELECT MAX(version) FROM prices")
    values = {"prices": prices, "now": now}
    rows, done = task_rows(tasks, accounts, now), 0
    while chunk := list(itertools.islice(rows, CHUNK)):
        loader.stage(chunk)
        for sql in statements.STATEMENTS:
            used = {name: value for name, value in values.items() if f":{name}" in sql}
            loader.execute(sql, used)
        done += len(chunk)
        if done % (10 * CHUNK) == 0 or done == tasks:
            tell(f"{done:,} of {tasks:,} tasks")
    took["rows"] = time.monotonic() - started
    for sql in statements.SUMS:
        loader.execute(sql)
    loader.execute("DROP TABLE made")
    took["sums"] = time.monotonic() - started - took["rows"]
    for sql in indexes:
        loader.execute(sql)
    took["indexes"] = time.monotonic() - started - took["rows"] - took["sums"]
    loader.finish()
    took["all"] = time.monotonic() - started
    return took


def _begin(place: Place) -> None:
    """What the program makes itself: the schema, the secret, `demo`, and accounts with keys that are known."""
    origin = f"http://127.0.0.1:{free_port()}"
    command = place.command("serve", "--no-workers", "--port", origin.rpartition(":")[2])
    environment = place.environment()
    with Server(command, f"{origin}/healthz", place.folder / "log", core=None, env=environment):
        # The prices are on record from the first quote on.
        key = (place.data / "demo-key").read_text().strip()
        body = {"prompt": "an owl", "quality": "low"}
        headers = {"Authorization": f"Bearer {key}"}
        post = httpx.post(f"{origin}/v1/images/quotes", json=body, headers=headers, trust_env=False, verify=False)
        post.raise_for_status()
    keys = {}
    for name, extra in ((BIG, []), (SMALL, []), (OPERATOR, ["--scope", "admin"])):
        _, made = place.run("keys", "create", "--account", name, "--json", *extra)
        keys[name] = json.loads(made.stdout)["key"]
    (place.folder / KEYS_FILE).write_text(json.dumps(keys))


def _accounts(loader: Loader, now: int) -> list[Account]:
    """`big`, `small` and all others, each with a key or two, and with credit since the first day."""
    first = (now - DAYS * DAY) // DAY * DAY
    found = dict(loader.execute("SELECT name, id FROM accounts"))
    known = dict(loader.execute("SELECT account_id, id FROM api_keys"))
    loader.execute("UPDATE accounts SET created = :first", {"first": first})
    loader.execute("UPDATE api_keys SET created = :first", {"first": first})
    loader.execute("UPDATE entries SET created = :first", {"first": first})  # the grant of `demo`
    accounts, new_accounts, new_keys = [], [], []
    scopes = '["images:write", "tasks:read", "files:write", "billing:read", "keys:write"]'
    for number in range(ACCOUNTS):
        name = (BIG, SMALL)[number] if number < 2 else f"account-{number}"
        account = found.get(name) or sortable_id("acc", first, number << 40 | 7)
        if name not in found:
            new_accounts.append((account, name, first))
        keys = [known[account]] if account in known else [sortable_id("key", first, number << 40 | 1)]
        if number % 2 == 0:
            keys.append(sortable_id("key", first, number << 40 | 2))
        new_keys += [
            (key, account, f"key {place}", f"{number:032d}{place:032d}", "imk_live_made…", scopes, first)
            for place, key in enumerate(keys)
            if key != known.get(account)
        ]
        accounts.append(Account(account, name, tuple(keys), first))
    loader.insert("accounts", ("id", "name", "created"), new_accounts)
    loader.insert("api_keys", ("id", "account_id", "name", "digest", "hint", "scopes", "created"), new_keys)
    lines = [line for number, account in enumerate(accounts) for line in _grants(number, account, now)]
    columns = ("id", "ref", "account", "kind", "amount", "actor", "commit_id", "created", "images")
    loader.insert("entries", columns, lines)
    return accounts


def _grants(number: int, account: Account, now: int) -> Iterator[tuple[Any, ...]]:
    """Credit at first, then some each week, and once a correction."""
    for week in range(DAYS // 7 + 1):
        moment = account.created + week * 7 * DAY + number * 1_000_000
        kind, amount = ("adjustment", -1_000_000) if week == 5 else ("grant", GRANT if week else FIRST_GRANT)
        rest = number << 40 | week << 8
        ref = f"grant:{sortable_id('grant', moment, rest)}"
        commit = sortable_id("cmt", moment, rest)
        for place, (who, nanos) in enumerate(((account.id, amount), ("sys:bank", -amount))):
            entry = sortable_id("led", moment, rest | place)
            yield (entry, ref, who, kind, nanos, "command line", commit, min(moment, now), 0)
