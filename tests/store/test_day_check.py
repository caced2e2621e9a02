"""I22: whatever is changed of a closed day, its sums or its entries, is found; what is open is nobody's sum yet."""

from __future__ import annotations

import asyncio

import pytest

from imagegate.domain.time import US_PER_DAY
from imagegate.store.invariants import Check
from imagegate.store.rules import INVARIANTS
from imagegate.store.transaction import Tx
from tests.conftest import OpenDatabase
from tests.store.helpers import FakeClock, close_days
from tests.store.test_day_closing import FIRST, Book

FIRST_SUM = (
    "(account, day, kind, model, key_id, route) = (SELECT account, day, kind, model, key_id, route FROM daily_sums"
)
A_SUM = f"{FIRST_SUM} WHERE day > {FIRST} ORDER BY 1, 2, 3, 4, 5, 6 LIMIT 1)"
A_BALANCE = f"(account, day) = (SELECT account, day FROM daily_balances WHERE day = {FIRST + 1} ORDER BY 1 LIMIT 1)"
EARLY = f"kind = 'charge' AND created < {(FIRST + 2) * US_PER_DAY}"
CHARGE = f"id = (SELECT MAX(id) FROM entries WHERE {EARLY})"
OF_CUSTOMER = f"id = (SELECT MAX(id) FROM entries WHERE {EARLY} AND account NOT LIKE 'sys:%')"
BROKEN = [
    f"UPDATE entries SET amount = amount + 1 WHERE {CHARGE}",
    f"UPDATE entries SET model = 'another' WHERE {CHARGE}",
    f"UPDATE entries SET images = images + 1 WHERE {CHARGE}",
    f"UPDATE entries SET created = created + {US_PER_DAY} WHERE {CHARGE}",
    f"UPDATE entries SET key_id = 'another' WHERE {OF_CUSTOMER}",
    f"DELETE FROM entries WHERE {CHARGE}",
    f"DELETE FROM daily_sums WHERE {A_SUM}",
    f"UPDATE daily_sums SET amount = amount + 1 WHERE {A_SUM}",
    f"UPDATE daily_sums SET lines = lines + 1 WHERE {A_SUM}",
    f"UPDATE daily_sums SET images = images + 1 WHERE {A_SUM}",
    f"DELETE FROM daily_balances WHERE {A_BALANCE}",
    f"UPDATE daily_balances SET balance = balance + 1 WHERE {A_BALANCE}",
    f"UPDATE daily_balances SET used = used + 1 WHERE {A_BALANCE}",
    f"UPDATE daily_balances SET lines = lines + 1 WHERE {A_BALANCE}",
    f"INSERT INTO daily_balances SELECT id, {FIRST - 1}, 0, 0, 0 FROM accounts",
    f"INSERT INTO daily_sums SELECT id, {FIRST + 1}, 'charge', 'none', '', '', 0, 1, 0 FROM accounts",
    f"INSERT INTO daily_sums VALUES ('sys:other', {FIRST + 1}, 'charge', '', '', '', 1, 1, 0)",
]
OPEN = [
    "INSERT INTO daily_balances SELECT id, (SELECT MAX(day) + 1 FROM closed_days), 5, 0, 0 FROM accounts",
    f"UPDATE entries SET amount = amount + 1 WHERE created >= (SELECT (MAX(day) + 1) * {US_PER_DAY} FROM closed_days)",
]
# Of some days in the middle, as an archived month is.
MONTH = (FIRST + 2, FIRST + 4)
START, END = MONTH[0] * US_PER_DAY, (MONTH[1] + 1) * US_PER_DAY
ARCHIVE = [
    f"""INSERT INTO ledger_archives (month, first_day, last_day, lines, bytes, sha256, file, commit_id, created)
    VALUES ('2024-10', {MONTH[0]}, {MONTH[1]}, 1, 1, '', '', '', 1)""",
    f"""INSERT INTO entries (id, ref, account, kind, amount, actor, commit_id, created)
    SELECT 'opening' || account || kind, 'opening:' || kind, account, kind, SUM(amount), '', '', {END - 1} FROM entries
    WHERE created >= {START} AND created < {END} GROUP BY account, kind""",
    f"DELETE FROM entries WHERE created >= {START} AND created < {END} AND ref NOT LIKE 'opening:%'",
]


class Undone(Exception):
    """Takes what was found, and back what was changed."""

    def __init__(self, found: set[str]) -> None:
        self.found = found


def change_and_check(tx: Tx, statements: list[str], share: float) -> None:
    for statement in statements:
        assert tx.execute(statement) > 0, statement
    check = Check([rule for rule in INVARIANTS if rule.id in ("I2.posted", "I22")])
    while not check.is_done:
        check.share = share
        check.check_piece(tx)
    raise Undone({one.id for one in check.violations})


def test_what_is_changed_of_a_closed_day_is_found(open_database: OpenDatabase) -> None:
    clock = FakeClock(FIRST * US_PER_DAY)
    db = open_database(clock)

    async def find(*statements: str, share: float = 1.0) -> set[str]:
        with pytest.raises(Undone) as undone:
            await db.write(change_and_check, list(statements), share)
        return undone.value.found

    async def scenario() -> None:
        book = Book(db, clock, 0)
        await book.open()
        await book.write(60)
        await close_days(db)
        await book.write(3)
        assert await find() == await find(share=0.0) == set()
        for statement in BROKEN:
            assert "I22" in await find(statement), statement
        assert await find(BROKEN[-7], share=0.0) == {"I22"}, "one day of one account in a piece"
        assert await find("UPDATE accounts SET posted = posted + 1") == {"I2.posted"}
        for statement in OPEN:
            assert "I22" not in await find(statement), statement
        for share in (0.0, 1.0):
            assert await find(*ARCHIVE, share=share) == set()
            assert "I22" in await find(*ARCHIVE, "UPDATE entries SET amount = amount + 1 WHERE ref = 'opening:charge'")
        assert await find(*ARCHIVE, BROKEN[-5]) == {"I22"}, "before the month"
        before = f"SET balance = balance + 1 WHERE day = {MONTH[0] + 1}"
        assert await find(*ARCHIVE, f"UPDATE daily_balances {before}") == {"I22"}, "in the month"

    asyncio.run(scenario())


def test_a_day_that_is_not_over_any_more_is_not_checked(open_database: OpenDatabase) -> None:
    """The clock was set back, and what is booked now belongs to a closed day until the sweep opens it again."""
    clock = FakeClock(FIRST * US_PER_DAY)
    db = open_database(clock)

    async def scenario() -> None:
        book = Book(db, clock, 0)
        await book.open()
        await book.write(20)
        await close_days(db)
        clock.now = FIRST * US_PER_DAY + 1
        await book.settle(book.keys[0])
        for now, expected in ((clock.now, set()), (0, {"I22"})):
            clock.now = now
            with pytest.raises(Undone) as undone:
                await db.write(change_and_check, [], 1.0)
            assert undone.value.found == expected

    asyncio.run(scenario())
