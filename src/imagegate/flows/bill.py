"""From usage to the charge: never above the quoted maximum, never for an image that is not there.

Knows: when reported usage can be believed, and the bound for the images that arrived. Refuses to know: the ledger.
"""

from __future__ import annotations

import msgspec

from imagegate.catalog.schema import Model
from imagegate.domain.images import ImageOrder
from imagegate.domain.money import Nanos
from imagegate.domain.tasks import Task
from imagegate.domain.usage import Usage, UsageSource
from imagegate.families import FAMILIES
from imagegate.flows.quote import price_order
from imagegate.pricing import charge
from imagegate.runtime import Runtime

_MOST = 2**40


class Bill(msgspec.Struct, frozen=True):
    """`charge` is what the customer pays; `price - charge`, if any, is the operator's overrun."""

    charge: Nanos
    price: Nanos
    usage: Usage
    source: UsageSource


def make_bill(
    runtime: Runtime, task: Task, reported: Usage | None, source: UsageSource, pixels: list[tuple[int, int]]
) -> Bill:
    """Price what was delivered; `pixels` are read from the delivered bytes."""
    model = runtime.book.models[task.order.row]
    delivered = msgspec.structs.replace(task.order, n=len(pixels))
    bound = price_order(runtime, delivered, model, task.price_version)
    usage, source = _believed(delivered, model, reported, source, pixels)
    price = charge(usage, bound.price).total
    return Bill(Nanos(min(price, bound.maximum.total, task.hold)), price, usage, source)


def _believed(
    order: ImageOrder,
    model: Model,
    reported: Usage | None,
    source: UsageSource,
    pixels: list[tuple[int, int]],
) -> tuple[Usage, UsageSource]:
    """Missing, zero or absurd usage is replaced by the formula on the real pixels and marked as estimated."""
    if reported is not None and plausible(reported, model):
        return msgspec.structs.replace(reported, images=len(pixels)), source
    return FAMILIES[model.family].usage_of(order, model, pixels), UsageSource.estimated


def plausible(usage: Usage, model: Model) -> bool:
    counts = [getattr(usage, name) for name in usage.__struct_fields__]
    return (
        all(0 <= count <= _MOST for count in counts)
        and usage.text_cached_input <= usage.text_input
        and usage.image_cached_input <= usage.image_input
        and (usage.image_output > 0 or model.billing == "per_call")
    )
