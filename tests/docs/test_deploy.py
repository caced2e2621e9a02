"""docs/deploy.md: its commands are run; those that need a daemon, a cluster or systemd as init are read."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from imagegate.api.openai.form_body import MAX_TEXTS_BYTES
from imagegate.api.openai.json_body import MAX_FILES
from imagegate.settings import Limits, Server
from tests.deploy.packages import DEPLOY, VERSION, check_command, load_helm
from tests.deploy.test_compose import _load
from tests.docs.spec import ROOT
from tests.support.gateway import free_port

TEXT = (ROOT / "docs/deploy.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SHELL = [(mark, code) for language, mark, code in BLOCKS if language == "sh"]
# What a machine with the packages of this repository alone cannot run.
MARKS = {"docker", "cluster", "systemd"}
MAX_UNRUN = 5


def _code(language: str) -> list[str]:
    return [code for found, _, code in BLOCKS if found == language]


def _lines(program: str) -> list[list[str]]:
    """The commands that begin with this program, also after `exec … --` of a container."""
    lines = [line for _, code in SHELL for line in code.splitlines()]
    before = r"(?:^|-- |exec \w+ |until |imagegate-gateway )"
    found = [re.search(rf"{before}{program} (.+?)(?:; do.*| &)?$", line) for line in lines]
    return [shlex.split(one[1]) for one in found if one]


def test_few_blocks_go_unrun() -> None:
    marks = [mark for mark, _ in SHELL]
    assert set(marks) - {""} <= MARKS | {"unrun"}
    assert marks.count("unrun") <= MAX_UNRUN
    assert marks.count("") >= 4


@pytest.mark.parametrize("code", [code for _, code in SHELL])
def test_block_is_shell(code: str) -> None:
    subprocess.run(["bash", "-n"], input=code, text=True, check=True)


def test_every_command_of_the_program_exists() -> None:
    commands = _lines("imagegate") + _lines("imagegate-command")
    assert len(commands) >= 12
    for words in commands:
        check_command(words)


def test_blocks_without_a_mark_run(tmp_path: Path) -> None:
    """In the order of the document, as one script in an empty folder."""
    blocks = [code for mark, code in SHELL if not mark]
    port = str(free_port())
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {"PATH": path, "HOME": str(tmp_path), "IMAGEGATE_PORT": port, "IMAGEGATE_LOG_LEVEL": "warning"}
    script = "set -eu\n" + "\n".join(blocks)
    # A group of its own: the gateway that the script starts outlives it.
    running = subprocess.Popen(
        ["sh", "-c", script],
        cwd=tmp_path,
        env=env,
        text=True,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        code = running.wait(100)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        output, _ = running.communicate()
    assert code == 0, output
    assert re.search(r"^imk_live_\S+$", output, re.MULTILINE), output
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in (tmp_path / "secrets").iterdir()}
    named = {Path(one["file"]).name for one in _load("compose.many.yaml")["secrets"].values()}
    assert modes == dict.fromkeys(named, "0o444") | {"s3.env": "0o400"}


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
    assert _code("nginx") == [(DEPLOY / "nginx.conf").read_text("utf-8")]


def test_sizes_and_times_are_those_of_the_program() -> None:
    largest = MAX_FILES * (Limits().max_upload_bytes + 16 * 1024) + 2 * MAX_TEXTS_BYTES
    proxies = "\n".join([*_code("nginx"), *_code("caddy"), (DEPLOY / "Caddyfile").read_text("utf-8")])
    sizes = re.findall(r"(?:client_max_body_size|max_size) (\d+)(m|MB)", proxies)
    assert len(sizes) == 3
    assert all(int(number) * (1024**2 if unit == "m" else 1000**2) >= largest for number, unit in sizes)
    idle = re.findall(r"keepalive(?:_timeout)? (\d+)s", proxies)
    assert len(idle) == 3
    assert all(int(seconds) < Server().head_timeout_s for seconds in idle)
