"""Which tasks a list is of, as the condition of a SELECT."""

from __future__ import annotations

from typing import Any

import msgspec

from imagegate.domain.metadata import TAGS
from imagegate.store.dialect import ORDER_PROMPT, ORDER_REFERENCES

_CANCELLED = """(state = 'failed' AND error LIKE '{"code":"request_cancelled"%')"""
STATUS_SQL = {
    "pending": "state IN ('queued', 'running') AND first_sent IS NULL",
    "processing": "(state IN ('queued', 'running'))",
    "completed": "state = 'completed'",
    "failed": f"(state = 'failed' AND NOT {_CANCELLED})",
    "cancelled": _CANCELLED,
}


class TaskFilter(msgspec.Struct, frozen=True, kw_only=True):
    """None and empty text mean no filter; without `account_id` it is tasks of all accounts, for operators.

    `q`: words that must all occur in the prompt, in any order. `metadata`: a key and its value. Times are UTC
    microseconds; `created_after` is within, `created_before` is not.
    """

    account_id: str = ""
    status: str = ""
    model: str = ""
    q: str = ""
    references: bool | None = None
    starred: bool | None = None
    tag: str = ""
    metadata: tuple[str, str] | None = None
    created_after: int | None = None
    created_before: int | None = None


def build_where(filters: TaskFilter) -> tuple[str, dict[str, Any]]:
    """The condition, and the values of its parameters."""
    is_noted = filters.starred is True or bool(filters.tag) or filters.metadata is not None
    parts = {
        # What is noted is found by its own index, which SQLite prefers only where there is none to go by the account.
        ("account_id || '' = :account_id" if is_noted else "account_id = :account_id"): bool(filters.account_id),
        STATUS_SQL.get(filters.status, ""): bool(filters.status),
        "model = :model": bool(filters.model),
        f"{ORDER_REFERENCES} > 0": filters.references is True,
        f"{ORDER_REFERENCES} = 0": filters.references is False,
        f"id IN ({_starred(filters)})": filters.starred is True,
        f"id NOT IN ({_starred(filters)})": filters.starred is False,
        f"id IN ({_noted(filters, 'tags', _HAS_TAG)})": bool(filters.tag),
        f"id IN ({_noted(filters, 'name', 'm.value = :value')})": filters.metadata is not None,
        "created >= :after": filters.created_after is not None,
        "created < :before": filters.created_before is not None,
    }
    name, value = filters.metadata or ("", "")
    named: dict[str, Any] = {
        "account_id": filters.account_id,
        "model": filters.model,
        "tags": TAGS,
        "tag": substring_pattern(f",{filters.tag},"),
        "name": name,
        "value": value,
        "after": filters.created_after,
        "before": filters.created_before,
    }
    words, values = _all_words(filters.q)
    where = [part for part, is_wanted in parts.items() if is_wanted]
    return " AND ".join(["deleted IS NULL", *where, *words]), named | values


_HAS_TAG = "(',' || m.value || ',') LIKE :tag ESCAPE '!'"


def _starred(filters: TaskFilter) -> str:
    return f"SELECT s.task_id FROM starred_tasks s WHERE 1 = 1{_of_account(filters, 's')}"


def _noted(filters: TaskFilter, name: str, test: str) -> str:
    """The tasks whose metadata has the key `name` and passes the test."""
    return f"SELECT m.task_id FROM task_metadata m WHERE m.name = :{name} AND {test}{_of_account(filters, 'm')}"


def _of_account(filters: TaskFilter, table: str) -> str:
    return f" AND {table}.account_id = :account_id" if filters.account_id else ""


def _all_words(text: str) -> tuple[list[str], dict[str, Any]]:
    conditions: list[str] = []
    values: dict[str, Any] = {}
    for number, word in enumerate(dict.fromkeys(text.split())):
        patterns = {f"q{number}_{which}": substring_pattern(form) for which, form in enumerate(_forms(word))}
        conditions.append("(" + " OR ".join(f"LOWER({ORDER_PROMPT}) LIKE :{one} ESCAPE '!'" for one in patterns) + ")")
        values |= patterns
    return conditions, values


def _forms(word: str) -> list[str]:
    """The word in lower case, also letter by letter, and as a database leaves it that changes ASCII letters alone."""
    forms = (word.lower(), "".join(letter.lower()[0] for letter in word), word.capitalize(), word.upper())
    return list(dict.fromkeys("".join(one.lower() if one.isascii() else one for one in form) for form in forms))


def substring_pattern(text: str) -> str:
    """The LIKE pattern that finds the text itself anywhere; `!` is the escape character."""
    return "%" + text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
