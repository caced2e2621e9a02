"""Sections 1, 2 and 5.3 on tasks that wait: who is let in, what is read, what is answered at once."""

from __future__ import annotations

import json
import re
import secrets
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.helpers import (
    CREATE,
    QUOTE,
    SMALL_IMAGE,
    account_state,
    assert_unchanged,
    parse_error,
    parse_response,
    send_raw,
)
from tests.support.gateway import Gateway
from tests.support.image_files import PNG, b64

KEYED = [
    ("POST", CREATE),
    ("GET", "/v1/tasks/task-unified-1-aaaaaaaa"),
    ("GET", "/v1/tasks"),
    ("PATCH", "/v1/tasks/task-unified-1-aaaaaaaa"),
    ("POST", "/v1/tasks/batch"),
    ("POST", "/v1/tasks/task-unified-1-aaaaaaaa/cancel"),
    ("GET", "/v1/tasks/task-unified-1-aaaaaaaa/events"),
    ("GET", "/v1/credits"),
    ("GET", "/v1/ledger"),
    ("POST", "/api/v1/files/upload/base64"),
    ("POST", "/api/v1/files/upload/stream"),
    ("POST", "/api/v1/files/upload/url"),
    ("GET", "/api/v1/files/list"),
    ("GET", "/api/v1/files"),
    ("GET", "/api/v1/files/quota"),
    ("DELETE", "/api/v1/files/file_x"),
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    ("PATCH", "/v1/keys/key_x"),
    ("DELETE", "/v1/keys/key_x"),
    ("GET", "/v1/usage"),
    ("GET", "/v1/webhooks/deliveries"),
    ("POST", "/v1/webhooks/deliveries/evt_x/replay"),
    ("POST", "/v1/webhooks/test"),
    ("GET", "/v1/webhooks/secret"),
    ("POST", "/v1/webhooks/secret/rotate"),
]
OPEN = [
    ("/v1/pricing", 200),
    ("/v1/models", 200),
    ("/v1/models/gpt-image-2", 200),
    ("/api/v1/files/download/file_x", 404),
    ("/files/uploads/x/a.png", 404),
    ("/files/results/t/0.png", 403),
    ("/healthz", 200),
    ("/readyz", 200),
    ("/metrics", 200),
    ("/openapi.json", 200),
]


def create_task(client: httpx.Client, **fields: Any) -> Any:
    return parse_response(client.post(CREATE, json={**SMALL_IMAGE, **fields}))


def create_quote(client: httpx.Client, **fields: Any) -> Any:
    return parse_response(client.post(QUOTE, json={"prompt": "logo", **fields}))


@pytest.mark.parametrize(("method", "path"), KEYED)
def test_s1_1_key_is_asked_for(idle: Gateway, waiting: httpx.Client, method: str, path: str) -> None:
    bare = httpx.request(method, idle.url + path, timeout=60)
    assert (bare.status_code, bare.headers["www-authenticate"]) == (401, "Bearer")
    with_key = waiting.request(method, path, json={} if method == "POST" else None)
    assert with_key.status_code not in (401, 405)


def test_s9_models_need_no_key_but_a_good_one_where_it_is_sent(idle: Gateway, waiting: httpx.Client) -> None:
    for path in ("/v1/models", "/v1/models/gpt-image-2"):
        assert parse_response(httpx.get(idle.url + path, timeout=60)) == parse_response(waiting.get(path))
        wrong = {"Authorization": "Bearer wrong"}
        parse_error(httpx.get(idle.url + path, headers=wrong, timeout=60), 401, "unauthorized")


