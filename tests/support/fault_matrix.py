"""The table at the end of `make stress`: which rows of the fault matrix ran, how much of each, and what was seen.

A test belongs to a row by `@pytest.mark.fault("F9")` and says what it saw with `record_property`. A plugin of that run
alone: `pytest -p tests.support.fault_matrix`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

REPORT_FILE = Path("fault-matrix.json")
# What a gate run must have tried at least, where the tests themselves are the faults.
MIN_PASSED = {"F10": 59 * 4}
_rows = pytest.StashKey[dict[str, "Row"]]()


class Row:
    """Outcomes and sightings of one row."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self.seconds = 0.0
        self.observations: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_rows] = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    report = (yield).get_result()
    marker = item.get_closest_marker("fault")
    if marker is None:
        return
    row = item.config.stash[_rows].setdefault(str(marker.args[0]), Row())
    row.seconds += report.duration
    if report.when == "call":
        row.passed += report.passed
        row.observations += [f"{name}: {value}" for name, value in report.user_properties]
    row.failed += not report.passed


def _missing_runs(rows: dict[str, Row]) -> list[str]:
    return [
        f"{name}: {rows[name].passed} of {least} faults"
        for name, least in MIN_PASSED.items()
        if name in rows and rows[name].passed < least
    ]


def pytest_sessionfinish(session: pytest.Session) -> None:
    rows = session.config.stash[_rows]
    if _missing_runs(rows):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    told = {name: vars(row) for name, row in sorted(rows.items())}
    REPORT_FILE.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash[_rows]
    terminalreporter.section("fault matrix")
    for name, row in sorted(rows.items(), key=lambda pair: int(pair[0][1:])):
        verdict = "FAILED" if row.failed else "ok"
        terminalreporter.write_line(f"{name}  {verdict}  {row.passed} passed, {row.failed} failed, {row.seconds:.0f} s")
        for line in row.observations:
            terminalreporter.write_line(f"     {line}")
    for line in _missing_runs(rows):
        terminalreporter.write_line(f"too few faults: {line}", red=True)
