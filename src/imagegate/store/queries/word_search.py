"""Finds the tasks of an account whose prompt can have some words, newest first, through the index of words.

The index only narrows: whether a task is meant is decided by the conditions of its list. It is asked for a part of the
account's numbers at a time, and for a bounded number of tasks. Everything in one snapshot.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, NamedTuple

import msgspec

from imagegate.domain.pages import Position
from imagegate.store.dialect import (
    CANDIDATES,
    FIND_BY_GRAMS,
    NEWEST_FIRST,
    ONE_OF_IDS,
    ONE_OF_NUMBERS,
    ORDER_PROMPT,
    TESTED,
    indexed_by,
)
from imagegate.store.grams import TEST_COST, Choice, choose_groups, groups_of_words
from imagegate.store.queries.task_filter import word_forms
from imagegate.store.search_index import ACCOUNT_BITS, block_range, grams_parameters
from imagegate.store.transaction import Tx

# Entries of the groups' lists, or fewer where tasks that have the letters are tested: these are spread over the table,
# and are read one by one. Some 20 ms of either.
MAX_WORK = 40_000
# Of 65,536 tasks each, where the groups are rarer than they seemed to be, or there are none.
MAX_BLOCKS = 32
# Tested together; few at first: where many match, they fill the page.
_MIN_TOGETHER, _MAX_TOGETHER = 64, 512
# Of these one is in the index, wherever it goes that far: it lacks a task for minutes at most. And they tell which
# groups of letters are rare, each by so much of its prompt.
_LOOKED_BACK = 100
_SAMPLED_LETTERS = 400


class Start(NamedTuple):
    """What a search begins with: the groups of letters to look for, and the newest and oldest number to look at."""

    choice: Choice
    newest: int
    oldest: int


class Matches(NamedTuple):
    """Positions of tasks, newest first. `looked_to`: older ones can match, too, which nobody has looked at."""

    positions: list[Position]
    looked_to: Position | None


def find_start(tx: Tx, account_id: str, words: str, before: Position, oldest: Position) -> Start | None:
    """Where a search goes on that has come to `before`, down to `oldest`.

    None where the index cannot answer: for short words, and where it does not go as far as `before` yet.
    """
    groups = groups_of_words(word_forms(word) for word in words.split())
    if not groups or not account_id or not _is_indexed(tx, before):
        return None
    newer = _tasks_before(tx, account_id, before)
    newest = _highest_number(tx, newer)
    if newest is None:
        return None
    below = _highest_number(tx, _tasks_before(tx, account_id, oldest))
    choice = choose_groups(groups, newer.values())
    return Start(choice, newest, (newest >> ACCOUNT_BITS << ACCOUNT_BITS) if below is None else below + 1)


def find_matches(tx: Tx, start: Start, tests: str, named: dict[str, Any], limit: int) -> Matches:
    """The newest `limit` tasks that pass the tests, of the groups' tasks from the start on."""
    found: list[Position] = []
    high, work, together = start.newest + 1, 0.0, _MIN_TOGETHER
    for _ in range(MAX_BLOCKS):
        low, begun = max(block_range(high - 1)[0], start.oldest), high
        most = max(1, int((MAX_WORK - work) / TEST_COST))
        asked = {**grams_parameters(start.choice.grams, low), "low": low, "high": high, "limit": most}
        numbers = [row["number"] for row in tx.fetch_all(FIND_BY_GRAMS, asked)]
        tested = 0
        while tested < len(numbers) and len(found) < limit:
            some = numbers[tested : tested + together]
            found += _test(tx, some, tests, named)
            tested += len(some)
            together = min(together * 2, _MAX_TOGETHER)
        high = low if tested == len(numbers) < most else numbers[tested - 1]
        work += (begun - high) * start.choice.entries + tested * TEST_COST
        if len(found) > limit:
            return Matches(found[:limit], found[limit - 1])
        if high <= start.oldest:
            return Matches(found, None)
        if len(found) == limit or work >= MAX_WORK:
            break
    return Matches(found, _position_of(tx, high))


def _test(tx: Tx, numbers: list[int], tests: str, named: dict[str, Any]) -> list[Position]:
    # In two steps, by the primary key: either engine may prefer to make the tests on every task of the account.
    indexed = tx.fetch_all(
        f"SELECT task_id FROM task_search WHERE number {ONE_OF_NUMBERS}", {"numbers": json.dumps(numbers)}
    )
    rows = tx.fetch_all(
        f"""SELECT tasks.created, tasks.id FROM {CANDIDATES} tasks {indexed_by("sqlite_autoindex_tasks_1")}
        WHERE tasks.id {ONE_OF_IDS} {TESTED} {tests} {NEWEST_FIRST}""",
        named | {"ids": json.dumps([row["task_id"] for row in indexed])},
    )
    return [Position(row["created"], row["id"]) for row in rows]


def _is_indexed(tx: Tx, before: Position) -> bool:
    """Whether the index has every task that is older."""
    select = "SELECT COUNT(*) AS number FROM search_progress WHERE (created, task_id) >= (:created, :id)"
    return tx.fetch_int(select, msgspec.structs.asdict(before)) > 0


def _tasks_before(tx: Tx, account_id: str, before: Position) -> dict[str, str]:
    """The account's newest tasks that are older, and how their prompts begin."""
    rows = tx.fetch_all(
        f"""SELECT tasks.id, SUBSTR({ORDER_PROMPT}, 1, {_SAMPLED_LETTERS}) AS prompt
        FROM tasks {indexed_by("tasks_listed")}
        WHERE tasks.account_id = :account_id AND tasks.deleted IS NULL AND (tasks.created, tasks.id) < (:created, :id)
        ORDER BY tasks.created DESC, tasks.id DESC LIMIT {_LOOKED_BACK}""",
        {"account_id": account_id, **msgspec.structs.asdict(before)},
    )
    return {row["id"]: row["prompt"] or "" for row in rows}


def _highest_number(tx: Tx, task_ids: Collection[str]) -> int | None:
    # Not their MAX: to find that PostgreSQL walks along the numbers, and looks at each for being one of these.
    indexed = tx.fetch_all(
        f"SELECT number FROM task_search WHERE task_id {ONE_OF_IDS}", {"ids": json.dumps(list(task_ids))}
    )
    return max((row["number"] for row in indexed), default=None)


def _position_of(tx: Tx, number: int) -> Position:
    """Of the oldest task that has this number or a higher one."""
    row = tx.fetch_one(
        """SELECT tasks.created, tasks.id FROM task_search s JOIN tasks ON tasks.id = s.task_id
        WHERE s.number >= :number ORDER BY s.number LIMIT 1""",
        {"number": number},
    )
    assert row is not None  # the newest one of the search
    return Position(row["created"], row["id"])
