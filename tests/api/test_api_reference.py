"""The reference page: all of the document, for people, and its examples run."""

from __future__ import annotations

import html
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from imagegate.api_docs.curl import PIXEL_PNG_BASE64
from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_response
from tests.support.gateway import Gateway

METHODS = ("get", "head", "post", "patch", "delete")


@pytest.fixture(scope="module")
def page(gateway: Gateway) -> httpx.Response:
    return httpx.get(f"{gateway.url}/reference", headers={"Accept-Encoding": "identity"})


@pytest.fixture(scope="module")
def operations(gateway: Gateway) -> dict[str, Any]:
    """By id."""
    document = parse_response(httpx.get(f"{gateway.url}/openapi.json"))
    return {one["operationId"]: one for methods in document["paths"].values() for one in methods.values()}


def article(page: httpx.Response, name: str) -> str:
    found = re.search(rf'<article id="{name}">(.*?)</article>', page.text, re.DOTALL)
    assert found, name
    return found[1]


def curl_of(page: httpx.Response, name: str) -> str:
    lines = re.findall(r"<pre><code>((?:printf|curl) .*?)</code></pre>", article(page, name), re.DOTALL)
    assert len(lines) == 1, name
    return html.unescape(lines[0])


def test_every_operation_and_webhook_stands_on_the_page(page: httpx.Response, operations: dict[str, Any]) -> None:
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for name, one in operations.items():
        told = html.unescape(re.sub(r"</?code>", "", article(page, name)))
        assert one["summary"].replace("`", "") in told, name
        assert all(status in told for status in one["responses"]), name
        assert all(parameter["name"] in told for parameter in one.get("parameters", [])), name
    assert "webhook-signature" in article(page, "task_ended")
    for field in ("prompt", "size", "image_urls", "output_compression"):
        assert f"<code>{field}</code>" in article(page, "create_image")


def test_nothing_on_the_page_can_run(page: httpx.Response) -> None:
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "<script" not in page.text
    assert not re.search(r"\son[a-z]+=|\sstyle=|javascript:", page.text)
    assert set(re.findall(r'href="([^"#]+)"', page.text)) == {"/openapi.json"}


def test_every_reference_on_the_page_leads_somewhere(page: httpx.Response) -> None:
    assert set(re.findall(r'href="#([^"]+)"', page.text)) <= set(re.findall(r'id="([^"]+)"', page.text))


def test_a_page_that_is_known_is_not_sent_again(gateway: Gateway, page: httpx.Response) -> None:
    with gateway.client() as client:
        known = client.get("/reference", headers={"If-None-Match": page.headers["etag"]})
        zipped = client.get("/reference", headers={"Accept-Encoding": "gzip"})
        refused = client.get("/reference", headers={"Accept-Encoding": "gzip;q=0"})
    assert (known.status_code, known.content) == (304, b"")
    assert zipped.headers["content-encoding"] == "gzip"
    assert int(zipped.headers["content-length"]) < len(page.content) / 5
    assert zipped.text == page.text
    assert "content-encoding" not in refused.headers


def test_every_example_runs_as_it_stands(
    gateway: Gateway, page: httpx.Response, operations: dict[str, Any], tmp_path: Path
) -> None:
    key = gateway.new_key("reader", "1000000", "--scope", "admin")
    env = {**os.environ, "IMAGEGATE_KEY": key, **things_of(gateway, key)}

    def run(name: str) -> str:
        line = curl_of(page, name) + " -w '\\n%{http_code}' --max-time 60"
        done = subprocess.run(line, shell=True, capture_output=True, text=True, env=env, cwd=tmp_path)
        assert done.returncode == 0, (name, done.stderr)
        return done.stdout.rpartition("\n")[2]

    with ThreadPoolExecutor(4) as several:
        statuses = dict(zip(operations, several.map(run, operations), strict=True))
    assert {name: status for name, status in statuses.items() if status not in operations[name]["responses"]} == {}
    # a task has ended, a key is gone after its end, and there is no delivery
    elsewhere = {name for name in operations if _names(operations[name])}
    assert {name for name, status in statuses.items() if status >= "300"} <= elsewhere | {
        "upload_url",
        "create_grant",
        "create_refund",
        "reset_route",
    }
    for name in ("create_image", "upload_stream", "upload_base64", "get_task", "get_events", "get_task_cost"):
        assert statuses[name] == "200", name


def things_of(gateway: Gateway, key: str) -> dict[str, str]:
    """What the examples name, of the reader's own account."""
    with gateway.client(key) as client:
        task = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
        other = parse_response(client.post("/v1/keys", json={"name": "other"}))
        file = parse_response(client.post("/api/v1/files/upload/base64", json={"base64_data": PIXEL_PNG_BASE64}))
    return {"TASK_ID": task["id"], "KEY_ID": other["id"], "FILE_ID": file["data"]["file_id"], "DELIVERY_ID": "evt_none"}


def _names(one: dict[str, Any]) -> bool:
    return any(parameter["in"] == "path" for parameter in one.get("parameters", []))
