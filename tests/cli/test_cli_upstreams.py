"""`imagegate upstreams`: the configuration, and one request explained."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


def run(tmp_path: Path, sim: Simulator, *arguments: str) -> subprocess.CompletedProcess[str]:
    rows = [upstream_config("there", f"{sim.url}/v1", timeout_s=10), route_config("there")]
    place = RoutedGateway(tmp_path / "data", *rows)
    return place.run("upstreams", *arguments, "--config", str(place.file), check=False)


def test_list_names_upstreams_and_routes_and_no_key(tmp_path: Path, sim: Simulator) -> None:
    done = run(tmp_path, sim, "list")
    assert done.returncode == 0, done.stderr
    assert "there  openai  http://127.0.0.1" in done.stdout
    assert "gpt-image-2@there" in done.stdout
    assert "a-key" not in done.stdout


def test_a_test_costs_what_it_says_and_explains_the_answer(tmp_path: Path, sim: Simulator) -> None:
    sim.reset()
    done = run(tmp_path, sim, "test", "there")
    assert done.returncode == 0, done.stderr
    assert "592x1776, quality low, expected cost $0.002" in done.stdout
    assert "produced: image/png, 592x1776" in done.stdout
    assert "usage: 62 output tokens, the formula says 62" in done.stdout
    assert sim.total["images"] == 1


@pytest.mark.parametrize(
    ("fault", "code", "says"),
    [
        ("401", 1, "It rejects the key: check api_key_env"),
        ("402", 1, "out of funds"),
        ("403-blocked", 1, "The account there is blocked"),
        ("404-model", 1, "check upstream_model"),
        ("400-parameter", 1, "rejected"),
        ("html-200", 1, "an image may have been bought"),
        ("moderation-refusal", 3, "A harmless prompt was refused"),
    ],
)
def test_what_went_wrong_is_explained(tmp_path: Path, sim: Simulator, fault: str, code: int, says: str) -> None:
    sim.reset()
    sim.script(fault)
    done = run(tmp_path, sim, "test", "there")
    assert done.returncode == code
    assert says in done.stderr


def test_an_upstream_that_is_not_configured_is_a_usage_error(tmp_path: Path, sim: Simulator) -> None:
    done = run(tmp_path, sim, "test", "nobody")
    assert done.returncode == 2
    assert "upstreams: there" in done.stderr
    done = run(tmp_path, sim, "test", "there", "--model", "nope")
    assert done.returncode == 2
    assert done.stderr == "imagegate: --model is 'nope': must be a model that a route leads to there: gpt-image-2\n"
