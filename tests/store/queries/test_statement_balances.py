"""Lines and balances of a statement are what all lines of the account, summed up from the present balance, say."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from imagegate.domain.time import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE
from imagegate.store import accounts, api_keys, prices
from imagegate.store.database import Database
from imagegate.store.queries.past_balances import LinePosition
from imagegate.store.queries.statement import LINE_TYPES, StatementFilter, StatementLine, list_statement_lines
from imagegate.store.transaction import Tx
from tests.conftest import OpenDatabase
from tests.store.helpers import PRICE_BODY, PRICE_VERSION, FakeClock, close_days, new_key

FIRST_DAY = 20_000
DAYS = 6
LASTING = (0, 1, US_PER_MINUTE, 10 * US_PER_MINUTE, US_PER_HOUR, 2 * US_PER_HOUR, 5 * US_PER_HOUR, US_PER_DAY)

# The lines of an account and the balance after each, with nothing left out that is slow.
ALL_LINES = """SELECT line.*, COALESCE(line.price_version, t.price_version) AS version,
    CAST((SELECT posted - held FROM accounts WHERE id = :account_id) + amount
        - SUM(amount) OVER (ORDER BY at DESC, step DESC, line.id DESC ROWS UNBOUNDED PRECEDING) AS BIGINT)
        AS available_after
FROM (
    SELECT id, kind AS type, task_id, created AS at, CASE kind WHEN 'charge' THEN 3 WHEN 'refund' THEN 4 ELSE 0 END
        AS step, amount, price_version FROM entries WHERE account = :account_id
    UNION ALL SELECT 'led_hold_' || task_id, 'hold', task_id, created, 1, -amount, NULL FROM holds
        WHERE account_id = :account_id
    UNION ALL SELECT 'led_release_' || task_id, 'release', task_id, closed, 2, amount, NULL FROM holds
        WHERE account_id = :account_id AND closed IS NOT NULL) AS line
