"""Reads the catalog's TOML: the shipped data and the operator's price files."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib import resources
from typing import Any

import msgspec

from imagegate.catalog.catalog import Catalog, CatalogError
from imagegate.catalog.price_files import parse_price_file, read_price_file, resolve_blocks
from imagegate.catalog.schema import Alias, Model, OpenAIName

_DATA = resources.files("imagegate.catalog") / "data"


def read_shipped(name: str) -> dict[str, Any]:
    """The content of a TOML file in `catalog/data`."""
    return tomllib.loads((_DATA / name).read_text("utf-8"))


def load_catalog(
    aliases: Sequence[Alias] = (), price_files: Sequence[str] = (), openai_names: Sequence[OpenAIName] = ()
) -> Catalog:
    """The shipped models, names and price blocks and the operator's. CatalogError names the file and the field."""
    models: list[Model] = []
    shipped_names: list[OpenAIName] = []
    shipped_prices: dict[str, dict[str, Any]] = {}
    for name in sorted(file.name for file in _DATA.iterdir()):
        content = read_shipped(name)
        try:
            models += msgspec.convert(content.get("model", []), list[Model])
            shipped_names += msgspec.convert(content.get("openai_name", []), list[OpenAIName])
        except msgspec.ValidationError as error:
            raise CatalogError(f"{name}: {error}") from error
        if "version" in content:
            shipped_prices[name] = content
    rows, names = {model.id: model for model in models}, {alias.name: alias.row for alias in aliases}
    files = [parse_price_file(name, content, rows, {}) for name, content in shipped_prices.items()]
    files += [read_price_file(name, rows, names) for name in price_files]
    block_files = {file.block.version: file.name for file in files}
    return Catalog(models, aliases, resolve_blocks(files), [*shipped_names, *openai_names], block_files)
