"""F1: SIGKILL of the real program at each place where it hurts. What was acknowledged ends once, is bought once and is
paid once; where nobody can know whether it was bought, one repeat is made at most, and shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegate import crash_points
from tests.support.crash_scenarios import DOUBTFUL, PLAIN, PURCHASE, Fate, Scene, World, outside

PLACES = sorted(crash_points.POINTS)
# The first sweep comes before anybody could have been served.
LATER = {"sweep.mid": 3}
WITH_REFERENCE = ("fetch.", "gc.")
ON_POSTGRES = [
    "submit.pre_commit",
    "claim.post_commit",
    "upstream.after_send",
    "spool.fsynced",
    "settle.pre_commit",
    "settle.post_commit",
]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with outside() as opened:
        yield opened


@pytest.fixture(scope="module")
def scene(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    scene = Scene(world, tmp_path_factory.mktemp("crashes"), world.openai, PLAIN)
    yield scene
    scene.until_clean(orphans=1)  # of fetch.mid
    scene.close()


@pytest.fixture(scope="module")
def unforgiving(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    scene = Scene(world, tmp_path_factory.mktemp("unforgiving"), world.unforgiving, PLAIN)
    yield scene
    scene.close()


@pytest.fixture(scope="module")
def keyed(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    scene = Scene(world, tmp_path_factory.mktemp("keyed"), world.task_api, PLAIN)
    yield scene
    scene.until_clean()
    scene.close()


def order(world: World, place: str) -> dict[str, Any]:
    return {"image_urls": [f"{world.shelf.url}/reference"]} if place.startswith(WITH_REFERENCE) else {}


def judge(place: str, fate: Fate) -> None:
    """Delivered once and charged once; bought twice only where that could not be known, and then it is shown."""
    sums = fate.sums
    assert (sums.completed, sums.delivered, sums.charges) == (1, 1, 1), fate.task
    if place in DOUBTFUL:
        assert (sums.bought - sums.delivered, sums.shown) in ((0, 1), (1, 1)), fate.attempts
    else:
        assert sums.bought == sums.delivered, fate.attempts
        assert sums.shown == (place == "upstream.marked"), "only a call that was never made may be thought of as one"
    assert fate.hooks == 1 + (place == "hook.post_send")


@pytest.mark.fault("F1")
@pytest.mark.parametrize("place", PLACES)
def test_f1_killed_at(scene: Scene, place: str) -> None:
    [fate] = scene.round(place, LATER.get(place, 1), **order(scene.world, place))
    judge(place, fate)


@pytest.mark.fault("F1")
def test_f1_killed_on_postgres(world: World, postgres_url: str, tmp_path: Path) -> None:
    scene = Scene(world, tmp_path, world.openai, {**PLAIN, "IMAGEGATE_DATABASE": postgres_url})
    for place in ON_POSTGRES:
        [fate] = scene.round(place)
        judge(place, fate)
    scene.close()


@pytest.mark.fault("F1")
@pytest.mark.parametrize("place", PURCHASE)
def test_f1_an_upstream_that_remembers_keys_is_paid_once(keyed: Scene, place: str) -> None:
    [fate] = keyed.round(place)
    sums = fate.sums
    assert (sums.bought, sums.delivered, sums.charges, sums.shown) == (1, 1, 1, 0), fate
    assert fate.hooks == 1


@pytest.mark.fault("F1")
@pytest.mark.parametrize("place", sorted(DOUBTFUL))
def test_f1_an_operator_who_never_guesses_buys_nothing_twice(unforgiving: Scene, place: str) -> None:
    [fate] = unforgiving.round(place)
    sums = fate.sums
    assert (fate.task["status"], fate.task["error"]["reason"]) == ("failed", "upstream_unknown")
    assert (sums.delivered, sums.charges, sums.shown) == (0, 0, 0)
    assert sums.bought <= 1
    assert len(fate.attempts) == 1


def test_every_place_in_the_code_is_declared() -> None:
    """And every declared one stands in the code; each of them kills a program above."""
    source = Path(crash_points.__file__).parent
    found = {name for file in source.rglob("*.py") for name in re.findall(r'point\("([a-z_.]+)"\)', file.read_text())}
    assert found == crash_points.POINTS
    assert len(PLACES) == 24
