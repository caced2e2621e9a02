"""Section 9, the ledger: over any history its amounts sum to the available balance, and each line says the balance
after it."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest

from imagegate.domain.accounts import ApiKey
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import TERMINAL_STATES
from imagegate.store import accounts, attempts, ledger, settlement, tasks
from imagegate.store.database import Database
from imagegate.store.queries.past_balances import LinePosition
from imagegate.store.queries.statement import LINE_TYPES, StatementFilter, StatementLine, list_statement_lines
from tests.conftest import OpenDatabase
from tests.store.helpers import (
    LEASE_US,
    ROUTE,
    claim_tasks,
    create_customer,
    new_attempt,
    new_settlement,
    new_task,
    render_webhook,
)

FAULT = TaskError(TaskErrorCode.service_error, "test")


async def _history(db: Database, account_id: str, key: ApiKey, chance: random.Random) -> None:
    """Grants, holds, settlements and releases in any order."""
    for step in range(60):
        match chance.choice(["grant", "take", "submit", "submit", "submit", "end", "end", "end"]):
            case "grant":
                await db.write(ledger.grant, account_id, chance.randrange(1, 10**6), f"grant:{key.id}:{step}", "test")
            case "take":
                await db.write(ledger.grant, account_id, -chance.randrange(1, 10**4), f"grant:{key.id}:{step}", "test")
            case "submit":
                new = new_task(key, chance.randrange(1, 10**5))
                await db.write(tasks.submit_task, account_id, new, None, 1000)
            case _:
                await _end_one(db, account_id, chance)


async def _end_one(db: Database, account_id: str, chance: random.Random) -> None:
    for task in await db.write(claim_tasks, account_id, "test", LEASE_US, 1):
        if chance.random() < 0.3:
            await db.write(
                settlement.fail_task, account_id, task.id, task.claim_no, FAULT, f"cmt_{task.id}", render_webhook
            )
            continue
        attempt = new_attempt(task)
        await db.write(attempts.begin_attempt, account_id, attempt, "test", ROUTE)
        price = chance.randrange(2 * task.hold)
        done = new_settlement(task, min(price, task.hold), price)
        await db.write(settlement.complete_task, account_id, task.id, task.claim_no, done, render_webhook)


async def _load_all(db: Database, account_id: str, limit: int, **wanted: str) -> list[StatementLine]:
    """Every line, page by page."""
    lines: list[StatementLine] = []
    before: LinePosition | None = None
    while True:
        filters = StatementFilter(**wanted, before=before, limit=limit)
        page = await db.snapshot(list_statement_lines, account_id, filters)
        lines += page.rows
        before = page.next_position
        if before is None:
            return lines


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.gate) for seed in range(2, 6))])
def test_s9_ledger_sum_is_the_balance_after_any_history(open_database: OpenDatabase, seed: int) -> None:
    async def scenario() -> None:
        db, chance = open_database(), random.Random(seed)
        account_id, key = await create_customer(db, 10**6)
        other_id, other = await create_customer(db, 10**6, "other")
        await _history(db, account_id, key, chance)
        await _history(db, other_id, other, chance)
        lines = await _load_all(db, account_id, 1000)
        account = await db.read(accounts.find_account, account_id)
        assert account is not None
        assert sum(line.amount for line in lines) == account.posted - account.held == lines[0].available_after
        assert lines[-1].available_after == lines[-1].amount
        for newer, older in pairwise(lines):
            assert newer.available_after == older.available_after + newer.amount
            assert newer.at >= older.at
            assert newer.available_after >= 0
        assert len({line.id for line in lines}) == len(lines)
        for limit in (1, 7, 200):
            assert await _load_all(db, account_id, limit) == lines
        for kind in LINE_TYPES:
            assert await _load_all(db, account_id, 3, type=kind) == [line for line in lines if line.type == kind]
        theirs = {line.id for line in await _load_all(db, other_id, 1000)}
        assert not theirs & {line.id for line in lines}
        await _check_tasks(db, account_id, other_id, lines)

    asyncio.run(scenario())


async def _check_tasks(db: Database, account_id: str, other_id: str, lines: list[StatementLine]) -> None:
    """A finished task has one hold, one release of the same size and at most one charge, in this order."""
    for task_id in {line.task_id for line in lines if line.task_id}:
        own = [line for line in lines if line.task_id == task_id][::-1]
        assert await _load_all(db, account_id, 2, task_id=task_id) == own[::-1]
        assert await _load_all(db, other_id, 2, task_id=task_id) == []
        task = await db.read(tasks.find_task, account_id, task_id)
        assert task is not None
        kinds = [line.type for line in own]
        assert own[0].amount == -task.hold
        assert own[0].price_version == task.price_version
        if task.state not in TERMINAL_STATES:
            assert kinds == ["hold"]
        elif task.error is None:
            assert kinds == ["hold", "release", "charge"]
            assert (own[1].amount, own[2].amount) == (task.hold, -(task.charge or 0))
        else:
            assert kinds == ["hold", "release"]
            assert own[1].amount == task.hold
