"""F9: the real program, a real receiver behind TLS, and the official library as the judge of every signature."""

from __future__ import annotations

import asyncio
import base64
import hmac
import itertools
import json
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from standardwebhooks import Webhook, WebhookVerificationError

from imagegate import __version__
from imagegate.settings import Work, load_settings
from imagegate_client import Webhooks
from tests.api.helpers import CREATE, SMALL_IMAGE, parse_error, parse_response
from tests.api.test_api_openapi import fits
from tests.egress.raw_server import Reply, drip, endless, hang, http_response, reply_with, reset, server_tls
from tests.support.gateway import Gateway
from tests.support.webhook_receiver import Behaviour, Receiver, Request, trust_environment, webhook_receiver

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
WAITS = [0.1, 0.2, 0.4]
TIMEOUT_S = 1.0
ENV = {"IMAGEGATE_WEBHOOK_RETRY_S": "0.1,0.2,0.4", "IMAGEGATE_WEBHOOK_TIMEOUT_S": "1", "IMAGEGATE_LOG_LEVEL": "warning"}


def _failing_first(times: int) -> Reply:
    left = [times]

    async def reply(_: bytes, writer: asyncio.StreamWriter) -> None:
        left[0] -= 1
        writer.write(http_response(500 if left[0] >= 0 else 200, b"<b>\x1b said\n"))

    return reply


ok = reply_with(http_response(204))
metadata = reply_with(http_response(307, b"", "Location: https://169.254.169.254/latest"))
BEHAVIOURS = {
    "204": Behaviour(ok),
    "second": Behaviour(ok),
    "wrong name": Behaviour(ok, server_tls("other.test")),
    "expired": Behaviour(ok, server_tls("127.0.0.1", not_before=LONG_AGO, not_after=LONG_AGO + timedelta(days=1))),
    "unknown authority": Behaviour(ok, server_tls("127.0.0.1", ca=trustme.CA())),
    "plain text": Behaviour(ok, None, http_response(400, b"speak in the clear")),
    "307": Behaviour(metadata),
    "elsewhere": Behaviour(metadata),
    "drip": Behaviour(drip),
    "endless": Behaviour(endless),
    "hang": Behaviour(hang),
    "hang on": Behaviour(hang),
    "410": Behaviour(reply_with(http_response(410, b"gone"))),
    "429": Behaviour(reply_with(http_response(429, b"slow down", "Retry-After: 3600"))),
    "reset": Behaviour(reset),
    "recovers": Behaviour(_failing_first(2)),
}
# name: status and error of each attempt in the log, and whether the request arrives
FAILURES: dict[str, tuple[int | None, str, bool]] = {
    "wrong name": (None, "tls", False),
    "expired": (None, "tls", False),
    "unknown authority": (None, "tls", False),
    "plain text": (None, "tls", False),
    "307": (307, "status", True),
    "hang": (None, "timeout", True),
    "429": (429, "status", True),
    "reset": (None, "reset", True),
}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with webhook_receiver(BEHAVIOURS) as opened:
        yield opened


