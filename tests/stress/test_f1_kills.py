"""F1 around the purchase, again and again: one to four tasks at work, SIGKILL at the first, second or third of them."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.test_crash_points import judge
from tests.support.crash_scenarios import PLAIN, PURCHASE, Fate, Scene, World, outside

ROUNDS = int(os.environ.get("F1_ROUNDS", "25"))
SEED = os.environ.get("F1_SEED", "")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with outside() as opened:
        yield opened


@pytest.mark.gate
@pytest.mark.fault("F1")
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("kind", ["openai", "task_api"])
def test_f1_kills_around_the_purchase(
    world: World, tmp_path: Path, record_property: Callable[[str, object], None], kind: str
) -> None:
    seed = int(SEED or random.randrange(2**32))
    print(f"{kind}: F1_SEED={seed}")
    scene = Scene(world, tmp_path, getattr(world, kind), PLAIN)
    dice = random.Random(seed)
    places = [place for place in PURCHASE for _ in range(ROUNDS)]
    dice.shuffle(places)
    for place in places:
        nth = dice.randint(1, 3)
        fates = scene.round(place, nth, dice.randint(nth, nth + 1))
        if kind == "openai" and len(fates) == 1:
            judge(place, fates[0])
        for fate in fates:
            _judge_among_others(fate, keyed=kind == "task_api")
    scene.until_clean()
    scene.close()
    sums = scene.sums
    record_property(f"{kind}, seed", seed)
    record_property(f"{kind}, kills", f"{len(places)} ({len(PURCHASE)} places x {ROUNDS})")
    record_property(f"{kind}, tasks", f"{sums.tasks}, of which completed {sums.completed}")
    record_property(f"{kind}, bought and delivered", f"{sums.bought} and {sums.delivered}")
    record_property(f"{kind}, possible duplicates shown", sums.shown)
    record_property(f"{kind}, charged more than once", sums.charges - sums.completed)


def _judge_among_others(fate: Fate, *, keyed: bool) -> None:
    """The other tasks were anywhere when the program died: a doubtful attempt shows which of them were in doubt."""
    sums = fate.sums
    assert (sums.completed, sums.delivered, sums.charges, fate.hooks) == (1, 1, 1, 1), fate
    assert sums.shown == (fate.doubted and not keyed), fate.attempts
    assert 0 <= sums.bought - sums.delivered <= sums.shown, fate.attempts
