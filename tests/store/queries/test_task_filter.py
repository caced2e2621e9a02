"""Lists of tasks on both engines: what each filter finds, and pages of keys that miss nothing."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import msgspec
import pytest

from imagegate.domain.pages import Position
from imagegate.domain.time import US_PER_SECOND
from imagegate.store import tasks
from imagegate.store.database import Database
from imagegate.store.dialect import Row
from imagegate.store.queries import task_candidates
from imagegate.store.queries.task_filter import STATUS_SQL, TaskFilter
from imagegate.store.queries.tasks import list_tasks_before, list_tasks_page
from imagegate.store.task_metadata import change_metadata
from imagegate.store.transaction import Tx
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
        page = await db.read(list_tasks_page, filters, 1, 100)
        assert ([task.id for task in page.tasks], page.total, page.is_capped) == (expected, len(expected), False), given
        of_all = await list_all(db, TaskFilter(**given), 3)
        assert set(of_all) == {one[position] for one in (made, others) for position in positions}, given


def test_s5_3_search_finds_all_words_in_any_order_and_case(open_database: OpenDatabase) -> None:
    asyncio.run(check_found(open_database(), SEARCHED))


def test_s5_3_filters_find_the_same_on_both_engines(open_database: OpenDatabase) -> None:
    asyncio.run(check_found(open_database(), FILTERED))


def test_s5_3_bound_few_candidates_are_looked_at_for_a_page_and_the_cursor_goes_on(
    open_database: OpenDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, made = await order_all(db)
        for name in ("MAX_CANDIDATES", "MAX_NUMBERED", "_MAX_PILE"):
            monkeypatch.setattr(task_candidates, name, 2)
        short_pages = 0
        for given, positions in SEARCHED + FILTERED:
            filters = TaskFilter(account_id=account_id, **given)
            assert await list_all(db, filters, 2) == [made[position] for position in positions], given
            assert await list_all(db, TaskFilter(**given), 2) == [made[position] for position in positions], given
            page = await db.read(list_tasks_before, filters, None, 2)
            short_pages += page.has_more and len(page.rows) < 2
            numbered = await db.read(list_tasks_page, filters, 1, 100)
            assert numbered.total <= 2
            assert numbered.is_capped or numbered.total == len(positions), given
        assert short_pages, "no test was made on more candidates than are looked at"
        without_tests = await db.read(list_tasks_page, TaskFilter(account_id=account_id), 1, 1)
        assert (without_tests.total, without_tests.is_capped) == (2, True)

    asyncio.run(scenario())


def note_plans(tx: Tx, explain: str, steps: list[str]) -> None:
    """Note the steps of each query's plan from here on."""
    fetch = tx.fetch_all

    def fetch_explained(sql: str, params: dict[str, Any]) -> list[Row]:
        steps.extend(str(list(row.values())[-1]) for row in fetch(f"{explain} {sql}", params))
        return fetch(sql, params)

    tx.fetch_all = fetch_explained  # type: ignore[method-assign, assignment]


def test_lists_are_read_from_their_indexes(open_database: OpenDatabase) -> None:
    """Whatever is combined: tasks come from an index in the order of the list, or one by one by their id."""
    choices: dict[str, list[Any]] = {
        "account_id": ["", "acc_a"],
        "status": ["", *STATUS_SQL],
        "model": ["", "gpt-image-2"],
        "starred": [None, True, False],
        "tag": ["", "logo"],
        "metadata": [None, ("matrix", "m1")],
        "q": ["", "red fox"],
    }
    steps: list[str] = []

    def explain(tx: Tx) -> None:
        note_plans(tx, "EXPLAIN QUERY PLAN", steps)
        for chosen in itertools.product(*choices.values()):
            filters = TaskFilter(**dict(zip(choices, chosen, strict=True)))
            list_tasks_before(tx, filters, None, 20)

    async def scenario() -> None:
        db = open_database()
        if db.engine.shared:
            return  # its planner goes by the number of rows
        await db.read(explain)
        await db.read(list_tasks_page, TaskFilter(account_id="acc_a"), 1, 20)
        scanned = {step for step in steps if step.startswith("SCAN")}
        assert scanned == {"SCAN tasks USING INDEX tasks_unfinished", "SCAN counted", "SCAN found"}
        searched = {step.split(" (")[0] for step in steps if step.startswith("SEARCH tasks USING")}
        indexes = {f"tasks_{name}" for name in STATUS_SQL.keys() - {"pending", "processing"} | {"unfinished", "listed"}}
        indexes |= {"tasks_by_model", "tasks_listed_of_all", "tasks_failed_of_all", "sqlite_autoindex_tasks_1"}
        assert {step.split()[-1] for step in searched} == indexes
        by_account = [step for step in steps if "(account_id=?" in step and step.startswith("SEARCH tasks")]
        assert all("(created,id)>(?,?) AND (created,id)<(?,?)" in step for step in by_account)

    asyncio.run(scenario())


def test_candidates_are_tested_one_by_one(open_database: OpenDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL joins nothing, which it might begin with the notes of all accounts, and sorts nothing."""
    steps: list[str] = []

    def explain(tx: Tx) -> None:
        note_plans(tx, "EXPLAIN", steps)
        tx.fetch_all("SELECT set_config('enable_seqscan', 'off', TRUE)", {})  # as in a table that is not empty
        for given in (
            {"starred": True},
            {"starred": False},
            {"tag": "logo"},
            {"metadata": ("matrix", "m1")},
            {"q": "fox"},
        ):
            list_tasks_before(tx, TaskFilter(account_id="acc_a", **given), None, 20)

    async def scenario() -> None:
        db = open_database()
        if not db.engine.shared:
            return  # it has the index named to it
        monkeypatch.setattr(task_candidates, "_MAX_PILE", -1)
        await db.snapshot(explain)
        assert not [step for step in steps if "Join" in step or "Nested Loop" in step or "Sort" in step]
        assert sum("Index Scan using task_metadata_pkey" in step for step in steps) == 2

    asyncio.run(scenario())


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