@pytest.fixture(scope="module")
def served(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("webhooks")
    with Gateway(folder / "data", *receiver.egress_options, env={**ENV, **trust_environment(folder)}) as gateway:
        yield gateway
        gateway.check()


@pytest.fixture(scope="module")
def client(served: Gateway) -> Iterator[httpx.Client]:
    with served.client() as opened:
        yield opened


@pytest.fixture(scope="module")
def failing_tasks(client: httpx.Client, receiver: Receiver) -> dict[str, Any]:
    """A task for each failure, created together so that their retries run side by side."""
    return {name: create(client, receiver.url(name)) for name in FAILURES}


def create(client: httpx.Client, url: str, **more: Any) -> Any:
    return parse_response(client.post(CREATE, json={**SMALL_IMAGE, "callback_url": url, **more}))


def delivery_of(client: httpx.Client, name: str, status: str | None = None, seconds: float = 30) -> Any:
    """The delivery with this id, once it is closed or has this status."""
    give_up = time.monotonic() + seconds
    while True:
        page = parse_response(client.get("/v1/webhooks/deliveries?limit=100"))["data"]
        found = [one for one in page if one["id"] == name]
        if found and (found[0]["status"] == status or (status is None and found[0]["status"] != "waiting")):
            return found[0]
        assert time.monotonic() < give_up, found
        time.sleep(0.05)


def secret(client: httpx.Client) -> str:
    text: str = parse_response(client.get("/v1/webhooks/secret"))["secret"]
    return text


def verify(request: Request, whsec: str) -> Any:
    """The body as the official library reads it; it raises where the signature is wrong."""
    return Webhook(whsec).verify(request.body, dict(request.headers))


def test_hook_1_a_webhook_is_signed_and_its_body_is_the_query(client: httpx.Client, receiver: Receiver) -> None:
    task = create(client, receiver.url("204"))
    request = receiver.wait("204", 1)[0]
    queried = client.get(f"/v1/tasks/{task['id']}")
    assert request.body == queried.content, "byte for byte"
    assert verify(request, secret(client)) == queried.json()
    assert queried.json()["status"] == "completed"
    assert request.target == "/done?b=2&a=%7E1"
    assert request.headers["webhook-id"] == f"evt_{task['id']}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == f"imagegate/{__version__}"
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 5
    delivery = delivery_of(client, f"evt_{task['id']}")
    assert (delivery["status"], delivery["reason"], delivery["task_id"]) == ("delivered", None, task["id"])
    assert [one["status_code"] for one in delivery["attempts"]] == [204]
    for link in queried.json()["results"]:
        assert httpx.get(link, timeout=60).status_code == 200


def test_s7_as_given_path_and_query_are_sent(client: httpx.Client, receiver: Receiver) -> None:
    before = len(receiver.requests("204"))
    target = "/a//b/../%7Ec;d?z=1&a=%20&&b=+&é=%C3%A9".replace("é", "e")
    create(client, receiver.url("204", target))
    assert receiver.wait("204", before + 1)[-1].target == target


def test_s7_headers_of_a_webhook(client: httpx.Client, receiver: Receiver) -> None:
    before = len(receiver.requests("204"))
    task = create(client, receiver.url("204"))
    headers = receiver.wait("204", before + 1)[-1].headers
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == f"imagegate/{__version__}"
    assert headers["webhook-id"] == f"evt_{task['id']}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 10
    assert headers["webhook-signature"].startswith("v1,")


def test_s7_signature_is_an_hmac_of_id_timestamp_and_body(client: httpx.Client, receiver: Receiver) -> None:
    """The signature is computed here from the secret and the bytes alone."""
    before = len(receiver.requests("204"))
    create(client, receiver.url("204"))
    request = receiver.wait("204", before + 1)[-1]
    key = base64.b64decode(secret(client).removeprefix("whsec_"))
    assert len(key) == 32
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    mac = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    assert f"v1,{mac}" in request.headers["webhook-signature"].split(" ")


def test_s7_when_it_has_ended_and_once(client: httpx.Client, receiver: Receiver) -> None:
    before = len(receiver.requests("204"))
    task = create(client, receiver.url("204"))
    delivery = delivery_of(client, f"evt_{task['id']}", "delivered")
    body = json.loads(receiver.wait("204", before + 1)[-1].body)
    assert (body["id"], body["status"], body["billing"]["charge_status"]) == (task["id"], "completed", "charged")
    every = parse_response(client.get("/v1/webhooks/deliveries?limit=100"))["data"]
    assert [one for one in every if one["task_id"] == task["id"]] == [delivery]
    assert [one.headers["webhook-id"] for one in receiver.requests("204")].count(delivery["id"]) == 1


def test_s7_body_is_the_query_in_every_attempt(client: httpx.Client, receiver: Receiver) -> None:
    before = len(receiver.requests("elsewhere"))
    task = create(client, receiver.url("elsewhere"))
    delivery_of(client, f"evt_{task['id']}", "exhausted")
    bodies = {request.body for request in receiver.requests("elsewhere")[before:]}
    assert bodies == {client.get(f"/v1/tasks/{task['id']}").content}


def test_s7_exhausted_is_listed_replayable_and_harms_no_task(client: httpx.Client, receiver: Receiver) -> None:
    task = create(client, receiver.url("elsewhere"))
    name = f"evt_{task['id']}"
    delivery = delivery_of(client, name, "exhausted")
    assert [one["status_code"] for one in delivery["attempts"]] == [307] * 4
    assert parse_response(client.get(f"/v1/tasks/{task['id']}"))["status"] == "completed"
    assert parse_response(client.post(f"/v1/webhooks/deliveries/{name}/replay"))["status"] == "waiting"
    again = delivery_of(client, name, "exhausted")
    assert {one["replay"] for one in again["attempts"]} == {0, 1}


def test_s7_profile_is_a_setting_of_10_seconds_and_three_retries() -> None:
    """The tests here use a shorter schedule; `test_c16_…` waits for the default one."""
    assert (Work().webhook_timeout_s, Work().webhook_retry_s) == (10, (1, 2, 4))
    longer = load_settings(env={"IMAGEGATE_WEBHOOK_RETRY_S": "5,300,1800", "IMAGEGATE_WEBHOOK_TIMEOUT_S": "30"})
    assert (longer.work.webhook_timeout_s, longer.work.webhook_retry_s) == (30, (5, 300, 1800))


def test_s12_test_sends_a_webhook_at_once(client: httpx.Client, receiver: Receiver) -> None:
    before = len(receiver.requests("204"))
    sent = parse_response(client.post("/v1/webhooks/test", json={"callback_url": receiver.url("204")}))
    request = receiver.wait("204", before + 1)[-1]
    assert request.headers["webhook-id"] == sent["id"]
    assert sent["id"].startswith("evt_test_")
    assert verify(request, secret(client))["test"] is True


def test_s12_test_is_a_completed_task_that_does_not_exist(client: httpx.Client, receiver: Receiver) -> None:
    """What a receiver of tasks does with a task works with it: read it, download its image, count what it cost."""
    before = len(receiver.requests("204"))
    sent = parse_response(client.post("/v1/webhooks/test", json={"callback_url": receiver.url("204")}))
    request = receiver.wait("204", before + 1)[-1]
    body = verify(request, secret(client))
    real = client.get(f"/v1/tasks/{create(client, receiver.url('second'))['id']}?wait=30").json()
    assert list(body) == [*(name for name in real if name not in ("engine", "notice")), "test"]
    document = client.get("/openapi.json").json()
    assert fits(document, {"$ref": "#/components/schemas/TaskView"}, body)
    assert (body["status"], body["progress"], body["created"]) == ("completed", 100, sent["created_at"])
    assert (body["usage"]["cost"], body["billing"]["charged_credits"]) == ({"credits": 0, "usd": 0}, 0)
    assert body["id"].startswith("task-unified-0-")
    parse_error(client.get(f"/v1/tasks/{body['id']}"), 404, "task_not_found")
    [link] = body["results"]
    image, head = httpx.get(link), httpx.head(link)
    assert (image.status_code, image.headers["content-type"], image.content[:4]) == (200, "image/png", b"\x89PNG")
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(image.content)))
    assert httpx.get(link.replace("sig=", "sig=k9.")).status_code == 403
    task = Webhooks().verify(request.body, request.headers, secret(client))
    assert (task.test, task.ended, task.usage.credits_used) == (True, True, Decimal(0))


