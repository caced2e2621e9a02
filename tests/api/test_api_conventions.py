"""Section 1 and 10: what every request and every answer has in common, and what is refused."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.helpers import CREATE, QUOTE, assert_unchanged, parse_error, parse_response, send_raw
from tests.support.gateway import Gateway

TEXTS = ("model", "prompt", "size", "resolution", "quality", "mask_url", "callback_url", "background", "output_format")
NUMBERS = ("n", "output_compression")
NOT_TEXT = ("true", "2", "2.0", "[]", "{}", '["a"]')
NOT_WHOLE = ("true", "false", '"2"', "2.0", "1e0", "[]", "{}", "NaN", "1" * 5_000)
NOT_LIST = ("true", '"https://a/b.png"', "2", "{}", "[1]", "[null]", "[[]]", "[true]")
SURROGATES = (r"\ud800", r"\udfff", r"a\ud83d", r"\ud83dx", r"\ude00\ud83d", r"\ud800\ud800")
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A body may take half a second here."""
    env = {"IMAGEGATE_BODY_TIMEOUT_S": "0.5", "IMAGEGATE_FAILED_LOGINS_PER_MINUTE": "1000"}
    with Gateway(tmp_path_factory.mktemp("conventions"), env=env) as served:
        yield served


def send(client: httpx.Client, path: str, body: str | bytes, **headers: str) -> httpx.Response:
    content = body.encode() if isinstance(body, str) else body
    return client.post(path, content=content, headers={**JSON, **headers})


def with_field(field: str, value: str) -> str:
    """A good body in JSON text, with one field as given."""
    fields = {"prompt": '"x"', field: value}
    return "{" + ",".join(f'"{name}":{text}' for name, text in fields.items()) + "}"


WRONG = [
    *[(field, value) for field in TEXTS for value in NOT_TEXT],
    *[(field, value) for field in NUMBERS for value in NOT_WHOLE],
    *[("image_urls", value) for value in NOT_LIST],
]


@pytest.mark.parametrize(("field", "value"), WRONG, ids=lambda text: str(text)[:20])
def test_s1_body_types_are_strict_and_name_the_field(client: httpx.Client, field: str, value: str) -> None:
    with assert_unchanged(client):
        for path in (CREATE, QUOTE):
            response = send(client, path, with_field(field, value))
            named = response.json()["error"].get("param")
            parse_error(response, 400, "invalid_request", named)
            if value != "NaN":
                assert str(named).partition("[")[0] == field


@pytest.mark.parametrize("position", [0, 2])
def test_s10_1_param_is_the_path_of_the_one_bad_entry(client: httpx.Client, position: int) -> None:
    urls: list[Any] = ["https://example.com/a.png"] * 4
    urls[position] = 5
    response = send(client, QUOTE, json.dumps({"prompt": "logo", "image_urls": urls}))
    parse_error(response, 400, "invalid_request", f"image_urls[{position}]")


@pytest.mark.parametrize("field", [*TEXTS, *NUMBERS, "image_urls"])
def test_s1_body_null_is_absent(client: httpx.Client, field: str) -> None:
    plain = parse_response(send(client, QUOTE, '{"prompt":"x"}'))
    if field == "prompt":
        parse_error(send(client, QUOTE, '{"prompt":null}'), 400, "invalid_request", "prompt")
    else:
        assert parse_response(send(client, QUOTE, with_field(field, "null"))) == plain


@pytest.mark.parametrize("field", TEXTS)
def test_s1_body_text_with_nul_is_refused(client: httpx.Client, field: str) -> None:
    with assert_unchanged(client):
        parse_error(send(client, CREATE, with_field(field, r'"a\u0000b"')), 400, "invalid_request", field)


def test_s1_body_text_of_an_address_with_nul_is_refused(client: httpx.Client) -> None:
    body = r'{"prompt":"x","image_urls":["https://example.com/a.png","https://example.com/\u0000"]}'
    response = send(client, CREATE, body)
    parse_error(response, 400, "invalid_request", response.json()["error"]["param"])
    assert response.json()["error"]["param"].startswith("image_urls")


@pytest.mark.parametrize("text", SURROGATES)
@pytest.mark.parametrize("field", ["prompt", "model", "size", "seed"])
def test_s1_body_text_with_lone_surrogates_is_refused(client: httpx.Client, field: str, text: str) -> None:
    with assert_unchanged(client):
        parse_error(send(client, CREATE, with_field(field, f'"{text}"')), 400, "invalid_request")


