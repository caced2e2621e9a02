"""From usage to the charge: never above the quoted maximum, never for an image that was not delivered."""

from __future__ import annotations

import msgspec

from imagegate.catalog.catalog import Catalog
from imagegate.catalog.schema import Model
from imagegate.domain.images import ImageOrder
from imagegate.domain.money import Nanos
from imagegate.domain.tasks import Task
from imagegate.domain.usage import Usage, UsageSource
from imagegate.families import FAMILIES
from imagegate.flows.quote import price_order
from imagegate.pricing import compute_charge
from imagegate.spool import SpooledResponse

# Far above any real count; the price of so many tokens still fits into 64 bits of nanos.
_MAX_TOKENS = 2**40


class Bill(msgspec.Struct, frozen=True):
    """`charge` is what the customer pays; `price - charge`, if any, is the operator's overrun."""

    charge: Nanos
    price: Nanos
    usage: Usage
    source: UsageSource


def make_bill(catalog: Catalog, task: Task, responses: list[SpooledResponse]) -> Bill:
    """Price what was delivered, by however many calls. `catalog` has the price version of the task."""
    model = catalog.models[task.order.row]
    trusted = [_trusted_usage(task.order, model, response) for response in responses]
    usage = _sum([usage for usage, _ in trusted])
    # One estimated part makes the whole an estimate.
    sources = [source for _, source in trusted]
    source = UsageSource.estimated if UsageSource.estimated in sources else sources[0]
    bound = price_order(catalog, msgspec.structs.replace(task.order, n=usage.images), model, task.price_version)
    price = compute_charge(usage, bound.price).total
    return Bill(Nanos(min(price, bound.maximum.total, task.hold)), price, usage, source)


def _sum(usages: list[Usage]) -> Usage:
    return Usage(**{name: sum(getattr(usage, name) for usage in usages) for name in Usage.__struct_fields__})


def _trusted_usage(order: ImageOrder, model: Model, response: SpooledResponse) -> tuple[Usage, UsageSource]:
    """Missing, zero or absurd usage is replaced by the formula on the real pixels and marked as estimated."""
    if response.usage is not None and is_plausible(response.usage, model):
        return msgspec.structs.replace(response.usage, images=len(response.images)), response.usage_source
    return formula_usage(order, model, response), UsageSource.estimated


def formula_usage(order: ImageOrder, model: Model, response: SpooledResponse) -> Usage:
    """What the family's formula gives for the images that arrived, by the pixels read from their bytes."""
    pixels = [(image.width, image.height) for image in response.images]
    return FAMILIES[model.family].usage_from_pixels(msgspec.structs.replace(order, n=len(pixels)), model, pixels)


def is_plausible(usage: Usage, model: Model) -> bool:
    """Whether usage that an upstream reported can be billed."""
    return (
        all(0 <= count <= _MAX_TOKENS for count in msgspec.structs.astuple(usage))
        and usage.text_cached_input <= usage.text_input
        and usage.image_cached_input <= usage.image_input
        and (usage.image_output > 0 or model.billing == "per_call")
    )
