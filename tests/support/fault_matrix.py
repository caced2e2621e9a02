"""Report of `make stress`: which rows of the fault matrix ran, how many cases each, and what was measured.

A test belongs to a row by `@pytest.mark.fault("F9")` and reports with `record_property`. `ROWS=F1,F4` runs these rows
only; the runs of several parts add to one report. Loaded only there: `pytest -p tests.support.fault_matrix`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

REPORT_FILE = Path("fault-matrix.json")
# The least number of passed cases where the cases themselves are the faults.
MIN_PASSED = {"F10": 59 * 4}
OTHER = "other"  # the row of long tests that belong to no fault
_rows = pytest.StashKey[dict[str, "Row"]]()


class Row:
    """Results and observations of one row."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self.not_run: list[str] = []
        self.seconds = 0.0
        self.observations: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rows", default="", help="comma-separated rows of the fault matrix; by default all")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_rows] = {}


def row_of(item: pytest.Item) -> str:
    marker = item.get_closest_marker("fault")
    return str(marker.args[0]) if marker else OTHER


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = set(filter(None, config.getoption("rows").split(",")))
    if not wanted:
        return
    unknown = wanted - {row_of(item) for item in items}
    if unknown:
        raise pytest.UsageError(f"no test belongs to the rows {', '.join(sorted(unknown))}")
    config.hook.pytest_deselected(items=[item for item in items if row_of(item) not in wanted])
    items[:] = [item for item in items if row_of(item) in wanted]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    report = (yield).get_result()
    row = item.config.stash[_rows].setdefault(row_of(item), Row())
    row.seconds += report.duration
    if report.when == "call":
        row.passed += report.passed
        row.observations += [f"{name}: {value}" for name, value in report.user_properties]
    row.failed += report.failed
    if report.skipped:
        row.not_run.append(f"{item.name}: {report.longrepr[2]}")


def _missing_cases(rows: dict[str, Row]) -> list[str]:
    return [
        f"{name}: {rows[name].passed} of {least} cases"
        for name, least in MIN_PASSED.items()
        if name in rows and rows[name].passed < least
    ]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report. A run of some rows replaces these rows and keeps the others."""
    rows = session.config.stash[_rows]
    if _missing_cases(rows):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    partial = session.config.getoption("rows") and REPORT_FILE.exists()
    report = json.loads(REPORT_FILE.read_text("utf-8")) if partial else {}
    report |= {name: vars(row) for name, row in rows.items()}
    REPORT_FILE.write_text(json.dumps(dict(sorted(report.items())), indent=1) + "\n", "utf-8")


def _verdict(row: Row) -> str:
    """What did not run is not green."""
    if not row.not_run:
        return "ok"
    return "PARTLY RUN" if row.passed else "NOT RUN"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash[_rows]
    terminalreporter.section("fault matrix")
    for name, row in sorted(rows.items(), key=lambda pair: (len(pair[0]), pair[0])):
        verdict = "FAILED" if row.failed else _verdict(row)
        terminalreporter.write_line(f"{name}  {verdict}  {row.passed} passed, {row.failed} failed, {row.seconds:.0f} s")
        for line in row.observations:
            terminalreporter.write_line(f"     {line}")
        for line in row.not_run:
            terminalreporter.write_line(f"     not run: {line}", yellow=True)
    for line in _missing_cases(rows):
        terminalreporter.write_line(f"too few cases: {line}", red=True)
