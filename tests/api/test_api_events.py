"""Section 5.6: a task's events, each once and in order, whatever happens to the connection; C12 for them."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.store import attempts, claims, settlement, tasks
from imagegate.store.database import Database, create_engine
from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.store.helpers import ROUTE, claim_tasks, new_attempt, new_settlement, render_webhook
from tests.support.gateway import Gateway

Event = tuple[int, str]
CUTS = 50


def events_of(text: str) -> list[Event]:
    """Id and data of every complete event."""
    found = []
    for block in text.split("\n\n")[:-1]:
        if block.startswith((":", "retry:")):
            continue
        number, name, data = block.split("\n")
        assert (number[:4], name, data[:6]) == ("id: ", "event: task", "data: ")
        found.append((int(number[4:]), data[6:]))
    return found


def stream_events(client: httpx.Client, task_id: str, last: str | None = None) -> httpx.Response:
    headers = {} if last is None else {"Last-Event-ID": last}
    return client.get(f"/v1/tasks/{task_id}/events", headers=headers)


def test_s5_6_form_of_a_live_stream_that_says_the_same_later(client: httpx.Client) -> None:
    body = {**SMALL_IMAGE, "size": "1024x1024", "n": 3}
    task = parse_response(client.post(CREATE, json=body))
    live = stream_events(client, task["id"])
    assert live.status_code == 200
    assert live.headers["content-type"].startswith("text/event-stream")
    assert live.headers["cache-control"] == "no-store"
    assert live.text.startswith("retry: 2000\n\nid: 1\nevent: task\ndata: {")
    events = events_of(live.text)
    assert [number for number, _ in events] == list(range(1, len(events) + 1))
    seen = [json.loads(data) for _, data in events]
    first = {name: value for name, value in seen[0].items() if name != "task_info"}
    assert first == {name: value for name, value in task.items() if name != "task_info"}
    assert seen[0]["status"] == "pending"
    assert seen[1]["status"] == "processing"
    assert "results" not in seen[-2]
    assert "engine" not in seen[-2]
    assert events[-1][1] == client.get(f"/v1/tasks/{task['id']}").text
    assert [one["progress"] for one in seen] == sorted(one["progress"] for one in seen)
    assert stream_events(client, task["id"]).text == live.text


def test_s5_6_resume_after_any_event_and_204_behind_the_last(client: httpx.Client) -> None:
    task = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
    whole = events_of(stream_events(client, task["id"]).text)
    for number in range(1, len(whole)):
        assert events_of(stream_events(client, task["id"], str(number)).text) == whole[number:]
    for number in (len(whole), len(whole) + 5):
        over = stream_events(client, task["id"], str(number))
        assert (over.status_code, over.content) == (204, b"")


def test_s5_6_malformed_or_absent_numbers_begin_at_1(client: httpx.Client) -> None:
    task = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
    whole = stream_events(client, task["id"]).text
    assert events_of(whole)[0][0] == 1
    for last in ("", "x", "-1", "1.0", "9" * 40):
        assert stream_events(client, task["id"], last).text == whole


def test_s5_6_closes_after_the_terminal_event(client: httpx.Client) -> None:
    """The answer has an end of its own: nobody cut it off."""
    task = parse_response(client.post(CREATE, json={**SMALL_IMAGE, "prompt": "logo close"}))
    last = json.loads(events_of(stream_events(client, task["id"]).text)[-1][1])
    assert last["status"] == "completed"


def test_c12_a_foreign_stream_is_as_unknown_as_any(gateway: Gateway, client: httpx.Client) -> None:
    task = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
    with gateway.client(gateway.new_key("stranger")) as stranger:
        foreign = parse_error(stream_events(stranger, task["id"]), 404, "task_not_found")
        unknown = parse_error(stream_events(stranger, "task-unified-1-aaaaaaaa"), 404, "task_not_found")
        parse_error(stream_events(stranger, "nonsense"), 400, "invalid_task_id", "task_id")
    assert foreign["message"] == unknown["message"]
    with gateway.client(gateway.new_key("demo", "1", "--scope", "images:write")) as blind:
        parse_error(stream_events(blind, task["id"]), 403, "permission_denied")


def test_s5_6_once_for_a_client_that_is_cut_off_fifty_times(tmp_path: Path) -> None:
    """Another process writes the changes; the client's socket is closed anywhere, also inside of an event."""
    with Gateway(tmp_path, "--no-workers") as gateway, gateway.client() as client:
        task = parse_response(client.post(CREATE, json=SMALL_IMAGE))
        asyncio.run(_advance(gateway, task["id"], 70))
        whole = events_of(stream_events(client, task["id"]).text)
        assert len(whole) == 72
        seen: list[Event] = []
        chance = random.Random(5)
        for _ in range(CUTS):
            seen += events_of(_cut_off(gateway, task["id"], seen, chance.randrange(1, 2000)))
        cut = len(seen)
        assert 10 < cut < len(whole)
        seen += events_of(stream_events(client, task["id"], str(cut)).text)
        assert seen == whole
        assert stream_events(client, task["id"], str(len(seen))).status_code == 204


