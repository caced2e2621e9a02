"""`imagegate health`: whether a process is ready, for supervisors that have no HTTP client, such as containers."""

from __future__ import annotations

import ipaddress
import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

import click

from imagegate.cli.exit_codes import FAILED, Exit
from imagegate.cli.options import installation_options, read_settings
from imagegate.settings import Server

_TIMEOUT_S = 5.0  # less than what supervisors give a check


@click.command()
@click.option("--url", help="The URL of the process (default: where `serve` listens, by its settings).")
@installation_options
def health(url: str | None, data: str | None, config: Path | None) -> None:
    """Exit with 0 when the process is ready for new work, with 1 otherwise."""
    target = url or _listen_url(read_settings(config, data).server)
    try:
        status, body = _get(target)
    except (OSError, HTTPException, ValueError) as error:
        raise Exit(FAILED, f"imagegate: {target} does not answer: {str(error) or type(error).__name__}") from error
    if status != 200:
        raise Exit(FAILED, f"imagegate: {target} is not ready: {_failed_checks(body) or f'status {status}'}")
    click.echo("ok")


def _listen_url(server: Server) -> str:
    """Where the process of this machine listens: of an address that stands for all, the loopback one."""
    host = server.host or "0.0.0.0"  # noqa: S104  compared, not bound
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{server.port}"
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"http://[{address}]:{server.port}" if address.version == 6 else f"http://{address}:{server.port}"


def _get(url: str) -> tuple[int, bytes]:
    """Without the proxies of the environment, which `urllib` would use for loopback too."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not a URL that begins with http:// or https://")
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", parts.path.rstrip("/") + "/readyz", headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read(65536)
    finally:
        connection.close()


def _failed_checks(body: bytes) -> str:
    """What the answer of /readyz says is wrong; empty where it is the answer of something else."""
    try:
        checks = json.loads(body)["checks"].items()
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    return ", ".join(f"{name} {state}" for name, state in checks if state != "ok")
