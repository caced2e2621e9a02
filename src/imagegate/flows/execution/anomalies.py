"""What is odd about a delivered answer: another size, another type, fewer images, usage off the formula.

Such an answer is delivered and billed by what it is; the oddity is written beside its attempt and counted against its
route, for the operator. Refuses to know: what is done about it.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.tasks import Attempt, Task
from imagegate.domain.usage import Usage
from imagegate.families import FAMILIES
from imagegate.flows.execution.billing import is_plausible
from imagegate.runtime import Runtime
from imagegate.spool import SpooledResponse


def describe_anomalies(runtime: Runtime, task: Task, attempt: Attempt, answer: SpooledResponse) -> str:
    """Empty where everything is as asked."""
    found = [_size(task, answer), _type(task, answer), _count(attempt, answer), _usage(runtime, task, answer)]
    return "; ".join(said for said in found if said)


def _size(task: Task, answer: SpooledResponse) -> str:
    size = task.order.size
    other = [image for image in answer.images if (image.width, image.height) != (size.width, size.height)]
    if size.assumed or not other:
        return ""
    return f"size {other[0].width}x{other[0].height} instead of {size.width}x{size.height}"


def _type(task: Task, answer: SpooledResponse) -> str:
    asked = f"image/{task.order.output_format}"
    other = [image.media_type for image in answer.images if image.media_type != asked]
    return f"{other[0]} instead of {asked}" if other else ""


def _count(attempt: Attempt, answer: SpooledResponse) -> str:
    missing = attempt.images - len(answer.images)
    return f"{len(answer.images)} of {attempt.images} images" if missing > 0 else ""


def _usage(runtime: Runtime, task: Task, answer: SpooledResponse) -> str:
    """Output tokens more than 2 % off the formula on the real pixels."""
    model = runtime.catalog.models[task.order.row]
    if answer.usage is None or model.billing != "per_token":
        return ""
    pixels = [(image.width, image.height) for image in answer.images]
    order = msgspec.structs.replace(task.order, n=len(pixels))
    return _usage_anomaly(
        answer.usage, FAMILIES[model.family].usage_from_pixels(order, model, pixels), is_plausible(answer.usage, model)
    )


def _usage_anomaly(reported: Usage, formula: Usage, is_trusted: bool) -> str:
    if not is_trusted:
        return "usage is absurd"
    ratio = reported.image_output / max(formula.image_output, 1)
    return (
        f"output tokens {reported.image_output} where the formula says {formula.image_output}"
        if _is_far_off(ratio)
        else ""
    )


def _is_far_off(ratio: float) -> bool:
    return not 0.98 <= ratio <= 1.02