@pytest.mark.parametrize("bad", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"])
@pytest.mark.parametrize("field", [b"prompt", b"seed"])
def test_s1_body_type_bytes_that_are_not_utf8_are_refused(client: httpx.Client, field: bytes, bad: bytes) -> None:
    with assert_unchanged(client):
        response = send(client, CREATE, b'{"prompt":"x","' + field + b'":"a' + bad + b'"}')
        assert response.status_code in (400, 415)
        parse_error(response, response.status_code, response.json()["error"]["code"])


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "{",
        "[]",
        "null",
        '"x"',
        "1",
        "true",
        '{"prompt":"x"}{}',
        '{"prompt":"x",}',
        "{'prompt':'x'}",
        "﻿{}",
        "{}x",
        "[" * 100_000,
        '{"prompt":"x","y":' + "[" * 100_000,
        '{"a":' * 50_000,
    ],
    ids=lambda body: body[:18],
)
def test_s10_1_invalid_request_for_what_is_no_json_object(client: httpx.Client, body: str) -> None:
    with assert_unchanged(client):
        for path in (CREATE, QUOTE, "/v1/tasks/batch"):
            parse_error(send(client, path, body), 400, "invalid_request")


@pytest.mark.parametrize("letter", ["a", "é", "漢", "\U0001f600", "\U0010ffff"])
def test_c08_32000_code_points_pass_and_one_more_is_refused(client: httpx.Client, letter: str) -> None:
    for escaped in (False, True):
        max_bytes = json.dumps({"prompt": letter * 32_000}, ensure_ascii=escaped)
        over = json.dumps({"prompt": letter * 32_001}, ensure_ascii=escaped)
        assert parse_response(send(client, QUOTE, max_bytes))["lines"][0]["quantity"]["maximum"] == 128 + len(
            (letter * 32_000).encode()
        )
        parse_error(send(client, QUOTE, over), 400, "invalid_request", "prompt")
        with assert_unchanged(client):
            parse_error(send(client, CREATE, over), 400, "invalid_request", "prompt")


@pytest.mark.parametrize(
    "size",
    [
        "\uff11024x1024",
        "1024x1024\n",
        " 1024x1024",
        "1024X1024",
        "1024*1024",
        "1000x1000",
        "4096x1024",
        "512x512",
        "3840x1264",
        "3840x3840",
        "16:10",
        "1:1 ",
        "AUTO",
        "0x0",
        "-1024x1024",
        "1024x1024x2",
        "99999999999x1",
    ],
)
def test_s2_1_size_impossible_is_refused_never_scaled(client: httpx.Client, size: str) -> None:
    with assert_unchanged(client):
        for path in (CREATE, QUOTE):
            response = send(client, path, json.dumps({"prompt": "logo", "size": size}))
            parse_error(response, 400, "invalid_request", "size")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 0),
        ("n", 11),
        ("n", -1),
        ("n", 10**30),
        ("quality", "ultra"),
        ("resolution", "8K"),
        ("prompt", " \t\n"),
        ("background", "clear"),
        ("output_format", "gif"),
        ("image_urls", ["data:image/png;base64,AA"]),
    ],
)
def test_s10_1_invalid_request_names_the_field_of_a_value_outside_the_row(
    client: httpx.Client, field: str, value: Any
) -> None:
    with assert_unchanged(client):
        response = send(client, CREATE, json.dumps({"prompt": "logo", field: value}))
        parse_error(response, 400, "invalid_request", "image_urls[0]" if field == "image_urls" else field)


def test_s10_1_model_not_found_has_a_suggestion(client: httpx.Client) -> None:
    with assert_unchanged(client):
        for name in ("gpt-image-9", "", "GPT-IMAGE-2", "gpt-image-2 "):
            response = send(client, CREATE, json.dumps({"prompt": "logo", "model": name}))
            error = parse_error(response, 404, "model_not_found", "model")
            assert error["fallback_suggestion"] == "gpt-image-2"
            assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json5",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/vnd.api+json",
    ],
)
def test_s1_body_type_other_is_415(client: httpx.Client, kind: str) -> None:
    with assert_unchanged(client):
        parse_error(send(client, CREATE, '{"prompt":"x"}', **{"Content-Type": kind}), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind",
    ["application/json", "Application/JSON", 'application/json; charset="UTF-8"', "application/json;charset=utf-8"],
)
def test_s1_body_type_json_in_utf8_is_accepted_however_it_is_named(client: httpx.Client, kind: str) -> None:
    parse_response(send(client, QUOTE, '{"prompt":"é漢😀"}', **{"Content-Type": kind}))


