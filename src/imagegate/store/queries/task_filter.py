"""Which tasks a list is of, as conditions of a SELECT."""

from __future__ import annotations

from typing import Any

import msgspec

from imagegate.domain.metadata import TAGS
from imagegate.store.dialect import HAS_NO_REFERENCES, ORDER_PROMPT, STATE

_CANCELLED = """substr(tasks.error, 1, 27) = '{"code":"request_cancelled"'"""
UNFINISHED = f"{STATE} IN ('queued', 'running')"
# The state as it is stored, word for word as in the indexes of lists, and what tells one status from another of it.
_STATUS = {
    "pending": (UNFINISHED, "tasks.first_sent IS NULL"),
    "processing": (UNFINISHED, ""),
    "completed": ("tasks.state = 'completed'", ""),
    "failed": ("tasks.state = 'failed'", _CANCELLED.replace(" = ", " <> ")),
    "cancelled": ("tasks.state = 'failed'", _CANCELLED),
}
STATUS_SQL = {name: " AND ".join(filter(None, parts)) for name, parts in _STATUS.items()}
# Through the primary key: the rows of a task's metadata are few, those of a name and value may be many.
# PostgreSQL would otherwise begin with all rows of the name, of every account, and join the tasks.
_EACH = "LIMIT 1 OFFSET 0"
_IS_STARRED = f"EXISTS (SELECT 1 FROM starred_tasks s WHERE s.task_id = tasks.id {_EACH})"
_STARRED = {None: "", True: _IS_STARRED, False: f"NOT {_IS_STARRED}"}
_REFERENCES = {None: "", True: f"NOT {HAS_NO_REFERENCES}", False: HAS_NO_REFERENCES}
HAS_TAG = "(',' || m.value || ',') LIKE :tag ESCAPE '!'"


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


def build_conditions(filters: TaskFilter) -> tuple[dict[str, str], dict[str, Any]]:
    """Everything that is asked for but times, each condition by its name, and the values of the parameters."""
    state, status = _STATUS.get(filters.status, ("", ""))
    words, values = _all_words(filters.q)
    conditions = {
        "account": "tasks.account_id = :account_id" if filters.account_id else "",
        "state": state,
        "status": status,
        "model": "tasks.model = :model" if filters.model else "",
        "starred": _STARRED[filters.starred],
        "metadata": _has_note("name", "m.value = :value") if filters.metadata else "",
        "tag": _has_note("tags", HAS_TAG) if filters.tag else "",
        "references": _REFERENCES[filters.references],
        "words": " AND ".join(words),
    }
    name, value = filters.metadata or ("", "")
    named: dict[str, Any] = {
        "account_id": filters.account_id,
        "model": filters.model,
        "tags": TAGS,
        "tag": substring_pattern(f",{filters.tag},"),
        "name": name,
        "value": value,
    }
    return {name: sql for name, sql in conditions.items() if sql}, named | values


def _has_note(name: str, test: str) -> str:
    noted = f"SELECT 1 FROM task_metadata m WHERE m.task_id = tasks.id AND m.name = :{name} AND {test}"
    return f"EXISTS ({noted} {_EACH})"


def _all_words(text: str) -> tuple[list[str], dict[str, Any]]:
    conditions: list[str] = []
    values: dict[str, Any] = {}
    for number, word in enumerate(dict.fromkeys(text.split())):
        patterns = {f"q{number}_{which}": substring_pattern(form) for which, form in enumerate(word_forms(word))}
        conditions.append("(" + " OR ".join(f"LOWER({ORDER_PROMPT}) LIKE :{one} ESCAPE '!'" for one in patterns) + ")")
        values |= patterns
    return conditions, values


def word_forms(word: str) -> list[str]:
    """The word in lower case, also letter by letter, and as a database leaves it that changes ASCII letters alone."""
    forms = (word.lower(), "".join(letter.lower()[0] for letter in word), word.capitalize(), word.upper())
    return list(dict.fromkeys("".join(one.lower() if one.isascii() else one for one in form) for form in forms))


def substring_pattern(text: str) -> str:
    """The LIKE pattern that finds the text itself anywhere; `!` is the escape character."""
    return "%" + text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
