"""The image: what its Dockerfile says, carried out without a daemon, is small, unprivileged, and serves."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.docs.spec import ROOT
from tests.support.gateway import free_port
from tests.support.image import Container, Image, build_image
from tests.support.postgres_server import PostgresServer
from tests.support.program import wait_until
from tests.support.s3_server import S3Server

pytestmark = [pytest.mark.gate, pytest.mark.timeout(1800)]

DOCKERFILE = ROOT / "Dockerfile"
# Of packages that compile, assemble or link, and of installers.
_TOOLS = re.compile(
    r"(.*-)?(gcc|g\+\+|cc|c\+\+|cpp|clang|tcc|ld|as|gold|make|cmake|rustc|cargo|go|pip|uv|ensurepip)[-\d.]*"
)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        pytest.skip("needs root and the Debian package debootstrap")
    folder = tmp_path_factory.mktemp("image")
    base = folder / "base"
    # Debian 13, which the Dockerfile names; its own mirror.
    assert "ARG BASE=debian:13." in DOCKERFILE.read_text("utf-8")
    subprocess.run(["debootstrap", "--variant=minbase", "trixie", base], check=True, stdout=subprocess.DEVNULL)
    yield build_image(DOCKERFILE, base, folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def container(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    env = {"IMAGEGATE_PORT": str(free_port()), "IMAGEGATE_MIN_FREE_BYTES": "0"}
    with Container(image, tmp_path_factory.mktemp("volume") / "data", env) as running:
        wait_until(lambda: running.first_pid)
        wait_until(lambda: running.run(*image.healthcheck).returncode == 0, pause_s=0.5)
        yield running
        assert running.stop() == 0


def _executables(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and os.access(path, os.X_OK):
            yield path


def test_image_has_no_compiler_and_no_installer(image: Image) -> None:
    found = [path.name for path in _executables(image.root) if _TOOLS.fullmatch(path.name)]
    assert found == []
    assert not list((image.root / "opt/imagegate").rglob("site-packages/pip"))
    assert not (image.root / "source").exists()
    assert not list((image.root / "var/lib/apt/lists").iterdir())


def test_program_belongs_to_root_and_is_not_writable_for_its_user(image: Image) -> None:
    for path in (image.root / "opt/imagegate").rglob("*"):
        assert path.lstat().st_uid == 0, path
        assert path.is_symlink() or not path.stat().st_mode & 0o022, path


def test_container_is_unprivileged_and_its_root_is_read_only(container: Container) -> None:
    status = dict(re.findall(r"^(\w+):\s+(.*)$", container.run("cat", "/proc/1/status").stdout, re.MULTILINE))
    assert status["Name"] == "tini"
    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"10001"}
    assert {status[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapInh")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    for place in ("/", "/opt/imagegate", "/usr/bin", "/etc", "/var/tmp"):
        refused = container.run("touch", f"{place}/file")
        assert "Read-only file system" in refused.stderr, place
    for place in ("/tmp", "/data"):
        assert container.run("touch", f"{place}/file").returncode == 0


def test_container_serves_a_task_and_keeps_its_books(container: Container) -> None:
    made = container.run("imagegate", "keys", "create", "--account", "shop", "--credits", "100")
    assert made.returncode == 0, made.stderr
    url = f"http://127.0.0.1:{container.env['IMAGEGATE_PORT']}"
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {made.stdout.strip()}"}, timeout=90) as client:
        body = {"prompt": "a red fox", "size": "816x816", "quality": "low"}
        task = client.post("/v1/images/generations", json=body, headers={"Prefer": "wait=60"}).json()
        assert task["status"] == "completed", task
        assert client.get(task["results"][0]).content.startswith(b"\x89PNG")
    checked = container.run("imagegate", "check", "--deep")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert container.run("stat", "--format=%a %u", "/data").stdout == "700 10001\n"


def test_unhealthy_container_says_why(container: Container) -> None:
    done = container.run("imagegate", "health", "--url", f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "does not answer" in done.stderr


def test_stop_during_the_start_is_not_lost(image: Image, tmp_path: Path) -> None:
    """Process 1 gets no signal that it has no handler for, and the program has none until it has loaded."""
    with Container(image, tmp_path / "data", {"IMAGEGATE_PORT": str(free_port())}) as starting:
        wait_until(lambda: starting.first_pid, pause_s=0.001)
        assert starting.stop() in (0, 128 + 15)


class _Relay(socketserver.StreamRequestHandler):
    """From a port to the socket of PostgreSQL, whose folder is closed to the user of the image."""

    address = ""

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(self.address)
            back = threading.Thread(target=_pump, args=(server, self.connection), daemon=True)
            back.start()
            _pump(self.connection, server)
            back.join(10)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    """The URL of a new PostgreSQL that containers reach."""
    with PostgresServer(tmp_path / "postgres") as server:
        host = re.search(r"host=([^&]+)", server.url)
        assert host
        handler = type("Relay", (_Relay,), {"address": f"{host[1]}/.s.PGSQL.5432"})
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as relay:
            relay.daemon_threads = True
            threading.Thread(target=relay.serve_forever, daemon=True).start()
            yield f"postgresql://postgres@127.0.0.1:{relay.server_address[1]}/postgres"
            relay.shutdown()


def test_compose_file_of_many_processes_serves(image: Image, database: str, tmp_path: Path) -> None:
    """Its services of the program, with their commands, variables, secrets and order; their servers are ours."""
    services = yaml.safe_load((ROOT / "compose.many.yaml").read_text("utf-8"))["services"]
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "secret").write_text("0123456789abcdef" * 4)
    (secrets / "database").write_text(database)
    mounts = {"/run/secrets": secrets, "/etc/imagegate.toml": ROOT / "deploy/imagegate.toml"}
    with contextlib.ExitStack() as stack:
        s3 = stack.enter_context(S3Server(tmp_path / "s3"))

        def start(name: str, number: int = 1) -> Container:
            port = str(free_port())
            env = {**services[name]["environment"], **s3.env, "IMAGEGATE_PORT": port, "IMAGEGATE_MIN_FREE_BYTES": "0"}
            env |= {"IMAGEGATE_STORAGE": s3.url("many"), "IMAGEGATE_PUBLIC_URL": "https://images.example.com"}
            command = [port if word == "8000" else word for word in services[name]["command"]]
            container = Container(image, tmp_path / f"{name}-{number}", env, command, mounts)
            return stack.enter_context(container)

        assert start("migrate").process.wait(60) == 0
        gateways = [start("gateway", number) for number in range(services["gateway"]["deploy"]["replicas"])]
        workers = [start("worker-1"), start("worker-2")]
        for container in (*gateways, *workers):
            wait_until(lambda container=container: container.first_pid)  # type: ignore[misc]
            wait_until(lambda container=container: _is_healthy(container, services["gateway"]), pause_s=0.5)  # type: ignore[misc]

        made = gateways[0].run("imagegate", "keys", "create", "--account", "shop", "--credits", "100")
        assert made.returncode == 0, made.stderr
        first, second = (f"http://127.0.0.1:{one.env['IMAGEGATE_PORT']}" for one in gateways)
        headers = {"Authorization": f"Bearer {made.stdout.strip()}", "Prefer": "wait=60"}
        body = {"prompt": "a red fox", "size": "816x816", "quality": "low"}
        task = httpx.post(f"{first}/v1/images/generations", json=body, headers=headers, timeout=90).json()
        assert task["status"] == "completed", task
        link = task["results"][0]
        assert link.startswith("https://images.example.com/")
        shown = httpx.get(link.replace("https://images.example.com", second), timeout=30)
        assert shown.content.startswith(b"\x89PNG"), shown.text
        checked = gateways[1].run("imagegate", "check", "--deep")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert [one.stop() for one in (*gateways, *workers)] == [0, 0, 0, 0]


def _is_healthy(container: Container, service: dict[str, Any]) -> bool:
    return container.run(*service["healthcheck"]["test"][1:]).returncode == 0
