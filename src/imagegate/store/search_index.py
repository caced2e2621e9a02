"""Fills the index of the words of prompts behind the tasks' back, in order, and finds what it has missed.

It goes up to a position among the tasks of all accounts, oldest first. What is not newer is in it; newer tasks are read
by those who search. Nothing on a task's way waits for it, and programs that do not know of it may serve beside.
"""

from __future__ import annotations

from typing import Any

import msgspec

from imagegate.domain.pages import Position
from imagegate.domain.time import US_PER_MINUTE
from imagegate.store.dialect import ADD_GRAMS, KEEP_ROWS, ORDER_PROMPT, indexed_by
from imagegate.store.grams import grams_of_text, in_shard
from imagegate.store.transaction import Tx, name_values

# A task that is older than this has been committed, or never will be.
LAG_US = 3 * US_PER_MINUTE
# Out of it go as many at a time.
_TAKEN_BACK = 100
_MERGED_PAGES = 2  # a commit of some 2 ms; 8 where it has to end with the list of a word that all prompts have
TASKS_PER_CHECK = 2_000
# The numbers of an account, and of each part of it that a search asks at a time.
ACCOUNT_BITS, BLOCK_BITS = 40, 16
_FIELDS = ("created", "task_id", "back_to", "checked_created", "checked_id", "checked_number")
_LISTED = f"FROM tasks {indexed_by('tasks_listed_of_all')} WHERE tasks.deleted IS NULL"
_INDEXED = f"{_LISTED} AND (tasks.created, tasks.id) <= (:created, :task_id)"


class Progress(msgspec.Struct, frozen=True):
    """How far the index goes, how far back it has to be made anew, and where the checks go on."""

    created: int
    task_id: str
    back_to: int | None
    checked_created: int
    checked_id: str
    checked_number: int


class IndexedTask(msgspec.Struct, frozen=True):
    task_id: str
    account_id: str
    grams: set[int]


class Batch(msgspec.Struct, frozen=True):
    """The tasks that come next behind `since`, the last one at `upto`."""

    since: Progress
    upto: Position
    tasks: list[IndexedTask]


class Check(msgspec.Struct, frozen=True):
    """What a look at a part of the index found. `missing`: when the first task that it lacks was created."""

    missing: int | None
    deleted: list[int]
    checked: Position
    checked_number: int


def find_progress(tx: Tx) -> Progress:
    found = tx.fetch_struct(Progress, f"SELECT {', '.join(_FIELDS)} FROM search_progress")
    assert found is not None
    return found


def block_range(number: int) -> tuple[int, int]:
    """The first number of its block, and the first one behind it."""
    first = number >> BLOCK_BITS << BLOCK_BITS
    return first, first + (1 << BLOCK_BITS)


def grams_parameters(grams: list[int], number: int) -> dict[str, str]:
    """Groups of letters as each engine wants them, for ADD_GRAMS, which keep the blocks apart.

    Integers of PostgreSQL have a sign. Among SQLite's words those of a block are not next to each other: all that was
    deleted in one place is passed over in one go.
    """
    sharded = in_shard(grams, number >> BLOCK_BITS)
    words, signed = (f"{gram:08x}"[::-1] for gram in sharded), (str(gram - (1 << 31)) for gram in sharded)
    return {"words": " ".join(words), "grams": "{" + ",".join(signed) + "}"}


def read_batch(tx: Tx, limit: int) -> Batch | None:
    """The next `limit` tasks and their groups of letters; None where it goes far enough, or is to be taken back."""
    since = find_progress(tx)
    if since.back_to is not None:
        return None
    rows = tx.fetch_all(
        f"""SELECT tasks.id, tasks.account_id, tasks.created, {ORDER_PROMPT} AS prompt {_LISTED}
            AND (tasks.created, tasks.id) > (:created, :task_id) AND tasks.created < :end
        ORDER BY tasks.created, tasks.id LIMIT :limit""",
        _position(since) | {"end": tx.now - LAG_US, "limit": limit},
    )
    if not rows:
        return None
    tasks = [IndexedTask(row["id"], row["account_id"], grams_of_text(row["prompt"] or "")) for row in rows]
    return Batch(since, Position(rows[-1]["created"], rows[-1]["id"]), tasks)


def add_batch(tx: Tx, batch: Batch) -> bool:
    """Number the tasks and index them; False where another process has done something meanwhile."""
    if _lock_progress(tx) != batch.since:
        return False
    listed, values = name_values("id", [task.task_id for task in batch.tasks])
    rows = tx.fetch_all(f"SELECT id FROM tasks WHERE id IN ({listed}) AND deleted IS NULL {KEEP_ROWS}", values)
    kept = {row["id"] for row in rows}
    last = _last_numbers(tx, sorted({task.account_id for task in batch.tasks}))
    numbered: dict[int, IndexedTask] = {}
    for task in batch.tasks:
        if task.task_id in kept:
            last[task.account_id] += 1
            numbered[last[task.account_id]] = task
    # By number: at each step down SQLite would begin a new piece of its index.
    tx.insert_rows("task_search", [{"number": one, "task_id": numbered[one].task_id} for one in sorted(numbered)])
    for number in sorted(numbered):
        grams = sorted(numbered[number].grams)
        tx.execute_nowait(ADD_GRAMS, {"number": number, **grams_parameters(grams, number)})
    _move(tx, batch.upto)
    return True


def merge_pieces(tx: Tx) -> bool:
    """Merge some pieces of the index, without what was deleted of them; return whether there may be more to merge."""
    return tx.merge_grams(_MERGED_PAGES)