def test_s4_no_key_but_public_prices(idle: Gateway, waiting: httpx.Client) -> None:
    body = {"prompt": "logo", "size": "1:1"}
    quoted = parse_response(waiting.post(QUOTE, json=body))
    assert quoted.pop("affordable") is True
    assert parse_response(httpx.post(idle.url + QUOTE, json=body, timeout=60)) == quoted
    address = "http://10.0.0.1/a.png"  # whether egress_allow has it is nobody's business
    for field in ({"image_urls": [address]}, {"mask_url": address}, {"callback_url": address}):
        parse_error(httpx.post(idle.url + QUOTE, json={**body, **field}, timeout=60), 401, "unauthorized")


@pytest.mark.parametrize(("path", "status"), OPEN)
def test_s1_1_open_endpoints_ask_for_no_key(idle: Gateway, path: str, status: int) -> None:
    assert httpx.get(idle.url + path, timeout=60).status_code == status
    if path.startswith("/files/"):
        assert httpx.head(idle.url + path, timeout=60).status_code == status


def test_s1_auth_every_path_knows_the_same_key(idle: Gateway, waiting: httpx.Client) -> None:
    fresh = parse_response(waiting.post("/v1/keys", json={"name": "second"}))["key"]
    with idle.client(fresh) as second:
        for path in ("/v1/credits", "/v1/tasks", "/api/v1/files/list", "/v1/models"):
            assert second.get(path).status_code == 200


def test_s1_body_unknown_fields_are_ignored(waiting: httpx.Client) -> None:
    fields = {"seed": 7, "nsfw_check": False, "model_params": {"speed": "fast"}, "N": 3, "prompts": [None]}
    assert create_quote(waiting, **fields) == create_quote(waiting)


def test_s1_unknown_headers_are_ignored(waiting: httpx.Client) -> None:
    names = ("X-EvoLink-Client", "X-Evo-Async", "X-Whatever", "OpenAI-Organization")
    with_more = waiting.post(QUOTE, json={"prompt": "logo"}, headers=dict.fromkeys(names, "1, \tb"))
    assert parse_response(with_more) == create_quote(waiting)


def test_s1_json_compact_and_raw(waiting: httpx.Client) -> None:
    prompt = 'é 漢 😀 a/b & <c> "d"'
    task = create_task(waiting, prompt=prompt)
    answer = waiting.get(f"/v1/tasks/{task['id']}?include=request")
    assert '"prompt":"é 漢 😀 a/b & <c> \\"d\\"",'.encode() in answer.content
    assert json.dumps(answer.json(), ensure_ascii=False, separators=(",", ":")) == answer.text


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GARBAGE\r\n\r\n",
        b"GET /v1/tasks/\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /v1/tasks/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ],
    ids=["no request", "raw bytes", "length", "address"],
)
def test_s1_json_errors_for_what_is_no_http_too(idle: Gateway, request_bytes: bytes) -> None:
    head, _, body = send_raw(idle.url, request_bytes, 5).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    error = json.loads(body)["error"]
    assert (error["code"], error["type"]) == ("invalid_request", "invalid_request_error")
    assert f"x-request-id: {error['request_id']}".encode() in head
    assert b"content-type: application/json" in head


