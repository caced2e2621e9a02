"""What the systemd units take away the program can do without; there is no systemd as init here to show it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.deploy.packages import DEPLOY
from tests.support.gateway import free_port
from tests.support.program import wait_until

pytestmark = [pytest.mark.gate, pytest.mark.timeout(300)]

# ProcSubset=pid and ProtectProc=invisible; MemoryDenyWriteExecute (PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN); every system
# call of it and of its helpers is written down.
_START = """
mount -t proc -o subset=pid,hidepid=invisible proc /proc
exec strace --follow-forks --quiet=all --output="$1" "$2" -c '
import ctypes, runpy, sys
assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0, "the kernel is older than 6.3"
sys.argv = ["imagegate", "serve"]
runpy.run_module("imagegate", run_name="__main__")
'
"""
# SQLite gives new files the owner of the database, if it runs as root: the unit's user is another one.
_AS_ROOT = {"fchown"}


def _system_calls(group: str) -> set[str]:
    command = ["systemd-analyze", "syscall-filter", "--no-pager", group]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[1:]
    names = {line.strip() for line in lines if line.strip() and not line.strip().startswith("#")}
    inner = [_system_calls(name) for name in names if name.startswith("@")]
    return {name for name in names if not name.startswith("@")}.union(*inner)


def test_hardening_takes_nothing_that_the_program_uses(tmp_path: Path) -> None:
    if os.geteuid() != 0 or not (shutil.which("strace") and shutil.which("systemd-analyze")):
        pytest.skip("needs root and the Debian packages strace and systemd")
    unit = (DEPLOY / "systemd/imagegate.service").read_text("utf-8")
    for line in ("MemoryDenyWriteExecute=yes", "ProcSubset=pid", "ProtectProc=invisible"):
        assert f"\n{line}\n" in unit
    assert re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE) == ["@system-service", "~@privileged"]

    trace, port = tmp_path / "trace", free_port()
    env = {**os.environ, "IMAGEGATE_PORT": str(port), "IMAGEGATE_DATA": str(tmp_path / "data")}
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    command = [*unshare, "sh", "-euc", _START, "sh", str(trace), sys.executable]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            key = tmp_path / "data/demo-key"
            wait_until(lambda: (key.exists() and _is_ready(port)) or process.poll(), pause_s=0.2)
            headers = {"Authorization": f"Bearer {key.read_text().strip()}", "Prefer": "wait=60"}
            for kind in ("png", "webp"):  # the second one through the helpers that convert
                body = {"prompt": "a red fox", "size": "816x816", "quality": "low", "output_format": kind}
                url = f"http://127.0.0.1:{port}/v1/images/generations"
                task = httpx.post(url, json=body, headers=headers, timeout=90).json()
                assert task["status"] == "completed", task
                assert httpx.get(task["results"][0], timeout=30).status_code == 200
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    used = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text("utf-8", "replace"), re.MULTILINE))
    assert len(used) > 50
    assert used - (_system_calls("@system-service") - _system_calls("@privileged")) - _AS_ROOT == set()


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
