"""The code blocks of the pages, each of exactly one kind."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Callable

import msgspec

from tests.docs.spec import ROOT

_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]*?) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>[a-z]*)(?: (?P<file>\S+))?\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
# What a machine with the packages of this repository alone cannot run: read, and counted apart.
APART = ("needs Docker", "needs a cluster", "needs systemd")
MAX_UNRUN = 5
SHELL = ("sh", "console")


class Block(msgspec.Struct, frozen=True):
    page: str
    line: int
    language: str
    file: str
    """A name behind the language: the page says to save the block in this file."""
    code: str
    reason: str
    """Why it is not run."""

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """Every page that a reader is led to. The specification shows no commands; decisions are history."""
    found = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "client/README.md")]
    return [str(file.relative_to(ROOT)) for file in [*found, *sorted((ROOT / "docs").glob("*.md"))] if file.exists()]


@functools.cache
def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text("utf-8")
    found = []
    for one in _BLOCK.finditer(text):
        indent = len(one["indent"])
        code = "".join(line[indent:] for line in one["code"].splitlines(keepends=True))
        line = text.count("\n", 0, one.start("language")) + 1
        found.append(Block(page, line, one["language"], one["file"] or "", code, one["reason"] or ""))
    return found


def all_blocks() -> list[Block]:
    return [block for page in pages() for block in blocks(page)]


def kind(block: Block) -> str:
    """`apart`, `unrun`, `elsewhere`, `run`, `output`, `settings`, `price block` or `data`; empty for none of these."""
    if block.reason:
        return "apart" if block.reason.startswith(APART) else "unrun"
    if any(holds(block) for holds in ELSEWHERE.values()):
        return "elsewhere"
    if block.language in SHELL or block.language == "python":
        return "run"
    if block.language == "toml":
        return "price block" if "effective_from" in tomllib.loads(block.code) else "settings"
    if block.language in ("", "text", "json") and _follows_a_command(block):
        return "output"
    if block.language == "mermaid":
        return "diagram"
    return "data" if block.language in ("json", "yaml", "ini") else ""


def _follows_a_command(block: Block) -> bool:
    before = blocks(block.page)[: blocks(block.page).index(block)]
    return bool(before) and before[-1].language in (*SHELL, "python", "text") and not before[-1].reason


def _is_recipe(block: Block) -> bool:
    """Of docs/clients.md, run by `make clients` and in part by `make test`; also where another page shows its start."""
    from tests.recipes.page import RECIPES

    named = "".join(file.read_text("utf-8") for file in (ROOT / "tests/recipes").glob("test_*.py"))
    run = {name: code for name, code in RECIPES.items() if f'"{name}"' in named}
    if block.file:
        return block.page == "docs/clients.md" and run.get(block.file) == block.code
    return block.language in ("python", "js") and any(code.startswith(block.code) for code in run.values())


def _is_example(block: Block) -> bool:
    """An example of the client, run by tests/client/test_client_wheel.py."""
    from tests.client import test_client_wheel

    assert test_client_wheel.test_every_example_runs.__name__
    examples = [file.read_text("utf-8") for file in (ROOT / "client/examples").glob("*.py")]
    return block.language == "python" and any(example.endswith(block.code) for example in examples)


def _is_setting_of_an_editor(block: Block) -> bool:
    from tests.docs import test_clients

    assert test_clients.test_every_setting_of_an_editor_starts_the_server_or_calls_it.__name__
    return block.language == "json" and block.code in test_clients.blocks("json")


def _is_proxy(block: Block) -> bool:
    """tests/stress/test_proxies.py runs nginx with deploy/nginx.conf, which is the one that is shown, and Caddy."""
    from tests.docs import test_deploy

    proxies = (ROOT / "tests/stress/test_proxies.py").read_text("utf-8")
    shown = {"nginx": "nginx.conf", "caddy": "```caddy"}
    return (
        block.page == "docs/deploy.md"
        and shown.get(block.language, "\0") in proxies
        and block.code in test_deploy.code(block.language)
    )


def _is_compared_with_the_code(block: Block) -> bool:
    """The layers and the folders of CONTRIBUTING.md."""
    from tests.docs import test_docs

    return block.page == "CONTRIBUTING.md" and block.code in (test_docs.layers(), test_docs.folders())


ELSEWHERE: dict[str, Callable[[Block], bool]] = {
    "tests/recipes": _is_recipe,
    "tests/client/test_client_wheel.py": _is_example,
    "tests/docs/test_clients.py": _is_setting_of_an_editor,
    "tests/stress/test_proxies.py": _is_proxy,
    "tests/docs/test_docs.py": _is_compared_with_the_code,
}
