"""How a statement is read: from indexes, between two moments or by a ref, and never all that an account has."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from imagegate.domain.time import US_PER_DAY
from imagegate.store.database import create_engine
from imagegate.store.dialect import Connection, Row
from imagegate.store.queries.past_balances import LinePosition, load_available_after
from imagegate.store.queries.route_stats import load_margin
from imagegate.store.queries.statement import LINE_TYPES, StatementFilter, list_statement_lines
from imagegate.store.transaction import Tx

_NOW = LinePosition(20_000 * US_PER_DAY, 1, "led_test")
# What is looked up of one row, or of the account's rows within a time.
_OF_ONE = ("(id=?)", "(ref=?)", "ref=? AND account=?", "(task_id=?)")
_WITHIN_A_TIME = ("created<?", "created>?", "closed>?", "day<?")
_BIG = ("entries", "holds", "tasks", "attempts", "daily_balances")


class _Recorder:
    """A connection that keeps the plan of each statement."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.steps: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, params: dict[str, Any]) -> tuple[int, list[Row]]:
        self.steps += [row["detail"] for row in self._connection.execute(f"EXPLAIN QUERY PLAN {sql}", params)[1]]
        return self._connection.execute(sql, params)


def _find_unbounded(steps: list[str], bounds: tuple[str, ...] = _OF_ONE + _WITHIN_A_TIME) -> list[str]:
    # The short names are those of joins.
    touched = [step for step in steps if step.split()[0] in ("SCAN", "SEARCH") and step.split()[1] in (*_BIG, *"aet")]
    assert touched
    return [step for step in touched if not any(bound in step for bound in bounds)]


@pytest.fixture
def recorder(sqlite_template: Path, tmp_path: Path) -> Iterator[_Recorder]:
    engine = create_engine(str(shutil.copyfile(sqlite_template, tmp_path / "test.db")))
    with contextlib.closing(engine.connect(readonly=False)) as writer:
        writer.execute("INSERT INTO accounts (id, name, created) VALUES ('acc_1', 'customer', 0)", {})
    with contextlib.closing(engine.connect(readonly=True)) as reader:
        yield _Recorder(reader)


def test_no_page_of_a_statement_reads_all_lines(recorder: _Recorder) -> None:
    for kind, task_id, before in itertools.product(("", *LINE_TYPES), ("", "task-1"), (None, _NOW)):
        recorder.steps = []
        wanted = StatementFilter(type=kind, task_id=task_id, before=before)
        list_statement_lines(Tx(cast("Connection", recorder)), "acc_1", wanted)
        assert _find_unbounded(recorder.steps, _OF_ONE if task_id else _OF_ONE + _WITHIN_A_TIME) == [], wanted
        sorts = [step for step in recorder.steps if step == "USE TEMP B-TREE FOR ORDER BY"]
        assert len(sorts) <= 1, "only the lines of the page are put in order"


def test_no_balance_of_the_past_reads_all_lines(recorder: _Recorder) -> None:
    older = [LinePosition(_NOW.at - back, 1, "led_test") for back in (1, US_PER_DAY)]
    load_available_after(Tx(cast("Connection", recorder)), "acc_1", [_NOW, *older])
    assert _find_unbounded(recorder.steps) == []
    used = " ".join(recorder.steps)
    for index in ("entries_account", "holds_open", "holds_over_10_minutes", "holds_over_2_hours", "holds_over_a_day"):
        assert f"COVERING INDEX {index}" in used
    assert "COVERING INDEX holds_backwards" in used


def test_the_margin_of_a_task_is_found_by_its_refs(recorder: _Recorder) -> None:
    load_margin(Tx(cast("Connection", recorder)), "task-1")
    assert _find_unbounded(recorder.steps, _OF_ONE) == []
