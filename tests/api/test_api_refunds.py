"""POST /v1/admin/refunds: a later refund by the operator, as the operator, the customer and the books see it."""

from __future__ import annotations

import concurrent.futures
import datetime
import json
from typing import Any

import httpx

from imagegate.domain.money import format_for_people
from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.support.gateway import Gateway

REASON = "The picture was cut off"


def refund(client: httpx.Client, task_id: str, once: str | None, reason: Any = REASON) -> httpx.Response:
    headers = {} if once is None else {"Idempotency-Key": once}
    return client.post("/v1/admin/refunds", json={"task_id": task_id, "reason": reason}, headers=headers)


def create_paid_task(client: httpx.Client) -> dict[str, Any]:
    task: dict[str, Any] = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
    assert task["status"] == "completed"
    return task


def test_s5_1_later_refund_is_told_in_the_words_of_the_task(gateway: Gateway, admin: httpx.Client) -> None:
    with gateway.client(gateway.new_key("told", "100")) as client:
        task = create_paid_task(client)
        charged = task["billing"]["charged_credits"]
        booked = parse_response(refund(admin, task["id"], "told"))
        assert (booked["object"], booked["task_id"], booked["reason"]) == ("refund", task["id"], REASON)
        assert float(booked["amount"]["credits"]) == charged
        after = parse_response(client.get(f"/v1/tasks/{task['id']}"))
        assert after["billing"] == {
            **task["billing"],
            "charge_status": "charged",
            "refund_status": "completed",
            "refunded_credits": charged,
            "refunded_at": booked["created"],
        }
        # Nothing else of the task moves: it stays completed, and its images stay.
        assert {**after, "billing": task["billing"]} == task
        assert httpx.get(task["results"][0], timeout=60).status_code == 200
        last = client.get(f"/v1/tasks/{task['id']}/events").text.rpartition("data: ")[2]
        assert json.loads(last) == after
        user = parse_response(client.get("/v1/credits"))["data"]["user"]
        assert (user["used_credits"], user["exact"]["remaining"]) == (0, booked["available"])
        assert user["remaining_credits"] == 100


def test_s5_1_later_refund_is_in_the_ledger_and_the_totals(gateway: Gateway, admin: httpx.Client) -> None:
    with gateway.client(gateway.new_key("books", "100")) as client:
        kept, task = create_paid_task(client), create_paid_task(client)
        refund(admin, task["id"], "books")
        lines = parse_response(client.get("/v1/ledger"))["data"]
        assert [line["type"] for line in lines[:2]] == ["refund", "charge"]
        assert int(lines[0]["amount"]["nanos"]) == -int(lines[1]["amount"]["nanos"]) > 0
        assert (
            lines[0]["available_after"]
            == parse_response(client.get("/v1/credits"))["data"]["user"]["exact"]["remaining"]
        )
        assert parse_response(client.get("/v1/ledger?type=refund"))["data"] == lines[:1]
        today = datetime.datetime.now(datetime.UTC).date()
        used = parse_response(client.get(f"/v1/usage?from={today - datetime.timedelta(days=1)}"))["total"]
        assert (used["tasks"], used["images"]) == (2, 2)
        assert float(used["amount"]["credits"]) == kept["usage"]["credits_used"]
        assert float(used["refunded"]["credits"]) == task["usage"]["credits_used"]
        cost = parse_response(admin.get(f"/v1/admin/tasks/{task['id']}"))
        assert cost["refunded"] == cost["charged"] == used["refunded"]
        assert cost["margin"]["nanos"] == "0"
        rows = parse_response(admin.get(f"/v1/admin/tasks?account={cost['task']['account_id']}"))["data"]
        (row,) = (one for one in rows if one["id"] == task["id"])
        for one in (row, cost["task"]):  # the signed links of both are new
            one["outputs"] = [{**image, "thumbnail_url": ""} for image in one["outputs"]]
        assert cost["task"] | {"thumbnail_url": ""} == row | {"thumbnail_url": ""}
    gateway.check()


