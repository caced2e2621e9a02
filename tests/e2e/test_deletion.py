"""Deleting a task of the real program: at once, for good, and whatever dies in between."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.support.gateway import THUMBNAILS, Gateway
from tests.support.program import wait_until

FAST_SWEEP = {"IMAGEGATE_SWEEP_S": "0.3"}
KEY = {"Idempotency-Key": "deleted"}
BODY = {**SMALL_IMAGE, "prompt": "logo of a secret", "n": 2, "metadata": {"tags": "secret"}}


def links(client: httpx.Client, task: dict[str, Any]) -> list[str]:
    """Of its results and thumbnails; the latter are drawn by this."""
    (row,) = parse_response(client.get("/v1/tasks"))["data"]
    thumbnails = [output["thumbnail_url"] for output in row["outputs"]]
    assert [client.get(link).status_code for link in thumbnails] == [200, 200]
    return [*task["results"], *thumbnails]


def stored(gateway: Gateway) -> list[str]:
    return [str(path) for path in Path(gateway.data, "blobs", "t").rglob("*") if path.is_file()]


def test_s5_8_gone_at_once_and_for_good(tmp_path: Path) -> None:
    with Gateway(tmp_path, env=THUMBNAILS) as gateway, gateway.client() as client:
        task = parse_response(client.post(CREATE, json=BODY, headers=WAIT))
        all_links = links(client, task)
        assert len(stored(gateway)) == 4
        before = parse_response(client.get("/v1/ledger")), parse_response(client.get("/v1/credits"))
        answer = parse_response(client.delete(f"/v1/tasks/{task['id']}"))
        assert answer == {"id": task["id"], "object": "image.generation.task", "deleted": True}
        assert stored(gateway) == []
        for link in all_links:
            parse_error(client.get(link), 410, "result_expired")
        path = f"/v1/tasks/{task['id']}"
        for gone in (
            client.get(path),
            client.get(f"{path}?include=request,outputs"),
            client.get(f"{path}/events"),
            client.post(f"{path}/cancel"),
            client.patch(path, json={"metadata": {"a": "b"}}),
            client.delete(path),
        ):
            parse_error(gone, 404, "task_not_found")
        assert parse_response(client.get("/v1/tasks"))["total"] == 0
        assert parse_response(client.post("/v1/tasks/batch", json={"task_ids": [task["id"]]}))["data"] == []
        assert (parse_response(client.get("/v1/ledger")), parse_response(client.get("/v1/credits"))) == before
        with gateway.client(gateway.new_key("operator", "1", "--scope", "admin")) as admin:
            (row,) = parse_response(admin.get("/v1/admin/audit?action=task.delete"))["data"]
            assert (row["target"], row["via"], row["before"], row["after"]) == (task["id"], "api", None, None)
            assert parse_response(admin.get("/v1/admin/tasks"))["data"] == []
        gateway.check()
        gateway.run("check", "--deep")


def test_s5_8_key_is_free_and_the_same_create_buys_anew(tmp_path: Path) -> None:
    with Gateway(tmp_path, "--no-workers") as gateway, gateway.client() as client:
        task = parse_response(client.post(CREATE, json=BODY, headers=KEY))
        parse_response(client.post(f"/v1/tasks/{task['id']}/cancel"))
        assert parse_response(client.post(CREATE, json=BODY, headers=KEY))["id"] == task["id"]
        parse_response(client.delete(f"/v1/tasks/{task['id']}"))
        again = client.post(CREATE, json=BODY, headers=KEY)
        assert "Idempotency-Replayed" not in again.headers
        assert parse_response(again)["id"] != task["id"]
        gateway.check()


def test_s10_1_task_not_deletable_before_it_has_ended(tmp_path: Path) -> None:
    with Gateway(tmp_path, "--no-workers") as gateway, gateway.client() as client:
        task = parse_response(client.post(CREATE, json=BODY))
        path = f"/v1/tasks/{task['id']}"
        parse_error(client.delete(path), 409, "task_not_deletable")
        assert parse_response(client.get(path))["metadata"] == BODY["metadata"]
        reader = gateway.new_key("other", "1")
        with gateway.client(reader) as other:
            parse_error(other.delete(path), 404, "task_not_found")
        parse_response(client.post(f"{path}/cancel"))
        parse_response(client.delete(path))
        parse_error(client.delete(path), 404, "task_not_found")
        gateway.check()


@pytest.mark.fault("F1")
@pytest.mark.parametrize("place", ["delete.post_commit", "delete.blobs_deleted"])
def test_f1_killed_while_a_task_is_deleted(tmp_path: Path, place: str) -> None:
    with Gateway(tmp_path, env={**THUMBNAILS, **FAST_SWEEP, "IMAGEGATE_CRASH": place}) as gateway:
        with gateway.client() as client:
            task = parse_response(client.post(CREATE, json=BODY, headers=WAIT))
            all_links = links(client, task)
            with pytest.raises(httpx.TransportError):
                client.delete(f"/v1/tasks/{task['id']}")
        assert gateway.wait_for_exit() == -signal.SIGKILL
        del gateway.env["IMAGEGATE_CRASH"]
        gateway.start()
        with gateway.client() as client:
            parse_error(client.delete(f"/v1/tasks/{task['id']}"), 404, "task_not_found")
            for link in all_links:
                assert client.get(f"/files/{link.partition('/files/')[2]}").status_code == 410
            wait_until(lambda: stored(gateway) == [])
            charges = parse_response(client.get("/v1/ledger?type=charge"))["data"]
            assert [line["task_id"] for line in charges] == [task["id"]]
        gateway.check()
        gateway.run("check", "--deep")
