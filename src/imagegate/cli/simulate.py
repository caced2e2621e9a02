"""`imagegate simulate`: upstreams that need no key, to try failover with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from imagegate.cli.exit_codes import FAILED, USAGE, Exit
from imagegate.simulator.app_state import AppState
from imagegate.simulator.faults import FAULTS, parse_seconds
from imagegate.simulator.jobs import JobStore
from imagegate.simulator.routes import KEY_VARIABLE, PROTOCOLS, gateway_config
from imagegate.simulator.script import Script, parse_flag
from imagegate.simulator.serve import CannotListen, serve


def _list_faults(ctx: click.Context, _: click.Parameter, requested: bool) -> None:
    if requested:
        for name, fault in FAULTS.items():
            click.echo(f"{name:22} {fault.description}")
        ctx.exit()


@click.command(short_help="Simulate upstreams, to try failover with.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    default=9100,
    type=click.IntRange(0, 65535),
    show_default=True,
    help="The port to listen on; 0 takes a free one.",
)
@click.option("--latency", default="0", metavar="TIME", help="How long an image takes: 2, 1.5s, 300ms.")
@click.option(
    "--fault", "faults", multiple=True, metavar="[SHAPE=]NAME[:VALUE]", help="A fault for calls; see --list-faults."
)
@click.option("--fault-rate", default=1.0, type=click.FloatRange(0, 1), help="The share of calls with a fault.")
@click.option("--seed", default=0, help="Seed of the faults: the same calls in the same order get the same faults.")
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), help="Keep jobs in this file.")
@click.option("--quiet", is_flag=True, help="Do not print a line per call.")
@click.option(
    "--list-faults",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_faults,
    help="List the faults and exit.",
)
def simulate(
    host: str,
    port: int,
    latency: str,
    faults: tuple[str, ...],
    fault_rate: float,
    seed: int,
    state: Path | None,
    quiet: bool,
) -> None:
    """Simulate OpenAI, Azure, fal, Replicate and a task API; fail on demand and count what calls would have cost."""
    try:
        flags = [parse_flag(text) for text in faults]
        script = Script(flags, fault_rate, parse_seconds(latency), seed)
        jobs = JobStore(state)
    except ValueError as error:
        raise Exit(USAGE, f"imagegate: {error}") from error
    unknown_shapes = {flag.protocol for flag in flags} - {"", *PROTOCOLS}
    if unknown_shapes:
        raise Exit(USAGE, f"imagegate: {', '.join(unknown_shapes)} is not one of the protocols {', '.join(PROTOCOLS)}")
    app_state = AppState(script, jobs, (lambda _: None) if quiet else click.echo)
    try:
        asyncio.run(serve(app_state, host, port, lambda origin: _greet(app_state, origin)))
    except CannotListen as error:
        raise Exit(FAILED, f"imagegate: {error}; choose others with --port and --host") from error
    total = app_state.calls.total
    click.echo(f"{total.calls} calls, {total.images} images bought in {total.purchases} purchases for ${total.usd}")


def _greet(app_state: AppState, origin: str) -> None:
    click.echo(f"the simulator is at {origin}; any key works except bad-key. Configuration of a gateway:")
    click.echo(f"\n{gateway_config(app_state, origin)}")
    click.echo(f"start the gateway with {KEY_VARIABLE}=any in its environment")
