"""The catalog in memory: which names exist, which model each means, and which price applies when."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from imagegate.catalog.schema import Alias, Model, ModelPrice, OpenAIName, PriceBlock, TokenRates
from imagegate.domain.bounds import ConfigurationError
from imagegate.domain.money import format_decimal, parse_decimal
from imagegate.domain.prices import CallPrice, Price, TokenPrice
from imagegate.domain.texts import suggest
from imagegate.domain.time import US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND, format_minute


class CatalogError(ConfigurationError):
    """Catalog or route data that contradicts itself; the text names the place."""


class Catalog:
    """Models by name and price blocks by version. Built once, never changed. `block_files` names the block's files."""

    def __init__(
        self,
        models: Sequence[Model],
        aliases: Sequence[Alias],
        blocks: Sequence[PriceBlock],
        openai_names: Sequence[OpenAIName] = (),
        block_files: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.models = {model.id: model for model in models}
        self.aliases = {alias.name: alias for alias in aliases}
        self.openai_names = {one.name: one for one in openai_names}
        self.blocks = {block.version: block for block in sorted(blocks, key=lambda block: block.effective_from)}
        self.block_files = block_files
        self._rows = {(block.version, row.model): row for block in blocks for row in block.price}
        self._check(Counter(alias.name for alias in aliases))

    def _check(self, names: Counter[str]) -> None:
        problems = []
        for alias in self.aliases.values():
            label = f"[[alias]] {alias.name!r}"
            if alias.row not in self.models:
                problems.append(
                    f"{label}: row is {alias.row!r}: there is no such model{suggest(alias.row, self.models)}"
                )
            if alias.name in self.models or names[alias.name] > 1:
                problems.append(f"{label}: a model or another alias has this name")
        for name in self.openai_names.values():
            if name.row not in self.models:
                hint = suggest(name.row, self.models)
                problems.append(f"openai_models has '{name.name}={name.row}': there is no model {name.row!r}{hint}")
        if problems:
            raise CatalogError(*problems)
        for row in self._rows.values():
            if (row.per_1k_tokens is None) == (row.per_image_nanos is None):
                raise CatalogError(f"price of {row.model!r}: give either per_1k_tokens or per_image_nanos")

    def names(self) -> list[str]:
        """Every name that a request may use, models first."""
        return [*self.models, *self.aliases]

    def find(self, name: str) -> tuple[Model, Alias | None] | None:
        alias = self.aliases.get(name)
        model = self.models.get(alias.row if alias else name)
        return (model, alias) if model else None

    def price_block_at(self, now_us: int) -> PriceBlock:
        """The block that applies at this moment (UTC microseconds); the first one where the clock is before all."""
        block = None  # the last one looked at is the first of all
        for block in reversed(self.blocks.values()):
            if block.effective_from * US_PER_SECOND <= now_us:
                break
        if block is None:
            raise CatalogError("there is no price block")
        return block

    def price(self, version: str, model_id: str, tier: str) -> Price | None:
        """The price of one request, or None where the model is not priced in that block."""
        row = self.model_price(version, model_id)
        if row is None:
            return None
        if row.per_1k_tokens is not None:
            return token_price(row.per_1k_tokens)
        amounts = row.per_image_nanos or {}
        return CallPrice(per_image=amounts[tier] if tier in amounts else amounts["any"])

    def model_price(self, version: str, model_id: str) -> ModelPrice | None:
        """The block's row as it was published, or None where the model is not priced in it."""
        return self._rows.get((version, model_id))


@functools.cache  # one for each model of each price block
def token_price(rates: TokenRates) -> TokenPrice:
    """Decimal USD per 1K tokens -> integer nanos per million tokens, exactly."""
    return TokenPrice(**{name: nanos_per_million(getattr(rates, name)) for name in rates.__struct_fields__})


def nanos_per_million(usd_per_1k: str) -> int:
    nanos = parse_decimal(usd_per_1k, 12)  # 10**9 nanos in a USD, 10**3 thousands in a million
    if nanos is None:
        raise CatalogError(f"{usd_per_1k!r} is not a decimal amount of USD with at most 12 digits after the point")
    return nanos


def describe_price_blocks(catalog: Catalog, now_us: int) -> list[str]:
    """For people: which block applies now, and which ones come when."""
    current = catalog.price_block_at(now_us)
    coming = [block for block in catalog.blocks.values() if block.effective_from > current.effective_from]
    if not coming:
        return [f"{current.version} applies since {format_minute(current.effective_from)}"]
    lines, before = [], current
    for block in coming:
        wait = _format_wait(block.effective_from * US_PER_SECOND - now_us)
        lines.append(
            f"{block.version} applies from {format_minute(block.effective_from)} (in {wait});"
            f" until then {before.version}"
        )
        before = block
    return lines


def _format_wait(us: int) -> str:
    minutes, hours = -(-us // US_PER_MINUTE), round(us / US_PER_HOUR)
    if minutes < 120:
        return f"{minutes} min"
    return f"{hours} h" if hours < 72 else f"{round(hours / 24)} days"


def encode_block(block: PriceBlock) -> str:
    """The one form in which a block is stored: JSON with sorted keys, without what has its default."""
    return msgspec.json.encode(block, order="sorted").decode()


def decode_block(stored: str) -> PriceBlock:
    """A stored body, also one in the form of an earlier version. CatalogError where a newer program wrote it."""
    try:
        return msgspec.json.decode(stored, type=PriceBlock)
    except msgspec.ValidationError as error:
        raise CatalogError(f"a stored price block cannot be read: {error}") from error


def find_difference(stored: PriceBlock, block: PriceBlock) -> str | None:
    """In words, where the block prices otherwise than the stored one; None where both say the same."""
    if stored.effective_from != block.effective_from:
        moments = (format_minute(one.effective_from) for one in (stored, block))
        return "effective_from was {}, is {}".format(*moments)
    before, after = _amounts(stored), _amounts(block)
    for field in [*before, *(field for field in after if field not in before)]:
        if before.get(field) != after.get(field):
            model, name = field
            shown = [amounts.get(field, "absent") for amounts in (before, after)]
            return f"{name} of {model} was {shown[0]}, is {shown[1]}"
    return None


def _amounts(block: PriceBlock) -> dict[tuple[str, str], str]:
    """Every amount as people write it, so that the order of rows and zeros at the end are no difference."""
    found = {}
    for row in block.price:
        for name, text in (msgspec.structs.asdict(row.per_1k_tokens) if row.per_1k_tokens else {}).items():
            found[row.model, name] = format_decimal(nanos_per_million(text), 12)
        for tier, nanos in (row.per_image_nanos or {}).items():
            found[row.model, tier] = str(nanos)
    return found


def is_same_block(stored: str, block: PriceBlock) -> bool:
    """Whether a stored body, also one in the form of an earlier version, says what the block says."""
    try:
        return find_difference(decode_block(stored), block) is None
    except CatalogError:
        return False
