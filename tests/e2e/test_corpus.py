"""F11 on the real program: every file of the corpus as a reference and as an upload, and bodies without end or haste.

The verdicts are those that stand beside the files. While it happens the service answers at once, stays small, and
burns no more than a second on any file.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from imagegate.images import sniff
from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.images.corpus import CORPUS, MAX_BYTES, Case
from tests.support.file_server import FileServer, send_bytes, send_endless_chunks, send_file, send_slowly
from tests.support.gateway import Gateway, StandaloneGateway
from tests.support.image_files import PNG, b64
from tests.support.process_monitor import ProcessMonitor, cpu_s

pytestmark = pytest.mark.fault("F11")

MAX_PEAK_BYTES = 300 << 20
SLOW_S = 5.0
ENV = {
    "IMAGEGATE_FETCH_BYTES_PER_HOUR": str(10**12),
    "IMAGEGATE_FETCH_TIMEOUT_S": str(SLOW_S),
    "IMAGEGATE_BODY_TIMEOUT_S": str(SLOW_S),
    "IMAGEGATE_UPLOAD_TIMEOUT_S": str(2 * SLOW_S),
    "IMAGEGATE_LOG_LEVEL": "warning",
    "IMAGEGATE_MAX_EMBEDDED_PROCESSES": "1",
}
# Taken by their heads, and then more than the engine's decoder opens or can make sense of.
NOT_DRAWN = {
    "png 16 bit colour",
    "png 13000x13000",
    "png of just enough pixels",
    "png 23170x1",
    "png zTXt bomb",
    "png iCCP bomb",
    "png iTXt bomb",
    "png 50 MB of text",
    "png with acTL too late",
    "png with html inside",
    "png data flipped",
    "jpeg with junk between segments",
    "jpeg with a marker across two blocks",
}
Judge = Callable[[httpx.Client, str, Case], None]
Tell = Callable[[str, object], None]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The corpus on disk."""
    folder = tmp_path_factory.mktemp("files")
    paths = {name: folder / str(number) for number, name in enumerate(CORPUS)}
    for name, path in paths.items():
        path.write_bytes(CORPUS[name].make())
    yield paths
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, server: FileServer) -> Iterator[Gateway]:
    with StandaloneGateway(tmp_path_factory.mktemp("corpus"), "--egress-allow", server.egress_allow, env=ENV) as served:
        yield served
        served.check()


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as opened:
        yield opened


def check_corpus(gateway: Gateway, client: httpx.Client, judge: Judge, names: list[str], tell: Tell) -> None:
    """Check the files one after the other, and measure memory and CPU time."""
    worst = (0.0, "")
    with ProcessMonitor(gateway.pid, gateway.url) as monitor:
        for name in names:
            before = cpu_s(gateway.pid)
            judge(client, name, CORPUS[name])
            worst = max(worst, (cpu_s(gateway.pid) - before, name))
    tell("files", len(names))
    tell("most CPU of the service for one file", f"{worst[0]:.2f} s ({worst[1]})")
    tell("meanwhile", monitor.summary())
    assert monitor.unanswered == 0
    assert monitor.peak < MAX_PEAK_BYTES
    assert parse_response(client.get("/v1/credits"))["data"]["user"]["reserved_credits"] == 0


def check_task(task: Any, name: str, case: Case) -> None:
    if isinstance(case.inspect_verdict, tuple) and name not in NOT_DRAWN:
        assert task["status"] == "completed", (name, task)
        return
    assert task["status"] == "failed", (name, task)
    assert task["error"]["code"] == "image_processing_error", (name, task)
    assert task["usage"]["credits_used"] == 0
    reason = task["error"].get("reason")
    if isinstance(case.inspect_verdict, str):
        assert reason == {"too_large": "reference_too_large"}.get(case.inspect_verdict, case.inspect_verdict), name
    else:  # more than the engine opens, or nothing that its decoder makes sense of
        assert reason in ("too_many_pixels", "edge_too_long", None), name
    assert task["error"]["message"]


@pytest.mark.gate
def test_f11_the_corpus_as_references(
    gateway: Gateway, client: httpx.Client, server: FileServer, files: dict[str, Path], record_property: Tell
) -> None:
    def judge(client: httpx.Client, name: str, case: Case) -> None:
        url = server.serve("/picture.jpg", send_file(files[name], kind="image/jpeg"))
        check_task(
            parse_response(client.post(CREATE, json={**SMALL_IMAGE, "image_urls": [url]}, headers=WAIT)), name, case
        )
        assert not list((gateway.data / "incoming").iterdir())

    check_corpus(gateway, client, judge, list(CORPUS), record_property)


