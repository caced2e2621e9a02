"""Section 2: creating tasks, waiting for them, repeating them."""

from __future__ import annotations

import concurrent.futures
import io
import json
import re
import secrets
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from tests.api.helpers import (
    CREATE,
    QUOTE,
    SMALL_IMAGE,
    TASK_ID,
    WAIT,
    account_state,
    assert_unchanged,
    parse_error,
    parse_response,
)
from tests.support.gateway import Gateway

MODELS = (
    "gpt-image-2",
    "gpt-image-2-beta",
    "gpt-image-1.5",
    "gpt-image-1.5-lite",
    "gpt-image-1.5-beta",
    "gpt-image-1",
    "gpt-4o-image",
    "gpt-image-2.5-flare",
    "gpt-image-2.5-sunburst",
)
MUST_PASS = [
    '{"model":"gpt-image-2","prompt":"A beautiful colorful sunset over the ocean"}',
    (
        '{"model":"gpt-image-2","prompt":"Cinematic wide shot of a futuristic city skyline at dusk","size":"16:9",'
        '"resolution":"4K","quality":"high","n":1}'
    ),
    '{"model":"gpt-image-2","prompt":"Minimalist logo design","size":"1024x1024","quality":"medium"}',
    (
        '{"model":"gpt-image-2","prompt":"Add a cute cat next to her","size":"1:1","resolution":"1K",'
        '"quality":"medium","image_urls":["https://example.com/input.png"],'
        '"callback_url":"https://your-domain.com/webhook/image-done"}'
    ),
    (
        '{"model":"gpt-image-2","prompt":"A cute robot in pixel art style","size":"1:1","resolution":"2k",'
        '"quality":"high","n":4,"seed":7,"nsfw_check":false,"model_params":{"speed":"fast"}}'
    ),
]


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Accepts everything and lets it go at once, so that large orders need not be painted."""
    env = {"IMAGEGATE_DEADLINE_S": "0", "IMAGEGATE_SWEEP_S": "0.1", "IMAGEGATE_WORKERS": "1"}
    with Gateway(tmp_path_factory.mktemp("hasty"), env=env) as served:
        yield served


def create(client: httpx.Client, **fields: Any) -> Any:
    return parse_response(client.post(CREATE, json={**SMALL_IMAGE, **fields}, headers=WAIT))


def test_s2_success_is_the_bare_waiting_task(client: httpx.Client) -> None:
    body = {"prompt": "A beautiful colorful sunset over the ocean", "size": "1:1"}
    response = client.post(CREATE, json=body)
    task = parse_response(response)
    moment = task["created"]
    assert re.fullmatch(
        rf'{{"created":{moment},"id":"task-unified-{moment}-[a-z0-9]{{8}}","model":"gpt-image-2",'
        r'"object":"image.generation.task","progress":0,"status":"pending",'
        r'"task_info":{"can_cancel":true,"estimated_time":[1-9][0-9]*},"type":"image",'
        r'"usage":{"billing_rule":"per_token","credits_reserved":3.276036,"user_group":"default"},'
        r'"billing":{"refund_scope":"account_balance","charge_status":"reserved","refund_status":"not_required",'
        r'"reserved_credits":3.276036,"charged_credits":0,"refunded_credits":0,"refunded_at":null}}',
        response.text,
    )


def test_c01_first_id_and_first_status_in_the_text_are_the_tasks(client: httpx.Client) -> None:
    response = client.post(CREATE, json=SMALL_IMAGE, headers=WAIT)
    assert response.status_code == 200
    task = parse_response(response)
    first_id = re.search(r'"id":"([^"]*)"', response.text)
    first_status = re.search(r'"status":"([^"]*)"', response.text)
    assert first_id
    assert first_status
    assert (first_id[1], first_status[1]) == (task["id"], "completed")
    assert re.search(r'"results":\["https?://[^"]+"\]', response.text)
    assert response.headers["preference-applied"] == "wait=60"


def test_c02_ids_times_and_constants(client: httpx.Client) -> None:
    now = httpx.get(f"{client.base_url}/healthz", timeout=60).headers["date"]
    task = create(client)
    assert TASK_ID.fullmatch(task["id"])
    assert task["id"].split("-")[2] == str(task["created"])
    assert now
    assert 1_500_000_000 < task["created"] < 4_102_444_800
    assert (task["object"], task["type"], task["progress"]) == ("image.generation.task", "image", 100)


def test_s2_1_background_transparent_is_alpha_in_the_image(client: httpx.Client) -> None:
    for kind in ("png", "webp"):
        task = create(client, background="transparent", output_format=kind)
        image = Image.open(io.BytesIO(httpx.get(task["results"][0], timeout=60).content))
        assert image.mode == "RGBA"
        assert 0 in image.getchannel("A").tobytes()


def test_s5_1_credits_used_and_cost_come_with_the_end(client: httpx.Client) -> None:
    before, _ = account_state(client)
    quote = parse_response(client.post(QUOTE, json=SMALL_IMAGE))
    response = client.post(CREATE, json=SMALL_IMAGE, headers=WAIT)
    task = parse_response(response)
    assert list(task) == [
        "created",
        "id",
        "model",
        "object",
        "progress",
        "results",
        "status",
        "task_info",
        "type",
        "usage",
        "billing",
        "duration",
        "results_expire_at",
        "engine",
        "notice",
    ]
    assert task["task_info"] == {"can_cancel": False}
    assert f'"credits_used":{quote["expected"]["credits"]},' in response.text
    assert f'"usd":{quote["expected"]["usd"]}}}' in response.text
    assert task["usage"]["source"] == "formula"
    assert task["usage"]["price_version"] == quote["price_version"]
    assert task["billing"]["charge_status"] == "charged"
    assert task["billing"]["charged_credits"] == task["usage"]["credits_used"] == task["usage"]["cost"]["credits"]
    assert (task["engine"], task["notice"]) == ("embedded", "procedural preview, not a neural model")
    assert task["duration"] > 0
    after, _ = account_state(client)
    spent = int(before["user"]["exact"]["remaining"]["nanos"]) - int(after["user"]["exact"]["remaining"]["nanos"])
    assert spent <= int(quote["maximum"]["nanos"])


@pytest.mark.parametrize("body", MUST_PASS, ids=range(5))
def test_s2_1_must_pass_five_bodies(hasty: Gateway, body: str) -> None:
    with hasty.client() as client:
        quote = parse_response(client.post(QUOTE, content=body.encode(), headers={"Content-Type": "application/json"}))
        response = client.post(CREATE, content=body.encode(), headers={"Content-Type": "application/json"})
        task = parse_response(response)
        assert task["status"] == "pending"
        assert f'"credits_reserved":{quote["maximum"]["credits"]},' in response.text


def test_c08_32000_astral_code_points_are_created(hasty: Gateway) -> None:
    with hasty.client() as client:
        for escaped in (False, True):
            body = json.dumps({"prompt": "\U0001f600" * 32_000}, ensure_ascii=escaped).encode()
            parse_response(client.post(CREATE, content=body, headers={"Content-Type": "application/json"}))


def test_c10_every_name_is_accepted_answered_and_echoed(gateway: Gateway) -> None:
    body = {"prompt": "logo", "quality": "low", "size": "1:1"}
    with gateway.client() as client, concurrent.futures.ThreadPoolExecutor(3) as pool:
        tasks = list(pool.map(lambda name: create(client, model=name, **body), MODELS))
    for name, task in zip(MODELS, tasks, strict=True):
        assert (task["model"], task["status"], task["engine"]) == (name, "completed", "embedded")
        assert task["usage"]["billing_rule"] == ("per_call" if "tokens" not in rate_of(name) else "per_token")


def rate_of(name: str) -> str:
    per_call = ("gpt-image-2-beta", "gpt-image-1.5-lite", "gpt-image-1.5-beta", "gpt-4o-image")
    return "images" if name in per_call else "tokens"


def test_c04_each_format_has_its_extension_and_type(client: httpx.Client) -> None:
    for kind, ext, form in (("png", "png", "PNG"), ("jpeg", "jpg", "JPEG"), ("webp", "webp", "WEBP")):
        task = create(client, output_format=kind, output_compression=50)
        assert task["results"][0].partition("?")[0].endswith(f"/0.{ext}")
        image = httpx.get(task["results"][0], timeout=60)
        assert image.headers["content-type"] == f"image/{kind}"
        opened = Image.open(io.BytesIO(image.content))
        assert (opened.format, opened.size) == (form, (816, 816))


def test_s2_1_n_images_are_n_results_and_each_is_billed(client: httpx.Client) -> None:
    one, two = create(client), create(client, n=2)
    assert len(two["results"]) == len(set(two["results"])) == 2
    assert two["usage"]["tokens"]["image_output"] == 2 * one["usage"]["tokens"]["image_output"]
    assert [link.partition("?")[0][-6:] for link in two["results"]] == ["/0.png", "/1.png"]
    images = [httpx.get(link, timeout=60).content for link in two["results"]]
    assert images[0] != images[1]


def test_s2_3_malformed_waits_are_ignored_and_long_ones_cut(client: httpx.Client) -> None:
    for value in ("wait=abc", "wait", "wait=-1", "wait=", "wait=1.5", "respond-async", ""):
        response = client.post(QUOTE, json=SMALL_IMAGE, headers={"Prefer": value})
        assert "preference-applied" not in response.headers
    with_key = {"Idempotency-Key": secrets.token_hex(8)}
    task = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers={**WAIT, **with_key}))
    for value, applied in (
        ("wait=0", "wait=0"),
        ("wait=61", "wait=60"),
        ("wait=100000", "wait=60"),
        ("respond-async, wait=5", "wait=5"),
        ("WAIT=7", "wait=7"),
        ("wait=99999999999", "wait=60"),
        ("wait=abc", None),
        ("wait=1.5", None),
        ("wait=-1", None),
    ):
        response = client.post(CREATE, json=SMALL_IMAGE, headers={"Prefer": value, **with_key})
        assert parse_response(response) == task
        assert response.headers.get("preference-applied") == applied, value


def test_s2_3_dropped_connection_never_cancels(gateway: Gateway, client: httpx.Client) -> None:
    place, key = urlsplit(gateway.url), secrets.token_hex(8)
    body = json.dumps(SMALL_IMAGE)
    request = (
        f"POST {CREATE} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {gateway.key}\r\nPrefer: wait=60\r\n"
        f"Idempotency-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )
    _, before = account_state(client)
    with socket.create_connection((str(place.hostname), place.port or 80)) as wire:
        wire.sendall(request.encode())
        while account_state(client)[1] == before:
            pass
    response = client.post(CREATE, json=SMALL_IMAGE, headers={**WAIT, "Idempotency-Key": key})
    assert parse_response(response)["status"] == "completed"
    assert response.headers["idempotency-replayed"] == "true"
    assert account_state(client)[1] == before + 1


def test_c13_run_key_replays_and_charges_once(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": f"run_{secrets.token_hex(16)}"}
    first_response = client.post(CREATE, json=SMALL_IMAGE, headers={**headers, **WAIT})
    first = parse_response(first_response)
    assert "idempotency-replayed" not in first_response.headers
    with assert_unchanged(client):
        again = client.post(CREATE, json=SMALL_IMAGE, headers=headers)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.text == first_response.text
        parse_error(
            client.post(CREATE, json={**SMALL_IMAGE, "n": 2}, headers=headers),
            409,
            "idempotency_conflict",
            "Idempotency-Key",
        )
        assert parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=headers))["id"] == first["id"]


def test_s2_2_same_body_is_the_checked_request(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    first = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=headers))
    same: list[dict[str, Any]] = [
        dict(reversed(SMALL_IMAGE.items())),
        {**SMALL_IMAGE, "n": 1},
        {**SMALL_IMAGE, "model": "gpt-image-2"},
        {**SMALL_IMAGE, "seed": 9},
        {**SMALL_IMAGE, "size": "816×816"},
        {**SMALL_IMAGE, "resolution": "4k"},
        {**SMALL_IMAGE, "image_urls": []},
        {**SMALL_IMAGE, "mask_url": "https://example.com/m.png"},
        {**SMALL_IMAGE, "output_compression": 3},
        {**SMALL_IMAGE, "background": "opaque", "output_format": "png", "callback_url": None},
    ]
    for body in same:
        spaced = json.dumps(body, indent=3).encode()
        answer = client.post(CREATE, content=spaced, headers={**headers, "Content-Type": "application/json"})
        assert parse_response(answer)["id"] == first["id"], body
    for change in (
        {"prompt": "x "},
        {"quality": "high"},
        {"output_format": "webp"},
        {"model": "gpt-image-2.5-flare"},
        {"callback_url": "https://example.com/h"},
        {"image_urls": ["https://a.example/a.png"]},
    ):
        parse_error(
            client.post(CREATE, json={**SMALL_IMAGE, **change}, headers=headers),
            409,
            "idempotency_conflict",
            "Idempotency-Key",
        )


def test_s2_2_same_time_32_clients_with_one_key_make_one_task(gateway: Gateway, client: httpx.Client) -> None:
    headers = {"Idempotency-Key": "!~" + secrets.token_hex(16)}
    _, before = account_state(client)

    def go(_: int) -> tuple[str, str | None]:
        with gateway.client() as one:
            response = one.post(CREATE, json=SMALL_IMAGE, headers=headers)
        return parse_response(response)["id"], response.headers.get("idempotency-replayed")

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(go, range(32)))
    assert len({task_id for task_id, _ in answers}) == 1
    assert sorted(str(replayed) for _, replayed in answers) == ["None"] + ["true"] * 31
    assert account_state(client)[1] == before + 1
    gateway.check()


def test_s2_2_refused_request_does_not_use_up_its_key(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    parse_error(client.post(CREATE, json={**SMALL_IMAGE, "n": 0}, headers=headers), 400, "invalid_request", "n")
    parse_error(
        client.post(CREATE, json={**SMALL_IMAGE, "model": "none"}, headers=headers), 404, "model_not_found", "model"
    )
    response = client.post(CREATE, json=SMALL_IMAGE, headers=headers)
    parse_response(response)
    assert "idempotency-replayed" not in response.headers


def test_s2_2_key_form_up_to_255_visible_characters(client: httpx.Client) -> None:
    letters = "".join(map(chr, range(0x21, 0x7F)))
    for key in (letters, secrets.token_hex(127) + "x"):
        ids = {
            parse_response(client.post(CREATE, json=SMALL_IMAGE, headers={"Idempotency-Key": key}))["id"]
            for _ in range(2)
        }
        assert len(ids) == 1


def test_s2_2_scope_is_the_account(gateway: Gateway, client: httpx.Client) -> None:
    headers = {"Idempotency-Key": "shared-by-two"}
    mine = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=headers))
    with gateway.client(gateway.new_key("other")) as other:
        response = other.post(CREATE, json={**SMALL_IMAGE, "n": 2}, headers=headers)
        assert parse_response(response)["id"] != mine["id"]
        assert "idempotency-replayed" not in response.headers


def test_every_invariant_holds_at_the_end(gateway: Gateway) -> None:
    gateway.check()
