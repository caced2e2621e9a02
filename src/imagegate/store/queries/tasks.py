"""Reading tasks: one page of a list, several at once, and the history of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from imagegate.domain.pages import Page, Position, paged
from imagegate.domain.tasks import TERMINAL_STATES, Task, TaskState, public_status
from imagegate.domain.time import US_PER_SECOND
from imagegate.store.queries.task_candidates import find_candidates, number_candidates
from imagegate.store.queries.task_filter import TaskFilter
from imagegate.store.tasks import SELECT_TASK, find_task, task_from_row
from imagegate.store.transaction import Tx, name_values


class NumberedTasks(NamedTuple):
    """A numbered page, and of how many tasks: `is_capped` where there are more, or may be."""

    tasks: list[Task]
    total: int
    is_capped: bool


def list_tasks_page(tx: Tx, filters: TaskFilter, page: int, page_size: int) -> NumberedTasks:
    """Return the tasks of page `page`, which counts from 1, newest first, and the number of all of them."""
    found = number_candidates(tx, filters, page, page_size)
    return NumberedTasks(_load_tasks(tx, found.positions), found.total, found.is_capped)


def list_tasks_before(tx: Tx, filters: TaskFilter, before: Position | None, limit: int) -> Page[Task, Position]:
    """Newest first, from the one after `before`. Counts nothing, and new tasks do not shift its pages.

    A page may have fewer tasks than `limit`, or none, and still a next one: as many as can be looked at in one go.
    """
    found = find_candidates(tx, filters, before, limit + 1)
    page = paged(found.positions, limit, lambda position: position)
    return Page(_load_tasks(tx, page.rows), page.next_position or found.looked_to)


def _load_tasks(tx: Tx, positions: list[Position]) -> list[Task]:
    """Their rows once it is known which: what a list shows of a task costs more than looking for it."""
    if not positions:
        return []
    listed, values = name_values("id", [position.id for position in positions])
    tasks = {row["id"]: task_from_row(row) for row in tx.fetch_all(f"{SELECT_TASK} WHERE id IN ({listed})", values)}
    return [tasks[position.id] for position in positions]


class AccountTask(NamedTuple):
    """A task and the name of its account."""

    task: Task
    account_name: str


def list_account_tasks_before(
    tx: Tx, account: str, filters: TaskFilter, before: Position | None, limit: int
) -> Page[AccountTask, Position]:
    """The same for operators: of all accounts, or of the one with this id or name."""
    if account:
        row = tx.fetch_one(
            """SELECT id FROM accounts WHERE id = :account OR name = :account
            ORDER BY CASE id WHEN :account THEN 0 ELSE 1 END LIMIT 1""",
            {"account": account},
        )
        if row is None:
            return Page([], None)
        filters = msgspec.structs.replace(filters, account_id=row["id"])
    page = list_tasks_before(tx, filters, before, limit)
    names = _load_account_names(tx, sorted({task.account_id for task in page.rows}))
    return Page([AccountTask(task, names[task.account_id]) for task in page.rows], page.next_position)


def _load_account_names(tx: Tx, account_ids: list[str]) -> dict[str, str]:
    if not account_ids:
        return {}
    listed, values = name_values("id", account_ids)
    rows = tx.fetch_all(f"SELECT id, name FROM accounts WHERE id IN ({listed})", values)
    return {row["id"]: row["name"] for row in rows}


def find_tasks(tx: Tx, account_id: str, task_ids: list[str]) -> list[Task]:
    """Return these tasks in the order of `task_ids`, without those that are unknown or another account's."""
    found = (find_task(tx, account_id, task_id) for task_id in task_ids)
    return [task for task in found if task is not None]


class TaskChange(msgspec.Struct, frozen=True):
    """Change number `number`, from 1: state, public status, claim number and progress of the task from `at` on.

    `waiting_reason` and `waiting_until` where it waits for a route.
    """

    number: int
    state: TaskState
    status: str
    claim_no: int
    progress: int
    at: int
    waiting_reason: str | None
    waiting_until: int | None


class History(NamedTuple):
    """A task, its changes so far, and the number of its last step: not every step is a change that is told."""

    task: Task
    changes: list[TaskChange]
    last_step: int


def load_history(tx: Tx, account_id: str, task_id: str) -> History | None:
    """Read it in a snapshot: task and changes must agree."""
    task = find_task(tx, account_id, task_id)
    if task is None:
        return None
    rows = tx.fetch_all(
        """SELECT seq, state, claim_no, progress, at, COALESCE(sent, CASE WHEN claim_no > 0 THEN 1 ELSE 0 END) AS sent,
            waiting_reason, waiting_until
        FROM task_steps WHERE task_id = :id ORDER BY seq""",
        {"id": task_id},
    )
    changes: list[TaskChange] = []
    is_sent = False
    for row in rows:
        is_sent = is_sent or bool(row["sent"])
        state = TaskState(row["state"])
        status = public_status(state, is_sent=is_sent)
        change = TaskChange(
            len(changes) + 1,
            state,
            status,
            row["claim_no"],
            row["progress"],
            row["at"],
            row["waiting_reason"],
            row["waiting_until"],
        )
        if not changes or _is_distinct(changes[-1], change):
            changes.append(change)
    return History(task, changes, rows[-1]["seq"])


_IDS_PER_STATEMENT = 500


def find_moved_tasks(tx: Tx, seen: Mapping[str, int | None]) -> list[str]:
    """Return those of the tasks that have ended, or that have a step behind the one seen. One id is asked for once."""
    moved, task_ids = [], list(seen)
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        asked = {f"id{number}": task_id for number, task_id in enumerate(task_ids[start : start + _IDS_PER_STATEMENT])}
        rows = tx.fetch_all(f"SELECT id, seq, state FROM tasks WHERE id IN (:{', :'.join(asked)})", asked)
        for row in rows:
            last = seen[row["id"]]
            if row["state"] in TERMINAL_STATES or (last is not None and row["seq"] > last):
                moved.append(row["id"])
    return moved


def _is_distinct(last: TaskChange, change: TaskChange) -> bool:
    """Return whether `change` has another status or wait than `last`, or a progress that is a second younger.

    It depends on earlier changes alone: every server, now or later, gives a change the same number.
    """
    if (change.status, change.waiting_until) != (last.status, last.waiting_until):
        return True
    return change.progress != last.progress and change.at - last.at >= US_PER_SECOND
