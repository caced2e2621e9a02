"""`imagegate upstreams`: the configured upstreams, one real request to one of them, explained, and resets.

All but resets work on the configuration alone, with or without a running gateway: nothing is stored, nobody is charged.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, assert_never

import click

from imagegate.app import load_catalog_and_registry
from imagegate.catalog.catalog import Catalog
from imagegate.catalog.routes import Route
from imagegate.cli.database import require_database, run_on_database
from imagegate.cli.exit_codes import FAILED, REFUSED, USAGE, Exit
from imagegate.cli.options import json_of, with_settings
from imagegate.domain.errors import InvalidRequest
from imagegate.domain.images import ImageOrder, ImageRequest
from imagegate.domain.money import format_usd, format_usd_for_people
from imagegate.domain.tasks import FailureKind
from imagegate.domain.usage import Usage
from imagegate.families import FAMILIES
from imagegate.flows.audit import command_line_actor
from imagegate.flows.views.routes import reset_route_health
from imagegate.routing.circuit_breaker import REASONS
from imagegate.routing.planner import RouteRequest, route_cost, unsupported_reason
from imagegate.settings import Settings
from imagegate.spool import Spool
from imagegate.store.database import Database
from imagegate.store.dialect import wall_clock
from imagegate.upstreams.base import Call, CallHooks, Outcome, Produced, Refused, Rejected, Unavailable, Unknown
from imagegate.upstreams.registry import UpstreamRegistry

_PROMPT = "A small red circle on a white background"
# Cheapest first; the first that the route accepts is sent.
_SIZES = (("1:3", "1K"), ("3:1", "1K"), ("1:1", "1K"), ("1024x1024", "1K"), ("auto", "1K"))
ADVICE = {
    FailureKind.throttled: "It is throttled: set rate_per_min or concurrency to what the account allows.",
    FailureKind.failing: "It cannot be reached or reports an error of its own: check its status and base_url.",
    FailureKind.no_model: "It does not have this model, or the account may not use it: check upstream_model.",
    FailureKind.out_of_funds: "The account there is out of funds.",
    FailureKind.blocked: "The account there is blocked: contact the vendor.",
    FailureKind.bad_key: "It rejects the key: check api_key_env or api_key_file.",
    FailureKind.misconfigured: "The upstream configuration is invalid: check dialect, base_url and override.",
    FailureKind.internal: "An error on this machine prevented the call.",
}


@click.group(short_help="List and test upstreams, or forget their failures.")
def upstreams() -> None:
    """List the configured upstreams, test them, and reset them after a failure."""


@upstreams.command("list")
@json_of("a list of name, protocol, base_url, routes")
@with_settings
def list_upstreams(settings: Settings, as_json: bool) -> None:
    """List upstreams and routes as the gateway would read them now."""
    with _loaded(settings) as (_, registry):
        table = registry.route_table
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "protocol": row.protocol,
            "base_url": row.base_url or None,
            "routes": [
                {"name": route.name, "model": route.model} for route in table.routes.values() if route.upstream == name
            ],
        }
        for name, row in table.upstreams.items()
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for one in rows:
        click.echo(f"{one['name']}  {one['protocol']}  {one['base_url'] or '-'}")
        for route in one["routes"]:
            click.echo(f"  {route['name']}")


@upstreams.command("test")
@click.argument("name")
@click.option("--model", help="The model of the route to test (default: the first route of the upstream).")
@json_of("route, size, quality, expected_cost_usd, duration, outcome")
@with_settings
def test_upstream(settings: Settings, name: str, model: str | None, as_json: bool) -> None:
    """Send the cheapest possible request to NAME and explain the outcome. The expected cost is printed first.

    It buys one image there. Exits 0 when it was produced, 3 when it was refused for its content, 1 otherwise.
    """
    with _loaded(settings) as (catalog, registry):
        routes = [
            one for one in registry.route_table.routes.values() if one.upstream == name and model in (None, one.model)
        ]
        if not routes:
            raise Exit(USAGE, f"imagegate: {_describe_missing(registry, name, model)}")
        asyncio.run(_test_route(catalog, registry, routes[0], _silent if as_json else click.echo, as_json=as_json))


@upstreams.command("reset")
@click.argument("name")
@json_of("name, reset")
@with_settings
def reset_upstream(settings: Settings, name: str, as_json: bool) -> None:
    """Forget the failures of the route or upstream NAME: its next call is made. The gateway may be running."""
    require_database(settings)
    with _loaded(settings) as (_, registry):

        async def work(db: Database) -> bool:
            return await reset_route_health(db, registry, name, wall_clock(), command_line_actor())

        if not run_on_database(settings, work):
            known = ", ".join([*registry.route_table.upstreams, *registry.route_table.routes]) or "none"
            raise Exit(USAGE, f"imagegate: no route or upstream is called {name!r} (known: {known})")
    click.echo(json.dumps({"name": name, "reset": True}) if as_json else f"{name} was reset")


def _describe_missing(registry: UpstreamRegistry, name: str, model: str | None) -> str:
    models = sorted({one.model for one in registry.route_table.routes.values() if one.upstream == name})
    if models and model is not None:
        return f"--model is {model!r}: must be a model that a route leads to {name}: {', '.join(models)}"
    return f"no route uses an upstream {name!r} (upstreams: {', '.join(registry.route_table.upstreams) or 'none'})"


@contextlib.contextmanager
def _loaded(settings: Settings) -> Iterator[tuple[Catalog, UpstreamRegistry]]:
    with tempfile.TemporaryDirectory(prefix="imagegate-test-") as folder:
        yield load_catalog_and_registry(settings, Spool(Path(folder)))


def _silent(_: str) -> None:
    """Where JSON is printed, in place of lines for people."""


async def _test_route(
    catalog: Catalog, registry: UpstreamRegistry, route: Route, say: Callable[[str], None], *, as_json: bool
) -> None:
    order, usage, cost = _cheapest_order(catalog, route)
    size = f"{order.size.width}x{order.size.height}"
    say(
        f"{route.name}: one image, {size}, quality {order.quality or '-'}, expected cost ${format_usd_for_people(cost)}"
    )
    started = time.monotonic()
    call = Call(attempt_id=f"att_test{int(time.time())}", order=order, expected=usage, model=route.upstream_model)
    try:
        answer = await registry.upstreams[route.upstream].produce(call, CallHooks())
    finally:
        await registry.close()
    duration = round(time.monotonic() - started, 1)
    say(f"responded after {duration} s")
    if as_json:
        found = {"route": route.name, "size": size, "quality": order.quality, "expected_cost_usd": format_usd(cost)}
        click.echo(json.dumps({**found, "duration": duration, "outcome": type(answer).__name__.lower()}))
    _explain(answer, order, usage, say)


def _cheapest_order(catalog: Catalog, route: Route) -> tuple[ImageOrder, Usage, int]:
    """The cheapest order that the route accepts."""
    row = catalog.models[route.model]
    family = FAMILIES[row.family]
    quality = (route.qualities or row.qualities or (None,))[0]
    for size, tier in _SIZES:
        image_request = ImageRequest(prompt=_PROMPT, size=size, resolution=tier, quality=quality)
        try:
            order = family.build_order(image_request, row, None, "2048x2048")
        except InvalidRequest:
            continue
        usage = family.expected_usage(order, row)
        request = RouteRequest(order=order, usage=usage, tier=family.price_tier(order))
        if not unsupported_reason(route, request):
            return order, usage, route_cost(route, request)
    raise Exit(USAGE, f"imagegate: {route.name} accepts none of the sizes of a test")


def _explain(answer: Outcome, order: ImageOrder, expected: Usage, say: Callable[[str], None]) -> None:
    match answer:
        case Produced(answer=made):
            image = made.images[0]
            say(f"produced: {image.media_type}, {image.width}x{image.height}, {image.bytes:,} bytes")
            if (image.width, image.height) != (order.size.width, order.size.height):
                say("  not the requested size: customers get it and are billed by its real pixels")
            _explain_usage(made.usage, expected, say)
        case Refused(error=error):
            raise Exit(REFUSED, f"refused: {error.message}\nA harmless prompt was refused: check the account.")
        case Rejected(error=error, detail=detail):
            raise Exit(FAILED, f"rejected: {error.message}\n{detail}\n{ADVICE[FailureKind.misconfigured]}")
        case Unavailable(detail=detail, failure_kind=kind):
            raise Exit(FAILED, f"unavailable ({REASONS.get(kind, 'ours')}): {detail}\n{ADVICE[kind]}")
        case Unknown(detail=detail):
            raise Exit(FAILED, f"unknown: {detail}\nThe request went out, so an image may have been bought.")
        case _:
            assert_never(answer)


def _explain_usage(reported: Usage | None, expected: Usage, say: Callable[[str], None]) -> None:
    if reported is None:
        say("  no credible usage: charges and costs will follow the formula")
        return
    say(f"  usage: {reported.image_output} output tokens, the formula says {expected.image_output}")