def test_s1_time_is_in_seconds_and_rfc_3339_for_files(waiting: httpx.Client) -> None:
    now = time.time()
    stamps = [create_task(waiting)["created"], parse_response(waiting.get("/v1/ledger?limit=1"))["data"][0]["created"]]
    assert all(type(stamp) is int and abs(stamp - now) < 60 for stamp in stamps)
    sent = waiting.post("/api/v1/files/upload/base64", json={"base64": b64(PNG)})
    told = parse_response(sent)["data"]["upload_time"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", told)
    assert abs(datetime.fromisoformat(told).timestamp() - now) < 60


def test_s1_ledger_unit_is_the_nano_and_the_rate_a_setting(tmp_path: Path) -> None:
    with Gateway(tmp_path, env={"IMAGEGATE_CREDITS_PER_USD": "100"}) as gateway, gateway.client() as client:
        amount = create_quote(client, model="gpt-4o-image")["maximum"]
        assert amount == {"credits": "1.5", "usd": "0.015", "nanos": "15000000"}
        assert parse_response(client.get("/v1/pricing"))["credits_per_usd"] == 100


def test_s1_units_mb_and_mp(waiting: httpx.Client) -> None:
    rules = parse_response(waiting.get("/v1/models/gpt-image-2"))["parameters"]
    assert rules["image_urls"]["max_bytes"] == 50 * 1_048_576
    tiers = {"1616x1040": "1.02", "1312x1296": "1.734", "2096x2096": "1.734", "2112x2096": "2.652"}
    for size, cost in tiers.items():  # 1.7 and 4.4 MP lie between them
        assert create_quote(waiting, model="gpt-image-2-beta", size=size)["maximum"]["credits"] == cost


def test_s1_versions_are_in_every_path(waiting: httpx.Client) -> None:
    paths = set(parse_response(waiting.get("/openapi.json"))["paths"])
    unversioned = {path for path in paths if not path.startswith(("/v1/", "/api/v1/", "/openai/v1/", "/files/"))}
    assert unversioned == {"/healthz", "/readyz", "/metrics", "/openapi.json", "/reference", "/reference/{section}"}


def test_s1_speed_create_and_poll_wait_for_nobody(waiting: httpx.Client) -> None:
    nowhere = [f"https://nowhere{number}.invalid/a.png" for number in range(16)]
    task = create_task(waiting, image_urls=nowhere, callback_url="https://nowhere.invalid/done")
    assert parse_response(waiting.get(f"/v1/tasks/{task['id']}")) == task


def test_s2_1_quality_has_three_values(waiting: httpx.Client) -> None:
    tokens = {
        quality: create_quote(waiting, size="1:1", quality=quality)["lines"][-1]["quantity"]["expected"]
        for quality in ("low", "medium", "high")
    }
    assert tokens == {"low": 196, "medium": 1756, "high": 7024}
    assert create_quote(waiting, size="1:1") == create_quote(waiting, size="1:1", quality="medium")
    for other in ("", "HIGH", "hd", "auto"):
        parse_error(waiting.post(CREATE, json={"prompt": "logo", "quality": other}), 400, "invalid_request", "quality")


def test_s2_1_background_is_not_transparent_in_jpeg(waiting: httpx.Client) -> None:
    for background, kind in (("opaque", "jpeg"), ("transparent", "png"), ("transparent", "webp")):
        assert create_task(waiting, background=background, output_format=kind)["status"] == "pending"
    for wrong in ({"background": "transparent", "output_format": "jpeg"}, {"background": "clear"}):
        parse_error(waiting.post(CREATE, json={**SMALL_IMAGE, **wrong}), 400, "invalid_request", "background")


def test_s2_1_output_format_is_one_of_three(waiting: httpx.Client) -> None:
    def asked(**fields: Any) -> str:
        path = f"/v1/tasks/{create_task(waiting, **fields)['id']}?include=request"
        found: str = parse_response(waiting.get(path))["request"]["output_format"]
        return found

    assert [asked(output_format=kind) for kind in ("png", "jpeg", "webp", None)] == ["png", "jpeg", "webp", "png"]
    for other in ("gif", "jpg", "PNG", ""):
        refused = waiting.post(CREATE, json={**SMALL_IMAGE, "output_format": other})
        parse_error(refused, 400, "invalid_request", "output_format")


def test_s2_1_image_urls_with_a_scheme_in_capitals_are_addresses(waiting: httpx.Client) -> None:
    assert create_quote(waiting, image_urls=["HTTPS://example.com/a.png"])["lines"][1]["quantity"]["expected"] == 1536
    assert create_task(waiting, image_urls=["HTTPS://example.com/a.png"])["status"] == "pending"


def test_s2_1_callback_url_is_kept_as_given(waiting: httpx.Client) -> None:
    url = "https://example.com/done?b=2&a=%7E1"
    task = create_task(waiting, callback_url=url)
    assert parse_response(waiting.get(f"/v1/tasks/{task['id']}?include=request"))["request"]["callback_url"] == url


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://localhost/",
        "https://a.localhost/",
        "https://db.internal/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/",
        "https://[::1]/",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://example.com:8443/",
        "https://example.com:22/",
        "nonsense",
        "",
        "https://example.com/" + "x" * 2030,
    ],
)
def test_s7_callback_url_of_other_kinds_is_400(waiting: httpx.Client, url: str) -> None:
    with assert_unchanged(waiting):
        parse_error(
            waiting.post(CREATE, json={**SMALL_IMAGE, "callback_url": url}), 400, "invalid_request", "callback_url"
        )


