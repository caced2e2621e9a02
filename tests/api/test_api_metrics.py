"""Section 13, GET /metrics."""

from __future__ import annotations

import time
from pathlib import Path

import apsw
import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.support.gateway import Gateway
from tests.support.program import wait_until
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator


def numbers(gateway: Gateway) -> dict[str, float]:
    """Name with labels, and value."""
    answer = httpx.get(f"{gateway.url}/metrics", timeout=60)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        " ".join([sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))]): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_s13_metrics_count_requests_tasks_and_holds(tmp_path: Path) -> None:
    with Gateway(tmp_path / "a", "--no-workers") as gateway, gateway.client() as client:
        for number in range(3):
            parse_response(client.post(CREATE, json={**SMALL_IMAGE, "prompt": f"hidden {number}"}))
        task = parse_response(client.post(CREATE, json=SMALL_IMAGE))
        parse_response(client.get(f"/v1/tasks/{task['id']}"))
        for path in ("/nowhere", "/neither", "/v1/tasks/x"):
            client.get(path)
        found = numbers(gateway)
        assert found["imagegate_requests_total method=POST route=/v1/images/generations status=200"] == 4
        assert found["imagegate_requests_total method=GET route=unknown status=404"] == 2
        by_id = {name: value for name, value in found.items() if "total" in name and "/v1/tasks/{" in name}
        assert sorted(name.rpartition(" ")[2] for name in by_id) == ["status=200", "status=400"]
        assert found["imagegate_tasks state=queued"] == found["imagegate_holds_open"] == 4
        assert found["imagegate_tasks state=completed"] == found["imagegate_overruns"] == 0
        held = parse_response(client.get("/v1/credits"))["data"]["user"]["reserved_credits"] / 68
        assert abs(found["imagegate_held_usd"] - held) < 1e-6
        assert 0 < found["imagegate_oldest_queued_seconds"] < 60
        text = httpx.get(f"{gateway.url}/metrics", timeout=60).text
        for secret in ("demo", "acc_", "key_", task["id"], "hidden"):
            assert secret not in text


def test_s13_metrics_tell_of_broken_books(tmp_path: Path) -> None:
    with Gateway(tmp_path / "a", env={"IMAGEGATE_SWEEP_S": "0.3"}) as gateway, gateway.client() as client:
        parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
        broken = {name: value for name, value in numbers(gateway).items() if "invariant_broken" in name}
        assert broken == {f"imagegate_invariant_broken invariant={name}": 0 for name in ("I2.held", "I3", "I11")}
        books = apsw.Connection(str(gateway.data / "imagegate.db"))
        books.set_busy_timeout(5000)
        books.execute("UPDATE accounts SET held = held + 1")
        books.close()
        give_up = time.monotonic() + 30
        while not numbers(gateway)["imagegate_invariant_broken invariant=I2.held"]:
            assert time.monotonic() < give_up
            time.sleep(0.2)


def test_s13_metrics_tell_of_calls_routes_and_the_margin_of_the_day(tmp_path: Path) -> None:
    with Simulator() as cheap, Simulator() as dear:
        rows = [
            upstream_config("cheap", f"{cheap.url}/v1"),
            route_config("cheap", "0.001"),
            upstream_config("dear", f"{dear.url}/v1"),
            route_config("dear", "0.003"),
        ]
        with RoutedGateway(tmp_path / "data", *rows) as gateway:
            assert numbers(gateway)["imagegate_upstream_calls_total outcome=unknown route=gpt-image-2@cheap"] == 0
            tasks = []
            for fault in (None, "reset-after-send", "402"):
                cheap.script(fault)
                tasks.append(gateway.create())
            assert {task["status"] for task in tasks} == {"completed"}
            time.sleep(1)  # as old as the answer of /metrics may be
            found = numbers(gateway)
            calls = {name.partition(" ")[2]: number for name, number in found.items() if "_calls_total" in name}
            assert {name: number for name, number in calls.items() if number} == {
                "outcome=produced route=gpt-image-2@cheap": 1,
                "outcome=unknown route=gpt-image-2@cheap": 1,
                "outcome=unavailable route=gpt-image-2@cheap": 1,
                "outcome=produced route=gpt-image-2@dear": 2,
            }
            assert found["imagegate_upstream_cost_usd_total route=gpt-image-2@cheap"] == pytest.approx(0.001)
            assert found["imagegate_upstream_waste_usd_total route=gpt-image-2@cheap"] == pytest.approx(0.001)
            assert found["imagegate_upstream_cost_usd_total route=gpt-image-2@dear"] == pytest.approx(0.006)
            assert found["imagegate_upstream_waste_usd_total route=gpt-image-2@dear"] == 0
            assert found["imagegate_route_broken route=gpt-image-2@cheap"] == 1
            assert found["imagegate_route_broken route=gpt-image-2@dear"] == 0
            assert found["imagegate_possible_duplicates"] == 1
            charged = sum(task["usage"]["cost"]["usd"] for task in tasks)
            assert found["imagegate_day_charged_usd"] == pytest.approx(charged)
            assert found["imagegate_day_margin_usd"] == pytest.approx(charged - 0.007 - 0.001)
            gateway.run("credits", "refund", tasks[0]["id"])
            left = charged - tasks[0]["usage"]["cost"]["usd"]
            give_up = time.monotonic() + 30
            while numbers(gateway)["imagegate_day_charged_usd"] != pytest.approx(left):
                assert time.monotonic() < give_up
                time.sleep(0.2)


