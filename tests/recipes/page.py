"""The recipes of docs/clients.md: code blocks with a file's name behind the language."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from PIL import Image

from tests.docs.spec import ROOT
from tests.support.gateway import Gateway

PAGE = (ROOT / "docs/clients.md").read_text("utf-8")
RECIPES: dict[str, str] = dict(re.findall(r"^```[a-z]+ (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
ADDRESS, KEY = "http://127.0.0.1:8000", "imk_live_…"
TIMEOUT_S = 100
_SIZE = (1024, 1024)


def write_recipe(name: str, gateway: Gateway, folder: Path) -> Path:
    """The recipe as a file, with this gateway's address and key."""
    file = folder / name
    file.write_text(RECIPES[name].replace(ADDRESS, gateway.url).replace(KEY, gateway.key), "utf-8")
    return file


def run(folder: Path, *command: str | Path, **env: str) -> str:
    """What the program prints. It must end well."""
    words = [str(word) for word in command]
    given = {**os.environ, **env}
    done = subprocess.run(words, cwd=folder, env=given, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def use_packages(folder: Path, node_modules: Path) -> None:
    """Let programs in this folder import these packages: Node looks beside the program."""
    (folder / "node_modules").symlink_to(node_modules, target_is_directory=True)


def assert_images(folder: Path, *names: str) -> None:
    for name in names:
        with Image.open(folder / name) as image:
            image.load()
            assert image.size == _SIZE, name
