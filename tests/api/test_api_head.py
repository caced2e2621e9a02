"""HEAD is GET without the body, at every address of the API and of the page that has a GET."""

from __future__ import annotations

import base64
import re
from urllib.parse import urlsplit

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from imagegate.api.router import HANDLERS as API_HANDLERS
from imagegate.web.router import HANDLERS as PAGE_HANDLERS
from tests.api.helpers import CREATE, parse_response
from tests.images.corpus import encoded_image
from tests.support.gateway import Gateway

Urls = dict[str, str]
# What two responses to the same request do not share.
VARYING = {"x-request-id", "date"}
# Their numbers count seconds down.
COUNTING = {"cache-control", "ratelimit", "retry-after"}
# A wait, a count or a time stands in the body.
VARYING_BODIES = ("/metrics", "/status", "/v1/status", "/healthz", "/readyz")
STREAMS = ("/v1/tasks/{task_id:str}/events",)


def paths_of(handlers: list[HTTPRouteHandler]) -> list[str]:
    return [path for one in handlers if "GET" in one.http_methods for path in sorted(one.paths)]


PATHS = [*paths_of(API_HANDLERS), *paths_of(PAGE_HANDLERS)]


@pytest.fixture(scope="module")
def urls(client: httpx.Client, admin: httpx.Client, gateway: Gateway) -> Urls:
    """A real URL for each path with a parameter."""
    created = parse_response(
        client.post(CREATE, json={"prompt": "logo", "quality": "low"}, headers={"Prefer": "wait=30"})
    )
    image = {"base64_data": base64.b64encode(encoded_image("PNG")).decode(), "file_name": "a.png"}
    uploaded = parse_response(client.post("/api/v1/files/upload/base64", json=image))["data"]
    account = parse_response(admin.get("/v1/admin/accounts?limit=1"))["data"][0]
    found = re.search(r'(?:src|href)="(/static/[^"]+)"', httpx.get(gateway.url, timeout=60).text)
    assert found
    return {
        "/v1/tasks/{task_id:str}": f"/v1/tasks/{created['id']}",
        "/v1/tasks/{task_id:str}/events": f"/v1/tasks/{created['id']}/events",
        "/v1/admin/tasks/{task_id:str}": f"/v1/admin/tasks/{created['id']}",
        "/v1/admin/accounts/{account_id:str}": f"/v1/admin/accounts/{account['id']}",
        "/v1/models/{name:str}": "/v1/models/gpt-image-2",
        "/models/{model:str}": "/models/gpt-image-2",
        "/files/results/{task_id:str}/{name:str}": _target(created["results"][0]),
        # Made for upstreams alone: without a signature it is refused, by both.
        "/files/inputs/{name:str}": "/files/inputs/x.png",
        "/files/uploads/{secret:str}/{name:str}": _target(uploaded["file_url"]),
        "/api/v1/files/download/{file_id:str}": f"/api/v1/files/download/{uploaded['file_id']}",
        "/reference/{section:str}": "/reference/tasks",
        "/static/{version:str}/{file:path}": found[1],
        # Pictures of the operator's own: here there are none.
        "/web/examples/{file:str}": "/web/examples/none.webp",
    }


def _comparable(answer: httpx.Response, varying: set[str]) -> dict[str, str]:
    return {
        name: re.sub(r"[0-9]+", "n", value) if name in COUNTING else value
        for name, value in answer.headers.items()
        if name not in varying
    }


def _target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("who", ["customer", "operator", "nobody"])
def test_head_of_every_address_is_its_get_without_a_body(
    who: str, path: str, urls: Urls, gateway: Gateway, client: httpx.Client, admin: httpx.Client
) -> None:
    keys = {"customer": client, "operator": admin}
    headers = {"Authorization": keys[who].headers["authorization"]} if who in keys else {}
    url = urls.get(path, path)
    assert "{" not in url, "give this path a real URL"
    with httpx.Client(base_url=gateway.url, headers={"Accept": "text/html, */*", **headers}, timeout=30) as asking:
        got, head = asking.get(url), asking.head(url)
    assert (head.status_code, head.content) == (got.status_code, b"")
    if who == "customer" and "/admin/" not in path and not url.endswith(("x.png", "none.webp")) and not got.is_redirect:
        assert got.status_code == 200, got.text
    # A stream of unknown length is known by its body alone.
    varying = VARYING | ({"transfer-encoding"} if path in STREAMS else set())
    if got.status_code >= 400 or path in VARYING_BODIES:
        varying |= {"content-length", "etag"}  # the request id stands in the body, or a time
    assert _comparable(head, varying) == _comparable(got, varying)
    assert path in STREAMS or got.is_redirect or int(head.headers["content-length"]) > 0