def test_s5_1_later_refund_happens_once(gateway: Gateway, admin: httpx.Client) -> None:
    with gateway.client(gateway.new_key("once", "100")) as client:
        task, other = create_paid_task(client), create_paid_task(client)
        first = refund(admin, task["id"], "once")
        assert "idempotency-replayed" not in first.headers
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            again = list(pool.map(lambda _: refund(admin, task["id"], "once"), range(4)))
            rivals = list(pool.map(lambda number: refund(admin, other["id"], f"rival-{number}"), range(8)))
        assert {answer.text for answer in again} == {first.text}
        assert {answer.headers["idempotency-replayed"] for answer in again} == {"true"}
        assert sorted(answer.status_code for answer in rivals) == [200] + [409] * 7
        late = parse_error(refund(admin, task["id"], "another"), 409, "task_not_refundable", "task_id")
        assert late["reason"] == "already_refunded"
        parse_error(refund(admin, task["id"], "once", "another reason"), 409, "idempotency_conflict")
        parse_error(refund(admin, other["id"], "once"), 409, "idempotency_conflict")
        assert [line["type"] for line in parse_response(client.get("/v1/ledger?type=refund"))["data"]] == ["refund"] * 2
        assert parse_response(client.get("/v1/credits"))["data"]["user"]["remaining_credits"] == 100
    gateway.check()


def test_s5_1_later_refund_gives_the_caps_of_the_key_back(gateway: Gateway, admin: httpx.Client) -> None:
    with gateway.client() as demo:
        price = parse_response(demo.post("/v1/images/quotes", json=SMALL_IMAGE))["maximum"]["credits"]
    key = gateway.new_key("capped", "100", "--cap", price, "--daily-cap", price)
    with gateway.client(key) as client:
        task = create_paid_task(client)
        assert client.post(CREATE, json=SMALL_IMAGE).status_code == 402
        parse_response(refund(admin, task["id"], "capped"))
        assert parse_response(client.get("/v1/credits"))["data"]["token"]["used_credits"] == 0
        create_paid_task(client)
    gateway.check()


def test_s5_1_later_refund_of_what_was_never_charged_is_409(gateway: Gateway, admin: httpx.Client) -> None:
    with gateway.client(gateway.new_key("free", "100")) as client:
        body = {**SMALL_IMAGE, "image_urls": ["https://nowhere.invalid/a.png"]}
        failed = parse_response(client.post(CREATE, json=body, headers=WAIT))
        assert failed["status"] == "failed"
        refused = parse_error(refund(admin, failed["id"], "failed"), 409, "task_not_refundable", "task_id")
        assert refused["reason"] == "not_charged"
        # A refusal does not use the key up.
        parse_response(refund(admin, create_paid_task(client)["id"], "failed"))


def test_s5_1_later_refund_refuses_what_it_cannot_read(gateway: Gateway, admin: httpx.Client) -> None:
    unknown = "task-unified-1-aaaaaaaa"
    parse_error(refund(admin, unknown, None), 400, "invalid_request", "Idempotency-Key")
    parse_error(refund(admin, unknown, "a b"), 400, "invalid_request", "Idempotency-Key")
    parse_error(refund(admin, unknown, "x"), 404, "task_not_found")
    parse_error(refund(admin, "task-unified-\0", "x"), 404, "task_not_found")
    parse_error(refund(admin, "task-1", "x"), 400, "invalid_task_id", "task_id")
    for reason in ("", " ", "x" * 501, "a\0", 1, None):
        parse_error(refund(admin, unknown, "x", reason), 400, "invalid_request", "reason")
    with gateway.client() as demo:
        parse_error(refund(demo, unknown, "x"), 403, "permission_denied")


def test_s5_1_later_refund_on_the_command_line(gateway: Gateway) -> None:
    with gateway.client(gateway.new_key("shell", "100")) as client:
        task = create_paid_task(client)
        charged = task["usage"]["credits_used"]
        first = gateway.run("credits", "refund", task["id"], "--reason", REASON).stdout
        assert first.startswith(f"{task['id']}: {format_for_people(str(charged))} credits ($")
        assert " refunded\n" in first
        again = json.loads(gateway.run("credits", "refund", task["id"], "--json").stdout)
        assert (again["refunded_before"], float(again["amount"]["credits"])) == (True, charged)
        assert parse_response(client.get(f"/v1/tasks/{task['id']}"))["billing"]["refund_status"] == "completed"
        assert parse_response(client.get("/v1/credits"))["data"]["user"]["remaining_credits"] == 100
    for unknown, code in (("task-unified-1-aaaaaaaa", 1), ("nonsense", 2)):
        done = gateway.run("credits", "refund", unknown, check=False)
        assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    gateway.check()