def test_s12_secret_is_shown_and_the_same_until_it_is_rotated(client: httpx.Client) -> None:
    assert secret(client) == secret(client)
    assert len(base64.b64decode(secret(client).removeprefix("whsec_"), validate=True)) == 32


def test_s7_old_or_changed_messages_are_refused_by_receivers(client: httpx.Client, receiver: Receiver) -> None:
    create(client, receiver.url("second"))
    request = receiver.wait("second", 1)[0]
    whsec = secret(client)
    assert whsec.startswith("whsec_")
    for body, headers in (
        (request.body.replace(b"completed", b"failed   "), request.headers),
        (request.body, {**request.headers, "webhook-id": "evt_other"}),
        (request.body, {**request.headers, "webhook-timestamp": str(int(time.time()) - 400)}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(whsec).verify(body, dict(headers))


@pytest.mark.parametrize("name", FAILURES)
def test_hook_3_every_failure_is_tried_four_times_and_then_exhausted(
    client: httpx.Client, receiver: Receiver, failing_tasks: dict[str, Any], name: str
) -> None:
    status, error, arrives = FAILURES[name]
    task = failing_tasks[name]
    delivery = delivery_of(client, f"evt_{task['id']}")
    assert (delivery["status"], delivery["reason"]) == ("exhausted", "failed")
    attempts = delivery["attempts"]
    assert [(one["number"], one["status_code"], one["error"]) for one in attempts] == [
        (number, status, error) for number in (1, 2, 3, 4)
    ]
    assert all(one["duration_ms"] >= 0 for one in attempts)
    assert [one["retry_after"] for one in attempts] == ["3600" if name == "429" else None] * 4
    requests = receiver.requests(name)
    assert len(requests) == (4 if arrives else 0)
    assert receiver.connections(name) <= 4
    _same_message(requests)
    for wait, before, after in zip(WAITS, requests, requests[1:], strict=False):
        # The receiver's clock begins when it has read the request: on a busy machine later than the sender's.
        taken = TIMEOUT_S / 2 if error == "timeout" else 0
        assert after.at - before.at >= wait + taken - 0.05, "not before its time, and Retry-After is not obeyed"
    if requests:
        assert requests[0].body == client.get(f"/v1/tasks/{task['id']}").content
    assert parse_response(client.get(f"/v1/tasks/{task['id']}"))["status"] == "completed", "the task is unaffected"


def _same_message(requests: list[Request]) -> None:
    assert len({request.body for request in requests}) <= 1
    assert len({request.headers["webhook-id"] for request in requests}) <= 1


def test_s7_gone_stops_it_at_once(client: httpx.Client, receiver: Receiver) -> None:
    task = create(client, receiver.url("410"))
    delivery = delivery_of(client, f"evt_{task['id']}")
    assert (delivery["status"], delivery["reason"]) == ("exhausted", "gone")
    assert [one["status_code"] for one in delivery["attempts"]] == [410]
    time.sleep(sum(WAITS))
    assert len(receiver.requests("410")) == 1


def test_s7_success_of_an_endless_answer_that_is_read_no_further_than_the_cap(
    client: httpx.Client, receiver: Receiver
) -> None:
    task = create(client, receiver.url("endless"))
    delivery = delivery_of(client, f"evt_{task['id']}")
    assert delivery["status"] == "delivered"
    assert delivery["attempts"][0]["excerpt"] == "x" * 1024


def test_hook_3_a_receiver_whose_body_drips_has_answered(client: httpx.Client, receiver: Receiver) -> None:
    task = create(client, receiver.url("drip"))
    delivery = delivery_of(client, f"evt_{task['id']}", "delivered")
    assert [one["status_code"] for one in delivery["attempts"]] == [200]


def test_hook_5_a_receiver_that_recovers_and_what_the_log_keeps_of_it(client: httpx.Client, receiver: Receiver) -> None:
    task = create(client, receiver.url("recovers"))
    delivery = delivery_of(client, f"evt_{task['id']}", "delivered")
    assert [one["status_code"] for one in delivery["attempts"]] == [500, 500, 200]
    assert delivery["attempts"][0]["excerpt"] == "<b>\\x1b said\\n", "escaped text"
    requests = receiver.requests("recovers")
    _same_message(requests)
    for request in requests:
        verify(request, secret(client))


def test_s7_allow_list_without_an_entry_nobody_is_dialled(client: httpx.Client, receiver: Receiver) -> None:
    """The same receiver behind a port that is not allowed: refused at submit, before anything is stored."""
    closed = client.post(CREATE, json={**SMALL_IMAGE, "callback_url": "https://127.0.0.1:1/done"})
    parse_error(closed, 400, "invalid_request", "callback_url")
    parse_error(
        client.post("/v1/webhooks/test", json={"callback_url": "https://10.0.0.1/"}),
        400,
        "invalid_request",
        "callback_url",
    )


def test_s7_every_attempt_is_judged_anew(receiver: Receiver, tmp_path: Path) -> None:
    """The URL is checked at every attempt: an older task is not delivered where its URL is no longer allowed."""
    env = {**ENV, **trust_environment(tmp_path)}
    gateway = Gateway(tmp_path / "data", "--no-workers", *receiver.egress_options, env=env)
    before = len(receiver.requests("204"))
    with gateway, gateway.client() as client:
        task = create(client, receiver.url("204"))
    gateway.options = ("--no-workers",)
    with gateway, gateway.client() as client:
        parse_response(client.post(f"/v1/tasks/{task['id']}/cancel"))
        delivery = delivery_of(client, f"evt_{task['id']}")
        assert {one["error"] for one in delivery["attempts"]} == {"refused_url"}
        gateway.check()
    assert len(receiver.requests("204")) == before


def test_one_dead_host_does_not_delay_another(client: httpx.Client, receiver: Receiver) -> None:
    """HOOK-4: while ten deliveries hang at one receiver, that of another receiver is sent."""
    hanging = [
        parse_response(client.post("/v1/webhooks/test", json={"callback_url": receiver.url("hang")}))["id"]
        for _ in range(10)
    ]
    before = len(receiver.requests("204"))
    sent = parse_response(client.post("/v1/webhooks/test", json={"callback_url": receiver.url("204", "/test")}))
    request = receiver.wait("204", before + 1)[-1]
    assert request.target == "/test"
    assert verify(request, secret(client))["test"] is True
    assert request.headers["webhook-id"] == sent["id"]
    delivery_of(client, sent["id"], "delivered")
    # Each hanging one takes four attempts of a second, two at a time.
    page = parse_response(client.get("/v1/webhooks/deliveries?limit=100"))["data"]
    assert {"waiting"} & {one["status"] for one in page if one["id"] in hanging}, "it waited for the hanging ones"


def test_s12_replay_is_the_same_message_again(client: httpx.Client, receiver: Receiver) -> None:
    before = len(receiver.requests("second"))
    task = create(client, receiver.url("second"))
    name = f"evt_{task['id']}"
    delivery_of(client, name, "delivered")
    again = parse_response(client.post(f"/v1/webhooks/deliveries/{name}/replay"))
    assert (again["status"], again["replays"]) == ("waiting", 1)
    first, second = receiver.wait("second", before + 2)[before:]
    _same_message([first, second])
    verify(second, secret(client))
    delivery = delivery_of(client, name, "delivered")
    assert [(one["number"], one["replay"], one["status_code"]) for one in delivery["attempts"]] == [
        (1, 0, 204),
        (2, 1, 204),
    ]


def test_s7_rotation_both_secrets_sign(client: httpx.Client, receiver: Receiver) -> None:
    old = parse_response(client.get("/v1/webhooks/secret"))
    assert (old["version"], old["previous"]) == (1, None)
    new = parse_response(client.post("/v1/webhooks/secret/rotate"))
    assert (new["version"], new["previous"]["secret"]) == (2, old["secret"])
    assert new["secret"] != old["secret"]
    assert abs(new["previous"]["expires_at"] - time.time() - 24 * 3600) < 10
    assert parse_response(client.get("/v1/webhooks/secret")) == new
    before = len(receiver.requests("204"))
    parse_response(client.post("/v1/webhooks/test", json={"callback_url": receiver.url("204")}))
    request = receiver.wait("204", before + 1)[-1]
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    for whsec in (old["secret"], new["secret"]):
        verify(request, whsec)


def test_s12_deliveries_have_pages_and_show_nobody_elses(
    served: Gateway, client: httpx.Client, receiver: Receiver
) -> None:
    for _ in range(3):
        parse_response(client.post("/v1/webhooks/test", json={"callback_url": receiver.url("second")}))
    every = parse_response(client.get("/v1/webhooks/deliveries?limit=100"))
    assert (every["object"], every["has_more"], every["next_cursor"]) == ("list", False, None)
    first = parse_response(client.get("/v1/webhooks/deliveries?limit=2"))
    assert first["has_more"]
    second = parse_response(client.get("/v1/webhooks/deliveries", params={"limit": 2, "cursor": first["next_cursor"]}))
    names = [one["id"] for one in every["data"]]
    assert [one["id"] for one in first["data"] + second["data"]] == names[:4]
    for query in ("limit=0", "limit=101", "limit=x"):
        parse_error(client.get(f"/v1/webhooks/deliveries?{query}"), 400, "invalid_request", "limit")
    with served.client(served.new_key("stranger")) as stranger:
        assert parse_response(stranger.get("/v1/webhooks/deliveries"))["data"] == []
        for cursor in (names[0], "nothing", "%00"):
            refused = stranger.get(f"/v1/webhooks/deliveries?cursor={cursor}")
            parse_error(refused, 400, "invalid_request", "cursor")
        for name in (names[0], "evt_nothing", "a%00b"):
            parse_error(stranger.post(f"/v1/webhooks/deliveries/{name}/replay"), 404, "not_found")
        assert secret(stranger) != secret(client)
    parse_error(client.post("/v1/webhooks/test", json={}), 400, "invalid_request", "callback_url")
    reader = served.new_key("demo", "0", "--scope", "tasks:read")
    with served.client(reader) as limited:
        parse_error(limited.get("/v1/webhooks/secret"), 403, "permission_denied")
        assert parse_response(limited.get("/v1/webhooks/deliveries?limit=1"))["has_more"]


def test_c15_a_failed_task_is_told_as_free(receiver: Receiver, tmp_path: Path) -> None:
    """C15, overdue: the webhook that says failed already shows the hold released and nothing used."""
    env = {**ENV, "IMAGEGATE_DEADLINE_S": "0.5", "IMAGEGATE_SWEEP_S": "0.2", **trust_environment(tmp_path)}
    before = len(receiver.requests("204"))
    with (
        Gateway(tmp_path / "data", "--no-workers", *receiver.egress_options, env=env) as gateway,
        gateway.client() as client,
    ):
        task = create(client, receiver.url("204"))
        request = receiver.wait("204", before + 1)[-1]
        body = verify(request, secret(client))
        assert request.body == client.get(f"/v1/tasks/{task['id']}").content
        assert (body["status"], body["error"]["code"]) == ("failed", "generation_timeout")
        assert (body["billing"]["charge_status"], body["usage"]["credits_used"]) == ("released", 0)
        delivery_of(client, f"evt_{task['id']}", "delivered")
        gateway.check()


@pytest.mark.gate
def test_kill_9_between_attempts_and_in_the_middle_of_one(receiver: Receiver, tmp_path: Path) -> None:
    """P9: whatever is killed, the webhook arrives, in four attempts at most."""
    env = {**ENV, "IMAGEGATE_WEBHOOK_TIMEOUT_S": "5", **trust_environment(tmp_path)}
    gateway = Gateway(tmp_path / "data", *receiver.egress_options, env=env)
    with gateway:
        with gateway.client() as client:
            hanging = create(client, receiver.url("hang on"))
            receiver.wait("hang on", 1)
        for number in range(2, 5):
            gateway.kill()
            gateway.start()
            receiver.wait("hang on", number)
        gateway.kill()
        gateway.start()
        with gateway.client() as client:
            delivery = delivery_of(client, f"evt_{hanging['id']}")
            assert [one["error"] for one in delivery["attempts"]] == ["interrupted"] * 4
            late = create(client, receiver.url("204"))
            delivery_of(client, f"evt_{late['id']}", "delivered")
        gateway.check()
    assert len(receiver.requests("hang on")) == 4


def test_s5_5_nothing_bought_ends_at_once_and_is_told(receiver: Receiver, tmp_path: Path) -> None:
    """Section 5.5 without workers: a waiting task is cancelled for certain, and its webhook says so."""
    env = {**ENV, **trust_environment(tmp_path)}
    gateway = Gateway(tmp_path / "data", "--no-workers", *receiver.egress_options, env=env)
    before = len(receiver.requests("204"))
    with gateway, gateway.client() as client:
        task = create(client, receiver.url("204"))
        assert task["task_info"]["can_cancel"] is True
        path = f"/v1/tasks/{task['id']}/cancel"
        first = client.post(path)
        ended = parse_response(first)
        assert (ended["status"], ended["error"]["code"]) == ("failed", "request_cancelled")
        assert ended["task_info"] == {"can_cancel": False}
        assert (ended["usage"]["credits_used"], ended["billing"]["refund_status"]) == (0, "completed")
        assert client.post(path).content == first.content, "already cancelled: the same body"
        request = receiver.wait("204", before + 1)[-1]
        assert request.body == first.content
        assert parse_response(client.get("/v1/credits"))["data"]["user"]["reserved_credits"] == 0
        assert [row["id"] for row in parse_response(client.get("/v1/tasks?status=cancelled"))["data"]] == [task["id"]]
        with gateway.client(gateway.new_key("stranger")) as stranger:
            parse_error(stranger.post(path), 404, "task_not_found")
        parse_error(client.post("/v1/tasks/nothing/cancel"), 400, "invalid_task_id", "task_id")
        parse_error(client.post("/v1/tasks/task-unified-1-aaaaaaaa/cancel"), 404, "task_not_found")
        time.sleep(0.5)
        assert len(receiver.requests("204")) == before + 1, "exactly one delivery per task"
        gateway.check()


def test_s5_5_ended_is_409(client: httpx.Client) -> None:
    task = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers={"Prefer": "wait=60"}))
    parse_error(client.post(f"/v1/tasks/{task['id']}/cancel"), 409, "task_not_cancellable")


