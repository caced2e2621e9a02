"""Makes `_sync.py` of the Python client from `_async.py`: the same program without waiting.

`python -m tools.sync_client` writes it; with `check` it fails where the two differ.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "client/src/imagegate_client"
SOURCE, TARGET = PACKAGE / "_async.py", PACKAGE / "_sync.py"
_HEAD = '"""The client. Made from `_async.py` by `python -m tools.sync_client`: change that file."""'
_REPLACED = (
    (r"from asyncio import sleep", "from time import sleep"),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAsyncGenerator\[(\w+), None\]", r"Generator[\1, None, None]"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\baiter_bytes\b", "iter_bytes"),
    (r"\baread\b", "read"),
    (r"\baclose\b", "close"),
    (r"__aenter__", "__enter__"),
    (r"__aexit__", "__exit__"),
    (r"An asynchronous client", "A client"),
    (r"`async with`", "`with`"),
)


def sync_source() -> str:
    """What `_sync.py` must be."""
    _, _, text = SOURCE.read_text("utf-8").partition("\n")
    for pattern, replacement in _REPLACED:
        text = re.sub(pattern, replacement, text)
    text = f"{_HEAD}\n{text}"
    for command in (["check", "--select", "I,UP028", "--fix", "--unsafe-fixes", "--quiet"], ["format", "--quiet"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(TARGET), "-"]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout
    return text


if __name__ == "__main__":
    if sys.argv[1:] != ["check"]:
        TARGET.write_text(sync_source(), "utf-8")
    elif TARGET.read_text("utf-8") != sync_source():
        sys.exit("_sync.py is not that of _async.py: run `python -m tools.sync_client`")