async def _advance(gateway: Gateway, task_id: str, steps: int) -> None:
    """A worker of two minutes, in no time: its clock runs two seconds a step."""
    now = [time.time_ns() // 1000]
    db = Database(create_engine(str(gateway.data / "imagegate.db"), lambda: now[0]))
    try:
        known = await db.read(lambda tx: tasks.find_task(tx, str(tasks.find_task_account(tx, task_id)), task_id))
        assert known is not None
        (task,) = await db.write(claim_tasks, known.account_id, "test", 10**12, 1)
        for step in range(1, steps):
            now[0] += 2_000_000
            await db.write(attempts.update_progress, task.account_id, task.id, task.claim_no, step)
        now[0] += 2_000_000
        attempt = new_attempt(task)
        await db.write(attempts.begin_attempt, task.account_id, attempt, "test", ROUTE)
        done = new_settlement(task, task.hold)
        await db.write(settlement.complete_task, task.account_id, task.id, task.claim_no, done, render_webhook)
    finally:
        db.close()


def _cut_off(gateway: Gateway, task_id: str, seen: list[Event], max_bytes: int) -> str:
    """What arrived of the body's first `max_bytes` bytes before the client went away."""
    place = urlsplit(gateway.url)
    assert place.hostname
    head = f"GET /v1/tasks/{task_id}/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {gateway.key}\r\n"
    last = f"Last-Event-ID: {seen[-1][0]}\r\n" if seen else ""
    received = b""
    with socket.create_connection((place.hostname, place.port or 80), timeout=10) as connection:
        connection.sendall(f"{head}{last}Connection: close\r\n\r\n".encode())
        while len(received) < max_bytes + 2000 and (chunk := connection.recv(500)):
            received += chunk
    return _dechunk(received.partition(b"\r\n\r\n")[2])[:max_bytes].decode()


def _dechunk(body: bytes) -> bytes:
    plain = b""
    while b"\r\n" in body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        plain += body[:length]
        body = body[length + 2 :]
    return plain


def test_s5_6_changes_are_what_a_customer_can_tell_apart(tmp_path: Path) -> None:
    """Work that is handed back and claimed again stays `processing`; progress shows once a second at max_bytes."""

    async def advance_and_fail(gateway: Gateway, task_id: str) -> None:
        now = [time.time_ns() // 1000]
        db = Database(create_engine(str(gateway.data / "imagegate.db"), lambda: now[0]))
        known = await db.read(lambda tx: tasks.find_task(tx, str(tasks.find_task_account(tx, task_id)), task_id))
        assert known is not None
        for progress in (5, 50):
            now[0] += 10_000_000
            (task,) = await db.write(claim_tasks, known.account_id, "test", 10**12, 1)
            await db.write(attempts.begin_attempt, task.account_id, new_attempt(task), "test", ROUTE)
            for quick in range(3):
                await db.write(attempts.update_progress, task.account_id, task.id, task.claim_no, progress + quick)
            now[0] += 2_000_000
            await db.write(attempts.update_progress, task.account_id, task.id, task.claim_no, progress + 9)
            await db.write(claims.release_task, task.account_id, task.id, task.claim_no)
        error = TaskError(TaskErrorCode.service_error, "test")
        await db.write(settlement.fail_task, task.account_id, task.id, task.claim_no, error, "cmt_test", render_webhook)
        db.close()

    with Gateway(tmp_path, "--no-workers") as gateway, gateway.client() as client:
        task = parse_response(client.post(CREATE, json=SMALL_IMAGE))
        asyncio.run(advance_and_fail(gateway, task["id"]))
        seen: list[Any] = [json.loads(data) for _, data in events_of(stream_events(client, task["id"]).text)]
        assert [(one["status"], one["progress"]) for one in seen] == [
            ("pending", 0),
            ("processing", 0),
            ("processing", 14),
            ("processing", 50),
            ("processing", 59),
            ("failed", 59),
        ]
        assert [one["billing"]["charge_status"] for one in seen] == ["reserved"] * 5 + ["released"]
        assert [one["task_info"]["can_cancel"] for one in seen] == [True] + [False] * 5
        assert all("error" not in one for one in seen[:-1])


def test_a_stopping_gateway_lets_streams_go(tmp_path: Path) -> None:
    with Gateway(tmp_path, "--no-workers") as gateway, gateway.client() as client:
        task = parse_response(client.post(CREATE, json=SMALL_IMAGE))
        with client.stream("GET", f"/v1/tasks/{task['id']}/events") as stream:
            assert "id: 1" in itertools.islice(stream.iter_lines(), 2, None)
            assert gateway.stop(timeout_s=30) == 0
