"""Reads price blocks as they stand in files. Each refusal is a line: file, field, value, and what is allowed."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from imagegate.catalog.catalog import CatalogError, nanos_per_million
from imagegate.catalog.schema import Model, ModelPrice, PriceBlock, TokenRates
from imagegate.domain.money import format_decimal, parse_decimal
from imagegate.domain.texts import suggest
from imagegate.domain.time import format_minute

_FIELDS = ("version", "effective_from", "extends", "factor", "price")
_RATES, _RATES_OPTIONAL = TokenRates.__struct_fields__, ("text_output",)
_TIERS = ("1K", "2K", "4K")
_ANY_TIER = "any"
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
# Outside these years lie slips: milliseconds, a date as one number, a year of two digits.
_EARLIEST_S = int(datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC).timestamp())
_END_S = int(datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC).timestamp())
_MOMENT = "a date-time without quotes such as 2026-12-01T00:00:00Z (UTC where it has no offset) from 2000 to 2099"
_MAX_VERSION_CHARS = 100
_FACTOR_DIGITS, _MAX_FACTOR = 12, 1000
_FACTOR_UNIT: int = 10**_FACTOR_DIGITS
_FACTOR = f'a decimal in quotes such as "1.25", above 0, at most {_MAX_FACTOR}, at most 12 digits after the point'
# The dearest request at such prices is still an amount that an account can hold.
_MAX_USD_PER_1K, _MAX_IMAGE_NANOS = 1_000_000, 10**17
_RATE = f'USD per 1K tokens in quotes such as "0.036", from 0 to {_MAX_USD_PER_1K}, at most 12 digits after the point'
_IMAGE = f"whole nanos (1e-9 USD) from 0 to {_MAX_IMAGE_NANOS}, such as 20000000 for $0.02"


class PriceFile(msgspec.Struct, frozen=True):
    """A block with the rows of its own file only. `factor` multiplies those that it inherits: units of 10⁻¹²."""

    name: str
    block: PriceBlock
    factor: int | None = None


def read_price_file(path: str, models: Mapping[str, Model], aliases: Mapping[str, str]) -> PriceFile:
    """A file of the operator's. CatalogError."""
    try:
        content = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise CatalogError(f"cannot read {path}: {error.strerror}; see the setting price_files") from error
    except UnicodeDecodeError as error:
        raise CatalogError(f"{path} is not text in UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise CatalogError(f"{path} is not valid TOML: {error}") from error
    return parse_price_file(path, content, models, aliases)


def parse_price_file(
    name: str, content: Mapping[str, Any], models: Mapping[str, Model], aliases: Mapping[str, str]
) -> PriceFile:
    """`aliases` lead from other names to models. CatalogError."""
    _refuse_unknown(name, content, _FIELDS)
    version = _version(name, content)
    moment = _required(name, content, "effective_from", _MOMENT)
    effective_from = parse_moment(moment)
    if effective_from is None:
        raise _refusal(f"{name}: effective_from", moment, f"{_MOMENT}; a date or Unix seconds are accepted too")
    extends = content.get("extends", "")
    if "extends" in content and (not isinstance(extends, str) or not extends):
        raise _refusal(f"{name}: extends", extends, "the version of an earlier block in quotes")
    factor = _factor(name, content["factor"]) if "factor" in content else None
    if factor is not None and not extends:
        raise CatalogError(f"{name}: factor is given without extends, the version of the block whose prices it changes")
    rows = content.get("price", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _refusal(f"{name}: price", rows, "tables headed [[price]], one for each model")
    if not rows and not extends:
        raise CatalogError(f"{name}: there is no price: give [[price]] tables, or extends with a factor")
    prices: dict[str, ModelPrice] = {}
    for number, row in enumerate(rows, 1):
        price = _row(name, number, row, models, aliases)
        if price.model in prices:
            raise CatalogError(f"{name}: [[price]] {number}: model {price.model!r} has a [[price]] already")
        prices[price.model] = price
    return PriceFile(name, PriceBlock(version, effective_from, tuple(prices.values()), extends), factor)


def parse_moment(value: object) -> int | None:
    """Unix seconds of a TOML date-time, date or integer; None where it is none, or lies in an absurd year."""
    if isinstance(value, datetime.datetime):
        if value.microsecond or not 2000 <= value.year <= 2100:
            return None
        aware = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
        seconds = (aware - _EPOCH) // datetime.timedelta(seconds=1)
    elif isinstance(value, datetime.date):
        seconds = (value - _EPOCH.date()).days * 86_400
    elif isinstance(value, int) and not isinstance(value, bool):
        seconds = value
    else:
        return None
    return seconds if _EARLIEST_S <= seconds < _END_S else None


def resolve_blocks(files: Sequence[PriceFile]) -> list[PriceBlock]:
    """The blocks with the rows that they inherit. CatalogError where two of them contradict each other."""
    by_version: dict[str, PriceFile] = {}
    by_moment: dict[int, PriceFile] = {}
    for file in files:
        version, moment = file.block.version, file.block.effective_from
        if (same := by_version.setdefault(version, file)) is not file:
            if same.name == file.name:
                raise CatalogError(f"{file.name} is listed twice in price_files: remove one of them")
            raise CatalogError(
                f"{file.name}: version is {version!r}, that of {same.name} too: every block needs a version of its own"
            )
        if (same := by_moment.setdefault(moment, file)) is not file:
            raise CatalogError(
                f"{file.name}: effective_from is {format_minute(moment)}, that of {same.block.version} in {same.name}"
                " too: two blocks cannot begin at the same moment"
            )
    resolved: dict[str, PriceBlock] = {}
    for file in sorted(files, key=lambda file: file.block.effective_from):
        resolved[file.block.version] = _resolve(file, resolved, by_version)
    return [resolved[version] for version in by_version]


def _resolve(file: PriceFile, earlier: Mapping[str, PriceBlock], all_files: Mapping[str, PriceFile]) -> PriceBlock:
    block = file.block
    if not block.extends:
        return block
    base = earlier.get(block.extends)
    if base is None:
        if block.extends in all_files:
            since = format_minute(all_files[block.extends].block.effective_from)
            before = format_minute(block.effective_from)
            why = f"which applies from {since}: must be an earlier block, one that applies before {before}"
        else:
            why = f"and no block has that version: must be an earlier block: {', '.join(earlier) or 'there is none'}"
        raise CatalogError(f"{file.name}: extends is {block.extends!r}, {why}")
    own = {row.model for row in block.price}
    inherited = tuple(row for row in base.price if row.model not in own)
    if file.factor is not None:
        inherited = tuple(_multiply(file, row, file.factor) for row in inherited)
    return msgspec.structs.replace(block, price=block.price + inherited)


def _multiply(file: PriceFile, row: ModelPrice, factor: int) -> ModelPrice:
    """Every amount of the row, rounded half up to what the store holds: nanos per million tokens, nanos per image."""

    def multiplied(field: str, amount: int, most: int) -> int:
        product = (2 * amount * factor + _FACTOR_UNIT) // (2 * _FACTOR_UNIT)
        if product > most or (amount and not product):
            why = "nothing" if not product else "more than a price may be"
            factor_text = format_decimal(factor, _FACTOR_DIGITS)
            raise CatalogError(f"{file.name}: factor is {factor_text!r}, which makes {field} of {row.model!r} {why}")
        return product

    if row.per_image_nanos is not None:
        images = {tier: multiplied(tier, nanos, _MAX_IMAGE_NANOS) for tier, nanos in row.per_image_nanos.items()}
        return msgspec.structs.replace(row, per_image_nanos=images)
    rates = {}
    for field, text in msgspec.structs.asdict(row.per_1k_tokens).items() if row.per_1k_tokens else ():
        nanos = multiplied(field, nanos_per_million(text), _MAX_USD_PER_1K * 10**12)
        rates[field] = format_decimal(nanos, 12)
    return msgspec.structs.replace(row, per_1k_tokens=TokenRates(**rates))


def _version(name: str, content: Mapping[str, Any]) -> str:
    allowed = f"a name in quotes such as '2026-12-01.shop', at most {_MAX_VERSION_CHARS} characters"
    version = _required(name, content, "version", allowed)
    if not isinstance(version, str) or not version.strip() or not version.isprintable():
        raise _refusal(f"{name}: version", version, allowed)
    if len(version) > _MAX_VERSION_CHARS:
        raise _refusal(f"{name}: version", version, allowed)
    return version


def _factor(name: str, value: object) -> int:
    factor = parse_decimal(value, _FACTOR_DIGITS) if isinstance(value, str) else None
    if factor is None or not 0 < factor <= _MAX_FACTOR * _FACTOR_UNIT:
        raise _refusal(f"{name}: factor", value, _FACTOR)
    return factor


def _row(
    name: str, number: int, row: Mapping[str, Any], models: Mapping[str, Model], aliases: Mapping[str, str]
) -> ModelPrice:
    place = f"{name}: [[price]] {number}"
    _refuse_unknown(place, row, ModelPrice.__struct_fields__)
    model_id = _required(place, row, "model", "the name of a model in quotes")
    if not isinstance(model_id, str) or model_id not in models:
        if isinstance(model_id, str) and model_id in aliases:
            raise CatalogError(f"{place}: model is {model_id!r}, an alias: give the price of {aliases[model_id]!r}")
        raise _refusal(f"{place}: model", model_id, _one_of(model_id, list(models)))
    place = f"{place} ({model_id})"
    kind, other = "per_1k_tokens", "per_image_nanos"
    if models[model_id].billing == "per_call":
        kind, other = other, kind
    if kind not in row or other in row:
        given = f"{other} is given: it" if other in row else f"{kind} is missing: it"
        raise CatalogError(f"{place}: {given} must be {kind} = {{…}} alone, by which this model is billed")
    table = row[kind]
    if not isinstance(table, dict):
        raise _refusal(f"{place}: {kind}", table, "a table: { name = amount, … }")
    if kind == "per_1k_tokens":
        return ModelPrice(model_id, per_1k_tokens=_token_rates(f"{place}: {kind}", table))
    return ModelPrice(model_id, per_image_nanos=_image_amounts(f"{place}: {kind}", table))


def _token_rates(place: str, table: Mapping[str, Any]) -> TokenRates:
    _refuse_unknown(place, table, _RATES)
    for field in _RATES:
        if field in table or field not in _RATES_OPTIONAL:
            rate = _required(place, table, field, _RATE)
            nanos = parse_decimal(rate, 12) if isinstance(rate, str) else None
            if nanos is None or nanos > _MAX_USD_PER_1K * 10**12:
                raise _refusal(f"{place}: {field}", rate, _RATE)
    return TokenRates(**table)


def _image_amounts(place: str, table: Mapping[str, Any]) -> dict[str, int]:
    _refuse_unknown(place, table, (*_TIERS, _ANY_TIER))
    for tier, nanos in table.items():
        if not isinstance(nanos, int) or isinstance(nanos, bool) or not 0 <= nanos <= _MAX_IMAGE_NANOS:
            raise _refusal(f"{place}: {tier}", nanos, _IMAGE)
    missing = [tier for tier in _TIERS if tier not in table]
    if missing and _ANY_TIER not in table:
        raise CatalogError(f"{place}: {missing[0]} is missing: give 1K, 2K and 4K, or any for the others")
    return dict(table)


def _required(place: str, table: Mapping[str, Any], field: str, allowed: str) -> Any:
    if field not in table:
        raise CatalogError(f"{place}: {field} is missing: it must be {allowed}")
    return table[field]


def _refuse_unknown(place: str, table: Mapping[str, Any], allowed: Collection[str]) -> None:
    for field in table:
        if field not in allowed:
            raise CatalogError(f"{place} has no field {_shown(field)}{_hint(field, allowed)}")


def _one_of(value: object, allowed: Collection[str]) -> str:
    close = suggest(str(value), allowed)
    return f"a model of the catalog{close}" if close else f"one of {', '.join(allowed)}"


def _hint(field: str, allowed: Collection[str]) -> str:
    return suggest(field, allowed) or f"; it may have {', '.join(allowed)}"


def _refusal(place: str, value: object, allowed: str) -> CatalogError:
    return CatalogError(f"{place} is {_shown(value)}: must be {allowed}")


def _shown(value: object) -> str:
    """The value as it stands in the file, on one line and not without end."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, datetime.datetime | datetime.date | datetime.time):
        text = value.isoformat()
    elif isinstance(value, int) and value.bit_length() > 1000:
        return "too large a number"  # and Python refuses to print one of many thousand digits
    else:
        text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
