"""Reading tasks for people: one page of a list, several at once.

Knows: filters and pages. Refuses to know: how a task is changed.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.pages import NEWEST, Page, Position, paged
from imagegate.domain.tasks import Task
from imagegate.store.engines import ORDER_PROMPT
from imagegate.store.tasks import find_task
from imagegate.store.transaction import Tx

_CANCELLED = """(state = 'failed' AND error LIKE '{"code":"request_cancelled"%')"""
STATUS_SQL = {
    "pending": "state = 'queued' AND claim_no = 0",
    "processing": "(state IN ('queued', 'running', 'finalizing'))",
    "completed": "state = 'completed'",
    "failed": f"(state = 'failed' AND NOT {_CANCELLED})",
    "cancelled": _CANCELLED,
}


class TaskFilter(msgspec.Struct, frozen=True):
    """Empty text means no filter."""

    status: str = ""
    model: str = ""
    q: str = ""


def list_tasks_page(tx: Tx, account_id: str, filters: TaskFilter, page: int, page_size: int) -> tuple[list[Task], int]:
    """Newest first; page from 1; with the total."""
    text, named = _build_where(account_id, filters)
    total = tx.fetch_int(f"SELECT COUNT(*) FROM tasks WHERE {text}", **named)
    rows = tx.fetch_all(
        f"SELECT id FROM tasks WHERE {text} ORDER BY created DESC, id DESC LIMIT :limit OFFSET :skip",
        **named,
        limit=page_size,
        skip=(page - 1) * page_size,
    )
    return find_tasks(tx, account_id, [row["id"] for row in rows]), total


def list_tasks_before(
    tx: Tx, account_id: str, filters: TaskFilter, before: Position | None, limit: int
) -> Page[Task, Position]:
    """Newest first, from the one after `before`. Counts nothing, and new tasks do not shift its pages."""
    text, named = _build_where(account_id, filters)
    start = before or NEWEST
    rows = tx.fetch_all(
        f"""SELECT id FROM tasks WHERE {text} AND (created, id) < (:created, :id)
        ORDER BY created DESC, id DESC LIMIT :limit""",
        **named,
        created=start.created,
        id=start.id,
        limit=limit + 1,
    )
    tasks = find_tasks(tx, account_id, [row["id"] for row in rows])
    return paged(tasks, limit, lambda task: Position(task.created, task.id))


def _build_where(account_id: str, filters: TaskFilter) -> tuple[str, dict[str, str]]:
    where = ["account_id = :account_id"]
    where += [STATUS_SQL[filters.status]] if filters.status else []
    where += ["model = :model"] if filters.model else []
    where += [f"LOWER({ORDER_PROMPT}) LIKE LOWER(:q) ESCAPE '!'"] if filters.q else []
    return " AND ".join(where), {"account_id": account_id, "model": filters.model, "q": _substring_pattern(filters.q)}


def _substring_pattern(text: str) -> str:
    """A pattern that finds the text itself wherever it stands."""
    return "%" + text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"


def find_tasks(tx: Tx, account_id: str, task_ids: list[str]) -> list[Task]:
    """In the order asked; what is unknown or another account's is left out."""
    found = (find_task(tx, account_id, task_id) for task_id in task_ids)
    return [task for task in found if task is not None]