@pytest.mark.parametrize("count", [10, pytest.param(30, marks=pytest.mark.gate)])
def test_c03_a_cancel_beside_the_work(client: httpx.Client, receiver: Receiver, count: int) -> None:
    """Cancelled at any moment, a task ends once: failed and free, or completed and charged; its one webhook says so."""
    before = len(receiver.requests("second"))
    answers: dict[str, Any] = {}
    for number in range(count):
        task = create(client, receiver.url("second"), prompt=f"logo {number}")
        time.sleep(number * 0.3 / count)
        answered = client.post(f"/v1/tasks/{task['id']}/cancel")
        if answered.status_code == 200:
            shown = parse_response(answered)
            assert shown["task_info"]["can_cancel"] is False
            assert shown["status"] in ("processing", "failed")
        else:
            parse_error(answered, 409, "task_not_cancellable")
        answers[task["id"]] = answered
    requests = receiver.wait("second", before + count, 60)[before:]
    assert len(requests) == count
    request_of = {json.loads(request.body)["id"]: request for request in requests}
    assert set(request_of) == set(answers)
    for name, request in request_of.items():
        final = client.get(f"/v1/tasks/{name}")
        assert request.body == final.content
        task = final.json()
        cancelled = answers[name].status_code == 200 and answers[name].json()["status"] == "failed"
        assert not cancelled or task["error"]["code"] == "request_cancelled"
        assert (task["usage"]["credits_used"] == 0) is (task["status"] == "failed")