def take_back(tx: Tx) -> bool:
    """Take some of the newest tasks out of the index, down to `back_to`; return whether there are more."""
    since = _lock_progress(tx)
    if since.back_to is None:
        return False
    rows = tx.fetch_all(
        f"""SELECT tasks.created, tasks.id {_INDEXED}
            AND tasks.created >= :back_to
        ORDER BY tasks.created DESC, tasks.id DESC LIMIT :limit""",
        _position(since) | {"back_to": since.back_to, "limit": _TAKEN_BACK + 1},
    )
    for row in rows[:_TAKEN_BACK]:
        forget_task(tx, row["id"])
    if len(rows) > _TAKEN_BACK:
        _move(tx, Position(rows[-1]["created"], rows[-1]["id"]))
        return True
    if since.created >= since.back_to:
        _move(tx, Position(since.back_to, ""))
    tx.execute_nowait("UPDATE search_progress SET back_to = NULL")
    return False


def forget_task(tx: Tx, task_id: str) -> None:
    tx.execute_nowait("DELETE FROM task_search WHERE task_id = :id", {"id": task_id})


def check_parts(tx: Tx) -> Check:
    """Look for what it has missed, among its newest tasks and in the next part of all, in a snapshot.

    Missed are tasks that came to be behind its position: by a commit that took long, or a clock that was set back.
    """
    at = find_progress(tx)
    # It is never ahead of that but after a clock was set back: tasks are created behind its position meanwhile.
    ahead = [tx.now - LAG_US] if at.created > tx.now - LAG_US else []
    recent = _missing_of(tx, "", "DESC", at)[0]
    old, checked = _missing_of(tx, "AND (tasks.created, tasks.id) > (:checked, :checked_id)", "ASC", at)
    number, deleted = _find_deleted(tx, at.checked_number)
    return Check(min([*ahead, *recent, *old], default=None), deleted, checked, number)


def note_check(tx: Tx, check: Check) -> None:
    """Have the index taken back to before what is missing, and forget what was deleted."""
    _lock_progress(tx)
    for number in check.deleted:
        tx.execute_nowait("DELETE FROM task_search WHERE number = :number", {"number": number})
    tx.execute_nowait(
        """UPDATE search_progress SET back_to = CASE WHEN :missing < back_to OR back_to IS NULL THEN :missing
                ELSE back_to END,
            checked_created = :created, checked_id = :id, checked_number = :number""",
        {
            "missing": check.missing,
            "created": check.checked.created,
            "id": check.checked.id,
            "number": check.checked_number,
        },
    )


def _missing_of(tx: Tx, condition: str, direction: str, at: Progress) -> tuple[list[int], Position]:
    """When tasks were created that the index lacks, of the first TASKS_PER_CHECK; and where to go on."""
    rows = tx.fetch_all(
        f"""SELECT part.created, part.id, s.number FROM (
                SELECT tasks.created, tasks.id {_INDEXED} {condition}
                ORDER BY tasks.created {direction}, tasks.id {direction} LIMIT :limit
            ) AS part LEFT JOIN task_search s ON s.task_id = part.id
        ORDER BY part.created, part.id""",
        _position(at) | {"checked": at.checked_created, "checked_id": at.checked_id, "limit": TASKS_PER_CHECK},
    )
    missing = [row["created"] for row in rows if row["number"] is None]
    is_end = len(rows) < TASKS_PER_CHECK
    return missing, Position(0, "") if is_end else Position(rows[-1]["created"], rows[-1]["id"])


def _find_deleted(tx: Tx, after: int) -> tuple[int, list[int]]:
    """Where to go on, and the numbers of tasks that a program deleted which does not know of the index."""
    rows = tx.fetch_all(
        """SELECT s.number, tasks.deleted FROM task_search s JOIN tasks ON tasks.id = s.task_id
        WHERE s.number > :after ORDER BY s.number LIMIT :limit""",
        {"after": after, "limit": TASKS_PER_CHECK},
    )
    next_one = rows[-1]["number"] if len(rows) == TASKS_PER_CHECK else 0
    return next_one, [row["number"] for row in rows if row["deleted"] is not None]


def _position(at: Progress) -> dict[str, Any]:
    return {"created": at.created, "task_id": at.task_id}


def _lock_progress(tx: Tx) -> Progress:
    row = tx.lock_row(f"SELECT {', '.join(_FIELDS)} FROM search_progress")
    return msgspec.convert(row, Progress)


def _move(tx: Tx, position: Position) -> None:
    tx.execute_nowait(
        "UPDATE search_progress SET created = :created, task_id = :id", {"created": position.created, "id": position.id}
    )


def _last_numbers(tx: Tx, account_ids: list[str]) -> dict[str, int]:
    """The last number of each account, also of those that had none."""
    listed, values = name_values("id", account_ids)
    select = f"""SELECT a.account_id, a.number, (SELECT s.number FROM task_search s
                WHERE s.number >= a.number * {1 << ACCOUNT_BITS} AND s.number < (a.number + 1) * {1 << ACCOUNT_BITS}
                ORDER BY s.number DESC LIMIT 1) AS last
            FROM search_accounts a WHERE a.account_id IN ({listed})"""
    rows = tx.fetch_all(select, values)
    found = {row["account_id"]: row["last"] or row["number"] << ACCOUNT_BITS for row in rows}
    for account_id in account_ids:
        if account_id not in found:
            number = tx.fetch_int("SELECT COALESCE(MAX(number), 0) + 1 AS number FROM search_accounts")
            tx.insert("search_accounts", account_id=account_id, number=number)
            found[account_id] = number << ACCOUNT_BITS
    return found
