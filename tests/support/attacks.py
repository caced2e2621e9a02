"""Attacks on a gateway in a process of its own, and what became of everybody else meanwhile."""

from __future__ import annotations

import contextlib
import resource
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.gateway import Gateway
from tests.support.routed_gateway import RoutedGateway

HALF_A_HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Half: "


@dataclass
class LookupFigures:
    """What a victim saw: `completed` of its tasks, `uploaded` of its uploads by URL, each with how long it took."""

    tests_accepted: int = 0
    tests_refused: int = 0
    completed: int = 0
    failed: int = 0
    uploaded: int = 0
    upload_failed: int = 0
    longest_s: float = 0.0


def attack_lookups(gateway: RoutedGateway, attacker: str, count: int, rounds: int, reference: str) -> LookupFigures:
    """One account without credits sends webhook tests to `count` names that nobody answers for; then a victim creates
    a task and uploads by URL, `rounds` times."""
    figures = LookupFigures()
    with gateway.client(attacker) as client:
        for number in range(count):
            answer = client.post("/v1/webhooks/test", json={"callback_url": f"https://a{number}.silent.example/"})
            if answer.status_code == 200:
                figures.tests_accepted += 1
            else:
                figures.tests_refused += 1
    with gateway.client() as victim:
        for _ in range(rounds):
            began = time.monotonic()
            ended = gateway.create(wait=20)
            figures.completed += ended["status"] == "completed"
            figures.failed += ended["status"] != "completed"
            uploaded = victim.post("/api/v1/files/upload/url", json={"file_url": reference}).status_code == 200
            figures.uploaded += uploaded
            figures.upload_failed += not uploaded
            figures.longest_s = max(figures.longest_s, time.monotonic() - began)
    return figures


@dataclass
class SocketFigures:
    """How many probes were answered while the sockets were held, and how many sockets the gateway ended."""

    opened: int = 0
    answered: int = 0
    unanswered: int = 0
    ended: int = 0
    statuses: list[int] = field(default_factory=list)


def attack_with_sockets(gateway: Gateway, count: int, first: bytes, watch_s: float, until_ended: int) -> SocketFigures:
    """Hold `count` connections which sent `first` and drip a byte a second, while a customer creates tasks.

    It ends when `until_ended` of them were closed, or after `watch_s`.
    """
    figures = SocketFigures()
    host, _, port = gateway.url.rpartition("//")[2].rpartition(":")
    with contextlib.ExitStack() as stack:
        held = []
        for _ in range(count):
            with contextlib.suppress(OSError):
                one = stack.enter_context(socket.create_connection((host, int(port)), timeout=5))
                one.sendall(first)
                held.append(one)
        figures.opened = len(held)
        end = time.monotonic() + watch_s
        while time.monotonic() < end and figures.ended < until_ended:
            body = {"prompt": "a logo", "size": "1:1", "quality": "low"}
            try:
                # A connection of its own each: one that was kept would hide that no new one is taken.
                headers = {"Authorization": f"Bearer {gateway.key}"}
                url = f"{gateway.url}/v1/images/generations"
                answer = httpx.post(url, json=body, headers=headers, timeout=5, trust_env=False, verify=False)
                figures.statuses.append(answer.status_code)
                figures.answered += answer.status_code == 200
                figures.unanswered += answer.status_code != 200
            except httpx.TransportError:
                figures.unanswered += 1
            held = [one for one in held if not _has_ended(one, bool(first))]
            figures.ended = figures.opened - len(held)
            time.sleep(1)
    return figures


def _has_ended(one: socket.socket, drips: bool) -> bool:
    try:
        if drips:
            one.sendall(b"y")
        one.setblocking(False)
        return one.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        with contextlib.suppress(OSError):
            one.settimeout(5)


@contextlib.contextmanager
def soft_file_limit(files: int) -> Iterator[None]:
    """The soft limit of open files for processes that are started inside."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def bare_proxy(gateway: Gateway) -> Iterator[str]:
    """A reverse proxy on this machine as a bare `proxy_pass` makes one: Host rewritten, no header added."""
    target = gateway.url.rpartition("//")[2]
    host, _, port = target.rpartition(":")
    server = socket.create_server(("0.0.0.0", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=forward, args=(client,), daemon=True).start()

    def forward(client: socket.socket) -> None:
        with client, socket.create_connection((host, int(port))) as upstream:
            reader = client.makefile("rb")
            lines, length = [reader.readline()], 0
            while (line := reader.readline()).strip():
                name, _, value = line.lower().partition(b":")
                length = int(value) if name == b"content-length" else length
                lines += [] if name in (b"host", b"connection") else [line]
            lines += [f"Host: {target}\r\nConnection: close\r\n\r\n".encode(), reader.read(length)]
            upstream.sendall(b"".join(lines))
            while chunk := upstream.recv(65536):
                client.sendall(chunk)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://{_own_address()}:{server.getsockname()[1]}"
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()


def _own_address() -> str:
    """An address of this machine other than loopback, where it has one. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        address: str = probe.getsockname()[0]
        return address
    return "127.0.0.1"


def attack_through_proxy(proxy: str, data: Path) -> dict[str, Any]:
    """What a stranger gets through it: a token of the page, a permanent key, a session by the paths of the page."""
    found: dict[str, Any] = {"tokens": 0, "keys": 0, "secrets": 0}
    secrets = [file.read_text().strip() for name in ("page-link", "demo-key") if (file := data / name).is_file()]
    secrets = [text.rpartition("=")[2] for text in secrets]
    with httpx.Client(base_url=proxy, timeout=20, trust_env=False, verify=False) as stranger:
        for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": proxy}, {}):
            answers = [
                stranger.post("/web/session/token", headers=headers),
                stranger.post("/web/session/link", json={"secret": "A" * 43}, headers=headers),
                stranger.get("/", headers=headers),
                stranger.get("/web/page-link", headers=headers),
            ]
            token = _token_in(answers[0])
            found["tokens"] += bool(token)
            found["secrets"] += sum(secret in answer.text for secret in secrets for answer in answers)
            bearer = {"Authorization": f"Bearer {token}"} if token else {}
            made = stranger.post("/v1/keys", json={"name": "mine"}, headers={**headers, **bearer})
            found["keys"] += made.status_code == 200
    return found


def _token_in(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("token") or "")
    except ValueError:
        return ""
