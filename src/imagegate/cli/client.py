"""The Python client, for the commands of a customer: every failure is an `Exit` with an exit code of its own."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import click

from imagegate.cli.exit_codes import FAILED, UNREACHABLE, USAGE, Exit, exit_code_for
from imagegate.cli.options import KEY_VARIABLE, GatewayOptions, check_url
from imagegate.domain.money import format_for_people
from imagegate.domain.texts import suggest
from imagegate_client import (
    APIError,
    AuthenticationError,
    Client,
    ConnectionFailedError,
    ImagegateError,
    InvalidResponseError,
    TaskFailedError,
)

# Fields of a request whose option has another name.
_OPTIONS = {
    "output_format": "--format",
    "output_compression": "--compression",
    "image_urls": "--image",
    "mask_url": "--mask",
    "n": "-n",
    "model": "--model",
    "size": "--size",
    "resolution": "--resolution",
    "quality": "--quality",
    "background": "--background",
    "status": "--status",
    "page": "--page",
    "q": "--search",
}


class Target(NamedTuple):
    """A gateway and a key for it. `data` is the folder in which its address stood, if it did."""

    url: str
    key: str
    key_from: str
    data: Path | None


@contextlib.contextmanager
def open_client(gateway: GatewayOptions) -> Iterator[Client]:
    """A client of the gateway that the options name, or that has this data folder."""
    target = find_gateway(gateway)
    try:
        with Client(target.url, target.key) as client:
            try:
                yield client
            except APIError as error:
                raise _exit(exit_code_for(error.code), _describe(error, target, client), error) from error
    except ConnectionFailedError as error:
        raise _exit(UNREACHABLE, describe_silence(error, target.data), error) from error
    except TaskFailedError as error:
        message = "it was cancelled" if error.code == "request_cancelled" else str(error)
        raise _exit(exit_code_for(error.code), f"{error.task.id}: {message}; nothing was charged", error) from error
    except InvalidResponseError as error:
        raise _exit(FAILED, f"{target.url} does not answer as a gateway does: {error}", error) from error
    except ImagegateError as error:
        raise _exit(FAILED, str(error), error) from error


def _exit(code: int, message: str, error: ImagegateError) -> Exit:
    """With what was noted of the error on its way."""
    return Exit(code, f"imagegate: {message}{''.join(getattr(error, '__notes__', ()))}")


def describe_silence(error: ConnectionFailedError, data: Path | None) -> str:
    """Where the address is that of a data folder, its gateway has ended."""
    if data is None:
        return str(error)
    return f"the gateway of {data} is not running ({error}); start it with: imagegate serve --data {quote(data)}"


def _describe(error: APIError, target: Target, client: Client) -> str:
    if isinstance(error, AuthenticationError):
        return f"{target.url} does not accept the key of {target.key_from}: it is unknown, disabled or expired"
    if error.code == str(error.status):  # not in the words of a gateway
        return f"{target.url} answers with HTTP {error.status}: is it a gateway?"
    if error.code == "model_not_found":
        return f"{error.message}{_suggest_model(error, client)}; imagegate models lists those that exist"
    if error.code == "model_access_denied":
        return error.message.replace("Token does", f"The key of {target.key_from} does", 1)
    given = context.params if (context := click.get_current_context(silent=True)) else {}
    if (task_id := given.get("task_id")) and error.code.startswith(("task_", "invalid_task")):
        return f"{task_id}: {error.message}"
    field = (error.param or "").partition("[")[0]
    if error.param and field in _OPTIONS and error.message.startswith(f"{error.param} "):
        value = f" is {given[field]!r}:" if given.get(field) is not None and field == error.param else ""
        return f"{_OPTIONS[field]}{value}{error.message.removeprefix(error.param)}"
    return error.message


def _suggest_model(error: APIError, client: Client) -> str:
    """The names that are spelled like the one that the message cites."""
    try:
        names = [model["id"] for model in client.request("GET", "/v1/models", max_retries=0)["data"]]
    except ImagegateError:
        return ""
    _, _, asked = error.message.partition("'")
    return suggest(asked.partition("'")[0], names)


def find_gateway(gateway: GatewayOptions, *, needs_key: bool = True) -> Target:
    """The URL and the key of the options, or those that the gateway with this data folder has written."""
    if gateway.url is not None:
        url, data = check_url(gateway.url, gateway.url_from), None
    else:
        data = gateway.settings.data_dir
        url = check_url(_read_address(data), str(data / "address"))
    if not needs_key:
        return Target(url, "", "", data)
    if gateway.key is not None:
        return Target(url, _check_key(gateway.key, gateway.key_from), gateway.key_from, data)
    file = gateway.settings.data_dir / "demo-key"
    return Target(url, _check_key(_read_demo_key(file), str(file)), str(file), data)


def _read_address(data: Path) -> str:
    file = data / "address"
    try:
        return file.read_text("utf-8", "replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        raise Exit(
            USAGE,
            f"imagegate: no gateway has served from {data}: {file} not found; name its folder with --data, start one"
            f" with: imagegate serve --data {quote(data)}, or use --url",
        ) from None
    except OSError as error:
        raise _cannot_read(file, error, "--url") from error


def _read_demo_key(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        raise Exit(
            USAGE,
            f"imagegate: no key: give one with --key or {KEY_VARIABLE} ({file} not found: a gateway has a demo key only"
            " while it serves nothing but its own machine); make one with: imagegate keys create --account NAME"
            f" --credits N --data {quote(file.parent)}",
        ) from None
    except OSError as error:
        raise _cannot_read(file, error, "--key") from error


def _cannot_read(file: Path, error: OSError, option: str) -> Exit:
    why = f"{file} cannot be read: {error.strerror}"
    return Exit(USAGE, f"imagegate: {why}; run this as the user of the gateway, or use {option}")


def _check_key(key: str, source: str) -> str:
    """It is never shown."""
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise Exit(USAGE, f"imagegate: {source} holds no key: must be one such as imk_live_…")
    return key


def quote(path: Path) -> str:
    """As it is typed in a shell."""
    return shlex.quote(str(path))


def format_amount(money: Mapping[str, str]) -> str:
    """An amount of the API, which is exact, for people."""
    return f"${format_for_people(money['usd'])} ({format_for_people(money['credits'])} credits)"
