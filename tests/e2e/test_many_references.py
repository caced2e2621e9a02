"""F21: many edits at once, each of sixteen large references, in little memory: the small version of the gate's."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.api.helpers import CREATE, SMALL_IMAGE, parse_response
from tests.images.corpus import chunk
from tests.support.cgroup import MemoryCgroup
from tests.support.file_server import FileServer, send_file
from tests.support.gateway import Gateway, StandaloneGateway
from tests.support.process_monitor import ProcessMonitor

REFERENCES = 16
LIMIT, MAX_BYTES = 512 << 20, 300 << 20
Tell = Callable[[str, object], None]


def noise(path: Path, size: int, edge: int) -> Path:
    """A square PNG of exactly `size` bytes: noise in the pixels, the rest in an ancillary chunk."""
    tile = np.random.default_rng(7).integers(0, 256, (40, 40, 4), np.uint8)
    Image.fromarray(np.tile(tile, (edge // 40, edge // 40, 1))).save(path, "PNG", compress_level=1)
    data = path.read_bytes()
    assert len(data) + 12 <= size, f"{len(data)} bytes of pixels"
    end = len(data) - 12
    path.write_bytes(data[:end] + chunk(b"paDd", bytes(size - len(data) - 12)) + data[end:])
    return path


def edits_within(folder: Path, count: int, size: int, edge: int, seconds: float, tell: Tell) -> None:
    """`count` concurrent edits over five accounts, each with 16 references from different URLs."""
    image, began = noise(folder / "noise.png", size, edge), time.monotonic()
    env = {
        "IMAGEGATE_FETCH_BYTES_PER_HOUR": str(1 << 50),
        "IMAGEGATE_WORKERS": str(count),
        "IMAGEGATE_MAX_EMBEDDED_PROCESSES": "1",
        "IMAGEGATE_LEASE_S": "60",
        "IMAGEGATE_LOG_LEVEL": "warning",
    }
    cgroup = MemoryCgroup(LIMIT)
    with FileServer() as server:
        gateway = StandaloneGateway(folder / "data", "--egress-allow", server.egress_allow, env=env)
        with cgroup.inside():
            gateway.start()
        try:
            with ProcessMonitor(gateway.pid, gateway.url) as monitor:
                tasks = _edits(gateway, server, image, count, seconds)
            stored = sum(path.stat().st_size for path in (folder / "data/blobs").rglob("*.png"))
            assert [task["status"] for task in tasks] == ["completed"] * count, tasks
            assert set(server.requests.values()) == {1}
            assert server.requests.total() == count * REFERENCES
            gateway.check()
        finally:
            gateway.stop()
            killed = cgroup.oom_kills
            cgroup.remove()
            shutil.rmtree(folder / "data", ignore_errors=True)
    tell("edits", f"{count} x {REFERENCES} references x {size / 2**20:.0f} MiB in {time.monotonic() - began:.0f} s")
    tell("limit of the kernel", f"{LIMIT >> 20} MiB, {killed} killed" if cgroup.enforced else "none on this machine")
    tell("meanwhile", monitor.summary())
    tell("on disk at the end", f"{stored / 2**30:.2f} GiB")
    assert killed == 0
    assert monitor.unanswered == 0
    assert monitor.peak <= MAX_BYTES


def _edits(gateway: Gateway, server: FileServer, image: Path, count: int, seconds: float) -> list[Any]:
    keys = [gateway.new_key(f"account-{number}") for number in range(min(5, count))]

    def edit(number: int) -> Any:
        urls = [server.serve(f"/{number}/{place}.png", send_file(image)) for place in range(REFERENCES)]
        with gateway.client(keys[number % len(keys)]) as client:
            task = parse_response(client.post(CREATE, json={**SMALL_IMAGE, "image_urls": urls}))
            give_up = time.monotonic() + seconds
            while task["status"] not in ("completed", "failed") and time.monotonic() < give_up:
                task = parse_response(client.get(f"/v1/tasks/{task['id']}?wait=60"))
            return task

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(edit, range(count)))


@pytest.mark.gate
@pytest.mark.fault("F21")
def test_f21_four_edits_of_sixteen_references(tmp_path: Path, record_property: Tell) -> None:
    edits_within(tmp_path, 4, 5 << 20, 1200, 90, record_property)
