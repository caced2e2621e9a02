"""Submits of the store: with the group commit and with one commit each, beside pgbench, and on one account or many."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import uvloop
from psycopg import sql
from tests.store.helpers import PRICE_BODY, PRICE_VERSION, new_key, new_task

from bench.postgres import PROGRAMS, postgres_database
from bench.processes import CORES, unpin
from bench.table import Row, limited, number
from imagegate.domain.accounts import ApiKey
from imagegate.store import accounts, api_keys, dialect, ledger, prices, tasks
from imagegate.store.database import Database, create_engine
from imagegate.store.dialect import Connection
from imagegate.store.transaction import Tx

ACCOUNTS = 100
ROUNDS = 3
GROUPED = {"SQLite": 6000, "PostgreSQL": 3000}
ONE_BY_ONE = 600
PGBENCH_CLIENTS, PGBENCH_S = 64, 4
_WRITER_BATCH = 256


def measure(folder: Path) -> Iterator[Row]:
    unpin()
    folder.mkdir(parents=True)
    rates = _Rates(str(folder / "bench.db"), "SQLite")
    for _ in range(ROUNDS):
        rates.measure("one commit each", batch=1, count=ONE_BY_ONE)
        rates.measure("grouped")
        rates.measure("one account", account_count=1)
    yield from rates.rows("one commit each", 6)
    with postgres_database(folder / "pg") as url:
        rates = _Rates(url, "PostgreSQL")
        script = folder / "submit.sql"
        script.write_text(pgbench_script(url))
        for _ in range(ROUNDS):
            rates.add("pgbench", _pgbench(url, script))
            rates.measure("grouped")
            rates.measure("one account", account_count=1)
            rates.measure("one commit each", batch=1, count=ONE_BY_ONE)
        yield from rates.rows("pgbench", 1.0)
        yield Row("store submit, PostgreSQL: one commit each", f"{number(rates.best['one commit each'])}/s")


class _Rates:
    """The best of the rounds, which take turns: a slow moment of the machine affects all."""

    def __init__(self, url: str, name: str) -> None:
        self._url, self._name = url, name
        self.best: dict[str, float] = {}
        db = Database(create_engine(url))
        db.migrate()
        self._keys = asyncio.run(_create_customers(db))
        db.close()

    def add(self, what: str, rate: float) -> None:
        self.best[what] = max(self.best.get(what, 0), rate)

    def measure(self, what: str, *, batch: int = _WRITER_BATCH, count: int = 0, account_count: int = ACCOUNTS) -> None:
        keys = self._keys[:account_count]
        self.add(what, uvloop.run(_submits_per_second(self._url, keys, batch, count or GROUPED[self._name])))

    def rows(self, beside: str, target: float) -> Iterator[Row]:
        what, grouped = f"store submit, {self._name}", self.best["grouped"]
        yield Row(f"{what}: {ACCOUNTS} accounts", f"{number(grouped)}/s")
        yield Row(f"{what}: {beside}", f"{number(self.best[beside])}/s")
        yield limited(f"{what}: {beside} = 1", grouped / self.best[beside], "at least", target, "x")
        hot = self.best["one account"] / grouped
        yield limited(f"{what}: one hot account, many = 1", hot, "at least", 0.8, "x")


async def _create_customers(db: Database) -> list[ApiKey]:
    """Their ids count up, so that a script can name any of them."""
    await db.write(prices.register_price_version, PRICE_VERSION, PRICE_BODY)
    keys = []
    for position in range(1000, 1000 + ACCOUNTS):
        account = await db.write(accounts.open_account, f"acc_{position}", f"bench {position}")
        key = msgspec.structs.replace(new_key(account.id), id=f"key_{position}")
        await db.write(api_keys.create_key, account.id, key, str(position))
        await db.write(ledger.grant, account.id, 10**15, f"grant:{position}", "bench")
        keys.append(key)
    return keys


async def _submits_per_second(url: str, keys: list[ApiKey], batch: int, count: int) -> float:
    db = Database(create_engine(url), batch=batch)
    submits = [(key.account_id, new_task(key)) for key in (keys[n % len(keys)] for n in range(count))]
    started = time.perf_counter()
    answers = await asyncio.gather(
        *(db.write(tasks.submit_task, account_id, new, None, 10**9) for account_id, new in submits)
    )
    took = time.perf_counter() - started
    assert set(answers) == {tasks.TaskSubmitted()}
    db.close()
    return count / took


class _RecordingConnection:
    """Notes each statement with its values as SQL text, and runs it."""

    def __init__(self, connection: Connection, driver: psycopg.Connection[Any]) -> None:
        self._connection, self._driver = connection, driver
        self.statements: list[str] = []

    def execute(self, text: str, params: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
        self._note(text, params)
        return self._connection.execute(text, params)

    def execute_nowait(self, text: str, params: dict[str, Any]) -> None:
        self._note(text, params)
        self._connection.execute_nowait(text, params)

    def _note(self, text: str, params: dict[str, Any]) -> None:
        used = set(re.findall(r":([a-z_0-9]+)", text)) & set(params)
        values = {name: sql.Literal(params[name]).as_string(self._driver) for name in used}
        self.statements.append(" ".join((dialect.postgres_sql(text) % values).split()) + ";")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def pgbench_script(url: str) -> str:
    """What the store sends for one submit, with a new task of a random account at each run."""
    key = msgspec.structs.replace(new_key("acc_1000"), id="key_1000")
    new = new_task(key)
    connection = create_engine(url).connect(readonly=False)
    with psycopg.connect(url) as driver:
        recorder: Any = _RecordingConnection(connection, driver)
        connection.begin()
        assert tasks.submit_task(Tx(recorder), key.account_id, new, None, 10**9) == tasks.TaskSubmitted()
        connection.rollback()
    connection.close()
    varying = {new.id: ":task", "acc_1000": "acc_:account", "key_1000": "key_:account"}
    statements = [_with_variables(text, varying) for text in recorder.statements]
    ranges = (("task", 1, 2**62), ("account", 1000, 999 + ACCOUNTS))
    variables = [f"\\set {name} random({low}, {high})" for name, low, high in ranges]
    return "\n".join([*variables, "BEGIN;", *statements, "COMMIT;", ""])


def _with_variables(statement: str, varying: dict[str, str]) -> str:
    """Colons inside literals would begin variables of pgbench, so they are escaped."""

    def literal(match: re.Match[str]) -> str:
        text = match[1].replace("\\", "\\\\").replace(":", "\\x3a")
        for fixed, variable in varying.items():
            prefix, _, name = variable.partition(":")
            text = text.replace(fixed, f"{prefix}' || :{name} || E'")
        return match[0] if text == match[1] else f"(E'{text}')"

    return re.sub(r"'((?:[^']|'')*)'", literal, statement)


def _pgbench(url: str, script: Path) -> float:
    """Transactions per second."""
    load = ["-c", str(PGBENCH_CLIENTS), "-j", str(len(CORES)), "-T", str(PGBENCH_S)]
    command = [str(PROGRAMS / "pgbench"), "-n", "-M", "prepared", *load, "-f", str(script), url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"tps = ([0-9.]+) \(without", done.stdout)
    if done.returncode or not found or "failed transactions: 0 " not in done.stdout:
        raise RuntimeError(done.stdout + done.stderr)
    return float(found[1])
