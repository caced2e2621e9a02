"""Reads the catalog's TOML: the shipped data and the operator's price files."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from imagegate.catalog.catalog import Catalog, CatalogError
from imagegate.catalog.schema import Alias, Model, OpenAIName, PriceBlock

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
    blocks: list[PriceBlock] = []
    for name in sorted(file.name for file in _DATA.iterdir()):
        content = read_shipped(name)
        try:
            models += msgspec.convert(content.get("model", []), list[Model])
            shipped_names += msgspec.convert(content.get("openai_name", []), list[OpenAIName])
            if "version" in content:
                blocks.append(msgspec.convert(content, PriceBlock))
        except msgspec.ValidationError as error:
            raise CatalogError(f"{name}: {error}") from error
    blocks += [_load_price_file(Path(name)) for name in price_files]
    return Catalog(
        models, aliases, [_resolve_extends(block, blocks) for block in blocks], [*shipped_names, *openai_names]
    )


def _load_price_file(file: Path) -> PriceBlock:
    try:
        return msgspec.convert(tomllib.loads(file.read_text("utf-8")), PriceBlock)
    except OSError as error:
        raise CatalogError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, msgspec.ValidationError) as error:
        raise CatalogError(f"{file}: {error}") from error


def _resolve_extends(block: PriceBlock, blocks: Sequence[PriceBlock]) -> PriceBlock:
    """The block with the rows that it inherits; a chain of blocks is followed to its end."""
    if not block.extends:
        return block
    base = next((one for one in blocks if one.version == block.extends), None)
    if base is None or base.effective_from >= block.effective_from:
        raise CatalogError(f"price block {block.version}: extends must name an earlier block")
    own = {row.model for row in block.price}
    inherited = tuple(row for row in _resolve_extends(base, blocks).price if row.model not in own)
    return msgspec.structs.replace(block, price=block.price + inherited)
