"""The health of routes under the load of several processes: what is written, and for what nobody waits."""

from __future__ import annotations

import functools

import pytest

from imagegate.domain.tasks import FailureKind
from imagegate.domain.time import US_PER_SECOND
from imagegate.routing.circuit_breaker import Health, on_failure, on_success
from imagegate.store.database import Database, create_engine
from imagegate.store.dialect import Connection
from imagegate.store.route_health import load_health, update_health
from imagegate.store.transaction import Tx
from tests.conftest import OpenDatabase

START = 1_700_000_000 * US_PER_SECOND


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


def begin(database: Database) -> tuple[Connection, Tx]:
    connection = database.engine.connect(readonly=False)
    connection.begin()
    return connection, Tx(connection)


def succeed(tx: Tx) -> None:
    update_health(tx, "route", functools.partial(on_success, started=tx.now, now=tx.now))


def fail(tx: Tx) -> None:
    update_health(tx, "route", lambda health: on_failure(health, FailureKind.failing, tx.now, tx.now))


def read(database: Database) -> Health:
    connection, tx = begin(database)
    health = load_health(tx)["route"]
    connection.rollback()
    connection.close()
    return health


def commit(connection: Connection, tx: Tx) -> None:
    tx.finish()
    connection.commit()
    connection.close()


def test_one_success_in_a_second_is_written_and_every_failure(open_database: OpenDatabase) -> None:
    clock = Clock()
    database = open_database(clock)
    for _ in range(100):
        clock.now += US_PER_SECOND // 10
        connection, tx = begin(database)
        succeed(tx)
        commit(connection, tx)
    assert read(database).window_calls == 10
    for work in [fail, fail, succeed, succeed, fail]:
        connection, tx = begin(database)
        work(tx)
        commit(connection, tx)
    health = read(database)
    assert (health.window_calls, health.window_failures, health.consecutive_failures) == (15, 3, 1)


def test_who_counts_a_success_holds_up_nobody_else(postgres_url: str) -> None:
    clock = Clock()
    database = Database(create_engine(postgres_url, clock))
    connection, tx = begin(database)
    succeed(tx)
    commit(connection, tx)
    clock.now += 2 * US_PER_SECOND
    one, first = begin(database)
    succeed(first)
    first.finish()  # the row is locked from here to the commit
    other, second = begin(database)
    succeed(second)
    commit(other, second)  # would wait for ten seconds, and fail
    one.commit()
    one.close()
    assert read(database).window_calls == 2
    database.close()


@pytest.mark.parametrize("work", [succeed, fail])
def test_the_first_call_of_a_route_makes_its_row(open_database: OpenDatabase, work: object) -> None:
    database = open_database(Clock())
    connection, tx = begin(database)
    assert callable(work)
    work(tx)
    commit(connection, tx)
    assert read(database).window_calls == 1
