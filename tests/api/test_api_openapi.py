"""S13: the document describes every endpoint in full, and its examples are what it says they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from imagegate.api.router import HANDLERS
from imagegate.api_docs.schema import SIZE_PATTERN
from imagegate.catalog.load import load_catalog
from imagegate.families.sizes import PIXELS_RE, RATIOS
from imagegate.security.signing import sign_webhook
from tests.support.gateway import Gateway

ROOT = Path(__file__).resolve().parents[2]
METHODS = ("get", "head", "post", "patch", "delete")
Entry = dict[str, Any]


@pytest.fixture(scope="module")
def document(gateway: Gateway) -> Any:
    with gateway.client() as client:
        answer = client.get("/openapi.json")
    assert answer.status_code == 200
    found: Any = answer.json()
    return found


def operations(document: Any, *sections: str) -> Iterator[tuple[str, Entry]]:
    for section in sections or ("paths",):
        for path, methods in document[section].items():
            yield from ((f"{method} {path}", methods[method]) for method in METHODS if method in methods)


def contents(document: Any) -> Iterator[tuple[str, Entry]]:
    """Everything with a schema and examples: bodies and answers."""
    for place, entry in operations(document, "paths", "webhooks"):
        bodies = {"body": entry.get("requestBody", {}), **entry["responses"]}
        for name, body in bodies.items():
            yield from ((f"{place} {name} {media}", one) for media, one in body.get("content", {}).items())


def resolve(document: Any, one: Any) -> Any:
    while "$ref" in one:
        found = document
        for part in one["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        one = found
    return one


def fits(document: Any, schema: Any, value: Any) -> bool:
    return jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]}).is_valid(value)


def test_s13_openapi_every_handler_is_in_the_document(document: Any) -> None:
    routes = {path.replace(":str}", "}").replace(":int}", "}") for handler in HANDLERS for path in handler.paths}
    assert set(document["paths"]) == routes
    assert document["openapi"] == "3.1.0"


def test_s13_openapi_every_reference_leads_somewhere(document: Any) -> None:
    used = set(re.findall(r"'\$ref': '#/components/([^']+)'", str(document)))
    known = {f"{kind}/{name}" for kind, found in document["components"].items() for name in found}
    assert used <= known
    assert {name for name in known if name.startswith("examples/")} <= used


def test_s13_openapi_open_endpoints_need_no_key(gateway: Gateway, document: Any) -> None:
    for path, methods in document["paths"].items():
        entry = methods.get("get")
        if isinstance(entry, dict) and "{" not in path:
            status = httpx.get(gateway.url + path, timeout=60).status_code
            security = entry.get("security")
            assert (status == 200) == (security == [] or (security is not None and {} in security)), path


def test_s13_openapi_every_example_fits_its_schema(document: Any) -> None:
    shown = 0
    for place, content in contents(document):
        named = content.get("examples", {}).values()
        values = [content["example"]] if "example" in content else [resolve(document, one)["value"] for one in named]
        for value in values:
            if "schema" in content:
                shown += 1
                validator = {**content["schema"], "components": document["components"]}
                assert list(jsonschema_rs.Draft202012Validator(validator).iter_errors(value)) == [], place
    assert shown > 200


def test_s13_openapi_every_json_body_and_answer_has_an_example(document: Any) -> None:
    for place, content in contents(document):
        if "application/json" in place and not place.startswith("get /openapi.json 200"):
            assert content.get("example") or content.get("examples"), place


def test_s13_openapi_an_example_that_lies_is_found(document: Any) -> None:
    schema = {"$ref": "#/components/schemas/TaskView"}
    example = resolve(document, document["webhooks"]["task_ended"]["post"])["requestBody"]["content"][
        "application/json"
    ]
    assert fits(document, schema, example["example"])
    for field, wrong in (("status", "done"), ("id", "task-1"), ("progress", 101), ("object", "task"), ("usage", None)):
        assert not fits(document, schema, {**example, field: wrong}), field
    assert not fits(document, {"$ref": "#/components/schemas/Money"}, {"credits": "1.0", "usd": "1", "nanos": "1"})


def test_s13_openapi_every_field_is_described_or_speaks_for_itself(document: Any) -> None:
    """Every struct has a shape, and every parameter and header a description."""
    for place, entry in operations(document, "paths", "webhooks"):
        parameters = entry.get("parameters", [])
        assert all(one["description"] and one["schema"] for one in parameters), place
        for status, answer in entry["responses"].items():
            assert answer["description"], (place, status)
            assert all(resolve(document, one)["description"] for one in answer.get("headers", {}).values()), place
    for name in ("ImageRequest", "KeyBody", "GrantBody", "UrlFields", "Base64Fields", "FileForm", "BatchRequest"):
        fields = document["components"]["schemas"][name]["properties"]
        assert all(field.get("description") for field in fields.values()), name


def test_s13_openapi_every_error_is_one_of_the_documented_ones(document: Any) -> None:
    rows = re.findall(r"^\| ([0-9]{3}) \| `([a-z_]+)` \|", (ROOT / "docs/errors.md").read_text("utf-8"), re.MULTILINE)
    said = set()
    for place, entry in operations(document):
        for status, answer in entry["responses"].items():
            codes = [] if status < "400" else list(answer["content"]["application/json"].get("examples", {}))
            assert not codes or answer["description"] == ", ".join(codes), place
            said |= {(status, code) for code in codes}
    # a method that is not allowed is no operation
    assert said == set(rows) - {("405", "method_not_allowed")}


def test_s13_openapi_tags_come_in_order_and_all_are_used(document: Any) -> None:
    named = [tag["name"] for tag in document["tags"]]
    assert named[:3] == ["images", "tasks", "files"]
    assert set(named) == {tag for _, entry in operations(document) for tag in entry["tags"]}
    assert document["info"]["description"]
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_s13_openapi_the_server_is_this_gateway(gateway: Gateway, document: Any) -> None:
    assert [server["url"] for server in document["servers"]] == [gateway.url]


def test_s13_openapi_every_link_names_an_operation_and_its_parameters(document: Any) -> None:
    known = {entry["operationId"]: entry for _, entry in operations(document)}
    followed = set()
    for place, entry in operations(document):
        for answer in entry["responses"].values():
            for link in answer.get("links", {}).values():
                target = known[link["operationId"]]
                names = {parameter["name"] for parameter in target.get("parameters", [])}
                assert set(link.get("parameters", {})) <= names, place
                assert ("requestBody" in link) <= ("requestBody" in target), place
                followed.add(link["operationId"])
    assert {"get_task", "get_events", "cancel_task", "remove_file", "delete_key", "replay_delivery"} <= followed
    assert len(known) == len(list(operations(document)))


def test_the_webhook_is_described_as_it_is_sent(document: Any) -> None:
    hook = document["webhooks"]["task_ended"]["post"]
    assert hook["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/TaskView"}
    assert {"2XX", "410"} <= set(hook["responses"])
    patterns = {one["name"]: one["schema"]["pattern"] for one in hook["parameters"]}
    one, two = (sign_webhook([b"k"] * count, "evt_x", 1, b"{}") for count in (1, 2))
    assert re.search(patterns["webhook-signature"], one)
    assert re.search(patterns["webhook-signature"], two)
    assert not re.search(patterns["webhook-signature"], one[:-1])
    assert re.search(patterns["webhook-id"], "evt_task-unified-1795341693-imcg5zqt")
    assert not re.search(patterns["webhook-id"], "task-unified-1795341693-imcg5zqt")


def test_the_sizes_of_the_document_are_those_of_the_family() -> None:
    alternatives = SIZE_PATTERN.removeprefix("^(").removesuffix(")$").split("|")
    assert alternatives[0] == "auto"
    assert set(alternatives[1:-1]) == set(RATIOS)
    assert alternatives[-1] == PIXELS_RE.pattern.replace("(", "").replace(")", "")


def test_the_document_allows_what_some_model_allows(document: Any) -> None:
    models = load_catalog(()).models.values()
    fields = document["components"]["schemas"]["ImageRequest"]["properties"]
    n = next(one for one in fields["n"]["anyOf"] if one["type"] == "integer")
    urls = next(one for one in fields["image_urls"]["anyOf"] if one["type"] == "array")
    qualities = next(one["examples"] for one in fields["quality"]["anyOf"] if "examples" in one)
    assert fields["prompt"]["maxLength"] == max(model.prompt_max for model in models)
    assert n["maximum"] == max(model.n[-1] for model in models)
    assert urls["maxItems"] == max(model.references for model in models)
    assert set(qualities) >= {quality for model in models for quality in model.qualities}