@pytest.mark.gate
@pytest.mark.parametrize("most_bytes", [1 << 20, MAX_BYTES + 1])
def test_f11_the_corpus_as_uploads(
    tmp_path: Path, files: dict[str, Path], most_bytes: int, record_property: Tell
) -> None:
    """The files API checks only the first bytes; the whole file is checked when it is used as a reference.

    Nobody is at work here: what is accepted is queued, and cancelled again.
    """

    def judge(client: httpx.Client, name: str, case: Case) -> None:
        with files[name].open("rb") as opened:
            size, head = files[name].stat().st_size, opened.read(16)
            opened.seek(0)
            answer = client.post("/api/v1/files/upload/stream", files={"file": ("holiday.png", opened)}).json()
        if not size or size > MAX_BYTES or sniff(head) is None:
            assert answer["code"] == (400 if not size else 40001 if size > MAX_BYTES else 40002), (name, answer)
            return
        assert answer["code"] == 200, (name, answer)
        created = client.post(CREATE, json={**SMALL_IMAGE, "image_urls": [answer["data"]["file_url"]]})
        if isinstance(case.inspect_verdict, str):
            assert parse_error(created, 400, "invalid_request", "image_urls[0]")["reason"] == case.inspect_verdict, name
        else:
            parse_response(client.post(f"/v1/tasks/{parse_response(created)['id']}/cancel"))
            accepted.append(name)
        assert client.delete(f"/api/v1/files/{answer['data']['file_id']}").status_code == 200

    accepted: list[str] = []
    with (
        StandaloneGateway(tmp_path, "--no-workers", env={**ENV, "IMAGEGATE_SWEEP_S": "3600"}) as gateway,
        gateway.client() as client,
    ):
        names = [name for name, path in files.items() if path.stat().st_size <= most_bytes]
        check_corpus(gateway, client, judge, names, record_property)
        assert accepted == [name for name in names if isinstance(CORPUS[name].inspect_verdict, tuple)]
        blobs = [path for path in (gateway.data / "blobs" / "t").rglob("*") if path.is_file()]
        assert len(blobs) == len(accepted), "what was pinned, and no upload"
        gateway.check()


@pytest.mark.gate
def test_f11_references_without_end_or_haste(gateway: Gateway, client: httpx.Client, server: FileServer) -> None:
    huge = server.serve("/huge", send_bytes(PNG, announced=10**12))
    endless = server.serve("/endless", send_endless_chunks(PNG + bytes(1 << 20)))
    slow = server.serve("/slow", send_slowly(PNG, 1.0))
    with ProcessMonitor(gateway.pid, gateway.url) as monitor:
        for url, reason in (
            (huge, "reference_too_large"),
            (endless, "reference_too_large"),
            (slow, "reference_unreachable"),
        ):
            task = parse_response(client.post(CREATE, json={**SMALL_IMAGE, "image_urls": [url]}, headers=WAIT))
            assert (task["status"], task["error"]["reason"]) == ("failed", reason), task
        for url, code in ((huge, 40001), (endless, 40001), (slow, 40004)):
            assert client.post("/api/v1/files/upload/url", json={"file_url": url}).json()["code"] == code
    assert monitor.unanswered == 0
    assert monitor.peak < MAX_PEAK_BYTES


FORM = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + PNG,
    "multipart/form-data; boundary=x",
)
BASE64 = (b'{"base64_data":"' + b64(PNG).encode(), "application/json")
ORDER = (b'{"prompt":"' + b"a" * 100, "application/json")
# path, how its body begins, the status and what the answer says: where it is too large, where it is too slow
BODIES = {
    "a form": ("/api/v1/files/upload/stream", FORM, b'"code":40001', b'"code":400,'),
    "base64": ("/api/v1/files/upload/base64", BASE64, b'"code":40001', b'"code":400,'),
    "an order": (CREATE, ORDER, b'"code":"request_too_large"', b'"code":"invalid_request"'),
}


@pytest.mark.gate
@pytest.mark.parametrize("kind", BODIES)
def test_f11_bodies_without_end_or_haste(gateway: Gateway, kind: str) -> None:
    path, (begin, media_type), too_large, too_slow = BODIES[kind]
    with ProcessMonitor(gateway.pid, gateway.url) as monitor:
        announced = send_body_slowly(gateway, path, media_type, begin, length=10**12)
        assert too_large in announced, announced
        endless = send_body_slowly(gateway, path, media_type, begin, filler=b"A" * 65_536)
        assert too_large in endless, endless
        slow = send_body_slowly(gateway, path, media_type, begin, filler=b"A", pause_s=1.0)
        assert too_slow in slow, slow
    assert monitor.unanswered == 0
    assert monitor.peak < MAX_PEAK_BYTES


def send_body_slowly(
    gateway: Gateway,
    path: str,
    media_type: str,
    begin: bytes,
    *,
    length: int = 0,
    filler: bytes = b"",
    pause_s: float = 0,
) -> bytes:
    """The response to a request whose body never ends: chunked, or shorter than its length."""
    place = urlsplit(gateway.url)
    framing = f"Content-Length: {length}" if length else "Transfer-Encoding: chunked"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {gateway.key}\r\n"
        f"Content-Type: {media_type}\r\n{framing}\r\n\r\n"
    )
    with socket.create_connection((str(place.hostname), place.port or 80), timeout=30) as wire:
        wire.sendall(head.encode() + (begin if length else _chunk(begin)))
        wire.settimeout(pause_s or 0.0005)
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up:
            with contextlib.suppress(TimeoutError):
                return _answer(wire)
            if filler:
                with contextlib.suppress(TimeoutError, ConnectionError):
                    wire.sendall(_chunk(filler))
    raise AssertionError("no answer")


def _answer(wire: socket.socket) -> bytes:
    """The whole response; TimeoutError where none has arrived."""
    received = wire.recv(65_536)
    wire.settimeout(5)
    while received and b"\r\n\r\n" not in received:
        received += wire.recv(65_536)
    head, _, rest = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(rest) < length:
        rest += wire.recv(65_536)
    return rest


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
