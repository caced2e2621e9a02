"""JSON Schema of the fields of the API: what a text or a number looks like, and its unit.

`doc` and `schema` only describe. What a request must keep to is declared with `msgspec.Meta`, which is checked too.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from imagegate.domain.ids import TASK_ID_RE
from imagegate.domain.metadata import KEY_PATTERN, MAX_JSON_BYTES, MAX_KEYS, MAX_VALUE_CHARS, RESERVED_KEYS

REQUIRED_KEYWORD = "x-needed"
_SORTABLE_ID = "[0-9a-hjkmnp-tv-z]{26}"


def doc(description: str, **keywords: Any) -> msgspec.Meta:
    """The meaning of a field and keywords of JSON Schema; nothing is checked."""
    return msgspec.Meta(description=description, extra_json_schema=keywords or None)


def required(description: str) -> msgspec.Meta:
    """A field that must be given though its struct has a default: the handler refuses its absence by name."""
    return doc(description, **{REQUIRED_KEYWORD: True})


def schema(**keywords: Any) -> msgspec.Meta:
    """Keywords of JSON Schema for a type whose meaning is described elsewhere; nothing is checked."""
    return msgspec.Meta(extra_json_schema=keywords)


def _anchored(pattern: str) -> str:
    return f"^{pattern}$"


def _decimal_pattern(fraction_digits: int) -> str:
    return _anchored(rf"-?(0|[1-9][0-9]*)(\.[0-9]{{0,{fraction_digits - 1}}}[1-9])?")


TaskIdText = Annotated[str, doc("The id of a task", pattern=_anchored(TASK_ID_RE.pattern))]
KEY_ID_PATTERN = _anchored(f"key_{_SORTABLE_ID}")
KeyIdText = Annotated[str, doc("The id of a key", pattern=KEY_ID_PATTERN)]
ACCOUNT_ID_PATTERN = _anchored(f"acc_{_SORTABLE_ID}")
AccountIdText = Annotated[str, doc("The id of an account", pattern=ACCOUNT_ID_PATTERN)]
RefundIdText = Annotated[str, doc("The id of a refund", pattern=_anchored(f"rfd_{_SORTABLE_ID}"))]
FileIdText = Annotated[
    str, doc("The id of a file; anybody who has it can download the file", pattern="^file_[0-9a-f]{32}$")
]
DELIVERY_ID_PATTERN = _anchored(f"evt_({TASK_ID_RE.pattern}|test_{_SORTABLE_ID})")
DeliveryIdText = Annotated[
    str, doc("The id of a delivery: the webhook-id of its attempts", pattern=DELIVERY_ID_PATTERN)
]
RequestIdText = Annotated[str, doc("Also in the header x-request-id", pattern="^req_[0-9a-f]{24}$")]
ApiKeyText = Annotated[str, doc("The key itself, shown only once", pattern="^imk_(live|test)_[0-9A-Za-z]{49}$")]
SecretText = Annotated[str, doc("`whsec_` and 32 bytes in base64", pattern="^whsec_[A-Za-z0-9+/]{43}=$")]

Seconds = Annotated[int, doc("Unix seconds", minimum=0)]
DateTime = Annotated[str, doc("RFC 3339 with a numeric offset", format="date-time")]
Day = Annotated[str, doc("A day in UTC", format="date", pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Count = Annotated[int, doc("How many", minimum=0)]
Link = Annotated[str, doc("An absolute URL", format="uri", pattern="^https?://")]
FetchUrl = Annotated[str, schema(format="uri", pattern="^https?://", maxLength=8192)]
# http is for receivers that `egress_allow` names: on a developer's machine.
CallbackUrl = Annotated[str, schema(format="uri", pattern="^https?://", maxLength=2048)]
MediaType = Annotated[str, doc("Detected from the bytes", pattern="^image/(png|jpeg|webp|gif)$")]
PriceVersion = Annotated[str, doc("The version of the prices", minLength=1)]
BillingRule = Annotated[str, doc("By tokens or per image, depending on the model", enum=["per_token", "per_call"])]
Status = Annotated[
    str, doc("It never returns to an earlier status", enum=["pending", "processing", "completed", "failed"])
]
NextCursor = Annotated[str | None, doc("Pass it as `cursor` for the next page; null on the last")]
METADATA_BOUNDS = (
    f"at most {MAX_KEYS} keys of letters, digits, _, . and -, neither id nor status; each value a text of at most"
    f" {MAX_VALUE_CHARS} code points; at most {MAX_JSON_BYTES:,} bytes as JSON"
)
MetadataValue = Annotated[str, schema(maxLength=MAX_VALUE_CHARS)]
Metadata = Annotated[
    dict[str, MetadataValue],
    schema(maxProperties=MAX_KEYS, propertyNames={"pattern": KEY_PATTERN, "not": {"enum": list(RESERVED_KEYS)}}),
]
MetadataView = Annotated[Metadata, doc("What the account noted on the task; absent where it is nothing")]
HasMore = Annotated[bool, doc("Whether there is a next page")]

Number = Annotated[
    msgspec.Raw, msgspec.Meta(description="Exact, at most 9 fractional digits", extra_json_schema={"type": "number"})
]

CREDITS_PATTERN = r"^[+-]?([0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18})$"
CreditsText = Annotated[str, doc("Exact decimal", pattern=_decimal_pattern(9))]
UsdText = Annotated[str, doc("Exact decimal", pattern=_decimal_pattern(9))]
NanosText = Annotated[str, doc("Whole nanos (1 nano = 10⁻⁹ USD): the truth", pattern="^-?(0|[1-9][0-9]*)$")]
RateText = Annotated[str, doc("Exact decimal, per 1K tokens", pattern=_decimal_pattern(12))]

SIZE_PATTERN = (
    "^(auto|1:1|1:2|2:1|1:3|3:1|2:3|3:2|3:4|4:3|4:5|5:4|9:16|16:9|21:9|9:21|[1-9][0-9]{1,3}[x×][1-9][0-9]{1,3})$"
)
