"""What a declared type asks of a value, in words for the refusal of a parameter or a field."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

import msgspec

# One character that is neither white space nor U+0000, which PostgreSQL refuses, and none of the latter anywhere.
_NOT_BLANK = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"


def not_blank(max_length: int) -> msgspec.Meta:
    """For a name or a reason that people read."""
    rule = f"must be 1 to {max_length} characters, not only white space"
    return msgspec.Meta(
        min_length=1,
        max_length=max_length,
        pattern=_NOT_BLANK,
        description="Not only white space",
        extra={"rule": rule},
    )


def requirement(annotation: Any) -> str:
    """Such as `must be a whole number from 1 to 200`. A type can bring its own words: `Meta(extra={"rule": "…"})`."""
    rule = next((meta.extra["rule"] for meta in _metas(annotation) if meta.extra and "rule" in meta.extra), None)
    if rule is not None:
        return str(rule)
    schema = msgspec.json.schema(annotation)
    return _of_schema(next((one for one in schema.get("anyOf", []) if one.get("type") != "null"), schema))


def _of_schema(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return f"must be one of {', '.join(str(value) for value in schema['enum'] if value != '')}"
    match schema.get("type"):
        case "integer":
            return "must be a whole number" + _range(schema.get("minimum"), schema.get("maximum"))
        case "string" if "maxLength" in schema:
            return f"must have {schema.get('minLength', 0)} to {schema['maxLength']:,} characters"
        case "array" if "maxItems" in schema:
            return f"must have {schema.get('minItems', 0)} to {schema['maxItems']:,} entries"
    return "is malformed"


def _range(minimum: int | None, maximum: int | None) -> str:
    if maximum is None:
        return "" if minimum is None else f", at least {minimum:,}"
    return f" from {minimum or 0:,} to {maximum:,}"


def _metas(annotation: Any) -> Iterator[msgspec.Meta]:
    """Of the annotation and of the types in it, the outermost first."""
    yield from (one for one in getattr(annotation, "__metadata__", ()) if isinstance(one, msgspec.Meta))
    for inner in typing.get_args(annotation):
        if not isinstance(inner, msgspec.Meta):
            yield from _metas(inner)
