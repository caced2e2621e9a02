"""`config check` and `doctor` find what `serve` would refuse, all at once, and leave the disk as it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from imagegate.cli import program
from imagegate.cli.exit_codes import Exit
from tests.support.gateway import Gateway
from tests.support.routed_gateway import route_config, upstream_config

NO_VENDOR = dict.fromkeys(("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"))
LONE_ROUTE = (
    "[[route]] 'gpt-image-2' to 'nope': there is no upstream 'nope': write its [[upstream]], there is none at all"
)
GOOD = (upstream_config("a", "https://a.example/v1"), route_config("a"))


def check(folder: Path, *rows: str, options: tuple[str, ...] = (), env: Mapping[str, str] = {}) -> tuple[int, Result]:
    """The exit code too: an `Exit` becomes one in `main`."""
    file = folder / "gateway.toml"
    file.write_text("\n".join(rows))
    arguments = ["config", "check", "--config", str(file), "--data", str(folder / "data"), *options]
    done = CliRunner().invoke(program, arguments, env={**NO_VENDOR, "SIMULATOR_KEY": "a-key", **env})
    assert done.exception is None or isinstance(done.exception, Exit), done.exception
    assert sorted(folder.iterdir()) == [file], "nothing was made"
    return (done.exception.code if isinstance(done.exception, Exit) else 0), done


def problems_of(folder: Path, *rows: str, env: Mapping[str, str] = {}) -> list[str]:
    code, done = check(folder, *rows, options=("--json",), env=env)
    found: dict[str, Any] = json.loads(done.stdout)
    assert code == (0 if found["ok"] else 2)
    _, plain = check(folder, *rows, env=env)
    assert plain.stderr.splitlines() == [f"imagegate: {problem}" for problem in found["problems"]]
    return [problem.removeprefix(f"{folder / 'gateway.toml'}: ") for problem in found["problems"]]


def test_what_would_be_used_is_listed(tmp_path: Path) -> None:
    code, done = check(tmp_path, *GOOD)
    assert code == 0
    for text in ("upstream a: openai, https://a.example/v1, key from SIMULATOR_KEY", "  route gpt-image-2@a"):
        assert text in done.stdout.splitlines()
    assert "price block 2026-11-01.1: in force, from 2026-11-01" in done.stdout
    assert "warning: gpt-image-2 is sold below the cost of a route" in done.stdout
    _, machine = check(tmp_path, *GOOD, options=("--json",))
    found = json.loads(machine.stdout)
    assert [(one["name"], one["routes"][0]["model"]) for one in found["upstreams"]] == [("a", "gpt-image-2")]
    assert found["sold_below_cost"] == found["models"] == ["gpt-image-2"]
    assert "a-key" not in machine.stdout + done.stdout


def test_a_route_of_the_file_may_lead_to_an_upstream_of_the_environment(tmp_path: Path) -> None:
    code, done = check(tmp_path, route_config("openai", upstream_model="tuned"), env={"OPENAI_API_KEY": "k"})
    assert code == 0
    assert {"  route gpt-image-2@openai", "  route gpt-image-2@openai/tuned"} <= set(done.stdout.splitlines())


def test_every_fault_is_a_line_of_its_own(tmp_path: Path) -> None:
    rows = (
        '[server]\nport = -1\n[credit]\nprice_files = ["none.toml"]\n[[alias]]\nname = "gpt-image-2"\nrow = "nope"',
        upstream_config("a", "ftp://x"),
        upstream_config("b", "https://b.example", api_key_env="ABSENT_KEY", override={"max_n": "many"}),
        upstream_config("c", "https://c.example", api_key_env="ABSENT_KEY"),
        route_config("d"),
        route_config("a", model="gpt-image-9"),
        route_config("a", cost="0.01"),
        route_config("a", cost="0.02"),
    )
    text = "\n".join(rows).replace('override = {"max_n": "many"}', 'override = { max_n = "many" }')
    told = problems_of(tmp_path, text, env={"IMAGEGATE_POLL_S": "-1"})
    for begin in (
        "[server] port is -1: must be",
        "IMAGEGATE_POLL_S is '-1': must be",
        f"cannot read {tmp_path}/none.toml: No such file",
        "[[upstream]] 'a': base_url is 'ftp://x': must begin",
        "[[upstream]] 'b': override: max_n is 'many': must be a whole number from 1 ",
        "[[upstream]] 'c': the variable ABSENT_KEY holds no key",
        "[[route]] 'gpt-image-2' to 'd': there is no upstream 'd'; there are: a, b, c",
        "[[route]] 'gpt-image-9' to 'a': there is no model 'gpt-image-9'; did you mean 'gpt-image-",
        "[[route]] 'gpt-image-2' to 'a': two routes lead the same model",
    ):
        assert [line.startswith(begin) for line in told].count(True) == 1, (begin, told)
    assert len(told) == 9


@pytest.mark.parametrize(
    ("rows", "env", "told"),
    [
        (
            (route_config("nope"),),
            {},
            LONE_ROUTE,
        ),
        (
            (route_config("nope", enabled=False),),
            {},
            LONE_ROUTE,
        ),
        (
            (route_config("nope"),),
            {"OPENAI_API_KEY": "k"},
            "[[route]] 'gpt-image-2' to 'nope': there is no upstream 'nope'; there are: openai (from the environment)",
        ),
        (
            (route_config("openai"),),
            {"OPENAI_API_KEY": "k"},
            (
                "[[route]] 'gpt-image-2' to 'openai': two routes lead the same model to the same upstream model; the"
                " environment makes one already, and an [[upstream]] here would replace what it makes"
            ),
        ),
        (
            (),
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "api.example"},
            (
                "upstream 'openai' (from OPENAI_API_KEY and OPENAI_BASE_URL): base_url is 'api.example': must begin"
                " with https:// or http:// and name a host"
            ),
        ),
        (
            (*GOOD, GOOD[0]),
            {},
            "[[upstream]] 'a': 2 have this name, and only one may",
        ),
        (
            ('[[alias]]\nname = "mine"\nrow = "gpt-imge-2"',),
            {},
            "[[alias]] 'mine': row is 'gpt-imge-2': there is no such model; did you mean 'gpt-image-2'?",
        ),
        (
            ('[[alias]]\nname = "mine"\nrow = "gpt-image-2"\n' * 2,),
            {},
            "[[alias]] 'mine': a model or another alias has this name",
        ),
        (
            ('[openai]\nopenai_models = ["dall-e-3=gpt-imge-2"]',),
            {},
            "openai_models has 'dall-e-3=gpt-imge-2': there is no model 'gpt-imge-2'; did you mean 'gpt-image-2'?",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(
    tmp_path: Path, rows: tuple[str, ...], env: dict[str, str], told: str
) -> None:
    assert problems_of(tmp_path, *rows, env=env) == [told]


@pytest.mark.parametrize(
    ("rows", "env", "told"),
    [
        ((*GOOD, upstream_config("b", "https://b.example")), {}, "[[upstream]] 'b' has no [[route]]: nothing is sent"),
        ((GOOD[0],), {}, "[[upstream]] 'a' has no [[route]]: nothing is sent to it"),
        ((), {"AZURE_OPENAI_API_KEY": "k"}, "AZURE_OPENAI_API_KEY is set without AZURE_OPENAI_ENDPOINT"),
        (
            (),
            {"IMAGEGATE_SERVICE_HOST": "10.0.0.1"},
            "ignored what look like service links of Kubernetes: IMAGEGATE_SERV",
        ),
        (("[work]\npainters = 1",), {}, "painters is now called max_embedded_processes"),
    ],
)
def test_what_is_doubtful_is_a_warning(tmp_path: Path, rows: tuple[str, ...], env: dict[str, str], told: str) -> None:
    code, done = check(tmp_path, *rows, env=env)
    assert code == 0
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("warning: ") and "below" not in line]
    assert line.startswith(f"warning: {told}")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    """A data folder with a database, and nothing that serves from it."""
    place = Gateway(tmp_path_factory.mktemp("made") / "data", env={"SIMULATOR_KEY": "a-key"})
    place.run("migrate")
    return place


def test_doctor_looks_at_upstreams_keys_and_routes_as_serve_would(made: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text("\n".join((*GOOD, upstream_config("b", "https://b.example"))))
    done = made.run("doctor", "--config", str(file), "--json", check=False)
    states = {(one["name"], one["state"]): one["message"] for one in json.loads(done.stdout)["checks"]}
    assert states["upstreams", "ok"] == "2 upstreams, 1 route"
    assert states["upstreams", "warn"].startswith("[[upstream]] 'b' has no [[route]]")
    file.write_text(
        "\n".join((upstream_config("a", "https://a.example/v1", api_key_env="ABSENT_KEY"), route_config("b")))
    )
    plain = made.run("doctor", "--config", str(file), check=False)
    assert plain.returncode == 1
    assert f"FAIL  configuration: {file}: [[upstream]] 'a': the variable ABSENT_KEY holds no key" in plain.stdout
    assert f"FAIL  configuration: {file}: [[route]] 'gpt-image-2' to 'b': there is no upstream 'b'" in plain.stdout
    assert "ok    disk: " in plain.stdout
