"""Kinds of fields as the API's document tells of them: what a text or a number looks like, and its unit.

Knows: patterns, formats and bounds, one kind for each thing that has a shape of its own. Refuses to check any of it:
what is allowed is checked where it is used, in words that name the field.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from imagegate.domain.ids import TASK_ID

NEEDED = "x-needed"
_SORTABLE = "[0-9a-hjkmnp-tv-z]{26}"


def said(about: str, **schema: Any) -> msgspec.Meta:
    """A field's meaning and its JSON Schema, for the document alone."""
    return msgspec.Meta(description=about, extra_json_schema=schema or None)


def needed(about: str) -> msgspec.Meta:
    """A field that must be given, though its struct lets it be absent: its absence is refused in words of ours."""
    return said(about, **{NEEDED: True})


def shape(**schema: Any) -> msgspec.Meta:
    """What a field's values look like, where the meaning is told elsewhere."""
    return msgspec.Meta(extra_json_schema=schema)


def _whole(text: str) -> str:
    return f"^{text}$"


def _decimal(fraction: int) -> str:
    return _whole(rf"-?(0|[1-9][0-9]*)(\.[0-9]{{0,{fraction - 1}}}[1-9])?")


TaskIdText = Annotated[str, said("The id of a task", pattern=_whole(TASK_ID.pattern))]
KEY_ID_PATTERN = _whole(f"key_{_SORTABLE}")
KeyIdText = Annotated[str, said("The id of a key", pattern=KEY_ID_PATTERN)]
AccountIdText = Annotated[str, said("The id of an account", pattern=_whole(f"acc_{_SORTABLE}"))]
RefundIdText = Annotated[str, said("The id of a refund", pattern=_whole(f"rfd_{_SORTABLE}"))]
FileIdText = Annotated[str, said("The id of a file; who has it may download the file", pattern="^file_[0-9a-f]{32}$")]
DELIVERY_ID_PATTERN = _whole(f"evt_({TASK_ID.pattern}|test_{_SORTABLE})")
DeliveryIdText = Annotated[
    str, said("The id of a delivery: the webhook-id of its attempts", pattern=DELIVERY_ID_PATTERN)
]
RequestIdText = Annotated[str, said("Also in the header x-request-id", pattern="^req_[0-9a-f]{24}$")]
KeyText = Annotated[str, said("The key itself, shown this once", pattern="^imk_(live|test)_[0-9A-Za-z]{49}$")]
SecretText = Annotated[str, said("`whsec_` and 32 bytes in base64", pattern="^whsec_[A-Za-z0-9+/]{43}=$")]

Seconds = Annotated[int, said("Unix seconds", minimum=0)]
DateTime = Annotated[str, said("RFC 3339 with a numeric offset", format="date-time")]
Day = Annotated[str, said("A day in UTC", format="date", pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Count = Annotated[int, said("How many", minimum=0)]
Link = Annotated[str, said("An absolute address", format="uri", pattern="^https?://")]
MediaType = Annotated[str, said("True to the bytes", pattern="^image/(png|jpeg|webp|gif)$")]
PriceVersion = Annotated[str, said("The version of the prices", minLength=1)]
BillingRule = Annotated[str, said("By tokens or by images, as the model's row says", enum=["per_token", "per_call"])]
Status = Annotated[str, said("It never moves back", enum=["pending", "processing", "completed", "failed"])]
NextCursor = Annotated[str | None, said("Give it as `cursor` for the next page; null at the end")]
HasMore = Annotated[bool, said("Whether there is a next page")]

Number = Annotated[
    msgspec.Raw,
    msgspec.Meta(description="Exact, at most 9 fractional digits", extra_json_schema={"type": "number"}),
]

CREDITS_PATTERN = r"^[+-]?([0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18})$"
CreditsText = Annotated[str, said("Exact decimal", pattern=_decimal(9))]
UsdText = Annotated[str, said("Exact decimal", pattern=_decimal(9))]
NanosText = Annotated[str, said("Whole nanos (1 nano = 10⁻⁹ USD): the truth", pattern="^-?(0|[1-9][0-9]*)$")]
RateText = Annotated[str, said("Exact decimal, per 1K tokens", pattern=_decimal(12))]
