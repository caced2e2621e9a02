"""F1 around the purchase, again and again: one to four tasks at work, SIGKILL at the first, second or third of them."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.test_crash_points import check_report
from tests.support.crash_scenarios import (
    PURCHASE_CRASH_POINTS,
    CrashScenario,
    Environment,
    RunReport,
    open_environment,
)

ROUNDS = int(os.environ.get("F1_ROUNDS", "25"))
SEED = os.environ.get("F1_SEED", "")


@pytest.fixture(scope="module")
def environment() -> Iterator[Environment]:
    with open_environment() as opened:
        yield opened


@pytest.mark.gate
@pytest.mark.fault("F1")
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("kind", ["openai", "task_api"])
def test_f1_kills_around_the_purchase(
    environment: Environment, tmp_path: Path, record_property: Callable[[str, object], None], kind: str
) -> None:
    seed = int(SEED or random.randrange(2**32))
    print(f"{kind}: F1_SEED={seed}")
    random_ = random.Random(seed)
    crash_points = [crash_point for crash_point in PURCHASE_CRASH_POINTS for _ in range(ROUNDS)]
    random_.shuffle(crash_points)
    with closing(CrashScenario(environment, tmp_path, getattr(environment, kind))) as scenario:
        for crash_point in crash_points:
            nth = random_.randint(1, 3)
            reports = scenario.run(crash_point, nth, random_.randint(nth, nth + 1))
            if kind == "openai" and len(reports) == 1:
                check_report(crash_point, reports[0])
            for report in reports:
                _check_concurrent_report(report, keyed=kind == "task_api", is_alone=len(reports) == 1)
        scenario.wait_until_clean()
        scenario.verify()
    totals = scenario.totals
    record_property(f"{kind}, seed", seed)
    record_property(f"{kind}, kills", f"{len(crash_points)} ({len(PURCHASE_CRASH_POINTS)} places x {ROUNDS})")
    record_property(f"{kind}, tasks", f"{totals.tasks}, of which completed {totals.completed}")
    record_property(f"{kind}, bought and delivered", f"{totals.purchased} and {totals.delivered}")
    record_property(f"{kind}, possible duplicates shown", totals.possible_duplicates)
    record_property(f"{kind}, charged more than once", totals.charges - totals.completed)


def _check_concurrent_report(report: RunReport, *, keyed: bool, is_alone: bool) -> None:
    """The other tasks were anywhere when the program died: a doubtful attempt shows which of them were in doubt, and a
    second copy of a webhook that one had been sent and not yet recorded."""
    totals = report.totals
    assert (totals.completed, totals.delivered, totals.charges) == (1, 1, 1), report
    assert report.webhooks == 1 or (report.webhooks == 2 and not is_alone), report
    assert totals.possible_duplicates == (report.has_unknown_attempt and not keyed), report.attempts
    assert 0 <= totals.purchased - totals.delivered <= totals.possible_duplicates, report.attempts
