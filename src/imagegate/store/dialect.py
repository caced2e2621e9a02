"""What an engine must offer, and the one place where the SQL of the two engines differs.

All SQL of the store is written once, with `:name` parameters, the type words of the schema and the markers below.
"""

from __future__ import annotations

import enum
import functools
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import apsw

Row = dict[str, Any]
Clock = Callable[[], int]

# Markers are replaced by the SQL of the engine. The locks come last in a SELECT; they are empty for SQLite, where a
# transaction that writes has the whole database for itself.
SKIP_LOCKED = "/* skip locked */"
LOCK_ROWS = "/* lock rows */"
ORDER_PROMPT = "/* prompt of the order */"
HAS_NO_REFERENCES = "/* the order has no references */"
METADATA_OBJECT = "/* names and values as a JSON object */"
# SELECT … FROM CANDIDATES tasks … WHERE … TESTED … NEWEST_FIRST LIMIT: the tests are made on one candidate after the
# other until the page is full. PostgreSQL takes a test for one that hardly any pass: it would test all, and sort.
CANDIDATES = "/* candidates */"
MAX_TESTED = 2_500
TESTED = "/* tested */"
NEWEST_FIRST = "/* newest first */"
# The state of a row that is found otherwise, by its id or an index of just this form. PostgreSQL takes an index of what
# is unfinished for tiny, by what it knew before a backlog, and would look for the id through all of it.
STATE = "/* state */"
# Of a JSON array, :numbers or :ids, for hundreds of them: a name for each (name_values) would take the client of
# PostgreSQL longer than the look-ups take the server.
ONE_OF_NUMBERS = "/* one of the numbers */"
ONE_OF_IDS = "/* one of the ids */"
# Rows of others that stay until the commit; those that somebody deletes at this moment are left out.
KEEP_ROWS = "/* keep rows */"
# The index of words (search_index.py): what SQLite calls a text of words is an array in PostgreSQL.
ADD_GRAMS = "/* add grams of a task */"
FIND_BY_GRAMS = "/* numbers of tasks by their grams */"
_INDEXED_BY = re.compile(r"/\* indexed by (\w+) \*/")

# As we write it, and nowhere within a text, whose quotes are escaped: reading the JSON takes three times as long.
_NO_REFERENCES = '"image_urls":[]'
_SQLITE_MARKERS = {
    SKIP_LOCKED: "",
    LOCK_ROWS: "",
    ORDER_PROMPT: "order_body ->> '$.prompt'",
    HAS_NO_REFERENCES: f"instr(order_body, '{_NO_REFERENCES}') > 0",
    METADATA_OBJECT: "json_group_object(name, value)",
    CANDIDATES: "",
    TESTED: "AND",
    NEWEST_FIRST: "ORDER BY tasks.created DESC, tasks.id DESC",
    STATE: "state",
    ONE_OF_NUMBERS: "IN (SELECT value FROM json_each(:numbers))",
    ONE_OF_IDS: "IN (SELECT value FROM json_each(:ids))",
    KEEP_ROWS: "",
    ADD_GRAMS: "INSERT INTO TaskGrams (rowid, grams) VALUES (:number, :words)",
    FIND_BY_GRAMS: """SELECT rowid AS number FROM TaskGrams WHERE TaskGrams MATCH :words
        AND rowid >= :low AND rowid < :high ORDER BY rowid DESC LIMIT :limit""",
}
_POSTGRES_MARKERS = {
    SKIP_LOCKED: "FOR UPDATE SKIP LOCKED",
    # NO KEY: rows that refer to a locked one can still be inserted, which a plain FOR UPDATE would block.
    LOCK_ROWS: "FOR NO KEY UPDATE",
    ORDER_PROMPT: "CAST(order_body AS JSON) ->> 'prompt'",
    HAS_NO_REFERENCES: f"position('{_NO_REFERENCES}' IN order_body) > 0",
    METADATA_OBJECT: "CAST(json_object_agg(name, value) AS TEXT)",
    CANDIDATES: "(SELECT * FROM",
    # The limit is never reached. It says that these are few: between two positions PostgreSQL expects a share of all.
    TESTED: f"ORDER BY created DESC, id DESC LIMIT {MAX_TESTED}) AS tasks WHERE",
    NEWEST_FIRST: "",
    STATE: "(state || '')",
    ONE_OF_NUMBERS: "= ANY (ARRAY(SELECT CAST(json_array_elements_text(CAST(:numbers AS JSON)) AS BIGINT)))",
    ONE_OF_IDS: "= ANY (ARRAY(SELECT json_array_elements_text(CAST(:ids AS JSON))))",
    KEEP_ROWS: "FOR KEY SHARE SKIP LOCKED",
    ADD_GRAMS: "INSERT INTO TaskGrams (number, grams) VALUES (:number, CAST(:grams AS INTEGER[]))",
    # The sum keeps it from walking along the numbers instead of asking the index of grams.
    FIND_BY_GRAMS: """SELECT number FROM TaskGrams WHERE grams @> CAST(:grams AS INTEGER[])
        AND number + 0 >= :low AND number + 0 < :high ORDER BY number + 0 DESC LIMIT :limit""",
}


class DatabaseError(Exception):
    """The database could not do it. `is_retryable`: the same commands may be run again at once."""

    def __init__(self, message: str, *, is_retryable: bool = False) -> None:
        super().__init__(message)
        self.is_retryable = is_retryable


