"""F1: SIGKILL of the real program at each place where it hurts. What was acknowledged ends once, is bought once and is
paid once; where nobody can know whether it was bought, one repeat is made at most, and shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from imagegate import crash_points
from tests.support import power_cut
from tests.support.crash_scenarios import (
    PURCHASE_CRASH_POINTS,
    UNKNOWN_OUTCOME_CRASH_POINTS,
    CrashScenario,
    Environment,
    PowerCutGateway,
    RunReport,
    open_environment,
)
from tests.support.s3_server import S3Server

# These come after a task's end: tests/e2e/test_thumbnails.py and test_deletion.py kill it there.
AFTERWARDS = {"thumbnail.published", "delete.post_commit", "delete.blobs_deleted"}
# No gateway passes these: tests/cli/test_archive.py kills the command there.
ARCHIVING = {"archive.file_written", "archive.mid", "archive.post_commit"}
POINTS = sorted(crash_points.POINTS - AFTERWARDS - ARCHIVING)
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
# Where a test is about more than the place of the kill, these stand for all others in `make test`.
SAMPLE = ("upstream.after_send", "spool.fsynced", "settle.mid")


def sampled(places: Iterable[str]) -> list[Any]:
    return [place if place in SAMPLE else pytest.param(place, marks=pytest.mark.gate) for place in places]


@pytest.fixture(scope="module")
def world() -> Iterator[Environment]:
    with open_environment() as opened:
        yield opened


@pytest.fixture(scope="module")
def scene(world: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashScenario]:
    with closing(CrashScenario(world, tmp_path_factory.mktemp("crashes"), world.openai)) as scene:
        yield scene
        # Of fetch.mid, and by chance of both kills while collecting: what an earlier task has left may be collected
        # while this one's reference is stored and not yet recorded.
        scene.wait_until_clean(orphans=3)
        scene.verify()


@pytest.fixture(scope="module")
def unforgiving(world: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashScenario]:
    with closing(CrashScenario(world, tmp_path_factory.mktemp("unforgiving"), world.openai_without_repeats)) as scene:
        yield scene
        scene.verify()


@pytest.fixture(scope="module")
def keyed(world: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashScenario]:
    with closing(CrashScenario(world, tmp_path_factory.mktemp("keyed"), world.task_api)) as scene:
        yield scene
        scene.wait_until_clean()
        scene.verify()


def order(world: Environment, place: str) -> dict[str, Any]:
    return {"image_urls": [f"{world.file_server.url}/reference"]} if place.startswith(WITH_REFERENCE) else {}


def check_report(place: str, fate: RunReport) -> None:
    """Delivered and charged once; bought twice only where the outcome was unknown, and then it is reported."""
    sums = fate.totals
    # Collecting runs at any time: while the call is open, and while a webhook has been sent and that is not recorded.
    at_any_time = place.startswith(("gc.", "sweep."))
    assert (sums.completed, sums.delivered, sums.charges) == (1, 1, 1), fate.task
    if place in UNKNOWN_OUTCOME_CRASH_POINTS or (at_any_time and sums.possible_duplicates):
        assert (sums.purchased - sums.delivered, sums.possible_duplicates) in ((0, 1), (1, 1)), fate.attempts
    else:
        assert sums.purchased == sums.delivered, fate.attempts
        # The first call is marked in the claim's commit: here nobody can know that it was not made.
        assert sums.possible_duplicates == (place in ("claim.post_commit", "upstream.marked"))
    at_most = 1 + (at_any_time or place == "hook.post_send")
    assert (2 if place == "hook.post_send" else 1) <= fate.webhooks <= at_most


@pytest.mark.fault("F1")
@pytest.mark.parametrize("place", POINTS)
def test_f1_killed_at(scene: CrashScenario, place: str) -> None:
    [fate] = scene.run(place, LATER.get(place, 1), **order(scene.environment, place))
    check_report(place, fate)


@pytest.fixture(scope="module")
def powered(world: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashScenario]:
    folder = tmp_path_factory.mktemp("powered")
    with closing(CrashScenario(world, folder, world.openai, kind=PowerCutGateway)) as scene:
        yield scene
        scene.verify()


@pytest.mark.fault("F4")
@pytest.mark.parametrize("place", sampled(PURCHASE_CRASH_POINTS))
def test_f4_the_power_fails_at(powered: CrashScenario, place: str) -> None:
    """As if killed there, and what was not flushed of spool and blobs is gone."""
    [fate] = powered.run(place)
    check_report(place, fate)


@pytest.mark.fault("F4")
def test_f4_what_is_not_flushed_is_lost(world: Environment, tmp_path: Path) -> None:
    """The power cut of the tests above takes away what it should: with a disk that flushes nothing, images are lost."""
    with closing(CrashScenario(world, tmp_path, world.openai_without_repeats, kind=PowerCutGateway)) as scene:
        scene.gateway.env[power_cut.ROOTS_VARIABLE] = "/nowhere"
        [fate] = scene.run("spool.fsynced")
    assert fate.task["error"]["reason"] == "upstream_unknown"
    assert (fate.totals.purchased, fate.totals.delivered, fate.totals.charges) == (1, 0, 0)


@pytest.mark.gate
@pytest.mark.fault("F1")
def test_f1_killed_on_postgres(world: Environment, postgres_url: str, tmp_path: Path) -> None:
    with closing(CrashScenario(world, tmp_path, world.openai, {"IMAGEGATE_DATABASE": postgres_url})) as scene:
        for place in ON_POSTGRES:
            [fate] = scene.run(place)
            check_report(place, fate)
        scene.verify()


@pytest.mark.fault("F1")
@pytest.mark.parametrize("place", sampled(PURCHASE_CRASH_POINTS))
def test_f1_an_upstream_that_remembers_keys_is_paid_once(keyed: CrashScenario, place: str) -> None:
    [fate] = keyed.run(place)
    sums = fate.totals
    assert (sums.purchased, sums.delivered, sums.charges, sums.possible_duplicates) == (1, 1, 1, 0), fate
    assert fate.webhooks == 1


@pytest.mark.fault("F1")
@pytest.mark.parametrize("place", sampled(sorted(UNKNOWN_OUTCOME_CRASH_POINTS)))
def test_f1_an_operator_who_never_guesses_buys_nothing_twice(unforgiving: CrashScenario, place: str) -> None:
    [fate] = unforgiving.run(place)
    sums = fate.totals
    assert (fate.task["status"], fate.task["error"]["reason"]) == ("failed", "upstream_unknown")
    assert (sums.delivered, sums.charges, sums.possible_duplicates) == (0, 0, 0)
    assert sums.purchased <= 1
    assert len(fate.attempts) == 1


def test_every_place_in_the_code_is_declared() -> None:
    """Every declared point is in the code, and each of them kills a program in the tests above."""
    source = Path(crash_points.__file__).parent
    found = {name for file in source.rglob("*.py") for name in re.findall(r'point\("([a-z_.]+)"\)', file.read_text())}
    assert found == crash_points.POINTS
    assert len(POINTS) == 24


@pytest.mark.gate
@pytest.mark.fault("F1")
@pytest.mark.timeout(300)
def test_f1_killed_with_images_in_a_bucket(world: Environment, s3: S3Server, tmp_path: Path) -> None:
    env = {**s3.env, "IMAGEGATE_STORAGE": s3.url()}
    with closing(CrashScenario(world, tmp_path, world.openai, env)) as scene:
        for place in (*PURCHASE_CRASH_POINTS, "fetch.mid", "fetch.stored", "gc.blob_deleted"):
            [fate] = scene.run(place, **order(world, place))
            check_report(place, fate)
        scene.verify()
        scene.gateway.run("check", "--deep")
