"""`imagegate upstreams`: what is configured, and one real request to one of them, explained.

Works on the configuration alone, beside a running gateway or without one: nothing is stored, nobody is charged.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import assert_never

import click

from imagegate.app import load_fleet
from imagegate.catalog.catalog import Book
from imagegate.catalog.routes import Route
from imagegate.cli.exit_codes import FAILED, REFUSED, USAGE, Exit
from imagegate.cli.options import installation, read_settings
from imagegate.domain.errors import InvalidRequest
from imagegate.domain.images import ImageOrder, ImageRequest
from imagegate.domain.money import usd_text
from imagegate.domain.tasks import Trouble
from imagegate.domain.usage import Usage
from imagegate.families import FAMILIES
from imagegate.routing.circuit_breaker import SAYS
from imagegate.routing.planner import Request, cost_of, misfit
from imagegate.spool import Spool
from imagegate.upstreams.base import Answer, Call, Produced, Refused, Rejected, Ties, Unavailable, Unknown
from imagegate.upstreams.registry import Fleet

_PROMPT = "A small red circle on a white background"
# Cheapest first; the first that the route can make is asked for.
_SIZES = (("1:3", "1K"), ("3:1", "1K"), ("1:1", "1K"), ("1024x1024", "1K"), ("auto", "1K"))
ADVICE = {
    Trouble.throttled: "It is throttled: set rate_per_min or concurrency to what the account allows.",
    Trouble.failing: "It cannot be reached or reports a fault of its own: look at its status and at base_url.",
    Trouble.no_model: "It does not have this model, or the account may not use it: look at upstream_model.",
    Trouble.unpaid: "The account there is out of funds.",
    Trouble.blocked: "The account there is blocked: talk to the vendor.",
    Trouble.bad_key: "It refuses the key: look at api_key_env or api_key_file.",
    Trouble.bad_row: "The row does not fit the server: look at dialect, base_url and override.",
    Trouble.ours: "Something on this machine stood in the way.",
}


@click.group()
def upstreams() -> None:
    """What is configured, and whether it works."""


@upstreams.command("list")
@installation
def list_upstreams(data: str | None, config: Path | None) -> None:
    """Upstreams and routes as the gateway would read them now."""
    _, fleet = _load(data, config)
    for name, row in fleet.roster.upstreams.items():
        click.echo(f"{name}  {row.protocol}  {row.base_url or '-'}")
        for route in fleet.roster.routes.values():
            if route.upstream == name:
                click.echo(f"  {route.name}")


@upstreams.command("test")
@click.argument("name")
@click.option("--model", help="The model of the route to try (default: the first route that leads there).")
@installation
def test_upstream(name: str, model: str | None, data: str | None, config: Path | None) -> None:
    """Send the cheapest request there is to NAME, and explain what comes back. It costs what it says beforehand."""
    book, fleet = _load(data, config)
    routes = [one for one in fleet.roster.routes.values() if one.upstream == name and model in (None, one.model)]
    if not routes:
        known = ", ".join(fleet.roster.upstreams) or "none"
        raise Exit(USAGE, f"imagegate: no route leads to an upstream {name!r} (upstreams: {known})")
    asyncio.run(_try(book, fleet, routes[0]))


def _load(data: str | None, config: Path | None) -> tuple[Book, Fleet]:
    settings = read_settings(config, data)
    spool = Spool(Path(tempfile.mkdtemp(prefix="imagegate-test-")))
    return load_fleet(settings, spool)


async def _try(book: Book, fleet: Fleet, route: Route) -> None:
    order, usage, cost = _cheapest(book, route)
    size = f"{order.size.width}x{order.size.height}"
    click.echo(f"{route.name}: one image, {size}, quality {order.quality or '-'}, expected cost ${usd_text(cost)}")
    started = time.monotonic()
    call = Call(attempt_id=f"att_test{int(time.time())}", order=order, expected=usage, model=route.upstream_model)
    try:
        answer = await fleet.upstreams[route.upstream].produce(call, Ties())
    finally:
        await fleet.close()
    click.echo(f"answered after {time.monotonic() - started:.1f} s")
    _explain(answer, order, usage)


def _cheapest(book: Book, route: Route) -> tuple[ImageOrder, Usage, int]:
    """The cheapest order that the route takes."""
    row = book.models[route.model]
    family = FAMILIES[row.family]
    quality = (route.qualities or row.qualities or (None,))[0]
    for size, tier in _SIZES:
        asked = ImageRequest(prompt=_PROMPT, size=size, resolution=tier, quality=quality)
        try:
            order = family.check(asked, row, None, "2048x2048")
        except InvalidRequest:
            continue
        usage = family.expected_usage(order, row)
        request = Request(order=order, usage=usage, tier=family.price_tier(order))
        if not misfit(route, request):
            return order, usage, cost_of(route, request)
    raise Exit(USAGE, f"imagegate: {route.name} takes none of the sizes that a test would send")


def _explain(answer: Answer, order: ImageOrder, expected: Usage) -> None:
    match answer:
        case Produced(answer=made):
            image = made.images[0]
            click.echo(f"produced: {image.media_type}, {image.width}x{image.height}, {image.bytes:,} bytes")
            if (image.width, image.height) != (order.size.width, order.size.height):
                click.echo("  another size than asked: customers get it and are billed by its real pixels")
            _explain_usage(made.usage, expected)
        case Refused(error=error):
            raise Exit(REFUSED, f"refused: {error.message}\nA harmless prompt was refused: look at the account.")
        case Rejected(error=error, detail=detail):
            raise Exit(FAILED, f"rejected: {error.message}\n{detail}\n{ADVICE[Trouble.bad_row]}")
        case Unavailable(detail=detail, trouble=trouble):
            raise Exit(FAILED, f"unavailable ({SAYS.get(trouble, 'ours')}): {detail}\n{ADVICE[trouble]}")
        case Unknown(detail=detail):
            raise Exit(FAILED, f"unknown: {detail}\nThe request went out, so an image may have been bought.")
        case _:
            assert_never(answer)


def _explain_usage(told: Usage | None, expected: Usage) -> None:
    if told is None:
        click.echo("  no usage that can be believed: bills and costs will follow the formula")
        return
    click.echo(f"  usage: {told.image_output} output tokens, the formula says {expected.image_output}")