class LockedByOthers(DatabaseError):
    """Another transaction held what this one needs: the same commands may be run again."""

    def __init__(self, message: str) -> None:
        super().__init__(message, is_retryable=True)


class DiskFull(DatabaseError):
    """No space left: nothing of the transaction was written."""


class QueryTimeout(DatabaseError):
    """A query that was given a deadline did not end by then, and was stopped."""


class DatabaseUnusable(Exception):
    """This database cannot be used at all; the text says why and what to do."""


def first_line(error: Exception) -> str:
    """What a driver says, without the statement and the pointer below it."""
    return str(error).strip().partition("\n")[0]


class Lock(enum.IntEnum):
    """Locks that belong to no row. The numbers are PostgreSQL advisory locks and stay the same in every version."""

    migrations = 7263541
    duplicate_purchases = 7263542


class Connection(Protocol):
    """One connection of one engine. Used by one thread at a time."""

    def set_deadline(self, at: float) -> None:
        """Stop statements at this moment of `time.monotonic()`, here and in the server: QueryTimeout."""

    def lift_limits(self) -> None:
        """Let statements and waits between them take as long as they do: for work that reads or changes whole tables.

        How long a lock is waited for stays limited where others wait behind whoever waits.
        """

    def begin(self) -> None:
        """Of a read-only connection: whatever is read until the commit is one state of the database."""

    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def execute(self, sql: str, params: dict[str, Any]) -> tuple[int, list[Row]]:
        """Return the number of rows changed and the rows selected or returned."""

    def execute_nowait(self, sql: str, params: dict[str, Any]) -> None:
        """Execute without waiting for the result, where the engine can; an error is raised at the commit."""

    def insert_many(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert many rows the fastest way that the engine has."""

    def split_script(self, sql: str) -> list[str]:
        """The statements of a migration, as this engine takes them."""

    def execute_script(self, sql: str) -> None:
        """Execute the statements of a migration."""

    def lock(self, lock: Lock) -> None:
        """Take the lock until the transaction ends; whoever else asks for it waits."""

    def join_by_keys(self) -> None:
        """Until the transaction ends, look up each row of a join by its key: a planner that knows nothing yet of a big
        table, as after a copy, may read all of it for a few rows."""

    def merge_grams(self, pages: int) -> bool:
        """Bring the index of words into better shape, by up to so many pages; return whether there may be more."""

    def is_empty(self) -> bool:
        """Whether it has no tables yet that a schema of ours could meet."""

    def now(self) -> int:
        """Return the database's time in UTC microseconds."""

    def close(self) -> None: ...


class Engine(Protocol):
    name: str
    shared: bool  # several processes may serve from it

    def connect(self, *, readonly: bool) -> Connection: ...
    def files(self) -> tuple[Path, ...]:
        """The files that hold the rows; some may not exist yet."""

    def find_lost_commits(self) -> str:
        """What keeps commits that were acknowledged from being read, or nothing. Before the first connection."""

    def translate_error(self, error: Exception) -> DatabaseError | None:
        """Translate the driver's error; None where it is a fault of the program."""

    def is_driver_error(self, error: Exception) -> bool:
        """Whether the driver raised it."""


def split_statements(script: str) -> list[str]:
    """Each ends with its line, and a trigger with its END."""
    statements, lines = [], ""
    for line in script.splitlines(keepends=True):
        lines += line
        if line.rstrip().endswith(";") and apsw.complete(lines):
            statements.append(lines)
            lines = ""
    return statements


def sqlite_script(sql: str) -> str:
    return _replace_type_words(_leave_out("postgres", sql), "INTEGER")


def postgres_script(sql: str) -> str:
    return _replace_type_words(_leave_out("sqlite", sql), "BIGINT").replace(") STRICT;", ");")


def _leave_out(engine: str, sql: str) -> str:
    """Without what is behind a line `-- only` with this engine, up to the next such line or to `-- both`."""
    return re.sub(rf"^-- only {engine}$.*?(?=^-- (?:only|both)\b|\Z)", "", sql, flags=re.DOTALL | re.MULTILINE)


def _replace_type_words(sql: str, integer: str) -> str:
    words = {"ID": "TEXT", "NANOS": integer, "MICROS": integer, "COUNT": integer, "JSON": "TEXT"}
    return re.sub(r"\b(ID|NANOS|MICROS|COUNT|JSON)\b(?! *\()", lambda match: words[match[1]], sql)


def indexed_by(index: str) -> str:
    """After the name of a table: the index that SQLite takes, which has no figures of its own to choose by."""
    return f"/* indexed by {index} */"


@functools.cache
def sqlite_sql(sql: str) -> str:
    return _replace_markers(_INDEXED_BY.sub(r"INDEXED BY \1", sql), _SQLITE_MARKERS)


@functools.cache
def postgres_sql(sql: str) -> str:
    """Write parameters as psycopg wants them: `%(name)s` instead of `:name`."""
    text = _replace_markers(_INDEXED_BY.sub("", sql), _POSTGRES_MARKERS).replace("%", "%%")
    return re.sub(r"(?<![:\w]):([a-z_][a-z_0-9]*)", r"%(\1)s", text)


def _replace_markers(sql: str, markers: dict[str, str]) -> str:
    for marker, text in markers.items():
        sql = sql.replace(marker, text)
    return sql


def wall_clock() -> int:
    """UTC microseconds."""
    return time.time_ns() // 1000