def create_while_sending(client: httpx.Client, url: str) -> Any:
    """A task that an engine is working on, and will be for a while."""
    task = create(client, url, n=10)
    while task["task_info"]["can_cancel"]:
        task = parse_response(client.get(f"/v1/tasks/{task['id']}"))
    assert task["status"] == "processing"
    return task


def test_s5_5_delivered_anyway_is_charged(client: httpx.Client, receiver: Receiver) -> None:
    path = f"/v1/tasks/{create_while_sending(client, receiver.url('204'))['id']}"
    cancelled = parse_response(client.post(f"{path}/cancel"))
    assert (cancelled["status"], cancelled["task_info"]["can_cancel"]) == ("processing", False)
    final = parse_response(client.get(f"{path}?wait=60"))
    assert (final["status"], len(final["results"])) == ("completed", 10)
    assert final["usage"]["credits_used"] > 0
    parse_error(client.post(f"{path}/cancel"), 409, "task_not_cancellable")


def test_s5_5_stopped_a_wish_outlives_kill_9(receiver: Receiver, tmp_path: Path) -> None:
    """The call of the dead worker brought no image and none is made after it: the task ends cancelled and free."""
    gateway = Gateway(tmp_path / "data", *receiver.egress_options, env={**ENV, **trust_environment(tmp_path)})
    with gateway:
        with gateway.client() as client:
            path = f"/v1/tasks/{create_while_sending(client, receiver.url('204'))['id']}"
            parse_response(client.post(f"{path}/cancel"))
        gateway.kill()
        gateway.start()
        with gateway.client() as client:
            final = parse_response(client.get(f"{path}?wait=30"))
            assert (final["status"], final["error"]["code"]) == ("failed", "request_cancelled")
            assert final["usage"]["credits_used"] == 0
            delivery_of(client, f"evt_{final['id']}", "delivered")
        gateway.check()


