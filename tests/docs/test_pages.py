"""Every command and every snippet of every page, as somebody meets them who reads from its top and pastes each.

A block is run in the page's own fresh folder, or is the output of the one above, or is read by the program's own
reader of such files, or is run by another test (`pages.ELSEWHERE`), or says `<!-- not run: REASON -->`. There is no
other kind.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from imagegate.cli import program
from imagegate.settings import ENV_PREFIX
from tests.deploy.packages import check_command
from tests.deploy.test_compose import _load
from tests.docs.outputs import assert_json, assert_printed
from tests.docs.pages import MAX_UNRUN, Block, all_blocks, blocks, kind, pages
from tests.docs.terminal import Terminal
from tests.support.gateway import free_port
from tests.support.simulator import Simulator

# Pages whose reader has a gateway already, started in the same folder. The first four change nothing that others look
# at: they share one.
SHARED = ("client/README.md", "docs/clients.md", "docs/errors.md", "docs/troubleshooting.md")
SERVED = {*SHARED, "docs/guide.md", "docs/operator.md"}
# What the reader writes there.
YOURS = {"sk-…": "a-key", "API_KEY=imk_live_…": "API_KEY=$(cat data/demo-key)", "AZURE_EU_KEY=…": "AZURE_EU_KEY=a-key"}
_PATIENCE_S = 20.0
PORTS = ("8000", "9100", "9300", "8765")
RUN = [page for page in pages() if any(kind(block) == "run" for block in blocks(page))]
READ = [SHARED, *((page,) for page in RUN if page not in SHARED)]
_ENV = {
    "IMAGEGATE_LOG_LEVEL": "warning",
    "IMAGEGATE_THUMBNAIL_DAYS": "0",
    "IMAGEGATE_POLL_S": "0.5",
    "TERM": "dumb",
    "LANG": "C.UTF-8",
    "SSL_CERT_FILE": os.environ.get("SSL_CERT_FILE", ""),
}


def test_every_block_has_a_kind() -> None:
    assert [block.name for block in all_blocks() if not kind(block)] == []


def test_few_blocks_go_unrun() -> None:
    kinds = [kind(block) for block in all_blocks()]
    assert kinds.count("unrun") <= MAX_UNRUN, [block.name for block in all_blocks() if kind(block) == "unrun"]
    assert kinds.count("run") > 50
    assert all(len(block.reason) > 10 for block in all_blocks() if block.reason)


def test_a_block_without_a_kind_is_noticed() -> None:
    def is_kind(language: str, code: str, reason: str = "") -> str:
        return kind(Block("README.md", 1, language, "", code, reason))

    assert is_kind("rust", "fn main() {}") == ""
    assert is_kind("js", "fetch('/')") == ""
    assert is_kind("nginx", "server {}") == ""
    assert is_kind("sh", "imagegate doctor") == "run"
    assert is_kind("sh", "docker ps", "needs Docker") == "apart"
    assert is_kind("sh", "make bench", "takes an hour of an idle machine") == "unrun"


@pytest.mark.parametrize("block", [block for block in all_blocks() if block.language == "sh"], ids=lambda one: one.name)
def test_shell_is_shell_also_where_it_is_not_run(block: Block) -> None:
    if block.file.endswith(".env"):
        return
    subprocess.run(["bash", "-n"], input=block.code, text=True, check=True)
    lines = [] if kind(block) == "run" else block.code.splitlines()
    for line in lines:
        if found := re.match(r"(?:[A-Z_]+=\S+ )*imagegate (.+)", line):
            check_command(shlex.split(found[1], comments=True))


@pytest.mark.parametrize(
    "block", [block for block in all_blocks() if kind(block) in ("settings", "price block")], ids=lambda one: one.name
)
def test_settings_are_read_by_the_program(block: Block, tmp_path: Path) -> None:
    for one in blocks(block.page):  # files that it names
        if one.file.endswith(".toml"):
            (tmp_path / one.file).write_text(one.code)
    file = tmp_path / "shown.toml"
    code = re.sub(r'(api_key_file = )"[^"]+"', rf'\1"{tmp_path}/key"', block.code)
    (tmp_path / "key").write_text("a-key")
    file.write_text(code)
    if kind(block) == "price block":
        (tmp_path / "prices.toml").write_text(code)
        file.write_text(f'[credit]\nprice_files = ["{tmp_path}/prices.toml"]\n')
    names = re.findall(r'api_key_env = "(\w+)"', code)
    env = {**dict.fromkeys(names, "a-key"), **{name: None for name in os.environ if name.startswith(ENV_PREFIX)}}
    words = ["upstreams", "list", "--config", str(file), "--data", str(tmp_path / "data")]
    done = CliRunner().invoke(program, words, env=env)
    assert done.exit_code == 0, done.output
    for upstream in tomllib.loads(code).get("upstream", []):
        assert f"{upstream['name']}  {upstream['protocol']}" in done.output


def test_data_are_data() -> None:
    for block in all_blocks():
        if kind(block) == "data":
            assert _READERS[block.language](block.code), block.name


def _read_ini(text: str) -> object:
    """A drop-in of systemd."""
    return re.fullmatch(r"(?:\[\w+\]\n(?:\w+=.+\n)+)+", text)


_READERS: dict[str, Callable[[str], object]] = {"json": json.loads, "yaml": yaml.safe_load, "ini": _read_ini}


@pytest.fixture(scope="module")
def vendor() -> Any:
    """What `OPENAI_API_KEY` leads to."""
    with Simulator("--quiet") as simulator:
        yield simulator


@pytest.mark.parametrize("together", READ, ids=lambda pages: pages[0])
def test_a_page_works_as_it_is_read(together: tuple[str, ...], tmp_path: Path, vendor: Simulator) -> None:
    folder = tmp_path / "imagegate"
    folder.mkdir()
    ports = {port: str(free_port()) for port in PORTS}
    env = {**_ENV, "IMAGEGATE_PORT": ports["8000"], "OPENAI_BASE_URL": f"{vendor.url}/v1"}
    with Terminal(folder, env) as terminal:
        reader = _Reader(terminal, {**ports, **_vendors(vendor)})
        if together[0] in SERVED:
            terminal.run("imagegate serve")
        for block in (block for page in together for block in blocks(page)):
            reader.read(block)
        if together[0] in _CHECKS:
            _CHECKS[together[0]](folder)


def _vendors(vendor: Simulator) -> dict[str, str]:
    hosts = {"https://api.openai.com": "", "https://my-resource.openai.azure.com": "/azure"}
    return {host: vendor.url + path for host, path in hosts.items()}


class _Reader:
    """Somebody who reads a page and does what it says, with ports that are free here."""

    def __init__(self, terminal: Terminal, places: dict[str, str]) -> None:
        self._terminal, self._places, self._printed = terminal, places, ""

    def read(self, block: Block) -> None:
        match kind(block):
            case "run" if block.language == "console":
                self._run_console(block)
            case "run" if block.language == "python":
                (self._terminal.folder / (block.file or "snippet.py")).write_text(self._here(block.code))
                self._run(f"python {block.file or 'snippet.py'}")
            case "run":
                self._run(block.code)
            case "output" if block.language == "json":
                assert_json(block.code, self._printed, block.name)
            case "output":
                self._compare(block)
            case _:
                if block.file:
                    (self._terminal.folder / block.file).write_text(self._here(block.code))

    def _run_console(self, block: Block) -> None:
        for command, shown in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", block.code, re.MULTILINE):
            self._run(command, may_fail=bool(re.match(r"imagegate: |FAIL|Error", shown)))
            assert_printed(shown, [self._printed], block.name)

    def _run(self, code: str, *, may_fail: bool = False) -> None:
        self._printed = self._shown(self._terminal.run(self._here(code), may_fail=may_fail))

    def _compare(self, block: Block) -> None:
        """What is printed in other terminals may come a moment later."""
        give_up = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return assert_printed(block.code, [self._printed, *self._elsewhere()], block.name)
            except AssertionError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.05)

    def _elsewhere(self) -> list[str]:
        """What stands in other terminals."""
        return [self._shown(output) for output in self._terminal.outputs]

    def _shown(self, printed: str) -> str:
        for shown, here in self._places.items():
            printed = printed.replace(here, shown)
        return printed

    def _here(self, text: str) -> str:
        for shown, here in self._places.items():
            text = re.sub(rf"(?<![\w.]){shown}\b", here, text)
        for shown, here in YOURS.items():
            text = text.replace(shown, here)
        return text


def _check_deploy(folder: Path) -> None:
    modes = {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in (folder / "secrets").iterdir()}
    named = {Path(one["file"]).name for one in _load("compose.many.yaml")["secrets"].values()}
    assert modes == dict.fromkeys(named, "0o444") | {"s3.env": "0o400"}


_CHECKS: dict[str, Callable[[Path], None]] = {"docs/deploy.md": _check_deploy}
