"""The same answers with PostgreSQL underneath, where the two engines could differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.support.gateway import Gateway
from tests.support.image_files import PNG, b64


@pytest.fixture
def client(postgres_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    with Gateway(tmp_path, env={"IMAGEGATE_DATABASE": postgres_url}) as gateway, gateway.client() as opened:
        yield opened


def test_s5_4_left_out_is_text_that_no_database_can_hold(client: httpx.Client) -> None:
    task = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers={**WAIT, "Idempotency-Key": "k"}))
    assert parse_response(client.get(f"/v1/tasks/{task['id']}")) == task
    parse_error(client.get("/v1/tasks/task-unified-1-aaaaaaa%00"), 404, "task_not_found")
    batch = client.post("/v1/tasks/batch", json={"task_ids": ["a\0b", task["id"], "x" * 5_000]})
    assert parse_response(batch) == {"code": 200, "data": [task]}
    assert parse_response(client.get("/v1/tasks?model=%00"))["data"] == []


def test_s5_5_nothing_bought_with_postgres_underneath(postgres_url: str, tmp_path: Path) -> None:
    env = {"IMAGEGATE_DATABASE": postgres_url}
    with Gateway(tmp_path, "--no-workers", env=env) as gateway, gateway.client() as client:
        task = parse_response(client.post(CREATE, json={**SMALL_IMAGE, "callback_url": "https://hook.invalid/"}))
        assert task["task_info"]["can_cancel"] is True
        ended = parse_response(client.post(f"/v1/tasks/{task['id']}/cancel"))
        assert ended["error"]["code"] == "request_cancelled"
        logged = parse_response(client.get("/v1/webhooks/deliveries"))["data"]
        assert [one["id"] for one in logged] == [f"evt_{task['id']}"]
        parse_error(client.get("/v1/webhooks/deliveries?cursor=%00"), 400, "invalid_request", "cursor")
        parse_error(client.post("/v1/webhooks/deliveries/a%00b/replay"), 404, "not_found")
        assert parse_response(client.post("/v1/webhooks/secret/rotate"))["version"] == 2


def test_s8_safe_name_of_what_no_database_can_hold(client: httpx.Client) -> None:
    sent = {"base64": b64(PNG), "file_name": "\N{CAT FACE}.png"}
    first, second = (parse_response(client.post("/api/v1/files/upload/base64", json=sent))["data"] for _ in range(2))
    assert client.get(first["file_url"]).status_code == 404
    assert client.get(second["file_url"]).content == PNG
    assert parse_response(client.get("/api/v1/files"))["data"]["files"] == [second]
    for address in ("/files/uploads/%00/a", f"/files/uploads/{'0' * 32}/%00", "/api/v1/files/download/%00"):
        assert client.get(address).status_code == 404
    assert client.delete("/api/v1/files/%00").status_code == 404
    refused = client.post("/api/v1/files/upload/base64", json={**sent, "upload_path": "a\0"})
    assert parse_response(refused, 400)["code"] == 400
    task = client.post(CREATE, json={**SMALL_IMAGE, "image_urls": [second["file_url"]]}, headers=WAIT)
    assert parse_response(task)["status"] == "completed"
    assert parse_response(client.delete(f"/api/v1/files/{second['file_id']}"))["success"] is True
