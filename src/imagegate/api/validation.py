"""What a declared type asks of a value, in words for the refusal of a parameter or a field."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

import msgspec

from imagegate.domain.texts import MAX_NAME, MAX_REASON, NAME, NOT_BLANK, name_rule, reason_rule


def not_blank() -> msgspec.Meta:
    """For a reason that people read."""
    return _text(MAX_REASON, NOT_BLANK, reason_rule())


def one_line() -> msgspec.Meta:
    """For a name that people read."""
    return _text(MAX_NAME, NAME, name_rule())


def _text(max_length: int, pattern: str, rule: str) -> msgspec.Meta:
    return msgspec.Meta(
        min_length=1,
        max_length=max_length,
        pattern=pattern,
        description="Not only white space",
        extra={"rule": rule},
    )


def storable(text: str) -> str:
    """Text of a caller that a database can look for: PostgreSQL refuses U+0000."""
    return text.replace("\0", " ")


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
