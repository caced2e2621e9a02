"""A 50 MB file passes through the service without ever being in its memory, whichever way it comes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import httpx
import psutil
import pytest

from tests.api.test_api_files import BASE64, STREAM, URL, data_of, keep
from tests.support.file_server import FileServer, send_bytes
from tests.support.gateway import Gateway, StandaloneGateway
from tests.support.image_files import b64, large_png

SIZE, GROWTH = 50 * 1024 * 1024, 30 * 1024 * 1024


@pytest.fixture(scope="module")
def shelf() -> Iterator[FileServer]:
    with FileServer() as served:
        yield served


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, shelf: FileServer) -> Iterator[Gateway]:
    with StandaloneGateway(tmp_path_factory.mktemp("memory"), "--egress-allow", shelf.egress_allow) as served:
        yield served


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "large.png"
    path.write_bytes(large_png(SIZE))
    return path


class MemoryWatch:
    """The highest resident size of the service and its children together, looked at every 5 ms."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._stop = threading.Event()
        self.first = self.peak = self._resident()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(0.005):
            self.peak = max(self.peak, self._resident())

    def _resident(self) -> int:
        family = [self._process, *self._process.children(recursive=True)]
        return sum(int(one.memory_info().rss) for one in family)


def _as_base64(client: httpx.Client, file: Path, shelf: FileServer) -> httpx.Response:
    text = json.dumps({"base64_data": "data:image/png;base64," + b64(file.read_bytes())})
    return client.post(BASE64, content=text, headers={"content-type": "application/json"})


def _as_form(client: httpx.Client, file: Path, shelf: FileServer) -> httpx.Response:
    with file.open("rb") as opened:
        return client.post(STREAM, files={"file": opened})


def _by_url(client: httpx.Client, file: Path, shelf: FileServer) -> httpx.Response:
    return client.post(URL, json={"file_url": shelf.serve("/large.png", send_bytes(file.read_bytes()))})


@pytest.mark.parametrize("way", [pytest.param(_as_base64, marks=pytest.mark.gate), _as_form, _by_url])
def test_p20_a_50_mb_upload_stays_out_of_memory(
    gateway: Gateway, file: Path, shelf: FileServer, way: Callable[[httpx.Client, Path, FileServer], httpx.Response]
) -> None:
    with gateway.client() as client:
        keep(client)
        with MemoryWatch(gateway.pid) as watch:
            kept = data_of(way(client, file, shelf))
            opened = httpx.get(kept["file_url"], timeout=60)
        assert kept["file_size"] == SIZE
        assert opened.content == file.read_bytes()
        assert watch.peak - watch.first < GROWTH, f"grew by {(watch.peak - watch.first) / 2**20:.1f} MiB"
        print(f"{way.__name__}: {(watch.peak - watch.first) / 2**20:.1f} MiB")
