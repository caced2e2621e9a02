"""Metadata on a task: given at create, changed at any time, found again by it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, assert_unchanged, parse_error, parse_response
from tests.support.gateway import Gateway

GATEWAY_OPTIONS = ("--no-workers",)
NOTES = {"order": "17", "note": "봄 로고"}


def create(client: httpx.Client, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = parse_response(client.post(CREATE, json={**SMALL_IMAGE, **more}))
    return answer


def change(client: httpx.Client, task_id: str, metadata: Any) -> httpx.Response:
    return client.patch(f"/v1/tasks/{task_id}", json={"metadata": metadata})


def row_of(client: httpx.Client, task_id: str) -> dict[str, Any]:
    rows = parse_response(client.get("/v1/tasks?cursor=&limit=100"))["data"]
    return next(row for row in rows if row["id"] == task_id)


def test_s5_7_shown_last_wherever_the_task_is(client: httpx.Client) -> None:
    task = create(client, metadata=NOTES)
    plain = create(client)
    assert list(task)[-1] == "metadata"
    assert task["metadata"] == dict(sorted(NOTES.items()))
    assert parse_response(client.get(f"/v1/tasks/{task['id']}"))["metadata"] == task["metadata"]
    batch = parse_response(client.post("/v1/tasks/batch", json={"task_ids": [task["id"]]}))
    assert batch["data"][0]["metadata"] == task["metadata"]
    row = row_of(client, task["id"])
    assert list(row)[-1] == "metadata"
    assert row["metadata"] == task["metadata"]
    for shown in (plain, row_of(client, plain["id"])):
        assert "metadata" not in shown


def test_s5_7_patch_merges_and_null_removes(client: httpx.Client) -> None:
    task = create(client, metadata=NOTES)
    changed = parse_response(change(client, task["id"], {"order": None, "note": "x", "new": ""}))
    assert changed == {**task, "metadata": {"new": "", "note": "x"}, "task_info": changed["task_info"]}
    assert parse_response(client.get(f"/v1/tasks/{task['id']}"))["metadata"] == {"new": "", "note": "x"}
    assert parse_response(change(client, task["id"], {}))["metadata"] == {"new": "", "note": "x"}
    assert "metadata" not in parse_response(change(client, task["id"], {"new": None, "note": None, "none": None}))


BOUNDS = [
    ({f"k{number}": "" for number in range(17)}, "16 keys"),
    ({"id": "1"}, "neither id nor status"),
    ({"status": "1"}, "neither id nor status"),
    ({"a b": "1"}, "letters, digits"),
    ({"x" * 65: "1"}, "letters, digits"),
    ({"": "1"}, "letters, digits"),
    ({"k": "가" * 513}, "512 characters"),
    ({"k": "a\0b"}, "U+0000"),
    ({f"k{number}": "가" * 512 for number in range(6)}, "8,192 bytes"),
]


@pytest.mark.parametrize(("metadata", "says"), BOUNDS)
def test_s5_7_bounds_at_create_and_patch(client: httpx.Client, metadata: dict[str, str], says: str) -> None:
    with assert_unchanged(client):
        error = parse_error(
            client.post(CREATE, json={**SMALL_IMAGE, "metadata": metadata}), 400, "invalid_request", "metadata"
        )
    assert says in error["message"]
    task = create(client, metadata={"kept": "1"})
    parse_error(change(client, task["id"], metadata), 400, "invalid_request", "metadata")
    assert parse_response(client.get(f"/v1/tasks/{task['id']}"))["metadata"] == {"kept": "1"}


def test_s5_7_bounds_are_of_the_whole_and_values_are_texts(client: httpx.Client) -> None:
    parse_error(client.post(CREATE, json={**SMALL_IMAGE, "metadata": {"k": 1}}), 400, "invalid_request", "metadata")
    full = {f"k{number}": "1" for number in range(16)}
    task = create(client, metadata=full)
    parse_error(change(client, task["id"], {"one_more": "1"}), 400, "invalid_request", "metadata")
    assert len(parse_response(change(client, task["id"], {"one_more": "1", "k0": None}))["metadata"]) == 16
    parse_error(client.patch(f"/v1/tasks/{task['id']}", json={}), 400, "invalid_request", "metadata")


def test_s5_7_account_alone_sees_and_changes_it(gateway: Gateway, client: httpx.Client) -> None:
    task = create(client, metadata=NOTES)
    with gateway.client(gateway.new_key("other", "1")) as other:
        parse_error(change(other, task["id"], {"order": "2"}), 404, "task_not_found")
        assert parse_response(other.get("/v1/tasks?metadata=order:17"))["data"] == []
    parse_error(change(client, "task-unified-1-aaaaaaaa", {"order": "2"}), 404, "task_not_found")
    parse_error(change(client, "nonsense", {"order": "2"}), 400, "invalid_task_id", "task_id")


def test_s5_7_same_body_has_the_same_metadata(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": "metadata-counts"}
    body = {**SMALL_IMAGE, "metadata": {"a": "1", "b": "2"}}
    first = parse_response(client.post(CREATE, json=body, headers=headers))
    again = client.post(CREATE, json={**body, "metadata": {"b": "2", "a": "1"}}, headers=headers)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert parse_response(again)["id"] == first["id"]
    other = client.post(CREATE, json=SMALL_IMAGE, headers=headers)
    parse_error(other, 409, "idempotency_conflict", "Idempotency-Key")


def test_s5_7_no_event_and_no_webhook_by_a_change(tmp_path: Any) -> None:
    with Gateway(tmp_path) as gateway, gateway.client() as client:
        task = parse_response(client.post(CREATE, json={**SMALL_IMAGE, "metadata": NOTES}, headers=WAIT))
        before = client.get(f"/v1/tasks/{task['id']}/events").text
        parse_response(change(client, task["id"], {"starred": "true", "tags": "logo,spring"}))
        after = client.get(f"/v1/tasks/{task['id']}/events").text
        assert before.count("event: task") == after.count("event: task")
        assert parse_response(client.get("/v1/webhooks/deliveries"))["data"] == []
        gateway.check()
