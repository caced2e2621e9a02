"""What no other tool checks in the page's own scripts, styles and texts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import imagegate.web
from imagegate.domain.audit import Action

STATIC = Path(imagegate.web.__file__).parent / "static"
MAX_COLUMNS = 120
_TEXT_NAME = re.compile(r'\b([td])\(\s*"([a-z0-9_.]+)"')


def test_no_line_is_longer_than_the_formatter_allows() -> None:
    """The formatter leaves templates and comments as they are."""
    files = [*STATIC.glob("app/**/*.js"), *STATIC.glob("css/*.css")]
    long = [
        f"{file.relative_to(STATIC)}:{number}"
        for file in files
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if len(line) > MAX_COLUMNS
    ]
    assert len(files) > 40
    assert long == []


def test_every_text_that_a_script_names_exists() -> None:
    """`t` shows the name where the text is missing; `d` is `t` below `dashboard`."""
    texts = json.loads((STATIC / "lang/en.json").read_text("utf-8"))
    scripts = "\n".join(file.read_text("utf-8") for file in STATIC.glob("app/**/*.js"))
    names = {f"dashboard.{name}" if call == "d" else name for call, name in _TEXT_NAME.findall(scripts)}
    assert len(names) > 200
    assert [name for name in sorted(names) if not isinstance(_find(texts, name), str)] == []


def test_the_audit_log_names_every_act() -> None:
    texts = json.loads((STATIC / "lang/en.json").read_text("utf-8"))
    acts = {one.value for one in Action}
    assert set(texts["dashboard"]["audit"]["actions"]) == {one.replace(".", "_") for one in acts}
    script = (STATIC / "app/dashboard/audit.js").read_text("utf-8")
    assert acts == set(re.findall(r'^  "([a-z_]+\.[a-z_]+)",$', script, re.MULTILINE)), "those that can be picked"


def _find(tree: Any, name: str) -> Any:
    for part in name.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree
