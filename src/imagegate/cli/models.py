"""`imagegate models`: which models there are, and what their images cost."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import click

from imagegate.cli.client import open_client
from imagegate.cli.options import GatewayOptions, gateway_options
from imagegate.domain.money import format_for_people


@click.command(short_help="List models, what they accept and cost.")
@click.argument("name", metavar="[MODEL]", required=False)
@gateway_options
def models(gateway: GatewayOptions, name: str | None) -> None:
    """List the models that the key may use, with the price of one image; or show all that MODEL accepts.

    The price is that of the image alone, from the cheapest choice to the dearest: `imagegate quote` tells that of a
    request.
    """
    with open_client(gateway) as client:
        names = [name] if name else [row["id"] for row in client.request("GET", "/v1/models")["data"]]
        found = [client.request("GET", f"/v1/models/{quote(one, safe='')}") for one in names]
    if gateway.as_json or name:
        shown = found[0] if name else found
        click.echo(json.dumps(shown, indent=None if gateway.as_json else 2, ensure_ascii=False))
        return
    rows = [("model", "one image", "qualities", "images", "sizes"), *map(_row, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        click.echo("  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[-1]]))


def _row(model: dict[str, Any]) -> tuple[str, str, str, str, str]:
    parameters, span = model["parameters"], model.get("price_range")
    price = f"{_usd(span['min']['usd'])} to {_usd(span['max']['usd'])}" if span else "no price"
    if span and span["min"] == span["max"]:
        price = _usd(span["min"]["usd"])
    qualities = ", ".join(parameters.get("quality", {}).get("values", [])) or "-"
    size = parameters["size"]
    tiers = parameters.get("resolution", {}).get("values", [])
    sizes = [*size.get("values", []), *(["a ratio with " + ", ".join(tiers), "WxH"] if tiers else [])]
    most = parameters["n"]["max"]
    return model["id"], price, qualities, "1" if most == 1 else f"1 to {most}", ", ".join(sizes)


def _usd(amount: str) -> str:
    return f"${format_for_people(amount)}"
