"""`imagegate serve`: the API and its workers in one process."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import cast

import click
import msgspec
import uvicorn
import uvloop
from litestar.types import ASGIApp

from imagegate import __version__
from imagegate.api.http_protocol import ConnectionGuard, HttpProtocol
from imagegate.app import (
    Configuration,
    build_app,
    open_runtime,
    read_configuration,
    refuse_lost_commits,
    reload_routes,
)
from imagegate.catalog.catalog import describe_price_blocks
from imagegate.catalog.environment import models_sold_below_cost
from imagegate.cli.file_limit import connection_limit, raise_file_limit
from imagegate.cli.holding import listen, lock_data_dir
from imagegate.cli.options import installation_options, options_of_installation, read_settings, storage_option
from imagegate.concurrency import share_processor
from imagegate.flows.audit import program_actor, write_act
from imagegate.flows.book_check import check_books
from imagegate.flows.demo import DEMO_ACCOUNT, ensure_demo_key
from imagegate.flows.maintenance import check_integrity
from imagegate.flows.places import check_places
from imagegate.logging import configure_logging, log, log_error, log_warning
from imagegate.runtime import Runtime
from imagegate.security.keyring import write_private_file
from imagegate.security.origins import WILDCARD_HOSTS, listen_url
from imagegate.security.variables import read_variable
from imagegate.settings import RENAMED, Settings, SettingsError
from imagegate.store import acts, integrity
from imagegate.store.dialect import DatabaseUnusable
from imagegate.store.invariants import find_newest_violations

_reload_records: set[asyncio.Future[None]] = set()
_EXAMPLE_BODY = '{"prompt":"A red fox in a snowy forest at sunset","size":"16:9","quality":"medium"}'


@click.command()
@click.option("--host", help="The address to listen on (default: 127.0.0.1).")
@click.option("--port", metavar="PORT", help="The port to listen on (default: 8000, or the next one that is free).")
@click.option(
    "--egress-allow", multiple=True, metavar="CIDR[:PORT]", help="Also allow URLs from users to reach this network."
)
@click.option(
    "--no-workers", is_flag=True, help="Carry out no tasks: leave them to `imagegate worker` or to other gateways."
)
@installation_options
@storage_option
def serve(
    host: str | None,
    port: str | None,
    egress_allow: tuple[str, ...],
    no_workers: bool,
    data: str | None,
    storage: str | None,
    config: Path | None,
) -> None:
    """Serve the API and run its tasks."""
    settings = read_settings(config, data, storage, host=host, port=port, egress_allow=egress_allow or None)
    if no_workers:
        settings = msgspec.structs.replace(settings, work=msgspec.structs.replace(settings.work, workers=0))
    check_places(settings)
    configuration = read_configuration(settings)  # before anything is made on disk
    configure_process_log(settings, configuration)
    share_processor()
    # A port of the environment is one that somebody asked for, too; what Kubernetes puts there is no number.
    listener = listen(settings, fixed=port is not None or (read_variable("IMAGEGATE_PORT") or "").isdigit())
    bound = msgspec.structs.replace(settings.server, port=listener.getsockname()[1])
    with listener, lock_data_dir(settings), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if settings.server.port not in (0, bound.port):
            click.echo(f"port {settings.server.port} is in use, using {bound.port}")
        reload_settings = functools.partial(read_settings, config, data, storage)
        settings = msgspec.structs.replace(settings, server=bound)
        options = options_of_installation(settings, config)
        runner.run(_serve(settings, configuration, listener, reload_settings, options))


def configure_process_log(settings: Settings, configuration: Configuration) -> None:
    configure_logging(settings.server.log_level, settings.server.log_format)
    server_log = logging.getLogger("uvicorn.error")
    server_log.setLevel(logging.ERROR)
    server_log.addHandler(_UvicornLog())
    server_log.propagate = False
    for old in settings.old_names:
        log_warning("setting_renamed", setting=old, new_name=RENAMED[old])
    for warning in (*settings.warnings, *configuration.upstreams.warnings):
        log_warning("configuration_doubtful", message=warning)


async def _serve(
    settings: Settings,
    configuration: Configuration,
    listener: socket.socket,
    reload_settings: Callable[[], Settings],
    options: str,
) -> None:
    """`options`: what other commands need to find this installation."""
    async with open_process(settings, configuration, reload_settings) as runtime:
        key = await ensure_demo_key(runtime) if runtime.is_loopback_only else None
        # Not where links begin: the command line is on this machine, which the public name may not lead to.
        (settings.data_dir / "address").write_text(listen_url(settings.server.host, settings.server.port))
        await serve_app(runtime, build_app(runtime), listener, lambda: _print_greeting(runtime, key, options))
        _page_link_file(runtime).unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def open_process(
    settings: Settings, configuration: Configuration, reload_settings: Callable[[], Settings]
) -> AsyncIterator[Runtime]:
    """The runtime, checked where the last process of this data folder did not stop cleanly."""
    marker = settings.data_dir / "serving"
    if marker.exists():
        refuse_lost_commits(settings)
    runtime = await open_runtime(settings, configuration=configuration)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _reload, runtime, reload_settings)
    try:
        was_unclean = marker.exists()
        integrity_check = await _check_after_unclean_stop(runtime) if was_unclean else None
        marker.touch()
        book_check = asyncio.create_task(check_books(runtime, is_due=was_unclean))
        yield runtime
        book_check.cancel()  # the next start goes on with it
        if integrity_check is not None and not integrity_check.done():
            integrity_check.cancel()  # the marker stays: the next start checks again
        elif not runtime.wake_ups.database_damage:
            marker.unlink(missing_ok=True)
    finally:
        await runtime.close()
    log("stopped")


async def serve_app(runtime: Runtime, app: ASGIApp, listener: socket.socket, greet: Callable[[], None]) -> None:
    """Until a signal ends the process."""

    def begin() -> None:
        greet()
        log_ready(runtime, listen_url(*listener.getsockname()[:2]))

    config = uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=5,
        http=_http_protocol(runtime),
    )
    await _Server(config, runtime, begin).serve(sockets=[listener])


def log_ready(runtime: Runtime, address: str) -> None:
    table = runtime.registry.route_table
    engine = ", ".join(table.upstreams) if table.has_real_upstream else "embedded"
    log("ready", address=address, version=__version__, engine=engine, routes=len(table.routes))


def _http_protocol(runtime: Runtime) -> type[asyncio.Protocol]:
    settings = runtime.settings
    guard = ConnectionGuard(settings.server, connection_limit(settings, raise_file_limit()))
    # uvicorn only calls it, and passes nothing of ours.
    return cast("type[asyncio.Protocol]", functools.partial(HttpProtocol, guard=guard))


class _UvicornLog(logging.Handler):
    """The errors of the HTTP server as lines like all others. What clients cause, ConnectionGuard counts."""

    def emit(self, record: logging.LogRecord) -> None:
        log_error("http_server_error", message=record.getMessage().strip(), exc_info=record.exc_info or None)


async def _check_after_unclean_stop(runtime: Runtime) -> asyncio.Task[None] | None:
    """After a crash what was written last is read and verified, and all balances are, before the first claim.

    The whole file is checked while the gateway serves, by the task that is returned. A clean stop removes the marker.
    """
    if not runtime.db.engine.shared:
        await runtime.db.read(integrity.read_newest_rows)
    broken = await runtime.db.read_report(find_newest_violations)
    if broken:
        violations = "; ".join(f"{one.id} {one.description}" for one in broken)
        raise DatabaseUnusable(f"the books do not balance ({violations}); run: imagegate check")
    return None if runtime.db.engine.shared else asyncio.create_task(check_integrity(runtime))


def _print_greeting(runtime: Runtime, key: str | None, options: str) -> None:
    click.echo(f"imagegate is at {runtime.origin}")
    if not runtime.carries_out_tasks:
        others = "`imagegate worker`" if runtime.db.engine.shared else "a gateway with workers is started"
        click.echo(f"without workers: tasks are accepted, and wait until {others} carries them out")
    for entry in runtime.egress_rules.allow:
        click.echo(f"WARNING: URLs from users may reach {entry}: so can anybody with a key", err=True)
    _print_routes(runtime)
    server = runtime.settings.server
    if server.host in WILDCARD_HOSTS and not server.public_url and not server.allowed_hosts:
        click.echo(
            "WARNING: only loopback names and literal addresses are accepted as the host of a URL, and links begin with"
            f" {runtime.origin}: set public_url, and allowed_hosts for further names",
            err=True,
        )
    for line in describe_price_blocks(runtime.catalog, runtime.clock()):
        click.echo(f"prices: {line}")
    if not runtime.is_loopback_only and runtime.origin.startswith("http://"):
        click.echo(
            "WARNING: the page signs in over plain http: keys and sessions can be read on the network;"
            " see docs/operations.md for https",
            err=True,
        )
    if key is None:
        if runtime.is_loopback_only:
            click.echo(f"the account {DEMO_ACCOUNT} is closed: no demo key, and no sign-in by a link")
        click.echo(f"create a key with: imagegate keys create --account NAME --credits N{options}")
        return
    click.echo(f"API key with demo credits: {key}")
    _print_page_link(runtime)
    click.echo("try it:")
    click.echo(
        f"curl -sS {runtime.origin}/v1/images/generations -H 'Authorization: Bearer {key}'"
        f" -H 'Content-Type: application/json' -H 'Prefer: wait=60' -d '{_EXAMPLE_BODY}'"
    )


def _print_page_link(runtime: Runtime) -> None:
    """Only to a terminal: output that is kept, such as a journal, is read by others too. The file is for this user."""
    file = _page_link_file(runtime)
    file.unlink(missing_ok=True)
    write_private_file(file, runtime.page_link + "\n")
    shown = runtime.page_link if sys.stdout.isatty() else f"the link in {file}"
    click.echo(f"the page, signed in as demo: {shown}")


def _page_link_file(runtime: Runtime) -> Path:
    return runtime.settings.data_dir / "page-link"


def _print_routes(runtime: Runtime) -> None:
    """The upstreams, and the models that would be sold below cost."""
    registry = runtime.registry
    if not registry.route_table.routes:
        click.echo("WARNING: there is no enabled [[route]], so no model is served; see docs/upstreams.md", err=True)
    elif not registry.route_table.has_real_upstream:
        click.echo("engine: embedded, a procedural preview and not a neural model; it needs no key and no network")
        return
    for name, row in registry.route_table.upstreams.items():
        models = sorted({route.model for route in registry.route_table.routes.values() if route.upstream == name})
        found = "" if runtime.settings.upstream else " (from the environment, at list cost)"
        click.echo(f"upstream {name}{found}: {', '.join(models) or 'no route'}; {row.base_url}")
    version = runtime.catalog.price_block_at(runtime.clock()).version
    for model in models_sold_below_cost(runtime.catalog, version, registry.route_configs):
        click.echo(
            f"WARNING: {model} is sold below the cost of a route: the shipped prices are 0.9 of the list; "
            "see docs/upstreams.md for how to change prices",
            err=True,
        )


def _reload(runtime: Runtime, reload_settings: Callable[[], Settings]) -> None:
    """SIGHUP: upstreams and routes as the file says now; a fault in it changes nothing. Prices need a start."""
    before = sorted(runtime.registry.route_table.routes)
    try:
        prices_changed = reload_routes(runtime, reload_settings())
    except SettingsError as error:
        log_error("configuration_not_reloaded", error=str(error))
        return
    after = sorted(runtime.registry.route_table.routes)
    log("configuration_reloaded", routes=len(after))
    if prices_changed:
        log_warning("prices_not_reloaded", message="price files have changed; they apply after a restart")
    # Kept until it is done: the loop alone would let go of it.
    task = asyncio.ensure_future(write_act(runtime.db, acts.record_reload, before, after, program_actor("SIGHUP")))
    _reload_records.add(task)
    task.add_done_callback(_reload_records.discard)


class Drain:
    """What signals do: the first one drains, and the process works on until the last sent call has ended; a second one
    ends it now. `end` is called once, with the signal."""

    def __init__(self, runtime: Runtime, end: Callable[[int, FrameType | None], None]) -> None:
        self._runtime = runtime
        self._end = end
        self._drain: asyncio.Task[None] | None = None

    def listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.handle, number, None)

    def handle(self, sig: int, frame: FrameType | None) -> None:
        if self._drain is None and self._runtime.wake_ups.worker_running:
            self._drain = asyncio.create_task(self._drain_and_exit(sig, frame))
            return
        log("stopping", signal=signal.Signals(sig).name, waits_for_tasks=0)
        self._runtime.wake_ups.drain_at_once.set()
        if self._drain is None:
            self._exit(sig, frame)

    async def _drain_and_exit(self, sig: int, frame: FrameType | None) -> None:
        wake_ups = self._runtime.wake_ups
        wake_ups.request_drain()
        log("stopping", signal=signal.Signals(sig).name, waits_for_tasks=len(wake_ups.sent_tasks))
        if count := len(wake_ups.sent_tasks):
            tasks = "1 task that is with an upstream" if count == 1 else f"{count} tasks that are with upstreams"
            click.echo(
                f"waiting for {tasks}; new tasks are accepted and wait for the next start. Press Ctrl-C again (or send"
                " the signal again) to end now"
            )
        await wake_ups.drained.wait()
        self._exit(sig, frame)

    def _exit(self, sig: int, frame: FrameType | None) -> None:
        """Waits for tasks end first: a cancelled response would say that no task exists."""
        self._runtime.wake_ups.close()
        self._end(sig, frame)


class _Server(uvicorn.Server):
    """Exits 0 on SIGTERM and SIGINT; uvicorn alone would raise the signal again before the runtime is closed."""

    def __init__(self, config: uvicorn.Config, runtime: Runtime, greet: Callable[[], None]) -> None:
        super().__init__(config)
        self._greet = greet
        self._drain = Drain(runtime, super().handle_exit)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            relax_collector()
            self._greet()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._drain.handle(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        self._drain.listen()
        yield


def relax_collector() -> None:
    """What the start made lives as long as the process, and requests leave few cycles: looking for them after every 700
    objects took an eighth of the CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
