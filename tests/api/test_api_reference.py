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

PLAIN = {"Accept-Encoding": "identity"}


@pytest.fixture(scope="module")
def pages(gateway: Gateway) -> dict[str, httpx.Response]:
    """The overview under the empty name, the section of each tag, and the types."""
    document = parse_response(httpx.get(f"{gateway.url}/openapi.json", timeout=60))
    names = ["", *(tag["name"] for tag in document["tags"]), "types"]
    addresses = {name: f"{gateway.url}/reference" + (f"/{name}" if name else "") for name in names}
    return {name: httpx.get(address, headers=PLAIN, timeout=60) for name, address in addresses.items()}


@pytest.fixture(scope="module")
def operations(gateway: Gateway) -> dict[str, Any]:
    """By id."""
    document = parse_response(httpx.get(f"{gateway.url}/openapi.json", timeout=60))
    return {one["operationId"]: one for methods in document["paths"].values() for one in methods.values()}


def article(pages: dict[str, httpx.Response], section: str, name: str) -> str:
    found = re.search(rf'<article class="endpoint" id="{name}">(.*?)</article>', pages[section].text, re.DOTALL)
    assert found, name
    return found[1]


def curl_of(pages: dict[str, httpx.Response], section: str, name: str) -> str:
    lines = re.findall(
        r"<pre[^>]*><code[^>]*>((?:printf|curl) .*?)</code></pre>", article(pages, section, name), re.DOTALL
    )
    assert len(lines) == 1, name
    return html.unescape(lines[0])


def test_every_operation_and_webhook_stands_on_the_page_of_its_tag(
    pages: dict[str, httpx.Response], operations: dict[str, Any]
) -> None:
    for name, one in operations.items():
        text = html.unescape(re.sub(r"</?code>", "", article(pages, one["tags"][0], name)))
        assert one["summary"].replace("`", "") in text, name
        assert all(f">{status}</b>" in text for status in one["responses"]), name
        assert all(parameter["name"] in text for parameter in one.get("parameters", [])), name
        assert f'href="/reference/{one["tags"][0]}#{name}"' in pages[""].text, name
    assert "webhook-signature" in article(pages, "webhooks", "task_ended")
    for field in ("prompt", "size", "image_urls", "output_compression"):
        assert f"<code>{field}</code>" in article(pages, "images", "create_image")


def test_the_pages_have_the_frame_and_the_policy_of_the_site(
    pages: dict[str, httpx.Response], gateway: Gateway
) -> None:
    home = httpx.get(gateway.url, headers=PLAIN, timeout=60)
    for name, page in pages.items():
        assert page.status_code == 200, name
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["content-security-policy"] == home.headers["content-security-policy"]
        assert not re.search(r"\son[a-z]+=|\sstyle=|javascript:|<style", page.text)
        assert 'href="/"' in page.text
    korean = httpx.get(f"{gateway.url}/reference/tasks?lang=ko", headers=PLAIN, timeout=60)
    assert '<html lang="ko"' in korean.text


def test_people_read_words_instead_of_patterns(pages: dict[str, httpx.Response]) -> None:
    for name, page in pages.items():
        assert not re.search(r"\^\(|\[0-9\]|\{1,", page.text), name


def test_every_link_on_the_pages_leads_somewhere(pages: dict[str, httpx.Response]) -> None:
    ids = {name: set(re.findall(r'id="([^"]+)"', page.text)) for name, page in pages.items()}
    for name, page in pages.items():
        for section, target in re.findall(r'href="(?:/reference/?([a-z]*))?(?:#([^"]+))?"', page.text):
            assert section in pages, (name, section)
            assert not target or target in ids[section or name], (name, section, target)


def test_an_unknown_section_is_not_found(gateway: Gateway) -> None:
    assert httpx.get(f"{gateway.url}/reference/nothing", timeout=60).status_code == 404
    assert "<html" in httpx.get(f"{gateway.url}/reference/nothing", headers={"Accept": "text/html"}, timeout=60).text


def test_a_page_that_is_known_is_not_sent_again(gateway: Gateway, pages: dict[str, httpx.Response]) -> None:
    page = pages["tasks"]
    with gateway.client() as client:
        known = client.get("/reference/tasks", headers={"If-None-Match": page.headers["etag"]})
        zipped = client.get("/reference/tasks", headers={"Accept-Encoding": "gzip"})
        refused = client.get("/reference/tasks", headers={"Accept-Encoding": "gzip;q=0"})
    assert (known.status_code, known.content) == (304, b"")
    assert zipped.headers["content-encoding"] == "gzip"
    assert int(zipped.headers["content-length"]) < len(page.content) / 5
    assert zipped.text == page.text
    assert "content-encoding" not in refused.headers


@pytest.mark.timeout(240)
def test_every_example_runs_as_it_stands(
    gateway: Gateway, pages: dict[str, httpx.Response], operations: dict[str, Any], tmp_path: Path
) -> None:
    key = gateway.new_key("reader", "1000000", "--scope", "admin")
    env = {**os.environ, "IMAGEGATE_KEY": key, **things_of(gateway, key)}

    def run(name: str) -> str:
        # Longer than the `Prefer: wait=60` of an example: it is the server that ends the wait.
        line = curl_of(pages, operations[name]["tags"][0], name) + " -w '\\n%{http_code}' --max-time 110"
        done = subprocess.run(line, shell=True, capture_output=True, text=True, env=env, cwd=tmp_path)
        assert done.returncode == 0, (name, done.stderr)
        return done.stdout.rpartition("\n")[2]

    kept = [name for name in operations if name != "delete_task"]
    with ThreadPoolExecutor(4) as several:
        statuses = dict(zip(kept, several.map(run, kept), strict=True))
    statuses["delete_task"] = run("delete_task")  # the others need the task
    assert {name: status for name, status in statuses.items() if status not in operations[name]["responses"]} == {}
    # a task has ended, a key is gone after its end, and there is no delivery
    elsewhere = {name for name in operations if _names(operations[name])}
    assert {name for name, status in statuses.items() if status >= "300"} <= elsewhere | {
        "upload_url",
        "create_grant",
        "create_refund",
        "reset_route",
    }
    for name in (
        "create_image",
        "upload_stream",
        "upload_base64",
        "get_task",
        "get_events",
        "update_task",
        "delete_task",
        "get_task_cost",
    ):
        assert statuses[name] == "200", name


def things_of(gateway: Gateway, key: str) -> dict[str, str]:
    """What the examples name, of the reader's own account."""
    with gateway.client(key) as client:
        task = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
        other = parse_response(client.post("/v1/keys", json={"name": "other"}))
        file = parse_response(client.post("/api/v1/files/upload/base64", json={"base64_data": PIXEL_PNG_BASE64}))
    return {
        "TASK_ID": task["id"],
        "KEY_ID": other["id"],
        "FILE_ID": file["data"]["file_id"],
        "DELIVERY_ID": "evt_none",
        "ACCOUNT_ID": "acc_none",
    }


def _names(one: dict[str, Any]) -> bool:
    return any(parameter["in"] == "path" for parameter in one.get("parameters", []))
