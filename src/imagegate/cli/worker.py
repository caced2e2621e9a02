"""`imagegate worker`: carries out the tasks of gateways that share its database, and serves nothing of the API."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections.abc import Callable
from pathlib import Path

import click
import msgspec
import uvloop

from imagegate.app import Configuration, build_health_app, read_configuration, run_background_work
from imagegate.cli.exit_codes import FAILED, Exit
from imagegate.cli.holding import listen, lock_data_dir
from imagegate.cli.options import installation_options, options_exit_with_usage, read_settings
from imagegate.cli.serve import (
    Drain,
    configure_process_log,
    log_ready,
    open_process,
    relax_collector,
    serve_app,
)
from imagegate.concurrency import share_processor
from imagegate.flows.places import check_places
from imagegate.runtime import Runtime
from imagegate.security.origins import listen_url
from imagegate.settings import Settings, read_option
from imagegate.store.database import is_shared_url


@click.command(short_help="Carry out tasks of gateways on the same PostgreSQL.")
@click.option("--host", help="The address to listen on where there is a port (default: 127.0.0.1).")
@click.option("--port", metavar="PORT", help="Serve /healthz, /readyz and /metrics on this port (default: no port).")
@installation_options
def worker(host: str | None, port: str | None, data: str | None, config: Path | None) -> None:
    """Carry out the tasks of gateways on the same PostgreSQL: any number of workers beside any number of gateways."""
    settings = read_settings(config, data, host=host)
    if not is_shared_url(settings.storage.database):
        raise Exit(
            FAILED,
            "imagegate: a worker shares its database with gateways, which SQLite cannot do: set `database` to a"
            " postgresql:// URL. With SQLite `imagegate serve` carries out the tasks itself",
        )
    check_places(settings)
    configuration = read_configuration(settings)
    configure_process_log(settings, configuration)
    share_processor()
    with contextlib.ExitStack() as held:
        listener = None
        if port is not None:
            # Apart from the setting `port`: that one belongs to the address that links begin with.
            with options_exit_with_usage():
                own = msgspec.structs.replace(settings.server, port=read_option("port", port))
            listener = held.enter_context(listen(msgspec.structs.replace(settings, server=own), fixed=True))
        held.enter_context(lock_data_dir(settings))
        runner = held.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        runner.run(_work(settings, configuration, listener, functools.partial(read_settings, config, data)))


async def _work(
    settings: Settings,
    configuration: Configuration,
    listener: socket.socket | None,
    reload_settings: Callable[[], Settings],
) -> None:
    async with open_process(settings, configuration, reload_settings) as runtime:
        if listener is not None:
            await serve_app(runtime, build_health_app(runtime), listener, lambda: _greet(runtime, listener))
            return
        ended = asyncio.Event()
        async with run_background_work(runtime):
            Drain(runtime, lambda *_: ended.set()).listen()
            relax_collector()
            _greet(runtime, None)
            log_ready(runtime, "")
            await ended.wait()


def _greet(runtime: Runtime, listener: socket.socket | None) -> None:
    at = f"; {listen_url(*listener.getsockname()[:2])}/healthz" if listener is not None else ""
    click.echo(f"imagegate worker is working{at}")
    if not runtime.settings.server.public_url:
        click.echo(
            f"WARNING: links in webhooks and to upstreams begin with {runtime.origin}; set public_url as the gateways"
            " have it",
            err=True,
        )
