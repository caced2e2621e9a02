"""`imagegate generate`, `imagegate edit` and `imagegate quote`."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from imagegate.cli.client import format_amount, open_client
from imagegate.cli.exit_codes import USAGE, Exit, exit_code_for
from imagegate.cli.options import GatewayOptions, check_task_id, gateway_options
from imagegate.cli.output import check_writable, choose_format
from imagegate.cli.purchase import buy, collect, nothing_bought
from imagegate.domain.money import format_for_people
from imagegate_client import APIError, Client, ConnectionFailedError, ImageOptions, Images, ImageSource

F = TypeVar("F", bound=Callable[..., Any])
# Statuses of an upload that say what is wrong with the file.
_FILE_AT_FAULT = (400, 413, 415, 422)
_FIELDS = ("model", "size", "resolution", "quality", "n", "background", "output_format", "output_compression")


def _image_options(*, required: bool) -> Callable[[F], F]:
    return functools.partial(_with_image_options, required=required)


def _with_image_options(command: F, required: bool) -> F:
    """The last one is listed first."""
    command = click.option(
        "--compression", "output_compression", type=click.IntRange(0, 100), help="Of jpeg and webp; 100 is the best."
    )(command)
    command = click.option(
        "--format", "output_format", help="png, jpeg or webp (default: by the suffix of the file, else png)."
    )(command)
    command = click.option("--background", help="opaque or transparent.")(command)
    command = click.option("-n", "n", type=int, help="How many images (default: 1).")(command)
    command = click.option("--quality", help="low, medium or high; imagegate models tells those of each model.")(
        command
    )
    command = click.option("--resolution", help="1K, 2K or 4K, with a ratio.")(command)
    command = click.option("--size", help="auto, a ratio such as 16:9, or WxH.")(command)
    command = click.option("--model", help="Default: gpt-image-2; imagegate models lists them.")(command)
    return click.argument("prompt", required=required)(command)


def _image_request(options: dict[str, Any], output: Path | None = None) -> ImageOptions:
    options = {**options, "output_format": choose_format(output, options["output_format"])}
    given: Any = {field: options[field] for field in _FIELDS if options.get(field) is not None}
    request: ImageOptions = given
    return request


@click.command()
@_image_options(required=True)
@gateway_options
def quote(gateway: GatewayOptions, **options: Any) -> None:
    """Show the price of a request. Nothing is bought or stored."""
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
    return f"expected {format_amount(answer['expected'])}, at most {format_amount(answer['maximum'])}"


def _output_option(command: F) -> F:
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Where to save: a file, whose suffix (.png, .jpg, .webp) chooses the format, or a folder. Several images"
        " become FILE-1, FILE-2, … An older file is overwritten. Default: a name after the task, in this folder.",
    )(command)


@click.command(
    short_help="Generate images, and save them.",
    epilog="""\b
    Examples:
      imagegate generate "a red fox" --size 16:9 --quality high -o fox.png
      imagegate generate --task task-unified-1795368471-lnm8po0d -o fox.png

    With --json: the task as the API answers it, and `files`.
    """,
)
@_image_options(required=False)
@click.option(
    "--task",
    "task_id",
    metavar="TASK",
    callback=check_task_id,
    help="Save the images of a task that exists, also of `edit`, once it has completed. Nothing is bought.",
)
@_output_option
@gateway_options
def generate(gateway: GatewayOptions, output: Path | None, task_id: str | None, **options: Any) -> None:
    """Generate images: show the price, order them, wait for them, and save the files.

    Ctrl-C stops the waiting, not the task: it is named, with the commands that cancel it or save its images.
    """
    if task_id is not None:
        _refuse_beside_task(options)
        check_writable(output)
        with open_client(gateway) as client:
            collect(client, gateway, task_id, output)
        return
    if options["prompt"] is None:
        raise Exit(USAGE, "imagegate: missing argument 'PROMPT'; see imagegate generate --help")
    _generate_and_report(gateway, options["prompt"], _image_request(options, output), output)


def _refuse_beside_task(options: dict[str, Any]) -> None:
    if any(value is not None for value in options.values()):
        given = next(name for name, value in options.items() if value is not None)
        parameter = next(one for one in click.get_current_context().command.params if one.name == given)
        name = "PROMPT" if given == "prompt" else max(parameter.opts, key=len)
        raise Exit(USAGE, f"imagegate: {name} cannot be given with --task: the images of a task are made already")


@click.command(
    short_help="Generate images from others, and save them.",
    epilog="""\b
    Example:
      imagegate edit "at dusk" -i fox.png -o dusk.png
    """,
)
@_image_options(required=True)
@click.option("-i", "--image", "images", multiple=True, required=True, help="A reference: a file or a URL; up to 16.")
@click.option("--mask", help="A PNG with alpha, a file or a URL; areas with alpha below 255 are repainted.")
@_output_option
@gateway_options
def edit(
    gateway: GatewayOptions, images: tuple[str, ...], mask: str | None, output: Path | None, **options: Any
) -> None:
    """Generate images from references; local files are uploaded to the gateway first.

    Ctrl-C does as in `imagegate generate`, and `imagegate generate --task TASK` saves the images later.
    """
    for option, name in [*(("--image", one) for one in images), *([("--mask", mask)] if mask is not None else [])]:
        if not Images.is_remote(name) and not _may_be_file(name):
            raise Exit(USAGE, f"imagegate: {option}: {name} not found; nothing was bought")
    _generate_and_report(gateway, options["prompt"], _image_request(options, output), output, images, mask)


def _may_be_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # said when it is read
        return True


def _generate_and_report(
    gateway: GatewayOptions,
    prompt: str,
    request: ImageOptions,
    output: Path | None,
    images: tuple[str, ...] = (),
    mask: str | None = None,
) -> None:
    check_writable(output)
    with open_client(gateway) as client:
        with nothing_bought():
            if images:
                request = _with_references(client, request, images, mask)
            quote_answer = _quote(client, prompt, request)
        if not gateway.as_json:
            click.echo(_price_text(quote_answer))
        buy(client, gateway, prompt, request, output)


def _with_references(client: Client, request: ImageOptions, images: tuple[str, ...], mask: str | None) -> ImageOptions:
    """What is local is uploaded, once each."""

    @functools.cache
    def source(name: str) -> ImageSource:
        if Images.is_remote(name):
            return name
        try:
            return client.files.upload(Path(name))
        except OSError as error:
            if isinstance(error, ConnectionFailedError):
                raise
            raise Exit(USAGE, f"imagegate: {name} cannot be read: {error.strerror}; nothing was bought") from error
        except APIError as error:
            code = USAGE if error.status in _FILE_AT_FAULT else exit_code_for(error.code)
            raise Exit(code, f"imagegate: {name}: {error.message}; nothing was bought") from error

    return client.images.upload_sources([*map(source, images)], None if mask is None else source(mask), **request)
