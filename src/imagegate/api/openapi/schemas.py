"""JSON Schemas of the types that the document names.

A struct is read in one way and written in another: what a response always carries is required there, though the struct
has a default for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from imagegate.api_docs.schema import REQUIRED_KEYWORD, CreditsText, NanosText, UsdText, doc
from imagegate.domain.errors import TaskErrorCode

_REF = "#/components/schemas/{name}"


class Money(msgspec.Struct):
    """One amount in three exact decimal strings; `nanos` is the truth."""

    credits: CreditsText
    usd: UsdText
    nanos: NanosText


class TaskError(msgspec.Struct):
    """Why a task failed."""

    code: TaskErrorCode
    message: Annotated[str, doc("For people; may change", minLength=1)]
    type: Literal["task_error"] = "task_error"
    param: Annotated[str, doc("The field at fault, as a path")] | UnsetType = UNSET
    reason: Annotated[str, doc("A finer cause; more may come", pattern="^[a-z_]+$")] | UnsetType = UNSET
    fallback_suggestion: Annotated[str, doc("What to try instead")] | UnsetType = UNSET


# Stand for the domain's structs of the same names, which say nothing of the document.
_DOCUMENTED = (Money, TaskError)


class Schemas:
    """The components of one document, from the types of all requests and of all responses."""

    def __init__(self, request_types: Iterable[Any], response_types: Iterable[Any]) -> None:
        requests, self.components = _generate(request_types)
        for component in self.components.values():
            _require_marked_fields(component)
        responses, components = _generate(response_types)
        _, documented = _generate(_DOCUMENTED)
        for name in (kind.__name__ for kind in _DOCUMENTED):
            if name in components:
                assert documented[name]["properties"].keys() == components[name]["properties"].keys(), name
                components[name] = documented[name]
        for component in components.values():
            _require_fields_always_written(component)
        self.components = {**self.components, **components}
        self._found = {**requests, **responses}

    def of(self, *kinds: Any) -> dict[str, Any]:
        """The schema of a type, or of one of several."""
        found = [self._found[repr(kind)] for kind in kinds]
        return found[0] if len(found) == 1 else {"anyOf": found}


def _generate(kinds: Iterable[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    by_name = {repr(kind): kind for kind in kinds}
    found, components = msgspec.json.schema_components(list(by_name.values()), ref_template=_REF)
    return dict(zip(by_name, found, strict=True)), components


def _require_marked_fields(component: dict[str, Any]) -> None:
    """A field marked as required must be there and not null."""
    fields = component.get("properties", {})
    marked = [name for name, field in fields.items() if field.pop(REQUIRED_KEYWORD, False)]
    for name in marked:
        present = [one for one in fields[name].pop("anyOf") if one != {"type": "null"}]
        fields[name] = {**present[0], **fields[name]}
        fields[name].pop("default", None)
    if marked:
        component["required"] = [*marked, *component.get("required", [])]


def _require_fields_always_written(component: dict[str, Any]) -> None:
    """A field with a default is written all the same; one that may be absent is UNSET, which has none."""
    fields = component.get("properties", {})
    known = set(component.get("required", []))
    component["required"] = [name for name, field in fields.items() if name in known or "default" in field]
    for field in fields.values():
        field.pop("default", None)
    if not fields:
        del component["required"]
