"""`make clients`: every call of OpenAI's own SDKs, newest and one major before; writes docs/openai-conformance.md."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.docs.spec import ROOT
from tests.recipes import packages
from tests.recipes.conformance import FLARE, IMAGE, LOGO, ROWS, SENT, Row, versions, write_page
from tests.recipes.test_openai_sdks import PACKAGES, node_program
from tests.support.image_files import image_bytes
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

_DRIVERS = ROOT / "tests/clients"
_PYTHON, _NODE = str(_DRIVERS / "conformance.py"), str(_DRIVERS / "conformance.mjs")
_NODE_BEFORE = packages.FOLDER / "openai-node-before/node_modules/openai"
COMMANDS = {
    "openai-python": [sys.executable, _PYTHON],
    "openai-python before": [packages.python("openai-before"), _PYTHON],
    "openai-node": [str(node_program()), _NODE, str(PACKAGES / "openai")],
    "openai-node before": [str(node_program()), _NODE, str(_NODE_BEFORE)],
}
# Of Python's signatures, and not of the API.
_OF_THE_SDK = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}


@pytest.fixture(scope="module")
def given(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What a driver gets, without the rows."""
    vendor = upstream_config("vendor", f"{simulator.url}/v1", on_unknown="fail")
    rows = [vendor, route_config("vendor"), route_config("vendor", model=FLARE)]
    with RoutedGateway(tmp_path_factory.mktemp("conformance") / "data", *rows) as gateway:
        headers = {"Authorization": f"Bearer {gateway.key}", "Idempotency-Key": "taken"}
        body = {**LOGO, "prompt": "logo with a key"}
        httpx.post(f"{gateway.url}/openai/v1/images/generations", json=body, headers=headers).raise_for_status()
        files = {"image": image_bytes(), "mask": image_bytes(mode="RGBA")}
        keys = {
            "main": gateway.key,
            "wrong": "sk-wrong",
            "narrow": gateway.new_key("narrow", "1000", "--model", "gpt-image-2"),
            "slow": gateway.new_key("slow", "1000", "--rate-per-minute", "1"),
        }
        yield {
            "url": f"{gateway.url}/openai/v1",
            "keys": keys,
            "files": {name: base64.b64encode(content).decode() for name, content in files.items()},
        }


@pytest.fixture(scope="module")
def cells() -> dict[str, dict[str, str]]:
    return {}


@pytest.mark.parametrize("package", COMMANDS)
def test_conformance_of_the_sdks(given: dict[str, Any], cells: dict[str, dict[str, str]], package: str) -> None:
    rows = [
        {**row._asdict(), "options": dict(row.options), "name": row.name, "sends": _sent(row, package)} for row in ROWS
    ]
    text = json.dumps({**given, "rows": rows})
    done = subprocess.run(COMMANDS[package], input=text, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["version"] == versions()[package]
    for method, types in found["types"].items():
        tried = {row.parameter for row in ROWS if row.method == method}
        assert set(types) - _OF_THE_SDK <= tried, f"parameters of {method} without a row"
    seen = found["seen"]
    here = {row.name for row in ROWS if _has(found["types"].get(row.method), row)}
    assert here <= seen.keys()
    wrong = [f"{row.name}: {problem}" for row in ROWS if row.name in seen for problem in _problems(row, seen)]
    assert not wrong, "\n".join(wrong)
    cells[package] = {row.name: row.word if row.name in here else "absent" for row in ROWS}


def test_conformance_page(cells: dict[str, dict[str, str]]) -> None:
    assert cells.keys() == versions().keys(), "a package failed, or was not run"
    write_page(cells)


def _sent(row: Row, package: str) -> dict[str, Any]:
    sends = SENT.get(row.method, {}) | row.sends
    if "prompt" in sends:  # one package must not find the task of another
        sends["prompt"] = sends["prompt"].replace("@package", package)
    return sends


def _has(types: dict[str, str] | None, row: Row) -> bool:
    """Whether the package's types have the parameter, and its value where they list the values."""
    if types is None or not row.parameter:
        return True
    listed, value = types.get(row.parameter), row.sends[row.parameter]
    if listed is None:
        return False
    is_closed = re.search(r"['\"]", listed) and not re.search(r"\bstr(ing)?\b", listed)
    return not (is_closed and isinstance(value, str)) or re.search(rf"['\"]{re.escape(value)}['\"]", listed) is not None


def _problems(row: Row, seen: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """What is not as expected, of every way to call it."""
    for one in seen[row.name]:
        found, expected = _compared(row, one)
        headers = expected.pop("headers", {})
        if smaller := expected.pop("smaller_than", None):
            other = _describe(seen[smaller][0]["answer"])
            found["smaller"], expected["smaller"] = found["bytes"] < other["bytes"], True
        for name, value in expected.items():
            if found.get(name) != value:
                yield f"{name} is not {value!r} in {_short(found)}"
        for name, begin in headers.items():
            if not one.get("headers", {}).get(name, "").startswith(begin):
                yield f"{name} is not {begin!r} in {_short(one)}"


def _compared(row: Row, one: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was seen, and what is expected of it."""
    if "class" in row.expect:
        return one, dict(row.expect)
    if "events" in row.expect:
        return {**one, "events": [event["type"] for event in one.get("events", [])]}, dict(row.expect)
    if "answer" not in one:
        return one, {"answer": "an answer"}
    if not row.method.startswith("models."):
        expected = IMAGE | row.expect
        return _describe(one["answer"]), {name: value for name, value in expected.items() if value is not None}
    answer, wanted = one["answer"], row.expect.get("ids", [])
    listed = {model["id"] for model in answer.get("data", [])}
    return {**answer, "ids": [name for name in wanted if name in listed]}, dict(row.expect)


def _describe(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer with images, as a row expects it."""
    files = [base64.b64decode(one["b64_json"]) for one in answer["data"] if one.get("b64_json")]
    found = {**answer, "images": len(files), "links": len([one for one in answer["data"] if one.get("url")])}
    found |= {
        "format": answer["output_format"],
        "image_tokens": answer["usage"]["input_tokens_details"]["image_tokens"],
    }
    for content in files:
        with Image.open(io.BytesIO(content)) as image:
            found |= {"pixels": list(image.size), "format": (image.format or "").lower(), "bytes": len(content)}
            found["ratio"] = round(image.width / image.height, 1)
    return found


def _short(found: dict[str, Any]) -> str:
    return re.sub(r"[\w+/=]{100,}", "…", json.dumps(found))
