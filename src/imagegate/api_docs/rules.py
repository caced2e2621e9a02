"""A JSON Schema in words: what a reader has to know of a field, in one line.

Refuses to know: which fields there are.
"""

from __future__ import annotations

from typing import Any

Fields = list[tuple[str, dict[str, Any], bool]]
_BOUNDS = {
    "minLength": "length from {}",
    "maxLength": "length to {}",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "minimum": "from {}",
    "maximum": "to {}",
    "default": "default {}",
}


def resolve(document: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    """What a `$ref` leads to, with what stands beside it."""
    while "$ref" in one:
        found: Any = document
        for part in one["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        one = {**found, **{name: value for name, value in one.items() if name != "$ref"}}
    return one


def object_fields(document: dict[str, Any], schema: dict[str, Any]) -> Fields:
    """Name, schema and whether it must be there, of each field of an object."""
    whole = resolve(document, schema)
    needed = whole.get("required", [])
    return [(name, field, name in needed) for name, field in whole.get("properties", {}).items()]


def describe_type(document: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return (
            describe_type(document, resolve(document, schema))
            if _is_scalar(document, schema)
            else schema["$ref"].split("/")[-1]
        )
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(describe_type(document, one) for one in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {describe_type(document, schema.get('items', {}))}"
    return str(schema.get("type") or ("string" if "enum" in schema else "any"))


def _is_scalar(document: dict[str, Any], schema: dict[str, Any]) -> bool:
    return "properties" not in resolve(document, schema)


def describe_constraints(document: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """Bounds, allowed values and patterns; patterns and values are marked as code by backticks."""
    schema = resolve(document, schema) if _is_scalar(document, schema) else schema
    constraints = [
        text.format(_format_number(schema[name])) for name, text in _BOUNDS.items() if schema.get(name) is not None
    ]
    if "enum" in schema:
        constraints.append("one of " + " ".join(f"`{value}`" for value in schema["enum"]))
    constraints += [f"`{schema['pattern']}`"] if "pattern" in schema else []
    constraints += [schema["format"]] if "format" in schema else []
    if schema.get("type") == "array":
        constraints += describe_constraints(document, schema["items"])
    for one in schema.get("anyOf", []):
        constraints += describe_constraints(document, one)
    return list(dict.fromkeys(constraints))


def _format_number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
