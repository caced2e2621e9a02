"""Reads the catalog's TOML. Knows where the shipped data lies; refuses to know what it means."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib import resources

import msgspec

from imagegate.catalog.book import Book, CatalogError
from imagegate.catalog.schema import Alias, Model, PriceBlock


def load_book(aliases: Sequence[Alias] = ()) -> Book:
    """The shipped models and every shipped price block. CatalogError names the file and the field."""
    models: list[Model] = []
    blocks: list[PriceBlock] = []
    data = resources.files("imagegate.catalog") / "data"
    for file in sorted(data.iterdir(), key=lambda entry: entry.name):
        content = tomllib.loads(file.read_text("utf-8"))
        try:
            models += msgspec.convert(content.get("model", []), list[Model])
            if "version" in content:
                blocks.append(msgspec.convert(content, PriceBlock))
        except msgspec.ValidationError as error:
            raise CatalogError(f"{file.name}: {error}") from error
    return Book(models, aliases, blocks)