def test_s13_metrics_time_answers_but_not_waits_and_count_how_tasks_end(tmp_path: Path) -> None:
    with Gateway(tmp_path / "a") as gateway, gateway.client() as client:
        for headers in ({}, WAIT, WAIT):
            task = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=headers))
        parse_response(client.get(f"/v1/tasks/{task['id']}?wait=0"))
        found = numbers(gateway)
        assert found["imagegate_request_seconds_count route=/v1/images/generations"] == 1
        assert found["imagegate_request_seconds_count route=/v1/tasks/{task_id}"] == 1
        assert found["imagegate_request_seconds_bucket le=+Inf route=/v1/tasks/{task_id}"] == 1
        assert found["imagegate_tasks_ended_total error="] == found["imagegate_task_seconds_count"] >= 2
        assert found["imagegate_tasks_ended_total error=service_unavailable"] == 0
        assert found["imagegate_upstream_call_seconds_count route=gpt-image-2@embedded"] >= 2
        assert found["imagegate_commit_seconds_count"] >= 3
        assert found["imagegate_disk_free_bytes folder=data"] > found["imagegate_disk_min_free_bytes folder=data"]
        assert {value for name, value in found.items() if name.startswith("imagegate_ready ")} == {1}


@pytest.mark.gate
def test_s13_metrics_count_what_could_not_be_stored(tmp_path: Path) -> None:
    with Gateway(tmp_path / "a") as gateway, gateway.client() as client:
        blobs = gateway.data / "blobs"
        blobs.rename(gateway.data / "moved")
        blobs.write_text("no folder")
        task_id = parse_response(client.post(CREATE, json=SMALL_IMAGE))["id"]
        wait_until(lambda: numbers(gateway)["imagegate_tasks_waiting_for_storage"] == 1)
        assert numbers(gateway)["imagegate_storage_errors_total"] >= 1
        blobs.unlink()
        (gateway.data / "moved").rename(blobs)
        assert parse_response(client.get(f"/v1/tasks/{task_id}?wait=30"))["status"] == "completed"
        found = numbers(gateway)
        assert found["imagegate_tasks_waiting_for_storage"] == found["imagegate_storage_unavailable"] == 0
        assert found["imagegate_tasks_ended_total error="] == 1


def test_s13_metrics_of_the_process_stay_while_the_database_is_away(
    postgres_server: str, postgres_url: str, tmp_path: Path
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"]
    with (
        Gateway(tmp_path, env={"IMAGEGATE_DATABASE": postgres_url}) as gateway,
        psycopg.connect(postgres_server, autocommit=True) as admin,
    ):
        before = numbers(gateway)
        assert before["imagegate_ready check=database"] == 1
        assert "imagegate_oldest_queued_seconds" in before
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        time.sleep(1)  # as old as the figures may be
        during = numbers(gateway)
        assert during["imagegate_ready check=database"] == 0
        assert during["imagegate_database_errors_total operation=read"] > 0
        assert "imagegate_event_loop_lag_seconds" in during
        assert "imagegate_oldest_queued_seconds" not in during
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        give_up = time.monotonic() + 30
        while "imagegate_oldest_queued_seconds" not in numbers(gateway):
            assert time.monotonic() < give_up
            time.sleep(0.2)


def test_s13_metrics_can_be_closed(tmp_path: Path) -> None:
    with Gateway(tmp_path / "a", env={"IMAGEGATE_METRICS": "false"}) as gateway:
        parse_error(httpx.get(f"{gateway.url}/metrics", timeout=60), 404, "not_found")


def test_s13_metrics_are_for_accepted_hosts_and_for_whoever_has_the_token(tmp_path: Path) -> None:
    secret = "a token of the operator"
    with Gateway(tmp_path / "a", env={"IMAGEGATE_METRICS_TOKEN": secret}) as gateway:
        url = f"{gateway.url}/metrics"
        for sent in ("", secret, f"Basic {secret}", f"Bearer {secret[:-1]}", f"Bearer {gateway.key}"):
            parse_error(
                httpx.get(url, headers={"Authorization": sent} if sent else {}, timeout=60), 401, "unauthorized"
            )
        allowed = {"Authorization": f"Bearer {secret}"}
        assert httpx.get(url, headers=allowed, timeout=60).status_code == 200
        parse_error(
            httpx.get(url, headers={**allowed, "Host": "evil.example"}, timeout=60), 400, "invalid_request", "Host"
        )
