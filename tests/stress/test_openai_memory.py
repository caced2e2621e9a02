"""Section 11: 64 answers of 4K at once, and edits of 50 MB, pass through without being in memory."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.test_api_files_memory import MemoryWatch
from tests.support.gateway import StandaloneGateway
from tests.support.image_files import large_png
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

pytestmark = pytest.mark.gate
PATH = "/openai/v1/images"
COUNT = 64
GROWTH = COUNT * 1024 * 1024  # of connections, not of images
IMAGE_BYTES = 20 * 1024 * 1024
BIG: dict[str, Any] = {"prompt": "[[bytes:20MB]] big", "size": "3840x2160", "quality": "low", "output_format": "jpeg"}


class _Standalone(RoutedGateway, StandaloneGateway):
    forked = False


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoutedGateway]:
    with Simulator() as simulator:
        rows = (upstream_config("sim", f"{simulator.url}/v1", on_unknown="fail"), route_config("sim"))
        with _Standalone(tmp_path_factory.mktemp("memory") / "data", *rows) as served:
            yield served


@pytest.mark.timeout(300)
@pytest.mark.parametrize("stream", [False, True])
def test_s11_streaming_and_answers_keep_memory_flat(gateway: RoutedGateway, stream: bool) -> None:
    with gateway.client() as client:
        made = client.post(
            f"{PATH}/generations", json={**BIG, "stream": stream}, headers={"Idempotency-Key": f"{stream}"}
        )
        assert len(made.content) > IMAGE_BYTES

        def fetch(_: int) -> int:
            """The same answer once more, read slowly."""
            received = 0
            with client.stream(
                "POST",
                f"{PATH}/generations",
                json={**BIG, "stream": stream},
                headers={"Idempotency-Key": f"{stream}"},
            ) as answer:
                for chunk in answer.iter_raw():
                    received += len(chunk)
            return received

        with MemoryWatch(gateway.pid) as watch, concurrent.futures.ThreadPoolExecutor(COUNT) as pool:
            sizes = set(pool.map(fetch, range(COUNT)))
    assert len(sizes) == 1
    print(f"stream={stream}: {COUNT} answers of {sizes} bytes, {(watch.peak - watch.first) // 2**20} MiB more")
    assert watch.peak - watch.first < GROWTH


@pytest.mark.timeout(300)
def test_s11_uploads_keep_memory_flat(gateway: RoutedGateway, tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    file.write_bytes(large_png(50 * 1024 * 1024))

    def send(_: int) -> int:
        with gateway.client() as client, file.open("rb") as source:
            return client.post(f"{PATH}/edits", data={"prompt": "x"}, files={"image": source}).status_code

    with MemoryWatch(gateway.pid) as watch, concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert set(pool.map(send, range(8))) == {httpx.codes.BAD_REQUEST}
    print(f"8 edits of 50 MB: {(watch.peak - watch.first) // 2**20} MiB more")
    assert watch.peak - watch.first < GROWTH
