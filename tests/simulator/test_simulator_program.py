"""The program: counting under load, flags, scripts, and what it prints."""

from __future__ import annotations

import tomllib
from concurrent.futures import ThreadPoolExecutor

import httpx
import msgspec
import pytest
from click.testing import CliRunner

from imagegate.catalog.routes import RouteConfig, RouteTable, UpstreamConfig
from imagegate.cli import program
from imagegate.cli.exit_codes import Exit
from imagegate.domain.usage import Usage
from imagegate.pricing import compute_charge
from imagegate.simulator.calls import Reference
from imagegate.simulator.faults import FAULTS
from imagegate.simulator.prices import reference_tokens
from tests.simulator.raw_server import generate
from tests.support.simulator import Simulator

IMAGE_NANOS = 196 * 30_000 + 6 * 5_000


def test_counting_is_exact_under_fifty_calls_at_once(simulator: Simulator) -> None:
    steps = ["none", "reset-after-send", "429", "truncated", "moderation-refusal"] * 30
    simulator.script(*steps)
    with ThreadPoolExecutor(50) as pool:
        seen = list(pool.map(lambda _: generate(simulator, "x", patience_s=60), range(150)))
    simulator.ended_calls(150)
    assert simulator.total == {"calls": 150, "purchases": 90, "images": 90, "nanos": 90 * IMAGE_NANOS, "usd": "0.5319"}
    assert sum(one.ending == "reset" for one in seen) == 30
    assert sum(one.data.startswith(b"HTTP/1.1 200") for one in seen) == 60
    assert sum(one.data.startswith(b"HTTP/1.1 429") for one in seen) == 30
    calls = simulator.calls()
    assert sum(call["billed_nanos"] for call in calls) == 90 * IMAGE_NANOS
    assert len({call["id"] for call in calls}) == 150


def test_a_key_is_bought_once_under_fifty_repeats_at_once(simulator: Simulator) -> None:
    body = {"prompt": "x", "size": "1024x1024", "quality": "low"}
    headers = {"Authorization": "Bearer any", "Idempotency-Key": "one"}

    def submit(_: int) -> str:
        answer = httpx.post(
            f"{simulator.url}/task/v1/images/generations",
            json=body,
            headers=headers,
            timeout=60,
            trust_env=False,
            verify=False,
        )
        ticket: str = answer.json()["id"]
        return ticket

    with ThreadPoolExecutor(50) as pool:
        assert len(set(pool.map(submit, range(50)))) == 1
    assert (simulator.total["calls"], simulator.total["images"]) == (50, 1)


def test_scripts_are_used_up_in_order_and_by_protocol(simulator: Simulator) -> None:
    simulator.script({"fault": "503-json", "times": 2}, {"fault": "429", "shape": "fal"}, None, {"latency": "400ms"})
    assert [generate(simulator, "[[fault:401]]").status for _ in range(3)] == [503, 503, 200]
    assert generate(simulator, "x").duration_s >= 0.4
    assert simulator.control("GET", "/control")["left"] == [
        {"fault": "429", "shape": "fal", "latency": None, "times": 1}
    ]
    assert generate(simulator, "[[fault:401]]").status == 401


@pytest.mark.parametrize("steps", [["no-such"], [{"fault": "429", "tims": 2}], {"fault": "429"}, ["429:soon"]])
def test_a_script_that_makes_no_sense_is_refused_and_changes_nothing(simulator: Simulator, steps: object) -> None:
    simulator.script("503-json")
    answer = httpx.put(f"{simulator.url}/control", json=steps, trust_env=False, verify=False, timeout=60)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert len(simulator.control("GET", "/control")["left"]) == 1


def test_flags_strike_one_protocol_repeat_by_seed_and_can_be_quiet() -> None:
    options = ("--quiet", "--fault", "openai=429", "--fault", "openai=500-json", "--fault-rate", "0.5", "--seed", "7")
    runs = []
    for _ in range(2):
        with Simulator(*options) as simulator:
            runs.append([generate(simulator, "x").status for _ in range(30)])
            task = {"prompt": "x", "size": "1024x1024", "quality": "low"}
            headers = {"Authorization": "Bearer any"}
            url = f"{simulator.url}/task/v1/images/generations"
            assert (
                httpx.post(url, json=task, headers=headers, trust_env=False, verify=False, timeout=60).status_code
                == 200
            )
        assert not [line for line in simulator.output if line.startswith("call-")]
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 429, 500}


def test_each_call_is_one_line_and_the_end_is_the_total() -> None:
    simulator = Simulator("--latency", "200ms")
    with simulator:
        assert generate(simulator, "x").duration_s >= 0.2
        generate(simulator, "[[fault:429]]")
        assert simulator.stop() == 0
    first, second = (line for line in simulator.output if line.startswith("call-"))
    assert first.startswith("call-1 openai gpt-image-2 1024x1024 low n=1 -> 200 yes in 0.")
    assert first.endswith("1 bought for $0.00591")
    assert "-> 429 yes [429] in" in second
    assert simulator.output[-1] == "2 calls, 1 images bought in 1 purchases for $0.00591"


def test_the_rows_that_it_prints_fit_a_gateway_and_its_own_prices(simulator: Simulator) -> None:
    start = next(number for number, line in enumerate(simulator.output) if line == "[[upstream]]")
    end = next(number for number, line in enumerate(simulator.output) if line.startswith("start the gateway"))
    rows = tomllib.loads("\n".join(simulator.output[start:end]))
    upstreams = msgspec.convert(rows["upstream"], list[UpstreamConfig])
    roster = RouteTable(upstreams, msgspec.convert(rows["route"], list[RouteConfig]), ["gpt-image-2"])
    assert {row.protocol for row in upstreams} == {"openai", "task_api", "fal", "replicate"}
    assert len(roster.routes) == len(upstreams) == 6
    for route in roster.routes.values():
        cost = compute_charge(Usage(images=1, text_input=6, image_output=196), route.price_for_tier("1K"))
        assert cost.total == IMAGE_NANOS


@pytest.mark.parametrize(
    "options", [["--fault", "no-such"], ["--fault", "mars=429"], ["--latency", "soon"], ["--state", __file__]]
)
def test_wrong_flags_end_with_one_line(options: list[str]) -> None:
    ended = CliRunner().invoke(program, ["simulate", *options]).exception
    assert isinstance(ended, Exit)
    assert (ended.code, len(ended.message.splitlines())) == (2, 1)


def test_the_faults_can_be_listed() -> None:
    listed = CliRunner().invoke(program, ["simulate", "--list-faults"])
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(FAULTS)


@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    [
        (1024, 1024, 1024),
        (512, 512, 1024),
        (256, 256, 256),
        (1536, 1024, 1536),
        (2048, 2048, 1521),
        (1920, 1080, 1508),
        (3840, 2160, 1508),
        (1800, 2400, 1452),
        (800, 600, 768),
    ],
)
def test_references_count_by_their_patches(width: int, height: int, tokens: int) -> None:
    assert reference_tokens(Reference(1, "", width, height)) == tokens
