"""The first start: the printed command line makes an image, the demo key is private, and a restart changes nothing."""

from __future__ import annotations

import io
import json
import os
import pty
import stat
import subprocess
import time
from pathlib import Path

import httpx
import psutil
from PIL import Image

from tests.support.gateway import PROGRAM, Gateway, StandaloneGateway

IDLE_LIMIT_MB = 120


def test_printed_line_makes_an_image_of_the_exact_size(gateway: Gateway) -> None:
    assert gateway.curl.startswith("curl ")
    answer = subprocess.run(gateway.curl, shell=True, capture_output=True, text=True, timeout=90, check=True)
    task = json.loads(answer.stdout)
    assert task["status"] == "completed"
    image = httpx.get(task["results"][0], timeout=60)
    assert image.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(image.content)).size == (1360, 768)


def test_demo_key_is_private_and_kept(gateway: Gateway) -> None:
    file = gateway.data / "demo-key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert any(gateway.key in line for line in gateway.output)


def test_the_link_to_the_page_is_printed_to_a_terminal(tmp_path: Path) -> None:
    terminal, its_end = pty.openpty()
    command = [*PROGRAM, "serve", "--data", str(tmp_path / "data"), "--port", "0"]
    serving = subprocess.Popen(command, stdout=its_end, stderr=subprocess.DEVNULL)
    os.close(its_end)
    lines = []
    with os.fdopen(terminal, encoding="utf-8") as output:
        for line in output:
            lines.append(line.strip())
            if line.startswith("curl "):
                break
    link = (tmp_path / "data" / "page-link").read_text().strip()
    serving.terminate()
    assert serving.wait(60) == 0
    assert f"the page, signed in as demo: {link}" in lines
    assert not (tmp_path / "data" / "page-link").exists(), "it does not outlive its start"


def test_idle_memory_is_small(tmp_path: Path) -> None:
    with StandaloneGateway(tmp_path) as served:
        time.sleep(0.5)
        process = psutil.Process(served.pid)
        memory = sum(one.memory_info().rss for one in [process, *process.children(recursive=True)]) / 2**20
    assert memory < IDLE_LIMIT_MB


def test_second_gateway_on_the_same_data_is_refused(gateway: Gateway) -> None:
    second = subprocess.run(
        [*PROGRAM, "serve", "--data", str(gateway.data), "--port", "0"], capture_output=True, text=True, timeout=30
    )
    assert second.returncode == 1
    assert "already serving" in second.stderr


def test_restart_changes_nothing_when_there_is_nothing_to_do(tmp_path: Path) -> None:
    with Gateway(tmp_path) as served:
        key = served.key
        with served.client() as client:
            before = client.get("/v1/credits").json()
        assert served.stop() == 0
        served.start()
        assert served.key == key
        with served.client() as client:
            assert client.get("/v1/credits").json() == before
