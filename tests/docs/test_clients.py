"""The recipes of docs/clients.md: each program is an example that runs as a test, each setting is one that exists."""

from __future__ import annotations

import json
import re
import shlex

import click
import pytest

from imagegate.cli.mcp import mcp
from tests.docs.spec import ROOT

TEXT = (ROOT / "docs/clients.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_every_program_is_an_example_that_is_run() -> None:
    examples = [file.read_text("utf-8") for file in (ROOT / "client/examples").glob("*.py")]
    assert blocks("python")
    for program in blocks("python"):
        assert any(example.endswith(program) for example in examples), program


@pytest.mark.parametrize("text", blocks("json"))
def test_every_setting_of_an_editor_starts_the_server_or_calls_it(text: str) -> None:
    settings = json.loads(text)
    server = (settings.get("mcpServers") or settings["servers"])["imagegate"]
    if "url" in server:
        assert server["url"] == "http://127.0.0.1:8765/mcp"
        assert server["headers"]["Authorization"].startswith("Bearer ")
        return
    arguments = server["args"]
    assert arguments[:4] == ["--from", "imagegate[mcp]", "imagegate", "mcp"]
    known = {option for parameter in mcp.params for option in parameter.opts}
    assert {word for word in arguments[4:] if word.startswith("--")} <= known
    assert set(server["env"]) == {"IMAGEGATE_URL", "IMAGEGATE_API_KEY"}


def test_every_option_of_the_command_is_told() -> None:
    told = set(re.findall(r"`(--[a-z-]+)", TEXT))
    options = {opt for one in mcp.params if isinstance(one, click.Option) for opt in one.opts}
    assert options - told == {"--data", "--config", "--http"}
    assert any("--http" in shlex.split(line) for block in blocks("sh") for line in block.splitlines())