LEFT JOIN tasks t ON t.id = line.task_id ORDER BY at DESC, step DESC, line.id DESC"""


class Books:
    """Random books of an account, written as rows: what the clock and the program would have taken days for."""

    def __init__(self, tx: Tx, seed: int, account_id: str, key_id: str) -> None:
        self._tx, self._chance = tx, random.Random(seed)
        self._account_id, self._key_id = account_id, key_id
        self._moments = self._draw_moments()
        self._posted = self._held = 0

    def _draw_moments(self) -> list[int]:
        """Few, so that lines share them: also the edges of days, and moments that lie near to each other."""
        drawn = [self._chance.randrange(DAYS * US_PER_DAY) for _ in range(25)]
        drawn += [at + self._chance.choice([1, US_PER_MINUTE, 9 * US_PER_MINUTE]) for at in drawn[:10]]
        edges = [day * US_PER_DAY - before for day in range(1, DAYS) for before in (0, 1)]
        return [FIRST_DAY * US_PER_DAY + at for at in drawn + edges]

    def write(self) -> None:
        for number in range(8):
            kind = self._chance.choice(["grant", "adjustment"])
            self._post(f"{kind}:{number}", kind, self._moment(), self._chance.choice([-7, 10**6]))
        for number in range(60):
            self._write_task(f"task-{number:02}-{self._chance.randrange(10**6)}")
        self._tx.execute(
            "UPDATE accounts SET posted = :posted, held = :held, credit_line = :credit WHERE id = :id",
            {
                "id": self._account_id,
                "posted": self._posted,
                "held": self._held,
                "credit": 10**9,
            },
        )

    def _moment(self) -> int:
        return self._chance.choice(self._moments)

    def _write_task(self, task_id: str) -> None:
        created, hold = self._moment(), self._chance.randrange(1, 10**5)
        lasted = self._chance.choice(LASTING) + self._chance.choice([0, 0, 1, -1, self._chance.randrange(US_PER_HOUR)])
        closed = self._chance.choice([created + lasted, created + lasted, self._moment(), None])
        charge = None if closed is None else self._chance.choice([None, hold // 2])
        if closed is None or self._chance.random() < 0.7:
            self._write_rows(task_id, created, closed, hold, charge)
        if closed is not None and charge is not None:
            self._post(f"settle:{task_id}", "charge", closed, -charge, task_id)
            if self._chance.random() < 0.2:
                self._post(f"refund:{task_id}", "refund", max(closed, self._moment()), charge, task_id)

    def _write_rows(self, task_id: str, created: int, closed: int | None, hold: int, charge: int | None) -> None:
        """What the purge deletes."""
        owned: dict[str, Any] = {"account_id": self._account_id, "key_id": self._key_id, "created": created}
        state = "queued" if closed is None else "failed" if charge is None else "completed"
        of_hold = "open" if closed is None else "released" if charge is None else "settled"
        self._held += hold if closed is None else 0
        self._tx.insert(
            "tasks",
            id=task_id,
            state=state,
            model="gpt-image-2",
            order_body="{}",
            billing_rule="per_token",
            price_version=PRICE_VERSION,
            hold=hold,
            due=created,
            deadline=created,
            ended=closed,
            charge=charge,
            **owned,
        )
        self._tx.insert(
            "holds",
            task_id=task_id,
            amount=hold,
            day=0,
            state=of_hold,
            charge=charge or 0,
            closed=closed,
            **owned,
        )

    def _post(self, ref: str, kind: str, at: int, amount: int, task_id: str | None = None) -> None:
        entry_id = f"led_{self._chance.randrange(10**9)}"
        self._posted += amount
        for account, part in ((self._account_id, amount), ("sys:bank", -amount)):
            self._tx.insert(
                "entries",
                id=entry_id if account == self._account_id else f"{entry_id}_other",
                ref=f"{self._account_id}:{ref}" if task_id is None else ref,
                account=account,
                kind=kind,
                amount=part,
                task_id=task_id,
                actor="test",
                commit_id="cmt_test",
                created=at,
                price_version=PRICE_VERSION if task_id else None,
            )


def _write_books(tx: Tx, seed: int, account_id: str, key_id: str) -> None:
    Books(tx, seed, account_id, key_id).write()


def _load_plainly(tx: Tx, account_id: str) -> list[StatementLine]:
    rows = tx.fetch_all(ALL_LINES, {"account_id": account_id})
    return [StatementLine(**row | {"price_version": row.pop("version")}) for row in rows]


async def _load_pages(db: Database, account_id: str, **wanted: Any) -> list[StatementLine]:
    lines: list[StatementLine] = []
    before: LinePosition | None = None
    while True:
        page = await db.snapshot(list_statement_lines, account_id, StatementFilter(**wanted, before=before))
        lines += page.rows
        before = page.next_position
        if before is None:
            return lines


# Closed: none, all but the last, all that have entries.
@pytest.mark.parametrize(
    ("seed", "closed_days"),
    [(0, 0), (1, DAYS - 1), (2, DAYS), *(pytest.param(s, s % 8, marks=pytest.mark.gate) for s in range(3, 12))],
)
def test_s9_ledger_balances_are_those_of_all_lines(open_database: OpenDatabase, seed: int, closed_days: int) -> None:
    async def scenario() -> None:
        chance = random.Random(seed)
        clock = FakeClock((FIRST_DAY + closed_days) * US_PER_DAY + 10 * US_PER_MINUTE)
        db = open_database(clock)
        await db.write(prices.register_price_version, PRICE_VERSION, PRICE_BODY)
        account = await db.write(accounts.open_account, "acc_books", "books")
        key = new_key(account.id)
        await db.write(api_keys.create_key, account.id, key, "digest")
        await db.write(_write_books, seed, account.id, key.id)
        await close_days(db)
        clock.now = (FIRST_DAY + DAYS + 1) * US_PER_DAY - US_PER_HOUR
        lines = await db.read(_load_plainly, account.id)
        assert len(lines) > 80
        for limit in (7, 200):
            assert await _load_pages(db, account.id, limit=limit) == lines
        for kind in LINE_TYPES:
            expected = [line for line in lines if line.type == kind]
            assert await _load_pages(db, account.id, limit=chance.choice([1, 5, 50]), type=kind) == expected
        for task_id in sorted({line.task_id for line in lines if line.task_id}):
            of_task = [line for line in lines if line.task_id == task_id]
            assert await _load_pages(db, account.id, limit=50, task_id=task_id) == of_task
        one = chance.choice([line for line in lines if line.type == "charge"])
        assert await _load_pages(db, account.id, limit=1, task_id=one.task_id, type="charge") == [one]

    asyncio.run(scenario())
