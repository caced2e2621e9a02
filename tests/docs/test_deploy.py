"""docs/deploy.md: what its commands name exists, also where they need a daemon, a cluster or systemd as init.

`test_pages.py` runs the others.
"""

from __future__ import annotations

import itertools
import re
import shlex
from typing import Any

from imagegate.api.openai.form_body import MAX_TEXTS_BYTES
from imagegate.api.openai.json_body import MAX_FILES
from imagegate.settings import Limits, Server
from tests.deploy.packages import DEPLOY, VERSION, check_command, load_helm
from tests.deploy.test_compose import _load
from tests.docs.pages import blocks
from tests.docs.spec import ROOT

TEXT = (ROOT / "docs/deploy.md").read_text("utf-8")


def code(language: str) -> list[str]:
    return [block.code for block in blocks("docs/deploy.md") if block.language == language]


def _lines(program: str) -> list[list[str]]:
    """The commands that begin with this program, also after `exec … --` of a container."""
    lines = [line for shell in code("sh") for line in shell.splitlines()]
    before = r"(?:^|-- |exec \w+ |until |imagegate-gateway )"
    found = [re.search(rf"{before}{program} (.+?)(?:; do.*| &)?$", line) for line in lines]
    return [shlex.split(one[1]) for one in found if one]


def test_every_command_of_the_program_exists() -> None:
    commands = _lines("imagegate") + _lines("imagegate-command")
    assert len(commands) >= 12
    for words in commands:
        check_command(words)


def test_files_and_services_of_commands_exist() -> None:
    for name in set(re.findall(r"(?<![\w/.])(?:deploy/[\w./@-]+|compose[\w.]*\.yaml)", TEXT)):
        assert (ROOT / name.rstrip(".")).exists(), name
    for words in _lines("docker compose"):
        file = words[words.index("--file") + 1] if "--file" in words else "compose.yaml"
        if "exec" in words:
            assert words[words.index("exec") + 1] in _load(file)["services"]
    versions = set(re.findall(r"imagegate:(\d\S*)", TEXT))
    assert versions == {VERSION}


def test_chart_takes_the_values_that_are_shown() -> None:
    (words,) = _lines("helm")
    values: dict[str, Any] = {}
    for option, given in itertools.pairwise(words):
        if option in ("--set", "--set-file"):
            path, _, value = given.partition("=")
            *parents, leaf = path.split(".")
            place = values
            for parent in parents:
                place = place.setdefault(parent, {})
            text = (ROOT / value).read_text("utf-8") if option == "--set-file" else value
            place[leaf] = True if text == "true" else text
    with load_helm().Chart.load(str(ROOT / "deploy/chart")) as chart:
        rendered = chart.render(values, name="imagegate", namespace="images")
    assert "name: imagegate-gateway" in rendered["imagegate/templates/gateway.yaml"]
    assert 'base_url = "https://api.openai.com/v1"' in rendered["imagegate/templates/config.yaml"]


def test_nginx_is_shown_as_it_is_tested() -> None:
    assert code("nginx") == [(DEPLOY / "nginx.conf").read_text("utf-8")]


def test_sizes_and_times_are_those_of_the_program() -> None:
    largest = MAX_FILES * (Limits().max_upload_bytes + 16 * 1024) + 2 * MAX_TEXTS_BYTES
    proxies = "\n".join([*code("nginx"), *code("caddy"), (DEPLOY / "Caddyfile").read_text("utf-8")])
    sizes = re.findall(r"(?:client_max_body_size|max_size) (\d+)(m|MB)", proxies)
    assert len(sizes) == 3
    assert all(int(number) * (1024**2 if unit == "m" else 1000**2) >= largest for number, unit in sizes)
    idle = re.findall(r"keepalive(?:_timeout)? (\d+)s", proxies)
    assert len(idle) == 3
    assert all(int(seconds) < Server().head_timeout_s for seconds in idle)
