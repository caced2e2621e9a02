"""From an order to its files. Whatever ends the command in between, it names the task and what becomes of it."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from imagegate.cli.client import format_amount
from imagegate.cli.exit_codes import FAILED, INTERRUPTED, USAGE, Exit
from imagegate.cli.options import GatewayOptions
from imagegate.cli.output import describe_saved, files_there, format_of, suffixes_of
from imagegate_client import (
    Client,
    ConnectionFailedError,
    ImagegateError,
    ImageOptions,
    InvalidResponseError,
    NotFoundError,
    Task,
    TaskFailedError,
)


@contextlib.contextmanager
def nothing_bought() -> Iterator[None]:
    """Around what is done before the order."""
    try:
        yield
    except KeyboardInterrupt:
        raise Exit(INTERRUPTED, "imagegate: stopped; nothing was bought") from None


def buy(client: Client, gateway: GatewayOptions, prompt: str, request: ImageOptions, output: Path | None) -> None:
    """Begin the task, say its id, and collect it."""
    task_id = ""
    try:
        with _until_answered():
            task_id = client.images.create(prompt, **request).id
        if not gateway.as_json:
            click.echo(f"task {task_id}")
        collect(client, gateway, task_id, output)
    except KeyboardInterrupt:
        if task_id:
            raise _stopped_waiting(task_id, gateway) from None
        raise Exit(INTERRUPTED, f"imagegate: stopped; {_uncertain(gateway)}") from None
    except ImagegateError as error:
        if not task_id and (error.outcome_unknown or isinstance(error, InvalidResponseError)):
            error.add_note(f"; {_uncertain(gateway)}")
        raise


@contextlib.contextmanager
def _until_answered() -> Iterator[None]:
    """Ctrl-C counts when the answer is there: before, the task may exist, but nobody knows its id. A second one ends
    the command at once."""
    pressed: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)
        click.echo("waiting for the answer to the order; press Ctrl-C again to stop now", err=True)

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


def collect(client: Client, gateway: GatewayOptions, task_id: str, output: Path | None) -> None:
    """Wait for the task, save its images and say what it cost."""
    task = None
    try:
        with _progress_bar(quiet=gateway.as_json) as show:
            task = client.tasks.wait(task_id, on_progress=show)
        if task.status == "failed":
            raise TaskFailedError(task)
        _check_suffix(task, output)
        replaced = files_there(output)
        files = _save(client, task, output, gateway)
        answer = client.request("GET", f"/v1/tasks/{task_id}")
    except KeyboardInterrupt:
        if task is None:
            raise _stopped_waiting(task_id, gateway) from None
        raise Exit(INTERRUPTED, f"imagegate: stopped; {_how_to_save(task_id, gateway)}") from None
    except (ConnectionFailedError, InvalidResponseError) as error:
        goes_on = f"{task_id} goes on; " if task is None else ""
        error.add_note(f"; {goes_on}{_how_to_save(task_id, gateway)}")
        raise
    _report(answer, files, _extension(task), replaced, gateway)


def _report(answer: Any, files: list[Path], extension: str, replaced: set[Path], gateway: GatewayOptions) -> None:
    if gateway.as_json:
        click.echo(json.dumps({**answer, "files": [str(file) for file in files]}))
        return
    cost = answer["usage"]["cost"]
    click.echo(f"charged {format_amount(cost)} after {answer['duration']:.1f} s")
    for file in files:
        click.echo(describe_saved(file, extension, replaced))


def _save(client: Client, task: Task, output: Path | None, gateway: GatewayOptions) -> list[Path]:
    # From where the gateway was reached: links begin with its public address, to which this machine may have no way.
    here = tuple(client.base_url + _path_of(link) for link in task.results)
    try:
        return client.tasks.save(msgspec.structs.replace(task, results=here), output)
    except OSError as error:
        if isinstance(error, ConnectionFailedError):
            raise
        target = output or error.filename or Path.cwd()
        raise Exit(
            FAILED,
            f"imagegate: {target} cannot be written: {error.strerror}; {_how_to_save(task.id, gateway)}",
        ) from error
    except NotFoundError as error:
        raise Exit(FAILED, f"imagegate: the images of {task.id} are deleted: they are kept for 24 hours") from error


def _path_of(link: str) -> str:
    return urllib.parse.urlsplit(link)._replace(scheme="", netloc="").geturl()


def _extension(task: Task) -> str:
    return urllib.parse.urlsplit(task.results[0]).path.rpartition(".")[2]


def _check_suffix(task: Task, output: Path | None) -> None:
    """Of a task that was ordered with this suffix it is right."""
    made, named = format_of(Path(f"x.{_extension(task)}")), format_of(output)
    if made is not None and named not in (None, made):
        raise Exit(
            USAGE,
            f"imagegate: -o is {output}, but the images of {task.id} are {made}: must be a file that ends in"
            f" {suffixes_of(made)}",
        )


def _stopped_waiting(task_id: str, gateway: GatewayOptions) -> Exit:
    return Exit(
        INTERRUPTED,
        f"imagegate: stopped waiting: {task_id} goes on and will be charged; cancel it with: imagegate cancel"
        f" {task_id}{gateway.given_options}; {_how_to_save(task_id, gateway)}",
    )


def _how_to_save(task_id: str, gateway: GatewayOptions) -> str:
    return f"save its images with: imagegate generate --task {task_id}{gateway.given_options}"


def _uncertain(gateway: GatewayOptions) -> str:
    return f"whether it was bought is not known: see imagegate tasks{gateway.given_options}"


@contextlib.contextmanager
def _progress_bar(*, quiet: bool) -> Iterator[Callable[[Task], None]]:
    """Draws a bar on standard error, where that is a terminal; yields what shows a task there."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bar:
        line = bar.add_task("pending", total=100)
        yield lambda task: bar.update(line, completed=task.progress, description=task.status)