def test_s1_body_type_absent_is_json(client: httpx.Client) -> None:
    request = client.build_request("POST", QUOTE, content=b'{"prompt":"x"}')
    assert "content-type" not in request.headers
    parse_response(client.send(request))


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "x-unknown"])
def test_s10_1_unsupported_media_type_for_compressed_bodies(client: httpx.Client, encoding: str) -> None:
    with assert_unchanged(client):
        response = send(client, CREATE, '{"prompt":"x"}', **{"Content-Encoding": encoding})
        parse_error(response, 415, "unsupported_media_type", "Content-Encoding")


def padded(size: int) -> bytes:
    body = b'{"prompt":"x"}'
    return body + b" " * (size - len(body))


def test_s10_1_request_too_large_above_one_mebibyte(client: httpx.Client) -> None:
    max_bytes = 1024 * 1024
    parse_response(send(client, QUOTE, padded(max_bytes)))
    with assert_unchanged(client):
        parse_error(send(client, CREATE, padded(max_bytes + 1)), 413, "request_too_large")
        chunked = client.post(CREATE, content=iter([padded(max_bytes), b" "]), headers=JSON)
        parse_error(chunked, 413, "request_too_large")
    parse_response(client.post(QUOTE, content=iter([padded(max_bytes - 1), b" "]), headers=JSON))


def head(client: httpx.Client, *more: str, method: str = "POST", path: str = CREATE) -> bytes:
    key = client.headers["authorization"]
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: {key}", "Connection: close", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_s10_1_request_too_large_at_once_where_it_is_announced(client: httpx.Client, gateway: Gateway) -> None:
    answer = send_raw(gateway.url, head(client, "Content-Length: 99999999999"))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"request_too_large"' in answer


def test_a_body_that_does_not_arrive_is_given_up(client: httpx.Client, gateway: Gateway) -> None:
    with assert_unchanged(client):
        answer = send_raw(gateway.url, head(client, "Content-Length: 100") + b'{"prompt":')
        assert answer.split(b" ", 2)[1] in (b"400", b"408")
        assert b'"request_id"' in answer


def test_c14_a_connection_that_breaks_in_the_body_leaves_nothing(client: httpx.Client, gateway: Gateway) -> None:
    place = urlsplit(gateway.url)
    with assert_unchanged(client):
        with socket.create_connection((str(place.hostname), place.port or 80)) as wire:
            wire.sendall(head(client, "Content-Length: 14") + b'{"prompt":"x"')
        parse_response(client.get("/v1/credits"))


@pytest.mark.parametrize("name", ["key", "api_key", "token", "access_token"])
def test_s1_auth_query_key_is_400(gateway: Gateway, name: str) -> None:
    for path in ("/v1/credits", "/v1/tasks"):
        bare = httpx.get(f"{gateway.url}{path}", params={name: gateway.key}, timeout=60)
        parse_error(bare, 400, "invalid_request", "Authorization")
        assert gateway.key not in bare.text
    with gateway.client() as client:
        parse_error(
            client.post(QUOTE, params={name: gateway.key}, json={"prompt": "logo"}),
            400,
            "invalid_request",
            "Authorization",
        )


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "169.254.169.254"])
def test_s1_origin_other_hosts_are_not_served(client: httpx.Client, host: str) -> None:
    with assert_unchanged(client):
        response = client.post(CREATE, json={"prompt": "logo"}, headers={"Host": host})
        parse_error(response, 400, "invalid_request", "Host")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:99", "[::1]:8000", "[::1]"])
def test_s1_origin_own_names_are_served_with_any_port(client: httpx.Client, host: str) -> None:
    parse_response(client.get("/v1/credits", headers={"Host": host}))


ENDPOINTS = {
    CREATE: {"POST"},
    QUOTE: {"POST"},
    "/v1/tasks/batch": {"POST"},
    "/v1/tasks": {"GET"},
    "/v1/credits": {"GET"},
    "/v1/tasks/task-unified-1-aaaaaaaa": {"GET", "PATCH", "DELETE"},
    "/healthz": {"GET"},
    "/files/results/task-unified-1-aaaaaaaa/0.png": {"GET", "HEAD"},
}


@pytest.mark.parametrize("path", ENDPOINTS)
def test_s10_1_method_not_allowed_is_json(client: httpx.Client, path: str) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - ENDPOINTS[path]:
        parse_error(client.request(method, path), 405, "method_not_allowed")
    if "GET" not in ENDPOINTS[path]:
        response = client.head(path)
        assert response.status_code == 405
        assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "path", ["/nowhere", "/v1/nothing", "/v1/models/nothing", "/files/results/x", "/static/x/y.js"]
)
def test_head_of_what_is_not_there_is_404(client: httpx.Client, path: str) -> None:
    """Addresses that exist are in test_api_head.py."""
    head = client.head(path)
    assert (head.status_code, head.content) == (404, b"")


