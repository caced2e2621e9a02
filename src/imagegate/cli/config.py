"""`imagegate config check`: what `serve` would use, and all that is wrong with it, without touching the data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from imagegate.app import Configuration, read_configuration
from imagegate.catalog.environment import models_sold_below_cost
from imagegate.cli.exit_codes import USAGE, Exit
from imagegate.cli.options import installation_options, json_option, storage_option
from imagegate.domain.bounds import Problems
from imagegate.domain.time import US_PER_SECOND, format_utc
from imagegate.flows.places import check_places
from imagegate.settings import RENAMED, Settings, examine_settings
from imagegate.store.dialect import wall_clock
from imagegate.upstreams.plan import UpstreamPlan


@click.group("config")
def config_group() -> None:
    """Check the configuration."""


@config_group.command("check")
@json_option
@installation_options
@storage_option
def check(config: Path | None, data: str | None, storage: str | None, as_json: bool) -> None:
    """Read settings, prices, upstreams, keys and routes as `serve` would, and print what would be used.

    Calls nobody and touches no data. Exits 0 when a gateway would start with it, 2 when not: then each fault is a line.
    """
    settings, faults = examine_settings(config, overrides={"data": data, "storage": storage})
    problems, configuration = Problems(), None
    problems.found += faults
    # A table that cannot be read is missing in all that refers to it: that would be told as faults of its own.
    if not any("[[" in fault for fault in faults):
        with problems.collect():
            configuration = read_configuration(settings)
        with problems.collect():
            check_places(settings)
    warnings = [f"{old} is now called {RENAMED[old]}" for old in settings.old_names] + [*settings.warnings]
    used: dict[str, Any] = {}
    if configuration is not None:
        warnings += configuration.upstreams.warnings
        used = _describe(configuration)
    found = {"ok": not problems.found, "problems": problems.found, "warnings": warnings, **used}
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    else:
        for line in _lines(settings, found):
            click.echo(line)
        for problem in problems.found:
            click.echo(f"imagegate: {problem}", err=True)
    if problems.found:
        raise Exit(USAGE)


def describe_upstreams(plan: UpstreamPlan) -> str:
    """How many there are, and how many routes."""
    upstreams, routes = len(plan.upstreams), len(plan.route_table.routes)
    text = f"{upstreams} upstream{'' if upstreams == 1 else 's'}, {routes} route{'' if routes == 1 else 's'}"
    if not plan.route_table.routes:
        return f"{text}: no model is served"
    return text if plan.route_table.has_real_upstream else f"{text}: the embedded engine alone"


def _describe(configuration: Configuration) -> dict[str, Any]:
    catalog, plan = configuration
    now, made = wall_clock(), {route.upstream for route in plan.made}
    current = catalog.price_block_at(now)
    return {
        "upstreams": [
            {
                "name": one.config.name,
                "protocol": one.config.protocol,
                "base_url": one.config.base_url or None,
                "key": one.config.api_key_env or one.config.api_key_file or None,
                "from_environment": one.config.name in made,
                "routes": [
                    {"name": route.name, "model": route.model}
                    for route in plan.route_table.routes.values()
                    if route.upstream == one.config.name
                ],
            }
            for one in plan.upstreams
        ],
        "models": [model for model in catalog.models if plan.route_table.for_model(model)],
        "aliases": list(catalog.aliases),
        "price_blocks": [
            {
                "version": block.version,
                "effective_from": format_utc(block.effective_from * US_PER_SECOND),
                "state": "in force" if block is current else "past" if _is_past(block, now) else "to come",
            }
            for block in catalog.blocks.values()
        ],
        "sold_below_cost": models_sold_below_cost(catalog, current.version, plan.routes),
    }


def _is_past(block: Any, now: int) -> bool:
    return bool(block.effective_from * US_PER_SECOND <= now)


def _lines(settings: Settings, found: dict[str, Any]) -> Iterator[str]:
    yield f"configuration: {settings.file or 'no file'}; data in {settings.data_dir}"
    for one in found.get("upstreams", ()):
        source = (
            "from the environment" if one["from_environment"] else f"key from {one['key']}" if one["key"] else "no key"
        )
        yield f"upstream {one['name']}: {one['protocol']}, {one['base_url'] or 'on this machine'}, {source}"
        for route in one["routes"]:
            yield f"  route {route['name']}"
    for block in found.get("price_blocks", ()):
        yield f"price block {block['version']}: {block['state']}, from {block['effective_from']}"
    for model in found.get("sold_below_cost", ()):
        yield f"warning: {model} is sold below the cost of a route"
    for warning in found["warnings"]:
        yield f"warning: {warning}"
    yield "a gateway would start with this" if found["ok"] else "a gateway would not start with this"
