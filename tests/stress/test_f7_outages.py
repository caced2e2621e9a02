"""F7 in full: every kind of outage of the only upstream, of three lengths, with 200 tasks before and during it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.test_upstream_faults import Tell
from tests.support.outages import OUTAGES, run_outage

TASKS = 200


@pytest.mark.gate
@pytest.mark.fault("F7")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seconds", [2, 10, 60])
@pytest.mark.parametrize("kind", OUTAGES)
def test_f7_outages(tmp_path: Path, kind: str, seconds: int, record_property: Tell) -> None:
    result = run_outage(tmp_path, kind, seconds, TASKS)
    record_property(f"{kind}, {seconds} s", result.summary())
    assert (result.acknowledged, result.refused, result.lost) == (TASKS, 0, 0), result.summary()
    # Whose outcome is unknown may have been bought without being delivered, and at most one repeat of each.
    assert result.delivered <= result.bought <= result.delivered + result.unknown_calls, result.summary()
    assert result.recovery_s <= 60, result.summary()
