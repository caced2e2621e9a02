"""`imagegate generate`, `imagegate edit` and `imagegate quote`."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from imagegate.cli.client import GatewayClient
from imagegate.cli.exit_codes import FAILED, USAGE, Exit, exit_code_for
from imagegate.cli.options import GatewayOptions, gateway_options

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


def _request(options: dict[str, Any], prompt: str) -> dict[str, Any]:
    given = {field: options[field] for field in _FIELDS if options.get(field) is not None}
    return {"prompt": prompt, **given}


@click.command()
@_image_options
@gateway_options
def quote(gateway: GatewayOptions, **options: Any) -> None:
    """Show the price of an image."""
    body = _request(options, options["prompt"])
    answer = asyncio.run(GatewayClient.request_once(gateway, "POST", "/v1/images/quotes", json=body))
    click.echo(json.dumps(answer) if gateway.as_json else _quote_text(answer))


def _quote_text(answer: dict[str, Any]) -> str:
    size = answer["size"]
    head = f"{answer['model']}  {size['width']}x{size['height']}  {answer['quality'] or 'standard'}  n={answer['n']}"
    lines = [head]
    for line in answer["lines"]:
        quantity = f"{line['quantity']['expected']:,} {line['unit']}s"
        lines.append(f"  {line['item']:<20}{quantity:>20}  ${line['expected']['usd']}")
    return "\n".join([*lines, _price_text(answer)])


def _price_text(answer: dict[str, Any]) -> str:
    expected, maximum = answer["expected"], answer["maximum"]
    expected_text = f"expected ${expected['usd']} ({expected['credits']} credits)"
    return f"{expected_text}, at most ${maximum['usd']} ({maximum['credits']} credits)"


def _output_option(command: F) -> F:
    path = click.Path(path_type=Path)
    return click.option("-o", "--output", type=path, help="Output file (default: named after the task).")(command)


@click.command()
@_image_options
@_output_option
@gateway_options
def generate(gateway: GatewayOptions, output: Path | None, **options: Any) -> None:
    """Generate images: show the price, wait for the task, and save the files."""
    _generate_and_report(gateway, _request(options, options["prompt"]), output)


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
    body = {**_request(options, options["prompt"]), "image_urls": list(images), **({"mask_url": mask} if mask else {})}
    _generate_and_report(gateway, body, output)


def _generate_and_report(gateway: GatewayOptions, body: dict[str, Any], output: Path | None) -> None:
    _check_writable(output)
    task, files = asyncio.run(_generate(gateway, body, output))
    if gateway.as_json:
        click.echo(json.dumps({**task, "files": [str(file) for file in files]}))
        return
    cost = task["usage"]["cost"]
    click.echo(f"charged ${cost['usd']} ({cost['credits']} credits) after {task['duration']:.1f} s")
    for file in files:
        click.echo(f"saved {file} ({file.stat().st_size / 1024:,.0f} kB)")


def _check_writable(output: Path | None) -> None:
    """Checked before anything is bought."""
    folder = output.absolute().parent if output else Path.cwd()
    if not os.access(folder, os.W_OK) or (output is not None and output.is_dir()):
        raise Exit(USAGE, f"imagegate: {output or folder} is not writable; nothing was bought")


async def _generate(
    gateway: GatewayOptions, body: dict[str, Any], output: Path | None
) -> tuple[dict[str, Any], list[Path]]:
    async with GatewayClient(gateway) as client:
        body = await _upload_local_files(client, body)
        if not gateway.as_json:
            click.echo(_price_text(await client.request("POST", "/v1/images/quotes", json=body)))
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        task = await client.request("POST", "/v1/images/generations", json=body, headers=headers)
        task = await _wait_for_task(client, task, quiet=gateway.as_json)
        if task["status"] == "failed":
            error = task["error"]
            raise Exit(
                exit_code_for(error["code"]), f"imagegate: {error['message']} ({error['code']}); nothing was charged"
            )
        files = [_output_path(output, task, position) for position in range(len(task["results"]))]
        for link, file in zip(task["results"], files, strict=True):
            try:
                await client.download(link, file)
            except OSError as error:
                found = f"the image of {task['id']} is at {link}"
                raise Exit(FAILED, f"imagegate: {file} cannot be written: {error.strerror}; {found}") from error
        return task, files


async def _upload_local_files(client: GatewayClient, body: dict[str, Any]) -> dict[str, Any]:
    """The body with local files replaced by the URLs of their uploads; each is uploaded once."""
    references = dict.fromkeys((*body.get("image_urls", []), *filter(None, [body.get("mask_url")])))
    url_of = {one: one if _is_url(one) else await client.upload(Path(one)) for one in references}
    urls = {"image_urls": [url_of[one] for one in body["image_urls"]]} if "image_urls" in body else {}
    mask = {"mask_url": url_of[body["mask_url"]]} if "mask_url" in body else {}
    return {**body, **urls, **mask}


def _is_url(reference: str) -> bool:
    return reference.startswith(("http://", "https://"))


async def _wait_for_task(client: GatewayClient, task: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Poll until the task has ended, with a progress bar."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    console = Console(file=sys.stderr, quiet=quiet)
    with Progress(*columns, console=console, transient=not console.is_terminal) as bar:
        line = bar.add_task(task["status"], total=100)
        while task["status"] not in ("completed", "failed"):
            started = time.monotonic()
            task = await client.request("GET", f"/v1/tasks/{task['id']}")
            bar.update(line, completed=task["progress"], description=task["status"])
            await asyncio.sleep(max(0.0, 0.25 - (time.monotonic() - started)))
        bar.update(line, completed=task["progress"], description=task["status"])
    return task


def _output_path(output: Path | None, task: dict[str, Any], position: int) -> Path:
    ext = task["results"][position].partition("?")[0].rpartition(".")[2]
    if output is None:
        return Path(f"{task['id']}_{position}.{ext}")
    if len(task["results"]) == 1:
        return output
    return output.with_stem(f"{output.stem}-{position + 1}")
