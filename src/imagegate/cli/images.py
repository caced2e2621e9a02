"""`imagegate generate`, `imagegate edit` and `imagegate quote`."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from imagegate.cli.client import open_client
from imagegate.cli.exit_codes import FAILED, USAGE, Exit
from imagegate.cli.options import GatewayOptions, gateway_options
from imagegate.domain.money import format_for_people
from imagegate_client import Client, ImageOptions, ImageResult, Task

F = TypeVar("F", bound=Callable[..., Any])
_FIELDS = ("model", "size", "resolution", "quality", "n", "background", "output_format", "output_compression")


def _image_options(command: F) -> F:
    command = click.argument("prompt")(command)
    command = click.option("--model", help="Default: gpt-image-2.")(command)
    command = click.option("--size", help="auto, a ratio such as 16:9, or WxH.")(command)
    command = click.option("--resolution", help="1K, 2K or 4K, with a ratio.")(command)
    command = click.option("--quality", help="low, medium or high.")(command)
    command = click.option("-n", "n", type=int, help="How many images.")(command)
    command = click.option("--background", help="opaque or transparent.")(command)
    command = click.option("--format", "output_format", help="png, jpeg or webp.")(command)
    return click.option("--compression", "output_compression", type=int, help="0 to 100, jpeg and webp.")(command)


def _image_request(options: dict[str, Any]) -> ImageOptions:
    given: Any = {field: options[field] for field in _FIELDS if options.get(field) is not None}
    request: ImageOptions = given
    return request


@click.command()
@_image_options
@gateway_options
def quote(gateway: GatewayOptions, **options: Any) -> None:
    """Show the price of an image."""
    with open_client(gateway) as client:
        answer = _quote(client, options["prompt"], _image_request(options))
    click.echo(json.dumps(answer) if gateway.as_json else _quote_text(answer))


def _quote(client: Client, prompt: str, request: ImageOptions) -> dict[str, Any]:
    """As the API answers it. Not repeated: a person is told at once that nobody answers."""
    body = {"prompt": prompt, **request}
    answer: dict[str, Any] = client.request("POST", "/v1/images/quotes", json=body, max_retries=0)
    return answer


def _quote_text(answer: dict[str, Any]) -> str:
    size = answer["size"]
    head = f"{answer['model']}  {size['width']}x{size['height']}  {answer['quality'] or 'standard'}  n={answer['n']}"
    lines = [head]
    for line in answer["lines"]:
        quantity = f"{line['quantity']['expected']:,} {line['unit']}s"
        usd, exact = format_for_people(line["expected"]["usd"]), line["expected"]["nanos"]
        lines.append(f"  {line['item']:<20}{quantity:>20}  {'<$0.0001' if usd == '0' != exact else f'${usd}'}")
    return "\n".join([*lines, _price_text(answer)])


def _price_text(answer: dict[str, Any]) -> str:
    return f"expected {_amount_text(answer['expected'])}, at most {_amount_text(answer['maximum'])}"


def _amount_text(money: dict[str, str]) -> str:
    return f"${format_for_people(money['usd'])} ({format_for_people(money['credits'])} credits)"


def _output_option(command: F) -> F:
    path = click.Path(path_type=Path)
    return click.option("-o", "--output", type=path, help="Output file (default: named after the task).")(command)


@click.command()
@_image_options
@_output_option
@gateway_options
def generate(gateway: GatewayOptions, output: Path | None, **options: Any) -> None:
    """Generate images: show the price, wait for the task, and save the files."""
    _generate_and_report(gateway, options["prompt"], _image_request(options), output)


@click.command()
@_image_options
@click.option("-i", "--image", "images", multiple=True, required=True, help="A reference: a file or a URL; up to 16.")
@click.option("--mask", help="A PNG with alpha, a file or a URL; areas with alpha below 255 are repainted.")
@_output_option
@gateway_options
def edit(
    gateway: GatewayOptions, images: tuple[str, ...], mask: str | None, output: Path | None, **options: Any
) -> None:
    """Generate images from references; local files are uploaded to the gateway first."""
    for name in [*images, *([mask] if mask else [])]:
        if not _is_url(name) and not Path(name).is_file():
            raise Exit(USAGE, f"imagegate: {name} not found; nothing was bought")
    _generate_and_report(gateway, options["prompt"], _image_request(options), output, images, mask)


def _generate_and_report(
    gateway: GatewayOptions,
    prompt: str,
    request: ImageOptions,
    output: Path | None,
    images: tuple[str, ...] = (),
    mask: str | None = None,
) -> None:
    _check_writable(output)
    with open_client(gateway) as client:
        if images:
            request = client.images.upload_sources(images, mask, **request)
        quote_answer = _quote(client, prompt, request)
        if not gateway.as_json:
            click.echo(_price_text(quote_answer))
        with _progress_bar(quiet=gateway.as_json) as show:
            result = client.images.generate(prompt, on_progress=show, **request)
        files = _save(result, output)
        task = client.request("GET", f"/v1/tasks/{result.task.id}")
    if gateway.as_json:
        click.echo(json.dumps({**task, "files": [str(file) for file in files]}))
        return
    click.echo(f"charged {_amount_text(task['usage']['cost'])} after {task['duration']:.1f} s")
    for file in files:
        click.echo(f"saved {file} ({file.stat().st_size / 1024:,.0f} kB)")


def _check_writable(output: Path | None) -> None:
    """Checked before anything is bought."""
    folder = output.absolute().parent if output else Path.cwd()
    if not os.access(folder, os.W_OK) or (output is not None and output.is_dir()):
        raise Exit(USAGE, f"imagegate: {output or folder} is not writable; nothing was bought")


def _save(result: ImageResult, output: Path | None) -> list[Path]:
    try:
        return result.save(output)
    except OSError as error:
        found = f"the images of {result.task.id} are at {' '.join(result.task.results)}"
        target = output or error.filename or Path.cwd()
        raise Exit(FAILED, f"imagegate: {target} cannot be written: {error.strerror}; {found}") from error


def _is_url(reference: str) -> bool:
    return reference.startswith(("http://", "https://"))


@contextlib.contextmanager
def _progress_bar(*, quiet: bool) -> Iterator[Callable[[Task], None]]:
    """Draws a bar on standard error; yields what shows a task there."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    console = Console(file=sys.stderr, quiet=quiet)
    with Progress(*columns, console=console, transient=not console.is_terminal) as bar:
        line = bar.add_task("pending", total=100)
        yield lambda task: bar.update(line, completed=task.progress, description=task.status)