def test_s7_callback_url_of_2048_characters_passes(waiting: httpx.Client) -> None:
    create_task(waiting, callback_url="https://example.com:443/" + "x" * 2024)


def test_s2_2_new_key_is_a_normal_create(waiting: httpx.Client) -> None:
    answer = waiting.post(CREATE, json=SMALL_IMAGE, headers={"Idempotency-Key": secrets.token_hex(8)})
    assert parse_response(answer)["status"] == "pending"
    assert "idempotency-replayed" not in answer.headers


def test_s2_2_conflict_with_another_body(waiting: httpx.Client) -> None:
    once = {"Idempotency-Key": secrets.token_hex(8)}
    parse_response(waiting.post(CREATE, json=SMALL_IMAGE, headers=once))
    with assert_unchanged(waiting):
        other = waiting.post(CREATE, json={**SMALL_IMAGE, "n": 2}, headers=once)
        parse_error(other, 409, "idempotency_conflict", "Idempotency-Key")


def test_s2_2_replay_shows_the_current_state(waiting: httpx.Client) -> None:
    """Also when that task failed: nothing new is held."""
    once = {"Idempotency-Key": secrets.token_hex(8)}
    task = parse_response(waiting.post(CREATE, json=SMALL_IMAGE, headers=once))
    parse_response(waiting.post(f"/v1/tasks/{task['id']}/cancel"))
    with assert_unchanged(waiting):
        again = parse_response(waiting.post(CREATE, json=SMALL_IMAGE, headers=once))
        assert (again["id"], again["status"]) == (task["id"], "failed")


def test_s2_3_wait_ends_after_n_seconds(waiting: httpx.Client) -> None:
    started = time.monotonic()
    answer = waiting.post(CREATE, json=SMALL_IMAGE, headers={"Prefer": "wait=1"})
    assert time.monotonic() >= started + 1
    assert (parse_response(answer)["status"], answer.headers["preference-applied"]) == ("pending", "wait=1")


def test_s5_3_status_filters_what_has_not_begun(waiting: httpx.Client) -> None:
    """`processing` means both unfinished states, and a cancelled task is under `cancelled` alone."""
    left, gone = create_task(waiting)["id"], create_task(waiting)["id"]
    parse_response(waiting.post(f"/v1/tasks/{gone}/cancel"))

    def found(status: str) -> set[str]:
        rows = parse_response(waiting.get(f"/v1/tasks?page_size=100&status={status}"))["data"]
        return {row["id"] for row in rows} & {left, gone}

    assert found("pending") == found("processing") == {left}
    assert found("cancelled") == {gone}
    assert found("failed") == found("completed") == set()


def test_s5_3_filters_that_are_empty_are_none(waiting: httpx.Client) -> None:
    whole = parse_response(waiting.get("/v1/tasks"))
    assert parse_response(waiting.get("/v1/tasks?status=&type=&model=")) == whole


def test_s5_5_again_is_the_same_body(waiting: httpx.Client) -> None:
    path = f"/v1/tasks/{create_task(waiting)['id']}/cancel"
    first, again = waiting.post(path), waiting.post(path)
    assert (again.status_code, again.content) == (200, first.content)


