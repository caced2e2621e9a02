"""Closed days: whoever asks for sums of the past is told the same before and after, and reads a few rows."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import msgspec
import pytest

from imagegate.domain.accounts import ApiKey
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import AttemptOutcome
from imagegate.domain.time import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE
from imagegate.flows.day_closing import close_day
from imagegate.store import (
    api_keys,
    attempts,
    daily_sums,
    day_closing,
    hour_closing,
    ledger,
    refunds,
    settlement,
    tasks,
)
from imagegate.store.database import Database
from imagegate.store.queries.margin import sum_margin, sum_margin_by_day
from imagegate.store.queries.overview import load_overview
from imagegate.store.queries.route_stats import sum_spend_by_route
from imagegate.store.queries.stats import load_stats
from imagegate.store.queries.usage import sum_usage
from imagegate.store.transaction import Tx
from tests.conftest import OpenDatabase
from tests.store.helpers import (
    LEASE_US,
    ROUTE,
    FakeClock,
    claim_tasks,
    close_days,
    close_hours,
    create_customer,
    new_attempt,
    new_key,
    new_refund,
    new_settlement,
    new_task,
    purge_old_tasks,
    render_webhook,
)

FIRST = 20_000
ERRORS = [
    TaskError(TaskErrorCode.service_error, "test"),
    TaskError(TaskErrorCode.request_cancelled, "test"),
]
OUTCOMES = [AttemptOutcome.produced, AttemptOutcome.produced, AttemptOutcome.unknown]


class Book:
    """A book of some customers, written by chance."""

    def __init__(self, db: Database, clock: FakeClock, seed: int) -> None:
        self.db, self.clock, self.chance = db, clock, random.Random(seed)
        self.keys: list[ApiKey] = []
        self.settled: list[tuple[str, str]] = []

    @property
    def account_ids(self) -> list[str]:
        return sorted({key.account_id for key in self.keys})

    async def open(self) -> None:
        for name in ("one", "two"):
            account_id, key = await create_customer(self.db, 10**9, name)
            self.keys += [key, new_key(account_id)]
            await self.db.write(api_keys.create_key, account_id, self.keys[-1], f"{name} other")

    async def write(self, entries: int) -> None:
        for number in range(entries):
            self.clock.now += self.chance.randrange(US_PER_DAY // 6)
            key = self.chance.choice(self.keys)
            match self.chance.randrange(8):
                case 0:
                    amount = self.chance.choice([5000, -300])
                    await self.db.write(ledger.grant, key.account_id, amount, f"grant:{self.clock.now}:{number}", "t")
                case 1 if self.settled:
                    account_id, task_id = self.settled.pop(self.chance.randrange(len(self.settled)))
                    await self.db.write(refunds.refund_task, account_id, new_refund(task_id))
                case 2:
                    await self.fail(key)
                case _:
                    await self.settle(key)

    async def settle(self, key: ApiKey) -> None:
        """Up to three calls of two routes; sometimes the price is above the hold."""
        new = new_task(key, 1000)
        model = self.chance.choice(["a", "b"])
        new = msgspec.structs.replace(new, order=msgspec.structs.replace(new.order, model=model))
        await self.db.write(tasks.submit_task, key.account_id, new, None, 1000)
        (task,) = await self.db.write(claim_tasks, key.account_id, "test", LEASE_US, 1)
        for _ in range(self.chance.randrange(4)):
            route, outcome = self.chance.choice(["r1", "r2"]), self.chance.choice(OUTCOMES)
            attempt = msgspec.structs.replace(new_attempt(task), route=route, upstream="up")
            called = msgspec.structs.replace(ROUTE, name=route, upstream="up")
            await self.db.write(attempts.begin_attempt, key.account_id, attempt, "test", called)
            images = self.chance.randrange(1, 4) if outcome == AttemptOutcome.produced else 0
            ended = msgspec.structs.replace(attempt, outcome=outcome, images=images, cost=self.chance.randrange(100))
            await self.db.write(
                attempts.end_attempt, key.account_id, attempts.AttemptEnd(ended, "", lambda _, health, __: health)
            )
        price = self.chance.randrange(1, 1300)
        done = new_settlement(task, min(price, 1000), price)
        await self.db.write(settlement.complete_task, key.account_id, task.id, task.claim_no, done, render_webhook)
        self.settled.append((key.account_id, task.id))

    async def fail(self, key: ApiKey) -> None:
        new = new_task(key)
        await self.db.write(tasks.submit_task, key.account_id, new, None, 1000)
        error = self.chance.choice(ERRORS)
        await self.db.write(settlement.fail_task, key.account_id, new.id, 0, error, f"cmt_{new.id}", render_webhook)

    def read_all(self, tx: Tx) -> dict[str, Any]:
        """What every reader of sums says, for the whole time and for parts of it."""
        last = tx.now // US_PER_DAY
        found: dict[str, Any] = {"stats": load_stats(tx), "used": {}, "usage": {}, "balances": {}}
        for account in self.account_ids:
            found["used"][account] = daily_sums.sum_used(tx, account)
            for groups in ((), ("day",), ("key", "model"), ("day", "model", "key")):
                for days in ((FIRST, last), (FIRST + 2, last - 2)):
                    found["usage"][account, groups, days] = sum_usage(tx, account, groups, *days)
        for account in (*found["used"], *day_closing.OPERATORS_ACCOUNTS):
            found["balances"][account] = [
                daily_sums.balance_before(tx, account, moment)
                for moment in range((FIRST - 1) * US_PER_DAY, tx.now + US_PER_DAY, 7 * US_PER_HOUR)
            ]
        for days in ((FIRST, last), (FIRST + 1, last - 1), (last, last)):
            found[f"margin {days}"] = sum_margin(tx, *days), sum_margin_by_day(tx, *days), load_overview(tx, *days)
        for hours in (24, 7):
            found[f"routes {hours}"] = sum_spend_by_route(tx, tx.now - hours * US_PER_HOUR)
        return found


def load_closed(tx: Tx) -> dict[str, Any]:
    """All that is known of closed days."""
    keys = {
        "daily_sums": 6,
        "daily_balances": 2,
        "closed_days": 1,
        "hourly_sums": 5,
        "route_hours": 2,
        "closed_hours": 1,
    }
    found: dict[str, Any] = {
        table: tx.fetch_all(f"SELECT * FROM {table} ORDER BY {', '.join(str(n + 1) for n in range(key))}")
        for table, key in keys.items()
    }
    for row in found["closed_days"] + found["closed_hours"]:
        del row["closed"]
    return found


def forget_all(tx: Tx, tables: tuple[str, ...]) -> None:
    for table in tables:
        tx.execute(f"DELETE FROM {table}")


@pytest.mark.parametrize("seed", range(2))
def test_every_reader_says_the_same_before_and_after_days_are_closed(open_database: OpenDatabase, seed: int) -> None:
    clock = FakeClock(FIRST * US_PER_DAY)
    db = open_database(clock)

    async def scenario() -> None:
        book = Book(db, clock, seed)
        await book.open()
        await book.write(40)
        before = await db.read(book.read_all)
        await close_hours(db)
        assert await db.read(hour_closing.find_next_hour) is None
        assert await db.read(book.read_all) == before
        closed: list[int] = []
        while (day := await db.read(day_closing.find_next_day)) is not None:
            # Few entries are many here: odd days are summed up by the hour.
            await close_day(db, day, 2 if day % 2 else day_closing.MANY_ENTRIES)
            closed.append(day)
            if len(closed) in (1, 3):
                assert await db.read(book.read_all) == before, "also where some days are closed"
        assert closed == list(range(FIRST, clock.now // US_PER_DAY)), "each day that is over, in order"
        assert await db.read(book.read_all) == before
        await book.write(10)
        after = await db.read(book.read_all)
        await close_hours(db)
        assert await db.read(book.read_all) == after, "what is open adds to what is closed"
        await db.write(forget_all, ("closed_hours",))
        assert await db.read(book.read_all) == after
        await db.write(forget_all, ("closed_days",))
        assert await db.read(book.read_all) == after

    asyncio.run(scenario())


def test_a_closing_that_broke_off_anywhere_is_not_read_and_is_done_again(open_database: OpenDatabase) -> None:
    clock = FakeClock(FIRST * US_PER_DAY)
    db = open_database(clock)

    async def scenario() -> None:
        book = Book(db, clock, 5)
        await book.open()
        await book.write(30)
        before = await db.read(book.read_all)
        for writes in range(4):
            with pytest.raises(ProcessDied):
                await close_day(Dying(db, writes), FIRST)  # type: ignore[arg-type]
            assert await db.read(book.read_all) == before
        await close_days(db)
        once = await db.read(load_closed)
        assert await db.read(book.read_all) == before
        # Another process that had begun with the same day writes nothing of it any more.
        sums = await db.read(day_closing.sum_part, book.account_ids, FIRST * US_PER_DAY, (FIRST + 1) * US_PER_DAY)
        closing = await db.read(day_closing.prepare_closing, FIRST, book.account_ids, sums)
        assert not await db.write(day_closing.write_closing, FIRST, closing)
        await db.write(lambda tx: tx.execute("DELETE FROM closed_days"))
        await close_days(db)
        assert await db.read(load_closed) == once

    asyncio.run(scenario())


class ProcessDied(Exception):
    """Where a process is killed."""


class Dying:
    """A database whose process dies after some commits."""

    def __init__(self, db: Database, writes: int) -> None:
        self.read_report, self._db, self._left = db.read_report, db, writes

    async def write(self, *args: Any) -> Any:
        if not self._left:
            raise ProcessDied
        self._left -= 1
        return await self._db.write(*args)


def test_a_clock_that_is_set_back_opens_days_again(open_database: OpenDatabase) -> None:
    clock = FakeClock(FIRST * US_PER_DAY)
    db = open_database(clock)

    async def scenario() -> None:
        book = Book(db, clock, 6)
        await book.open()
        await book.write(30)
        await close_hours(db)
        await close_days(db)
        latest = clock.now
        clock.now = (FIRST + 1) * US_PER_DAY + US_PER_HOUR
        await book.settle(book.keys[0])
        found = await db.read(book.read_all)
        assert await db.read(day_closing.is_reopening_due)
        await db.write(day_closing.reopen)
        assert await db.read(book.read_all) == found, "also before they were opened"
        assert await db.read(daily_sums.last_closed_day) == clock.now // US_PER_DAY - 1
        await book.write(3)
        clock.now = latest
        before = await db.read(book.read_all)
        await close_hours(db)
        await close_days(db)
        assert await db.read(book.read_all) == before
        closed = await db.read(load_closed)
        await db.write(forget_all, tuple(closed))
        await close_hours(db)
        await close_days(db)
        assert await db.read(load_closed) == closed, "as if nothing had been closed before"

    asyncio.run(scenario())


def test_a_day_is_closed_ten_minutes_after_its_end(open_database: OpenDatabase) -> None:
    """A transaction that began before midnight is committed after it."""
    clock = FakeClock(FIRST * US_PER_DAY)
    db = open_database(clock)

    async def scenario() -> None:
        assert await db.read(day_closing.find_next_day) is None
        await create_customer(db, 1)
        clock.now = (FIRST + 1) * US_PER_DAY + 10 * US_PER_MINUTE - 1
        assert await db.read(day_closing.find_next_day) is None
        assert await db.read(hour_closing.find_next_hour) == FIRST * 24
        await close_hours(db)
        assert await db.read(lambda tx: daily_sums.closed_hours(tx, 0, tx.now)) == (
            FIRST * US_PER_DAY,
            FIRST * US_PER_DAY + 23 * US_PER_HOUR,
        )
        clock.now += 1
        assert await db.read(day_closing.find_next_day) == FIRST
        assert await db.read(hour_closing.find_next_hour) == FIRST * 24 + 23
        await close_days(db)
        clock.now -= 1
        assert await db.read(day_closing.is_reopening_due), "the clock was set back"
        assert await db.read(daily_sums.last_closed_day) is None

    asyncio.run(scenario())


def test_days_that_are_in_an_archive_stay_closed(open_database: OpenDatabase) -> None:
    """Their entries are in a file: whoever summed them up again would find less."""
    clock = FakeClock(FIRST * US_PER_DAY)
    db = open_database(clock)

    async def scenario() -> None:
        await create_customer(db, 1)
        clock.now += 9 * US_PER_DAY
        await close_days(db)
        await db.write(
            lambda tx: tx.insert(
                "ledger_archives",
                month="2024-10",
                first_day=FIRST,
                last_day=FIRST + 3,
                lines=1,
                bytes=1,
                sha256="",
                file="",
                commit_id="",
                created=0,
            )
        )
        clock.now = (FIRST + 1) * US_PER_DAY
        assert await db.read(day_closing.is_reopening_due)
        await db.write(day_closing.reopen)
        assert not await db.read(day_closing.is_reopening_due)
        clock.now += 30 * US_PER_DAY
        assert await db.read(daily_sums.last_closed_day) == FIRST + 3

    asyncio.run(scenario())


def test_what_is_purged_stays_in_the_sums_of_its_day(open_database: OpenDatabase) -> None:
    clock = FakeClock(FIRST * US_PER_DAY)
    db = open_database(clock)

    async def scenario() -> None:
        book = Book(db, clock, 7)
        await book.open()
        await book.write(25)
        last = clock.now // US_PER_DAY
        clock.now += 40 * US_PER_DAY
        before = await db.read(load_overview, FIRST, last), await db.read(sum_margin, FIRST, last)
        tasks_before = (await db.read(load_stats)).tasks
        await close_days(db)
        await db.write(lambda tx: tx.execute("UPDATE assets SET deleted = created"))  # no thumbnail was drawn
        assert await db.write(purge_old_tasks, 30 * US_PER_DAY, 100) == sum(tasks_before.values()) > 10
        assert (await db.read(load_overview, FIRST, last), await db.read(sum_margin, FIRST, last)) == before
        assert (await db.read(load_stats)).tasks == tasks_before
        assert {one.name for one in before[1].routes} == {"r1", "r2", ""}

    asyncio.run(scenario())
