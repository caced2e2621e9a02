"""The API document as people read it: sections with endpoints, and the types that they name.

The reference pages and the API section of the home page show the same model.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from imagegate.api_docs.curl import curl_command
from imagegate.api_docs.rules import describe_constraints, describe_type, resolve, type_name
from imagegate.api_docs.snippets import javascript_program, python_program, uses_only_json

TYPES = "types"
_METHODS = ("get", "head", "post", "patch", "delete")


class Field(msgspec.Struct, frozen=True):
    """`description` and `rules` are plain text in which backticks mark code; `link` is the name of a type or empty."""

    name: str
    type: str
    link: str
    required: bool
    description: str
    rules: str


class ResponseEntry(msgspec.Struct, frozen=True):
    """`examples` are texts, JSON where the response is JSON."""

    status: str
    description: str
    type: str
    link: str
    headers: list[Field]
    examples: list[str]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """`programs`: language and text, none for a webhook. `example` is JSON of the response, empty for bytes."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    public: bool
    fields: list[Field]
    programs: list[tuple[str, str]]
    responses: list[ResponseEntry]
    example: str


class Section(msgspec.Struct, frozen=True):
    name: str
    description: str
    endpoints: list[Endpoint]


class TypeEntry(msgspec.Struct, frozen=True):
    """A struct with fields, or a text that is one of `values`."""

    name: str
    description: str
    values: list[str]
    fields: list[Field]


class Reference(msgspec.Struct, frozen=True):
    summary: str
    paragraphs: list[str]
    origin: str
    sections: list[Section]
    types: list[TypeEntry]

    def section(self, name: str) -> Section | None:
        return next((one for one in self.sections if one.name == name), None)

    def endpoints(self, ids: tuple[str, ...]) -> list[Endpoint]:
        """In the order of `ids`."""
        known = {one.id: one for section in self.sections for one in section.endpoints}
        return [known[name] for name in ids]


def build_reference(document: bytes) -> Reference:
    tree = msgspec.json.decode(document)
    endpoints: dict[str, list[Endpoint]] = {tag["name"]: [] for tag in tree["tags"]}
    for path, methods in tree["paths"].items():
        for method in (one for one in _METHODS if one in methods):
            endpoints[methods[method]["tags"][0]].append(_endpoint(tree, method, path, methods[method]))
    for name, methods in tree["webhooks"].items():
        endpoints[methods["post"]["tags"][0]].append(_endpoint(tree, "webhook", name, methods["post"]))
    return Reference(
        summary=tree["info"]["summary"],
        paragraphs=tree["info"]["description"].split("\n\n"),
        origin=tree["servers"][0]["url"],
        sections=[Section(tag["name"], tag["description"], endpoints[tag["name"]]) for tag in tree["tags"]],
        types=[
            TypeEntry(name, schema.get("description", ""), schema.get("enum", []), _fields(tree, schema))
            for name, schema in tree["components"]["schemas"].items()
        ],
    )


def _endpoint(tree: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> Endpoint:
    success = resolve(tree, operation["responses"].get("200", {}))
    examples = [one["example"] for one in success.get("content", {}).values() if "example" in one]
    return Endpoint(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation.get("description", ""),
        public=operation.get("security") == [],
        fields=[*_parameters(tree, operation), *_body(tree, operation)],
        programs=[] if method == "webhook" else _programs(tree, method, path, operation),
        responses=[_response(tree, status, resolve(tree, one)) for status, one in operation["responses"].items()],
        example=next((_text(one) for one in examples if not isinstance(one, str)), ""),
    )


def _programs(tree: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> list[tuple[str, str]]:
    origin = tree["servers"][0]["url"]
    programs = [("cURL", curl_command(origin, method, path, operation))]
    if uses_only_json(operation):
        programs.append(("Python", python_program(origin, method, path, operation)))
        programs.append(("JavaScript", javascript_program(origin, method, path, operation)))
    return programs


def _parameters(tree: dict[str, Any], operation: dict[str, Any]) -> list[Field]:
    return [
        _field(
            tree,
            parameter["name"],
            {"description": parameter["description"], **parameter["schema"]},
            required=parameter["required"],
            location=f", {parameter['in']}",
        )
        for parameter in operation.get("parameters", [])
    ]


def _body(tree: dict[str, Any], operation: dict[str, Any]) -> list[Field]:
    content = operation.get("requestBody", {}).get("content", {})
    return [field for body in content.values() for field in _fields(tree, body["schema"])]


def _fields(tree: dict[str, Any], schema: dict[str, Any]) -> list[Field]:
    found = resolve(tree, schema)
    required = found.get("required", [])
    return [_field(tree, name, one, required=name in required) for name, one in found.get("properties", {}).items()]


def _field(tree: dict[str, Any], name: str, schema: dict[str, Any], *, required: bool, location: str = "") -> Field:
    return Field(
        name,
        describe_type(tree, schema) + location,
        type_name(tree, schema),
        required,
        resolve(tree, schema).get("description", "") if not type_name(tree, schema) else schema.get("description", ""),
        "; ".join(describe_constraints(tree, schema)),
    )


def _response(tree: dict[str, Any], status: str, response: dict[str, Any]) -> ResponseEntry:
    kind, link, examples = "", "", []
    for media_type, content in response.get("content", {}).items():
        schema = content.get("schema")
        kind = media_type if schema is None else describe_type(tree, schema)
        link = "" if schema is None else type_name(tree, schema)
        named = [resolve(tree, one)["value"] for one in content.get("examples", {}).values()]
        examples = [_text(value) for value in ([content["example"]] if "example" in content else named)]
    headers = [
        _field(tree, name, {**header["schema"], "description": header["description"]}, required=False)
        for name, header in ((name, resolve(tree, one)) for name, one in response.get("headers", {}).items())
        if name != "x-request-id"  # every response has it: the introduction says so
    ]
    return ResponseEntry(status, response["description"], kind, link, headers, examples)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
