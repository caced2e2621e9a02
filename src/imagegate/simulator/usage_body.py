"""The `usage` object of the OpenAI protocol, true or changed by a fault."""

from __future__ import annotations

from typing import Any

from imagegate.domain.usage import Usage
from imagegate.simulator.script import Plan


def usage_json(usage: Usage, plan: Plan, *, stream: bool = False) -> dict[str, Any] | None:
    """The `usage` object, or None for the fault `usage-missing`. Streams omit the output details."""
    if "usage-missing" in plan.faults:
        return None
    factor = 0 if "usage-zero" in plan.faults else -1 if "usage-negative" in plan.faults else 1
    factor = 1_000_000_000 if "usage-huge" in plan.faults else factor
    text, image, output = (factor * tokens for tokens in (usage.text_input, usage.image_input, usage.image_output))
    body: dict[str, Any] = {
        "input_tokens": text + image,
        "input_tokens_details": {"text_tokens": text, "image_tokens": image},
        "output_tokens": output,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": output},
        "total_tokens": text + image + output,
    }
    if stream:
        del body["output_tokens_details"]
    if "usage-cached" in plan.faults:
        _add_cached(body, int(plan.value("usage-cached", "1")), text // 2, image // 2)
    return body


def _add_cached(body: dict[str, Any], spelling: int, text: int, image: int) -> None:
    """Half of each kind of input as cached, in one of the five spellings that upstreams use."""
    details = body["input_tokens_details"]
    match spelling:
        case 1:
            details["cached_tokens_details"] = {"text_tokens": text, "image_tokens": image}
        case 2:
            details |= {"cached_text_tokens": text, "cached_image_tokens": image}
        case 3:
            body["cached_tokens_details"] = {"cached_text_tokens": text, "cached_image_tokens": image}
        case 4:
            details["cached_tokens"] = text + image
        case _:
            body["cached_tokens"] = text + image
