"""JSON Schema in words: the type of a field and what it must keep to, in one line each."""

from __future__ import annotations

from typing import Any

_FORMATS = {
    "uri": "a URL",
    "date": "a date such as 2026-11-22",
    "date-time": "an RFC 3339 time",
    "binary": "the bytes of a file",
}


def resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """What a `$ref` leads to, with the keywords beside it."""
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = {**found, **{name: value for name, value in schema.items() if name != "$ref"}}
    return schema


def type_name(document: dict[str, Any], schema: dict[str, Any]) -> str:
    """The name of the one struct that a field holds, alone, in a list or beside null; empty for other fields."""
    inner = [schema, schema.get("items", {}), *schema.get("anyOf", [])]
    inner += [one["items"] for one in schema.get("anyOf", []) if "items" in one]
    names = {one["$ref"].split("/")[-1] for one in inner if "$ref" in one and not _is_scalar(document, one)}
    return names.pop() if len(names) == 1 else ""


def describe_type(document: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        if _is_scalar(document, schema):
            return describe_type(document, resolve(document, schema))
        return str(schema["$ref"].split("/")[-1])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(describe_type(document, one) for one in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {describe_type(document, schema.get('items', {}))}"
    return str(schema.get("type") or ("string" if "enum" in schema else "any"))


def _is_scalar(document: dict[str, Any], schema: dict[str, Any]) -> bool:
    return "properties" not in resolve(document, schema)


def describe_constraints(document: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """Bounds, allowed values and examples; backticks mark code. A pattern is for programs: its description says it."""
    schema = resolve(document, schema) if _is_scalar(document, schema) else schema
    constraints = [
        *_range(schema.get("minimum"), schema.get("maximum"), ""),
        *_range(schema.get("minLength"), schema.get("maxLength"), " characters"),
        *_range(schema.get("minItems"), schema.get("maxItems"), " entries"),
    ]
    values = [value for value in schema.get("enum", []) if value != ""]
    constraints += [f"always `{values[0]}`"] if len(values) == 1 else []
    constraints += ["one of " + " ".join(f"`{value}`" for value in values)] if len(values) > 1 else []
    constraints += [_FORMATS[schema["format"]]] if schema.get("format") in _FORMATS else []
    constraints += ["such as " + " ".join(f"`{value}`" for value in schema["examples"])] if "examples" in schema else []
    for inner in (*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])):
        constraints += describe_constraints(document, inner)
    default = schema.get("default")
    constraints += [] if default is None else [f"default `{_format(default)}`"]
    return list(dict.fromkeys(constraints))


def _range(minimum: int | None, maximum: int | None, unit: str) -> list[str]:
    if minimum is None and maximum is None:
        return []
    if maximum is None:
        return ["not empty"] if (minimum, unit) == (1, " characters") else [f"at least {_format(minimum)}{unit}"]
    if minimum is None:
        return [f"at most {_format(maximum)}{unit}"]
    return [f"{_format(minimum)} to {_format(maximum)}{unit}"]


def _format(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
