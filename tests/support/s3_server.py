"""An S3 server: SeaweedFS from its wheel, one for all tests of a run, or one of its own for a test that stops it.

It checks signatures, expiry and checksums like the real one. Telemetry is off.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import httpx
import psutil

from tests.support.program import wait_until

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

ACCESS_KEY, SECRET_KEY = "testkey", "testsecret0123456789"
BUCKET = "imagegate-test"
FOLDER_VARIABLE = "TEST_S3_FOLDER"  # where the shared server of this run lives; set by the process that ends it
_WEED = Path(sys.executable).with_name("weed")
_START_TIMEOUT_S = 60.0
# Each gRPC port is its HTTP port and 10,000 more: both below the ports that systems give to outgoing connections.
_FIRST_PORT, _LAST_PORT, _GRPC_OFFSET = 10_000, 22_000, 10_000
_PORTS = ("s3", "master", "volume", "filer", "admin")


class S3Server:
    """`url()` is a storage URL, `env` what a program needs to use it. Killed, it starts again on the same data."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self._folder = folder
        self.port = port or _free_block()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def config(self) -> S3Config:
        """The same for the library."""
        return {
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET_KEY,
            "region": "us-east-1",
            "endpoint": self.endpoint,
        }

    @property
    def env(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def url(self, prefix: str = "") -> str:
        """The URL of a place that nobody else uses, unless a prefix is named."""
        return f"s3://{BUCKET}/{prefix or secrets.token_hex(8)}"

    def start(self) -> None:
        """Start and wait until it stores an object: the port answers a moment before."""
        ports = [f"-{name}.port={self.port + number}" for number, name in enumerate(_PORTS)]
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "log").open("ab") as output:
            self._process = process = subprocess.Popen(
                [
                    *(
                        str(_WEED),
                        "mini",
                        f"-dir={self._folder / 'data'}",
                        "-ip=127.0.0.1",
                        "-ip.bind=127.0.0.1",
                        *ports,
                    ),
                    *("-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
                    "-master.telemetry=false",
                ],
                env={**os.environ, **self.env, "S3_BUCKET": BUCKET},
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the tests, which end it then
            )
        wait_until(
            lambda: process.poll() is not None or self._is_ready(),
            _START_TIMEOUT_S,
            what=lambda: "the S3 server answers: " + (self._folder / "log").read_text(errors="replace")[-2000:],
        )
        assert process.poll() is None, (self._folder / "log").read_text(errors="replace")[-2000:]

    def _is_ready(self) -> bool:
        import obstore  # here, because every test imports this file
        from obstore.store import S3Store

        with contextlib.suppress(httpx.TransportError):
            if httpx.get(self.endpoint, timeout=5, trust_env=False, verify=False).status_code != 403:
                return False
            with contextlib.suppress(obstore.exceptions.BaseError):
                options: ClientConfig = {"allow_http": True, "timeout": "5s"}
                store = S3Store(BUCKET, config=self.config, client_options=options, retry_config={"max_retries": 0})
                obstore.put(store, "ready", b"1")
                return True
        return False

    def pause(self) -> None:
        """Connections are accepted by the system, and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL. What it had acknowledged is there again after `start`."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)  # before the ports are used again
        _remove_sockets(self.port)


def _remove_sockets(base: int) -> None:
    for port in _ports(base):
        for socket_file in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            socket_file.unlink(missing_ok=True)


def _ports(base: int) -> list[int]:
    return [port + offset for port in range(base, base + len(_PORTS)) for offset in (0, _GRPC_OFFSET)]


def _free_block() -> int:
    """A port so that it, those after it and their gRPC ports are free."""
    while True:
        base = random.randrange(_FIRST_PORT, _LAST_PORT, 10)
        with contextlib.ExitStack() as sockets, contextlib.suppress(OSError):
            for port in _ports(base):
                sockets.enter_context(socket.create_server(("127.0.0.1", port)))
            return base


def prepare_shared_server() -> None:
    """For the process that starts the others: names the folder of the server, which the first test starts."""
    os.environ[FOLDER_VARIABLE] = tempfile.mkdtemp(prefix="imagegate-s3-", dir=_memory_folder())


def stop_shared_server() -> None:
    folder = Path(os.environ.pop(FOLDER_VARIABLE))
    with contextlib.suppress(FileNotFoundError, psutil.NoSuchProcess):
        state = json.loads((folder / "state").read_text())
        process = psutil.Process(state["pid"])
        process.kill()
        process.wait(10)
        _remove_sockets(state["port"])
    shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def shared_server() -> S3Server:
    """The server of this run of tests, started by the process that asks first."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    state = folder / "state"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if state.exists():
            return S3Server(folder, json.loads(state.read_text())["port"])
        server = S3Server(folder)
        server.start()
        state.write_text(json.dumps({"pid": server.pid, "port": server.port}))
        return server


@contextlib.contextmanager
def own_server() -> Iterator[S3Server]:
    """A server for one test, which may stop and kill it."""
    parent = _memory_folder()
    with (
        tempfile.TemporaryDirectory(prefix="imagegate-s3-", dir=parent, ignore_cleanup_errors=True) as folder,
        S3Server(Path(folder)) as server,
    ):
        yield server


def _memory_folder() -> str | None:
    with contextlib.suppress(OSError):
        if shutil.disk_usage("/dev/shm").free >= 1 << 30:
            return "/dev/shm"
    return None


if __name__ == "__main__":  # to look at it by hand
    with own_server() as server:
        print(server.env, server.url(), flush=True)
        while True:
            time.sleep(60)
