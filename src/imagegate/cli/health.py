"""`imagegate health`: whether a process is ready, for supervisors that have no HTTP client, such as containers."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

import click

from imagegate.cli.exit_codes import FAILED, Exit
from imagegate.cli.options import check_url, installation_options, json_of, read_settings
from imagegate.security.origins import listen_url
from imagegate.settings import Settings

_TIMEOUT_S = 5.0  # less than what supervisors give a check


@click.command(short_help="Say whether the gateway here is ready.")
@click.option("--url", help="The URL of the process (default: that of the data folder, else of the settings).")
@json_of("url, ready")
@installation_options
def health(url: str | None, as_json: bool, data: str | None, config: Path | None) -> None:
    """Say whether the gateway of this machine is ready for new work: exit code 0, or 1 with what is wrong."""
    target = _own_url(read_settings(config, data)) if url is None else check_url(url, "--url", with_path=True)
    try:
        status, body = _get(target)
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Exit(FAILED, f"imagegate: {target} does not answer: {reason[0].lower()}{reason[1:]}") from error
    if status != 200:
        raise Exit(FAILED, f"imagegate: {target} is not ready: {_failed_checks(body) or f'status {status}'}")
    click.echo(json.dumps({"url": target, "ready": True}) if as_json else "ok")


def _own_url(settings: Settings) -> str:
    """Where the gateway listens that serves from the data folder: the port of the settings may have been taken. A
    worker leaves no address."""
    file = settings.data_dir / "address"
    try:
        return check_url(file.read_text("utf-8", "replace").strip(), str(file))
    except OSError:
        return listen_url(settings.server.host, settings.server.port)


def _get(url: str) -> tuple[int, bytes]:
    """Without the proxies of the environment, which `urllib` would use for loopback too."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(str(parts.hostname), parts.port, timeout=_TIMEOUT_S)
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