def test_c16_the_webhook_is_the_query_its_address_as_given_and_its_waits_1_2_4(
    receiver: Receiver, tmp_path: Path
) -> None:
    """With default settings, a redirect is a failure like any other."""
    before = len(receiver.requests("307"))
    with (
        Gateway(tmp_path / "data", *receiver.egress_options, env=trust_environment(tmp_path)) as gateway,
        gateway.client() as client,
    ):
        task = create(client, receiver.url("307"))
        assert delivery_of(client, f"evt_{task['id']}")["status"] == "exhausted"
        query = client.get(f"/v1/tasks/{task['id']}").content
        gateway.check()
    requests = receiver.requests("307")[before:]
    assert {(request.body, request.target) for request in requests} == {(query, "/done?b=2&a=%7E1")}
    gaps = [after.at - earlier.at for earlier, after in itertools.pairwise(requests)]
    assert len(gaps) == 3
    assert all(wait <= gap + 0.01 < wait + 1 for wait, gap in zip((1, 2, 4), gaps, strict=True)), gaps


def test_hook_2_no_webhook_is_sent_before_its_settlement(served: Gateway) -> None:
    """Over all deliveries of the tests above."""
    books = sqlite3.connect(f"file:{served.data}/imagegate.db?mode=ro", uri=True)
    early = books.execute(
        """SELECT COUNT(*), SUM(a.started < t.ended), MAX(LENGTH(d.body)) FROM delivery_attempts a
        JOIN deliveries d ON d.id = a.delivery_id JOIN tasks t ON t.id = d.task_id"""
    ).fetchone()
    books.close()
    assert early[0] > 50
    assert early[1] == 0
    assert early[2] < 20_000
