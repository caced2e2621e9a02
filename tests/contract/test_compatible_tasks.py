"""C03 to C11: what a client of the compatible API sends, byte for byte, and what it reads back."""

from __future__ import annotations

import json
import secrets
from typing import Any

import httpx
import pytest

from tests.api.helpers import CREATE, QUOTE, SMALL_IMAGE, parse_response, send_raw

FOREIGN = "X-EvoLink-Trace: 1\r\nX-Evo-Anything: a,b\r\n"
FAILURES = [
    ("POST", CREATE, b"{"),
    ("POST", CREATE, b'{"prompt":""}'),
    ("POST", CREATE, b'{"prompt":"x","model":"none"}'),
    ("GET", "/v1/tasks/x", b""),
    ("GET", "/v1/tasks/task-unified-1-aaaaaaaa", b""),
    ("GET", "/v1/nothing", b""),
    ("PUT", CREATE, b""),
    ("GET", "/files/results/t/0.png", b""),
    ("POST", "/v1/tasks/batch", b"{}"),
]


def post_raw(client: httpx.Client, body: str, more: str = "", path: str = CREATE) -> tuple[bytes, bytes]:
    """Status line and body of a create, byte for byte."""
    sent = body.encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {client.headers['authorization']}\r\n{more}"
        f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\nConnection: close\r\n\r\n"
    )
    head_back, _, text = send_raw(str(client.base_url), head.encode() + sent, 60).partition(b"\r\n\r\n")
    return head_back.partition(b"\r\n")[0], text


def create_task(client: httpx.Client, **fields: Any) -> Any:
    return parse_response(client.post(CREATE, json={**SMALL_IMAGE, **fields}))


def test_c03_a_cancelled_task_is_a_failed_one(waiting: httpx.Client) -> None:
    task = create_task(waiting)
    assert task["status"] == "pending"
    ended = parse_response(waiting.post(f"/v1/tasks/{task['id']}/cancel"))
    for seen in (ended, parse_response(waiting.get(f"/v1/tasks/{task['id']}"))):
        assert (seen["status"], seen["error"]["code"]) == ("failed", "request_cancelled")
    row = parse_response(waiting.get("/v1/tasks?status=cancelled"))["data"][0]
    assert (row["id"], row["status"]) == (task["id"], "failed")


def test_c06_foreign_fields_and_headers_change_nothing(waiting: httpx.Client) -> None:
    plain = '{"prompt":"a fox","size":"1:1"'
    foreign = plain + ',"seed":7,"nsfw_check":false,"model_params":{"speed":"fast"},"web_search":[1,{"id":null}]'
    once = f"Idempotency-Key: {secrets.token_hex(8)}\r\n"
    first = post_raw(waiting, plain + "}", once)
    assert post_raw(waiting, foreign + "}", once + FOREIGN) == first
    quotes = [post_raw(waiting, body + "}", FOREIGN, QUOTE) for body in (plain, foreign)]
    assert quotes[0] == quotes[1] == post_raw(waiting, plain + "}", path=QUOTE)


def test_c07_resolution_and_size_in_every_spelling(waiting: httpx.Client) -> None:
    def quoted(**fields: Any) -> Any:
        return parse_response(waiting.post(QUOTE, json={"prompt": "logo", **fields}))

    for size in ("auto", "1024x1024"):
        assert quoted(size=size) == quoted(size=size, resolution="2K") == quoted(size=size, resolution="4k")
        assert create_task(waiting, size=size, resolution="4k")["status"] == "pending"
    assert quoted(size="3:2", resolution="2k") == quoted(size="3:2", resolution="2K")
    assert quoted(size="1024×1024") == quoted(size="1024x1024")


def test_c08_32000_astral_code_points_pass_and_one_more_does_not(waiting: httpx.Client) -> None:
    for letter in ("😀", r"\uD83D\uDE00", r"\ud83d\ude00", "a"):
        line, text = post_raw(waiting, f'{{"prompt":"{letter * 32_000}"}}')
        assert line.startswith(b"HTTP/1.1 200 "), text
        line, text = post_raw(waiting, f'{{"prompt":"{letter * 32_001}"}}')
        assert line.startswith(b"HTTP/1.1 400 ")
        assert json.loads(text)["error"]["param"] == "prompt"


def test_c09_a_mask_without_references_is_nothing(waiting: httpx.Client) -> None:
    once = {"Idempotency-Key": secrets.token_hex(8)}
    first = parse_response(waiting.post(CREATE, json=SMALL_IMAGE, headers=once))
    without: list[dict[str, Any]] = [{}, {"image_urls": []}, {"image_urls": None}]
    for more in without:
        body = {**SMALL_IMAGE, "mask_url": "https://example.com/mask.png", **more}
        assert parse_response(waiting.post(CREATE, json=body, headers=once))["id"] == first["id"]


@pytest.mark.parametrize(("method", "path", "body"), FAILURES)
def test_c11_every_error_says_what_and_why(waiting: httpx.Client, method: str, path: str, body: bytes) -> None:
    for headers in ({}, {"Authorization": ""}, {"Content-Type": "text/plain"}):
        answer = waiting.request(method, path, content=body, headers={"Content-Type": "application/json", **headers})
        assert 400 <= answer.status_code < 500
        error = parse_response(answer, answer.status_code)["error"]
        assert {type(error[name]) for name in ("code", "message", "type")} == {str}
        assert all(error[name].strip() for name in ("code", "message", "type"))
