"""Finding the tasks of a list, however many there are: a bounded number of candidates, and tests on each of them.

Candidates come newest first from an index that follows some of the conditions by itself. Where others have to be tested
on its tasks, MAX_CANDIDATES of them are looked at, and the caller learns where to go on. Everything in one snapshot.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from imagegate.domain.pages import NEWEST, Position
from imagegate.store.dialect import CANDIDATES, MAX_TESTED, NEWEST_FIRST, TESTED, indexed_by
from imagegate.store.queries.task_filter import HAS_TAG, UNFINISHED, TaskFilter, build_conditions
from imagegate.store.queries.word_search import find_matches, find_start
from imagegate.store.transaction import Tx

MAX_NUMBERED = 10_000
# Testing one takes some microseconds, finding one of a pile by its id more.
MAX_CANDIDATES = MAX_TESTED
_MAX_PILE = 1_500
# Of these many match a word that is common; for others the index of words is asked behind them.
_FIRST_SEARCHED = 500
_OLDEST = Position(0, "")
_SHOWN = "tasks.deleted IS NULL"
_BEFORE = "(tasks.created, tasks.id) < (:before_created, :before_id)"
_BETWEEN = f"{_BEFORE} AND (tasks.created, tasks.id) >= (:from_created, :from_id)"
_NEWEST_FIRST = "ORDER BY created DESC, id DESC LIMIT :limit OFFSET :skip"
_STATUS_INDEXES = {
    "pending": ("tasks_unfinished", ("account", "state")),
    "processing": ("tasks_unfinished", ("account", "state")),
    "completed": ("tasks_completed", ("account", "state")),
    "failed": ("tasks_failed", ("account", "state", "status")),
    "cancelled": ("tasks_cancelled", ("account", "state", "status")),
}


class Found(NamedTuple):
    """Positions of tasks, newest first. `looked_to`: there are older candidates, which nobody has looked at."""

    positions: list[Position]
    looked_to: Position | None


class Numbered(NamedTuple):
    """A numbered page, and of how many tasks: `is_capped` where there are more, or may be."""

    positions: list[Position]
    total: int
    is_capped: bool


class _Source(NamedTuple):
    """An index whose tasks come newest first. It follows `where` by itself; `tests` are made on each task."""

    index_name: str
    where: str
    tests: str


class _Pile(NamedTuple):
    """Rows with the `task_id` of all that can be meant, in no order: for what is noted on few tasks.

    `row_test` is made on each row, `tests` are made on its task.
    """

    rows: str
    row_test: str
    tests: str


class _Plan(NamedTuple):
    """`select` gives the positions. `looked_to`: older ones would have to be tested, too, by another plan."""

    select: str
    named: dict[str, Any]
    is_tested: bool
    looked_to: Position | None


def find_candidates(tx: Tx, filters: TaskFilter, before: Position | None, limit: int) -> Found:
    """The newest `limit` tasks that are older than `before`, or fewer where older ones were not looked at."""
    if filters.q:
        found = _search(tx, filters, before or NEWEST, limit)
        if found is not None:
            return found
    plan = _choose_plan(tx, filters, before or NEWEST, MAX_CANDIDATES)
    return Found(_read(tx, plan, limit), plan.looked_to)


def _search(tx: Tx, filters: TaskFilter, before: Position, limit: int) -> Found | None:
    """By the index of words behind a few tasks that are looked at; None where it cannot answer."""
    plan = _choose_plan(tx, filters, before, _FIRST_SEARCHED)
    found = _read(tx, plan, limit)
    if plan.looked_to is None or len(found) == limit:
        return Found(found, plan.looked_to)
    start = find_start(tx, filters.account_id, filters.q, plan.looked_to, _oldest(filters))
    if start is None:
        return None
    conditions, named = build_conditions(filters)
    tests = " AND ".join([_SHOWN, *conditions.values()])
    matches = find_matches(tx, start, tests, named, limit - len(found))
    return Found(found + matches.positions, matches.looked_to)


def number_candidates(tx: Tx, filters: TaskFilter, page: int, page_size: int) -> Numbered:
    """The tasks of page `page`, which counts from 1, among the first MAX_NUMBERED."""
    plan, skip = _choose_plan(tx, filters, NEWEST, MAX_CANDIDATES), (page - 1) * page_size
    if not plan.is_tested:
        size = _count(tx, plan.select, plan.named | {"skip": 0}, MAX_NUMBERED)
        return Numbered(_read(tx, plan, page_size, skip), min(size, MAX_NUMBERED), size > MAX_NUMBERED)
    if filters.q:
        found, looked_to = find_candidates(tx, filters, None, MAX_NUMBERED)
    else:
        found, looked_to = _read(tx, plan, MAX_NUMBERED), plan.looked_to
    return Numbered(found[skip : skip + page_size], len(found), looked_to is not None)


def _read(tx: Tx, plan: _Plan, limit: int, skip: int = 0) -> list[Position]:
    rows = tx.fetch_all(plan.select, plan.named | {"limit": limit, "skip": skip})
    return [Position(row["created"], row["id"]) for row in rows]


def _count(tx: Tx, select: str, named: dict[str, Any], most: int) -> int:
    """The number of rows; one more than `most` where there are more."""
    return tx.fetch_int(f"SELECT COUNT(*) AS number FROM ({select}) AS counted", named | {"limit": most + 1})


def _oldest(filters: TaskFilter) -> Position:
    return _OLDEST if filters.created_after is None else Position(filters.created_after, "")


def _choose_plan(tx: Tx, filters: TaskFilter, before: Position, number: int) -> _Plan:
    conditions, named = build_conditions(filters)
    if filters.created_before is not None:
        before = min(before, Position(filters.created_before, ""), key=msgspec.structs.astuple)
    oldest = _oldest(filters)
    named |= {"before_created": before.created, "before_id": before.id}
    named |= {"from_created": oldest.created, "from_id": oldest.id}
    sources = _find_sources(filters, conditions)
    for source in sources:
        if not source.tests:
            return _Plan(_select(source), named, False, None)
    if pile := _smallest_pile(tx, filters, conditions, named):
        return _Plan(_select_of_pile(pile), named, True, None)
    source, end = _furthest(tx, sources, named, number)
    if end is not None:
        named |= {"from_created": end.created, "from_id": end.id}
    return _Plan(_select(source), named, True, end)


def _find_sources(filters: TaskFilter, conditions: dict[str, str]) -> list[_Source]:
    """The indexes that can give the candidates: those that follow most of the conditions."""
    if filters.account_id:
        found = [_STATUS_INDEXES[filters.status]] if filters.status else []
        found += [("tasks_by_model", ("account", "model"))] if filters.model else []
        found = found or [("tasks_listed", ("account",))]
    elif filters.status in {"failed", "cancelled"}:
        found = [("tasks_failed_of_all", ("state",))]
    else:
        found = [("tasks_listed_of_all", ())]
    return [
        _Source(index, " AND ".join([_SHOWN, *(conditions[name] for name in known)]), _rest(conditions, known))
        for index, known in found
    ]


def _rest(conditions: dict[str, str], known: tuple[str, ...]) -> str:
    return " AND ".join(condition for name, condition in conditions.items() if name not in known)


def _select(source: _Source) -> str:
    candidates = f"tasks {indexed_by(source.index_name)} WHERE {source.where} AND {_BETWEEN}"
    if not source.tests:
        return f"SELECT tasks.created, tasks.id FROM {candidates} {_NEWEST_FIRST}"
    return f"""SELECT tasks.created, tasks.id FROM {CANDIDATES} {candidates} {TESTED} {source.tests}
        {NEWEST_FIRST} LIMIT :limit OFFSET :skip"""


def _furthest(tx: Tx, sources: list[_Source], named: dict[str, Any], number: int) -> tuple[_Source, Position | None]:
    """The source whose first `number` reach back furthest, and the last one of these; None where it ends before.

    So few tasks of a rare model are found among many that completed, and the other way round.
    """
    furthest: tuple[_Source, Position] | None = None
    for source in sources:
        untested = _select(source._replace(tests=""))
        row = tx.fetch_one(untested, named | {"limit": 1, "skip": number - 1})
        if row is None:
            return source, None
        end = Position(row["created"], row["id"])
        if furthest is None or msgspec.structs.astuple(end) < msgspec.structs.astuple(furthest[1]):
            furthest = source, end
    assert furthest is not None
    return furthest


def _smallest_pile(tx: Tx, filters: TaskFilter, conditions: dict[str, str], named: dict[str, Any]) -> _Pile | None:
    sizes = {
        pile: _count(tx, f"{pile.rows} LIMIT :limit", named, _MAX_PILE) for pile in _find_piles(filters, conditions)
    }
    smallest = min(sizes, key=lambda pile: sizes[pile], default=None)
    return smallest if smallest is not None and sizes[smallest] <= _MAX_PILE else None


def _find_piles(filters: TaskFilter, conditions: dict[str, str]) -> list[_Pile]:
    noted = "SELECT task_id FROM task_metadata m WHERE account_id = :account_id AND name = "
    found = []
    if not filters.account_id and filters.status in {"pending", "processing"}:
        unfinished = f"SELECT id AS task_id FROM tasks {indexed_by('tasks_unfinished')} WHERE {UNFINISHED} AND {_SHOWN}"
        found.append((unfinished, "", "state"))
    if filters.account_id and filters.starred:
        found.append(("SELECT task_id FROM starred_tasks WHERE account_id = :account_id", "", "starred"))
    if filters.account_id and filters.metadata:
        found.append((f"{noted}:name AND value = :value", "", "metadata"))
    if filters.account_id and filters.tag:
        found.append((f"{noted}:tags", f" AND {HAS_TAG}", "tag"))
    return [_Pile(rows, row_test, _rest(conditions, (known,))) for rows, row_test, known in found]


def _select_of_pile(pile: _Pile) -> str:
    # SQLite takes the tables of a CROSS JOIN in this order. PostgreSQL plans what is within for all of its rows: with
    # the order and limit of a page it might walk through all tasks, waiting for one of the pile.
    return f"""SELECT created, id FROM (
            SELECT tasks.created, tasks.id FROM ({pile.rows}{pile.row_test}) AS pile CROSS JOIN tasks
            WHERE tasks.id = pile.task_id AND {_SHOWN} AND {_BETWEEN} AND {pile.tests or "TRUE"} LIMIT {_MAX_PILE}
        ) AS found {_NEWEST_FIRST}"""
