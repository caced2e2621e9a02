"""Build a database of any number of tasks, at the schema of the program that makes it: by bulk SQL."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from tests.support.gateway import free_port

from bench.growth import statements
from bench.growth.loaders import Loader, PostgresLoader, Row, SqliteLoader
from bench.growth.place import KEYS_FILE, OPERATOR, Place
from bench.growth.rows import ACCOUNTS, BIG, COLUMNS, DAY, DAYS, SMALL, Account, sortable_id, task_rows
from bench.processes import Server

CHUNK = 20_000
FIRST_GRANT, GRANT = 10**15, 5 * 10**10  # nanos; the first is more than can be spent


def build(place: Place, tasks: int, tell: Callable[[str], None]) -> dict[str, float]:
    """Seconds by what took them. On PostgreSQL the database is empty."""
    _begin(place)
    return fill(SqliteLoader(place.file) if place.engine == "sqlite" else PostgresLoader(place.url), tasks, tell)


def fill(loader: Loader, tasks: int, tell: Callable[[str], None]) -> dict[str, float]:
    """Fill a database that has the schema and prices, and close the loader."""
    started, took = time.monotonic(), {}
    indexes = loader.drop_indexes()
    loader.execute(f"{loader.stage} {statements.STAGE}")
    now = time.time_ns() // 1000
    accounts = _accounts(loader, now)
    [(prices,)] = loader.execute("SELECT MAX(version) FROM prices")
    values = {"prices": prices, "now": now}
    rows, done = task_rows(tasks, accounts, now), 0
    for chunk in _chunks(rows):
        loader.execute(f"{loader.empty} made")
        loader.insert("made", tuple(COLUMNS), chunk)
        loader.fill(statements.STATEMENTS, values)
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


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Each is thought up while the one before it is stored."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(lambda: list(itertools.islice(rows, CHUNK)))
        while chunk := following.result():
            following = pool.submit(lambda: list(itertools.islice(rows, CHUNK)))
            yield chunk


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
    found: dict[str, str] = dict(loader.execute("SELECT name, id FROM accounts"))
    known: dict[str, str] = dict(loader.execute("SELECT account_id, id FROM api_keys"))
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
