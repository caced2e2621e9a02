"""The Python client, for the commands of a customer: every failure is an `Exit` with an exit code of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from imagegate.cli.exit_codes import FAILED, UNREACHABLE, USAGE, Exit, exit_code_for
from imagegate.cli.options import GatewayOptions
from imagegate_client import APIError, Client, ConnectionFailedError, ImagegateError, TaskFailedError


@contextlib.contextmanager
def open_client(gateway: GatewayOptions) -> Iterator[Client]:
    """A client of the gateway that the options name, or that has this data folder."""
    base_url, api_key = find_gateway(gateway)
    try:
        with Client(base_url, api_key) as client:
            yield client
    except ConnectionFailedError as error:
        raise Exit(UNREACHABLE, f"imagegate: {error}") from error
    except APIError as error:
        raise Exit(exit_code_for(error.code), f"imagegate: {error.message}") from error
    except TaskFailedError as error:
        raise Exit(exit_code_for(error.code), f"imagegate: {error}; nothing was charged") from error
    except ImagegateError as error:
        raise Exit(FAILED, f"imagegate: {error}") from error


def find_gateway(gateway: GatewayOptions, *, needs_key: bool = True) -> tuple[str, str]:
    """The URL and the key of the options, or those that the gateway with this data folder has written."""
    if gateway.url and (gateway.key or not needs_key):
        return gateway.url, gateway.key or ""
    data_dir = gateway.settings.data_dir
    base_url = gateway.url or _read_hint(data_dir / "address", "--url")
    api_key = gateway.key or (_read_hint(data_dir / "demo-key", "--key") if needs_key else "")
    return base_url, api_key


def _read_hint(file: Path, option: str) -> str:
    """The address or the demo key that a gateway with this data folder has written."""
    try:
        return file.read_text().strip()
    except OSError:
        raise Exit(
            USAGE, f"imagegate: {file} not found; start a gateway with this data folder or use {option}"
        ) from None
