"""Lists of tasks on both engines: what each filter finds, and pages of keys that miss nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from imagegate.domain.pages import Position
from imagegate.domain.time import US_PER_SECOND
from imagegate.store import tasks
from imagegate.store.database import Database
from imagegate.store.queries.task_filter import TaskFilter
from imagegate.store.queries.tasks import list_tasks_before, list_tasks_page
from imagegate.store.task_metadata import change_metadata
from tests.conftest import OpenDatabase
from tests.store.helpers import create_customer, new_key, new_task

BEGAN = 1_795_000_000 * US_PER_SECOND
# What is ordered, in this order, one a second: the prompt, how many references, the metadata.
ORDERED: list[tuple[str, int, dict[str, str]]] = [
    ("A red fox in the SNOW", 0, {}),
    ("snow on red roofs, 100% white", 2, {"starred": "true", "tags": "logo,spring"}),
    ("Émile draws a fox_den", 1, {"tags": "spring_2", "matrix": "m1"}),
    ("빨간 여우 İZMİR ΟΔΟΣ", 0, {"matrix": "m1", "starred": "false"}),
    ('a trap: "image_urls":[] and ÉMILE', 0, {"tags": "logo", "starred": "true", "matrix": "m2"}),
]
SEARCHED: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [4, 3, 2, 1, 0]),
    ({"q": "red snow"}, [1, 0]),
    ({"q": "snow fox red"}, [0]),
    ({"q": "sno"}, [1, 0]),
    ({"q": "  "}, [4, 3, 2, 1, 0]),
    ({"q": "100%"}, [1]),
    ({"q": "x_d"}, [2]),
    ({"q": "여우"}, [3]),
    ({"q": "émile"}, [4, 2]),
    ({"q": "ÉMILE"}, [4, 2]),
    ({"q": "İZMİR"}, [3]),
    ({"q": "ΟΔΟΣ"}, [3]),
    ({"q": "fox !"}, []),
]
FILTERED: list[tuple[dict[str, Any], list[int]]] = [
    ({"references": True}, [2, 1]),
    ({"references": False}, [4, 3, 0]),
    ({"starred": True}, [4, 1]),
    ({"starred": False}, [3, 2, 0]),
    ({"tag": "logo"}, [4, 1]),
    ({"tag": "spring"}, [1]),
    ({"tag": "spring%2"}, []),
    ({"metadata": ("matrix", "m1")}, [3, 2]),
    ({"metadata": ("matrix", "")}, []),
    ({"created_after": BEGAN + US_PER_SECOND, "created_before": BEGAN + 3 * US_PER_SECOND}, [2, 1]),
    ({"status": "pending", "model": "gpt-image-2", "q": "fox", "starred": False, "references": True}, [2]),
    ({"status": "completed"}, []),
]


async def order_all(db: Database, name: str = "customer") -> tuple[str, list[str]]:
    account_id, key = await create_customer(db, 10**6, name)
    made = []
    for second, (prompt, references, metadata) in enumerate(ORDERED):
        new = new_task(key)
        urls = ("https://a.example/a.png",) * references
        order = msgspec.structs.replace(new.order, prompt=prompt, image_urls=urls)
        moment = BEGAN + second * US_PER_SECOND
        new = msgspec.structs.replace(new, created=moment, order=order, metadata=metadata)
        await db.write(tasks.submit_task, account_id, new, None, 100)
        made.append(new.id)
    return account_id, made


async def list_all(db: Database, filters: TaskFilter, limit: int) -> list[str]:
    found: list[str] = []
    before: Position | None = None
    while True:
        page = await db.read(list_tasks_before, filters, before, limit)
        found += [task.id for task in page.rows]
        before = page.next_position
        if before is None:
            return found


async def check_found(db: Database, cases: list[tuple[dict[str, Any], list[int]]]) -> None:
    account_id, made = await order_all(db)
    _, others = await order_all(db, "other")
    for given, positions in cases:
        filters = TaskFilter(account_id=account_id, **given)
        expected = [made[position] for position in positions]
        assert await list_all(db, filters, 2) == expected, given
        rows, total = await db.read(list_tasks_page, filters, 1, 100)
        assert ([task.id for task in rows], total) == (expected, len(expected)), given
        of_all = await list_all(db, TaskFilter(**given), 3)
        assert set(of_all) == {one[position] for one in (made, others) for position in positions}, given


def test_s5_3_search_finds_all_words_in_any_order_and_case(open_database: OpenDatabase) -> None:
    asyncio.run(check_found(open_database(), SEARCHED))


def test_s5_3_filters_find_the_same_on_both_engines(open_database: OpenDatabase) -> None:
    asyncio.run(check_found(open_database(), FILTERED))


def test_s5_3_cursor_pages_miss_nothing_where_tasks_come_meanwhile(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, made = await order_all(db)
        mine = TaskFilter(account_id=account_id)
        for limit in (1, 2, 5, 6):
            assert await list_all(db, mine, limit) == made[::-1]
        first = await db.read(list_tasks_before, mine, None, 2)
        rows = await db.read(lambda tx: tx.fetch_all("SELECT key_id FROM tasks WHERE id = :id", {"id": made[0]}))
        key = msgspec.structs.replace(new_key(account_id), id=rows[0]["key_id"])
        # one that is newer than all, and one of the very moment of another
        for moment in (BEGAN + 9 * US_PER_SECOND, BEGAN + 2 * US_PER_SECOND):
            new = msgspec.structs.replace(new_task(key), created=moment)
            await db.write(tasks.submit_task, account_id, new, None, 100)
        page = await db.read(list_tasks_before, mine, first.next_position, 100)
        assert [task.id for task in page.rows if task.id in made] == made[2::-1]
        assert len({task.id for task in page.rows}) == 4

    asyncio.run(scenario())


def test_s5_3_filters_follow_a_change_of_metadata(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, made = await order_all(db)
        starred = TaskFilter(account_id=account_id, starred=True)
        tagged = TaskFilter(account_id=account_id, tag="logo")
        await db.write(change_metadata, account_id, made[1], {"starred": None, "tags": "spring"})
        await db.write(change_metadata, account_id, made[0], {"starred": "true", "tags": "fox,logo"})
        assert await list_all(db, starred, 10) == [made[4], made[0]]
        assert await list_all(db, tagged, 10) == [made[4], made[0]]
        await db.write(change_metadata, account_id, made[1], {"starred": "true"})
        assert await list_all(db, starred, 1) == [made[4], made[1], made[0]]

    asyncio.run(scenario())


@pytest.mark.parametrize("words", [50, 100])
def test_many_words_are_one_statement(open_database: OpenDatabase, words: int) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, _ = await order_all(db)
        text = " ".join(chr(0x4E00 + number) for number in range(words))
        assert await list_all(db, TaskFilter(account_id=account_id, q=text), 10) == []

    asyncio.run(scenario())
