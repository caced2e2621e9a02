"""`imagegate mcp`: image tools for models, by the Model Context Protocol."""

from __future__ import annotations

import functools
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from imagegate.cli.client import find_gateway
from imagegate.cli.exit_codes import USAGE, Exit, cannot_listen
from imagegate.cli.options import installation_options, take_gateway, target_options
from imagegate.logging import configure_logging

DEFAULT_PORT = 8765
MAX_WAIT_S = 3600


@click.command(short_help="Serve image tools to a model (MCP).")
@target_options
@click.option("--cap", metavar="CREDITS", help="What all calls together may cost at most (default: no cap).")
@click.option(
    "--root",
    "roots",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder whose images edit_image may read; repeatable.",
)
@click.option("--wait", "wait_s", type=float, default=50.0, show_default=True, help="Seconds that a call waits.")
@click.option("--http", is_flag=True, help="Serve streamable HTTP; each request carries its own API key.")
@click.option("--host", default="127.0.0.1", show_default=True, help="With --http: the address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="With --http; 0 takes a free one.",
)
@click.option("--allow-host", "allowed_hosts", multiple=True, help="With --http: another host name of this server.")
@installation_options
def mcp(
    cap: str | None,
    roots: tuple[Path, ...],
    wait_s: float,
    http: bool,
    host: str,
    port: int,
    allowed_hosts: tuple[str, ...],
    **target_and_installation: Any,
) -> None:
    """Serve image tools to a model, on standard input and output or by HTTP."""
    credits_cap = _parse_cap(cap)
    if not 0 <= wait_s <= MAX_WAIT_S:  # neither is nan
        raise Exit(USAGE, f"imagegate: --wait is {wait_s}: must be 0 to {MAX_WAIT_S} seconds")
    try:
        from imagegate.mcp.server import run, serve_http, serve_stdio
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise Exit(USAGE, "imagegate: this command needs the MCP SDK: pip install 'imagegate[mcp]'") from error
    gateway = take_gateway(target_and_installation)
    server = gateway.settings.server
    configure_logging(server.log_level, server.log_format)
    real_roots = tuple(root.resolve() for root in roots)
    if http:
        target = find_gateway(gateway, needs_key=False)
        try:
            run(functools.partial(serve_http, target.url, credits_cap, real_roots, wait_s,
                                  host=host, port=port, allowed_hosts=allowed_hosts))  # fmt: skip
        except OSError as error:
            raise cannot_listen(host, port, error) from error
    else:
        target = find_gateway(gateway)
        run(functools.partial(serve_stdio, target.url, target.key, credits_cap, real_roots, wait_s))


def _parse_cap(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        cap = Decimal(text)
    except InvalidOperation:
        cap = Decimal("NaN")
    if not cap.is_finite() or cap < 0:
        raise Exit(USAGE, f"imagegate: --cap is {text!r}: must be a number of credits, 0 or more")
    return cap
