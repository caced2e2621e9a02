"""`imagegate serve`: one process, everything in it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import click
import msgspec
import uvicorn
import uvloop

from imagegate.api.wire import Wire
from imagegate.app import build_app, open_runtime
from imagegate.cli.exits import FAILED, Exit
from imagegate.cli.options import installation, read_settings
from imagegate.flows.demo import demo_key
from imagegate.runtime import Runtime
from imagegate.settings import Settings
from imagegate.store.engines import StoreRefused
from imagegate.store.invariants import broken_money
from imagegate.telemetry import start_logging

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_TRIES = 20
_BODY = '{"prompt":"A red fox in a snowy forest at sunset","size":"16:9","quality":"medium"}'


@click.command()
@click.option("--host", help="The address to listen on (default: 127.0.0.1).")
@click.option("--port", type=int, help="The port to listen on (default: 8000, or the next one that is free).")
@click.option("--egress-allow", multiple=True, metavar="CIDR[:PORT]", help="Let user-given URLs lead there too.")
@installation
def serve(
    host: str | None, port: int | None, egress_allow: tuple[str, ...], data: str | None, config: Path | None
) -> None:
    """Serve the API and carry out its tasks."""
    settings = read_settings(config, data, host=host, port=port, egress_allow=egress_allow or None)
    start_logging(settings.server.log_level)
    lock = _lock(settings)
    listener = _listen(settings, fixed=port is not None or "IMAGEGATE_PORT" in os.environ)
    bound = msgspec.structs.replace(settings.server, port=listener.getsockname()[1])
    with lock, listener, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(msgspec.structs.replace(settings, server=bound), listener))


async def _serve(settings: Settings, listener: socket.socket) -> None:
    runtime = await open_runtime(settings)
    try:
        await _check_after_unclean_stop(runtime)
        key = await demo_key(runtime) if _on_loopback(runtime) else None
        (settings.data_dir / "address").write_text(runtime.origin)
        config = uvicorn.Config(
            build_app(runtime), lifespan="on", log_config=None, access_log=False, server_header=False,
            proxy_headers=False, timeout_graceful_shutdown=5, http=Wire,
        )  # fmt: skip
        _greet(runtime, key)
        await _Server(config, runtime).serve(sockets=[listener])
        (settings.data_dir / "serving").unlink(missing_ok=True)
    finally:
        await runtime.close()


async def _check_after_unclean_stop(runtime: Runtime) -> None:
    """After a crash the books are looked at before the first claim. The mark goes away at a clean stop."""
    mark = runtime.settings.data_dir / "serving"
    if mark.exists():
        broken = await runtime.db.snapshot(broken_money)
        if broken:
            told = "; ".join(f"{one.id} {one.says}" for one in broken)
            raise StoreRefused(f"the books do not balance ({told}); run: imagegate check")
    mark.touch()


def _on_loopback(runtime: Runtime) -> bool:
    host = runtime.origin.partition("://")[2].rpartition(":")[0]
    return runtime.settings.server.host in _LOOPBACK and host in (*_LOOPBACK, "[::1]")


def _greet(runtime: Runtime, key: str | None) -> None:
    click.echo(f"imagegate is at {runtime.origin}")
    for entry in runtime.egress.allow:
        click.echo(f"WARNING: URLs that users give may lead to {entry}: anybody with a key can reach it", err=True)
    click.echo("engine: embedded, a procedural preview and not a neural model; it needs no key and no network")
    if key is None:
        click.echo("make a key with: imagegate keys create --account NAME --credits N")
        return
    click.echo(f"API key with demo credits: {key}")
    click.echo("try it:")
    click.echo(
        f"curl -sS {runtime.origin}/v1/images/generations -H 'Authorization: Bearer {key}'"
        f" -H 'Content-Type: application/json' -H 'Prefer: wait=60' -d '{_BODY}'"
    )


def _lock(settings: Settings) -> _Lock:
    """One serving process per data folder: two would each take the other's tasks for lost."""
    data = settings.data_dir
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Exit(FAILED, f"imagegate: the data folder {data} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise Exit(FAILED, f"imagegate: another gateway is already serving from {data}") from None
    return _Lock(handle)


class _Server(uvicorn.Server):
    """Ends with code 0 on SIGTERM and SIGINT; uvicorn's own handling would die of the signal before we close."""

    def __init__(self, config: uvicorn.Config, runtime: Runtime) -> None:
        super().__init__(config)
        self._runtime = runtime

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Whoever waits for a task is answered now: a cancelled answer would say that there is no task."""
        self._runtime.signals.close()
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


class _Lock:
    """Held until the process ends, however it ends."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


def _listen(settings: Settings, *, fixed: bool) -> socket.socket:
    """Bind the port; where nobody asked for this very one, the next that is free."""
    host, first = settings.server.host, settings.server.port
    for port in range(first, first + (1 if fixed or first == 0 else _TRIES)):
        listener = _bound(host, port)
        if listener is not None:
            if port != first:
                click.echo(f"port {first} is taken, using {port}")
            return listener
    raise Exit(FAILED, f"imagegate: port {first} on {host} is taken; choose another with --port")


def _bound(host: str, port: int) -> socket.socket | None:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise Exit(FAILED, f"imagegate: cannot listen on {host}: {error.strerror}") from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError:
        listener.close()
        return None
    listener.listen(1024)
    return listener
