"""The API reference inside the page: the operations that most people need, each with programs that run.

Knows: which operations those are, and in which order. Refuses to know: everything else about them; that is in the
document of the API, from which `/reference` is made too.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from imagegate.api_docs.curl import curl_command
from imagegate.api_docs.rules import describe_constraints, describe_type, object_fields, resolve
from imagegate.api_docs.snippets import javascript_program, python_program, uses_only_json

SHOWN = (
    "create_image",
    "create_quote",
    "get_task",
    "list_tasks",
    "cancel_task",
    "get_events",
    "upload_stream",
    "upload_url",
    "get_credits",
    "get_pricing",
    "get_model",
)


class Field(msgspec.Struct, frozen=True):
    """`rules` and `about` are plain text in which backticks mark code."""

    name: str
    type: str
    required: bool
    about: str
    rules: str


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """`programs`: language and text. `answer` is an example of it as JSON; empty for bytes and events."""

    id: str
    method: str
    path: str
    summary: str
    about: str
    open: bool
    fields: list[Field]
    programs: list[tuple[str, str]]
    answer: str


def endpoints_of(document: bytes) -> list[Endpoint]:
    tree = msgspec.json.decode(document)
    known = {
        one["operationId"]: (method, path, one)
        for path, methods in tree["paths"].items()
        for method, one in methods.items()
    }
    return [_endpoint(tree, *known[name]) for name in SHOWN if name in known]


def _endpoint(tree: dict[str, Any], method: str, path: str, one: dict[str, Any]) -> Endpoint:
    return Endpoint(
        id=one["operationId"],
        method=method.upper(),
        path=path,
        summary=one["summary"],
        about=one.get("description", ""),
        open=one.get("security") == [],
        fields=[*_parameters(tree, one), *_body(tree, one)],
        programs=_programs(tree, method, path, one),
        answer=_answer(tree, one),
    )


def _programs(tree: dict[str, Any], method: str, path: str, one: dict[str, Any]) -> list[tuple[str, str]]:
    origin = tree["servers"][0]["url"]
    programs = [("cURL", curl_command(origin, method, path, one))]
    if uses_only_json(one):
        programs.append(("Python", python_program(origin, method, path, one)))
        programs.append(("JavaScript", javascript_program(origin, method, path, one)))
    return programs


def _parameters(tree: dict[str, Any], one: dict[str, Any]) -> list[Field]:
    return [
        Field(
            parameter["name"],
            f"{describe_type(tree, parameter['schema'])}, {parameter['in']}",
            parameter["required"],
            parameter["description"],
            "; ".join(describe_constraints(tree, parameter["schema"])),
        )
        for parameter in one.get("parameters", [])
    ]


def _body(tree: dict[str, Any], one: dict[str, Any]) -> list[Field]:
    content = one.get("requestBody", {}).get("content", {})
    return [
        Field(
            name,
            describe_type(tree, schema),
            needed,
            resolve(tree, schema).get("description", ""),
            "; ".join(describe_constraints(tree, schema)),
        )
        for body in content.values()
        for name, schema, needed in object_fields(tree, body["schema"])
    ]


def _answer(tree: dict[str, Any], one: dict[str, Any]) -> str:
    good = resolve(tree, one["responses"]["200"])
    for content in good.get("content", {}).values():
        if "example" in content and not isinstance(content["example"], str):
            return json.dumps(content["example"], ensure_ascii=False, indent=2)
    return ""
