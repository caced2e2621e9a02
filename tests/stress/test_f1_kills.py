"""F1 around the purchase, again and again: one to four tasks at work, SIGKILL at the first, second or third of them."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.test_crash_points import check_report
from tests.support.crash_scenarios import (
    NO_THUMBNAILS,
    PURCHASE_CRASH_POINTS,
    CrashScenario,
    Environment,
    RunReport,
    environment,
)

ROUNDS = int(os.environ.get("F1_ROUNDS", "25"))
SEED = os.environ.get("F1_SEED", "")


@pytest.fixture(scope="module")
def world() -> Iterator[Environment]:
    with environment() as opened:
        yield opened


@pytest.mark.gate
@pytest.mark.fault("F1")
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("kind", ["openai", "task_api"])
def test_f1_kills_around_the_purchase(
    world: Environment, tmp_path: Path, record_property: Callable[[str, object], None], kind: str
) -> None:
    seed = int(SEED or random.randrange(2**32))
    print(f"{kind}: F1_SEED={seed}")
    scene = CrashScenario(world, tmp_path, getattr(world, kind), NO_THUMBNAILS)
    dice = random.Random(seed)
    places = [place for place in PURCHASE_CRASH_POINTS for _ in range(ROUNDS)]
    dice.shuffle(places)
    for place in places:
        nth = dice.randint(1, 3)
        fates = scene.run(place, nth, dice.randint(nth, nth + 1))
        if kind == "openai" and len(fates) == 1:
            check_report(place, fates[0])
        for fate in fates:
            _check_concurrent_report(fate, keyed=kind == "task_api")
    scene.wait_until_clean()
    scene.verify()
    sums = scene.totals
    record_property(f"{kind}, seed", seed)
    record_property(f"{kind}, kills", f"{len(places)} ({len(PURCHASE_CRASH_POINTS)} places x {ROUNDS})")
    record_property(f"{kind}, tasks", f"{sums.tasks}, of which completed {sums.completed}")
    record_property(f"{kind}, bought and delivered", f"{sums.purchased} and {sums.delivered}")
    record_property(f"{kind}, possible duplicates shown", sums.possible_duplicates)
    record_property(f"{kind}, charged more than once", sums.charges - sums.completed)


def _check_concurrent_report(fate: RunReport, *, keyed: bool) -> None:
    """The other tasks were anywhere when the program died: a doubtful attempt shows which of them were in doubt."""
    sums = fate.totals
    assert (sums.completed, sums.delivered, sums.charges, fate.webhooks) == (1, 1, 1, 1), fate
    assert sums.possible_duplicates == (fate.has_unknown_attempt and not keyed), fate.attempts
    assert 0 <= sums.purchased - sums.delivered <= sums.possible_duplicates, fate.attempts
