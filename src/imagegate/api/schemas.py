"""JSON Schemas of the structs that the document speaks of, by name.

Knows: that a struct is read in one way and written in another: what an answer always carries is required there, though
the struct has a default for it. Refuses to know: any endpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from imagegate.domain.fields import REQUIRED_KEYWORD

_REF = "#/components/schemas/{name}"


class Schemas:
    """The components of one document. A kind may be a tuple: one of several."""

    def __init__(self, taken: Iterable[Any], given: Iterable[Any]) -> None:
        read, self.components = _schemas(taken)
        for component in self.components.values():
            _require_what_is_needed(component)
        written, answers = _schemas(given)
        for component in answers.values():
            _require_what_is_always_there(component)
        self.components = {**self.components, **answers}
        self._found = {**read, **written}

    def of(self, kind: Any) -> dict[str, Any]:
        found = [self._found[repr(one)] for one in _alternatives(kind)]
        return found[0] if len(found) == 1 else {"anyOf": found}


def _schemas(kinds: Iterable[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    single = {repr(one): one for kind in kinds for one in _alternatives(kind)}
    found, components = msgspec.json.schema_components(list(single.values()), ref_template=_REF)
    return dict(zip(single, found, strict=True)), components


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return kind if isinstance(kind, tuple) else (kind,)


def _require_what_is_needed(component: dict[str, Any]) -> None:
    """Nor may it be null."""
    fields = component.get("properties", {})
    needed = [name for name, field in fields.items() if field.pop(REQUIRED_KEYWORD, False)]
    for name in needed:
        given = [one for one in fields[name].pop("anyOf") if one != {"type": "null"}]
        fields[name] = {**given[0], **fields[name]}
        fields[name].pop("default", None)
    if needed:
        component["required"] = [*needed, *component.get("required", [])]


def _require_what_is_always_there(component: dict[str, Any]) -> None:
    """A field with a default is written all the same; one that may be left out has none."""
    fields = component.get("properties", {})
    known = set(component.get("required", []))
    component["required"] = [name for name, field in fields.items() if name in known or "default" in field]
    for field in fields.values():
        field.pop("default", None)
    if not fields:
        del component["required"]