def test_s10_2_request_cancelled_is_free(waiting: httpx.Client) -> None:
    before, _ = account_state(waiting)
    task = parse_response(waiting.post(f"/v1/tasks/{create_task(waiting)['id']}/cancel"))
    assert account_state(waiting)[0] == before
    assert (task["error"]["code"], task["error"]["type"]) == ("request_cancelled", "task_error")
    assert (task["usage"]["credits_used"], task["billing"]["charge_status"]) == (0, "released")


def test_s5_1_billing_of_a_cancelled_task_is_released_whole(waiting: httpx.Client) -> None:
    task = create_task(waiting)
    assert task["billing"] == {
        "refund_scope": "account_balance",
        "charge_status": "reserved",
        "refund_status": "not_required",
        "reserved_credits": task["usage"]["credits_reserved"],
        "charged_credits": 0,
        "refunded_credits": 0,
        "refunded_at": None,
    }
    ended = parse_response(waiting.post(f"/v1/tasks/{task['id']}/cancel"))
    refunded_at = ended["billing"].pop("refunded_at")
    assert ended["billing"] == {
        "refund_scope": "account_balance",
        "charge_status": "released",
        "refund_status": "completed",
        "reserved_credits": task["usage"]["credits_reserved"],
        "charged_credits": 0,
        "refunded_credits": task["usage"]["credits_reserved"],
    }
    assert refunded_at >= task["created"]


def test_s9_errors_of_credits_have_the_common_shape(idle: Gateway) -> None:
    parse_error(httpx.get(f"{idle.url}/v1/credits", timeout=60), 401, "unauthorized")


def test_s10_1_envelope_has_text_for_code_message_and_type(waiting: httpx.Client) -> None:
    answer = waiting.post(CREATE, json={"prompt": "logo", "size": "1000x1000"})
    error = parse_error(answer, 400, "invalid_request", "size")
    assert answer.text.startswith('{"error":{"code":"invalid_request","message":"')
    assert set(error) == {"code", "message", "type", "param", "request_id"}


def test_s10_1_idempotency_conflict_is_409(waiting: httpx.Client) -> None:
    once = {"Idempotency-Key": secrets.token_hex(8)}
    parse_response(waiting.post(CREATE, json=SMALL_IMAGE, headers=once))
    refused = waiting.post(CREATE, json={**SMALL_IMAGE, "prompt": "z"}, headers=once)
    assert parse_error(refused, 409, "idempotency_conflict", "Idempotency-Key")["type"] == "invalid_request_error"


def test_s10_1_invalid_signature_is_403(idle: Gateway) -> None:
    refused = httpx.get(f"{idle.url}/files/results/task-unified-1-aaaaaaaa/0.png?exp=99999999999&sig=k1.x", timeout=60)
    assert parse_error(refused, 403, "invalid_signature")["type"] == "invalid_request_error"


def test_s10_1_ip_restricted_is_403(idle: Gateway, waiting: httpx.Client) -> None:
    elsewhere = parse_response(waiting.post("/v1/keys", json={"allowed_ips": ["192.0.2.1"]}))["key"]
    with idle.client(elsewhere) as client:
        assert parse_error(client.get("/v1/credits"), 403, "ip_restricted")["type"] == "invalid_request_error"


def test_s10_1_queued_is_all_that_a_limit_on_concurrency_does(waiting: httpx.Client) -> None:
    """Nobody is free to carry them out."""
    assert {create_task(waiting)["status"] for _ in range(20)} == {"pending"}


def test_s13_healthz_answers_without_key_and_for_any_host(idle: Gateway) -> None:
    for host in ("127.0.0.1", "lb.internal"):
        assert httpx.get(f"{idle.url}/healthz", headers={"Host": host}, timeout=60).text == '{"status":"ok"}'
    answer = send_raw(idle.url, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert answer.endswith(b'{"status":"ok"}')