def test_head_of_a_stream_or_a_wait_answers_its_head_at_once(tmp_path: Path) -> None:
    """No worker: a GET of either would be answered after 30 s, or never."""
    with Gateway(tmp_path, "--no-workers") as gateway, gateway.client() as client:
        task = parse_response(client.post(CREATE, json={"prompt": "logo"}))["id"]
        client.timeout = httpx.Timeout(20)
        events = client.head(f"/v1/tasks/{task}/events")
        assert (events.status_code, events.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        waited = client.head(f"/v1/tasks/{task}?wait=30")
        assert waited.status_code == 200
        assert client.get("/healthz").status_code == 200, "the connection is usable afterwards"


@pytest.mark.parametrize("path", ["/v1/credits", CREATE])
def test_s10_1_method_not_allowed_says_what_is_allowed(client: httpx.Client, path: str) -> None:
    response = client.put(path)
    assert ENDPOINTS[path] <= {method.strip() for method in response.headers.get("allow", "").split(",")}


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v2/credits",
        "/v1/images",
        "/v1/tasks/a/b/c",
        "/v1/%00",
        "/v1/%ff",
        "/files/results/x",
        "/v1/credits/more",
        "/%2e%2e/etc/passwd",
    ],
)
def test_s10_1_not_found_is_json(client: httpx.Client, path: str) -> None:
    parse_error(client.get(path), 404, "not_found")
    parse_error(client.post(path, json={}), 404, "not_found")


def test_s1_json_errors_need_no_key(gateway: Gateway) -> None:
    parse_error(httpx.get(f"{gateway.url}/v1/nothing", timeout=60), 404, "not_found")
    error = parse_error(httpx.get(f"{gateway.url}/v1/credits", timeout=60), 401, "unauthorized")
    assert (error["message"], error["type"]) == ("Authentication required", "authentication_error")


def test_c06_unknown_fields_and_headers_change_nothing(client: httpx.Client) -> None:
    plain = parse_response(send(client, QUOTE, '{"prompt":"x","size":"1:1"}'))
    more = '"seed":7,"nsfw_check":false,"model_params":{"speed":"fast"},"n_":[],"Prompt":1,"user":null'
    headers = {"X-EvoLink-Trace": "1", "X-Evo-Anything": "a,b", "X-Unknown": "1"}
    assert parse_response(send(client, QUOTE, '{"prompt":"x","size":"1:1",' + more + "}", **headers)) == plain


def test_s1_request_id_is_new_in_every_answer(client: httpx.Client) -> None:
    seen = {client.get(path).headers["x-request-id"] for path in ("/healthz", "/v1/credits", "/nothing") * 5}
    assert len(seen) == 15


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_s1_auth_scheme_is_case_insensitive(gateway: Gateway, scheme: str) -> None:
    parse_response(
        httpx.get(f"{gateway.url}/v1/credits", headers={"Authorization": f"{scheme} {gateway.key}"}, timeout=60)
    )


def test_s13_readyz_answers_without_key_and_for_any_host(gateway: Gateway) -> None:
    for headers in ({}, {"Host": "lb.internal"}):
        ready = parse_response(httpx.get(f"{gateway.url}/readyz", headers=headers, timeout=60))
        assert ready["status"] == "ok"
        assert ready["checks"]["database"] == ready["checks"]["storage"] == "ok"
        assert ready["checks"].get("workers") == "ok"


def test_c20_polling_is_never_limited(client: httpx.Client) -> None:
    for _ in range(200):
        parse_error(client.get("/v1/tasks/task-unified-1-aaaaaaaa"), 404, "task_not_found")


@pytest.mark.parametrize("value", ["", "a b", "é", "a" * 256, "tab\there"])
def test_s2_2_key_form_other_keys_are_refused(client: httpx.Client, value: str) -> None:
    with assert_unchanged(client):
        headers = [("Idempotency-Key", value.encode("latin-1")), ("Content-Type", b"application/json")]
        raw = [(name.encode(), text) for name, text in headers]
        response = client.post(CREATE, content=b'{"prompt":"x"}', headers=raw)
        parse_error(response, 400, "invalid_request", "Idempotency-Key")


def test_options_answers_with_the_methods_of_a_path_and_needs_no_key(gateway: Gateway) -> None:
    for path in ("/v1/tasks", "/v1/credits", "/api/v1/files/quota"):
        answer = httpx.request("OPTIONS", gateway.url + path, timeout=60)
        assert answer.status_code == 204, answer.text
        assert set(answer.headers["allow"].split(", ")) == {"GET", "OPTIONS"}
