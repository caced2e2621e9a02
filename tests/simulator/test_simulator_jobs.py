"""The protocols that are polled: tasks, fal's queue and Replicate's predictions."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from PIL import Image

from tests.support.simulator import Simulator

BODY = {"prompt": "a fox", "size": "1024x1024", "quality": "low"}
COST = 196 * 30_000 + 7 * 5_000


class ApiClient:
    """A client of one protocol: submit, then poll until the end."""

    def __init__(self, simulator: Simulator, key: str) -> None:
        self.http = httpx.Client(
            base_url=simulator.url, headers={"Authorization": key}, timeout=30, trust_env=False, verify=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def submit(self, path: str, body: object, **headers: str) -> httpx.Response:
        return self.http.post(path, json=body, headers={name.replace("_", "-"): headers[name] for name in headers})

    def task(self, body: object = None, **headers: str) -> dict[str, Any]:
        answer = self.submit("/task/v1/images/generations", body or BODY, **headers)
        assert answer.status_code == 200, answer.text
        task: dict[str, Any] = answer.json()
        return task

    def poll_until(self, path: str, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        give_up = time.monotonic() + 20
        while time.monotonic() < give_up:
            answer = self.http.get(path)
            if answer.status_code < 400 and done(answer.json()):
                seen: dict[str, Any] = answer.json()
                return seen
            time.sleep(0.02)
        raise AssertionError(f"{path}: {answer.status_code} {answer.text}")

    def wait_for_end(self, task: dict[str, Any]) -> dict[str, Any]:
        return self.poll_until(f"/task/v1/tasks/{task['id']}", lambda seen: seen["status"] in ("completed", "failed"))


@pytest.fixture
def customer(simulator: Simulator) -> Iterator[ApiClient]:
    with ApiClient(simulator, "Bearer any") as customer:
        yield customer


@pytest.fixture
def fal(simulator: Simulator) -> Iterator[ApiClient]:
    with ApiClient(simulator, "Key any") as customer:
        yield customer


def download_image(url: str) -> Image.Image:
    answer = httpx.get(url, trust_env=False, verify=False, timeout=60)
    assert answer.status_code == 200
    image = Image.open(io.BytesIO(answer.content))
    image.load()
    return image


def test_a_task_is_made_polled_and_collected(simulator: Simulator, customer: ApiClient) -> None:
    made = customer.task(BODY | {"prompt": "[[latency:0.5]]", "n": 2})
    assert (made["status"], made["task_info"]["can_cancel"]) == ("pending", True)
    assert made["usage"]["credits_reserved"] > 0
    done = customer.wait_for_end(made)
    assert done["status"] == "completed"
    assert done["progress"] == 100
    assert done["usage"]["tokens"]["image_output"] == 2 * 196
    assert [download_image(url).size for url in done["results"]] == [(1024, 1024)] * 2
    assert simulator.total["images"] == 2
    assert len({httpx.get(url, trust_env=False, verify=False, timeout=60).content for url in done["results"]}) == 2


def test_a_wait_is_answered_when_the_task_ends(customer: ApiClient) -> None:
    made = customer.task(BODY | {"prompt": "[[latency:1]]"})
    seen = customer.http.get(f"/task/v1/tasks/{made['id']}?wait=20").json()
    assert seen["status"] == "completed"


def test_a_key_buys_once(simulator: Simulator, customer: ApiClient) -> None:
    first = customer.task(Idempotency_Key="att-1")
    again = customer.submit("/task/v1/images/generations", BODY, Idempotency_Key="att-1")
    assert (again.json()["id"], again.headers["Idempotency-Replayed"]) == (first["id"], "true")
    other = customer.submit("/task/v1/images/generations", BODY | {"n": 2}, Idempotency_Key="att-1")
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert simulator.total | {"usd": ""} == {"calls": 3, "purchases": 1, "images": 1, "nanos": COST, "usd": ""}
    assert [(call["replayed"], call["billed_images"]) for call in simulator.calls()] == [
        (False, 1),
        (True, 0),
        (False, 0),
    ]


def test_a_submit_whose_answer_is_lost_can_be_repeated(simulator: Simulator, customer: ApiClient) -> None:
    simulator.script("reset-after-send")
    with pytest.raises(httpx.TransportError):
        customer.task(Idempotency_Key="att-2")
    made = customer.task(Idempotency_Key="att-2")
    assert (simulator.total["purchases"], made["status"]) == (1, "completed")
    assert made["id"] == simulator.calls()[0]["task_id"]


@pytest.mark.parametrize("fault", ["reset-after-send", "5xx-html", "html-200", "truncated"])
def test_a_prompt_spoils_the_first_answer_and_a_script_as_many_as_it_names(
    simulator: Simulator, customer: ApiClient, fault: str
) -> None:
    def submit(prompt: str, key: str) -> str:
        try:
            answer = customer.submit("/task/v1/images/generations", BODY | {"prompt": prompt}, Idempotency_Key=key)
            ticket: str = answer.json()["id"] if answer.status_code == 200 else ""
        except (httpx.TransportError, ValueError):
            return ""
        return ticket

    assert not submit(f"[[fault:{fault}]]", f"by-prompt-{fault}")
    assert submit(f"[[fault:{fault}]]", f"by-prompt-{fault}")
    simulator.script(fault, fault)
    assert not submit("x", f"by-script-{fault}")
    assert not submit("x", f"by-script-{fault}")
    assert submit("x", f"by-script-{fault}")
    assert simulator.total["purchases"] == 2


def test_tasks_outlive_a_kill(tmp_path: Path) -> None:
    simulator = Simulator("--state", str(tmp_path / "tasks.jsonl"), "--latency", "1")
    simulator.start()
    with ApiClient(simulator, "Bearer any") as customer:
        done = customer.wait_for_end(customer.task(Idempotency_Key="a"))
        before = httpx.get(done["results"][0], trust_env=False, verify=False, timeout=60).content
        running = customer.task(BODY | {"n": 3}, Idempotency_Key="b")
        cancelled = customer.task(Idempotency_Key="c")
        customer.http.post(f"/task/v1/tasks/{cancelled['id']}/cancel")
    total = simulator.total
    simulator.kill()
    with simulator, ApiClient(simulator, "Bearer any") as customer:
        assert customer.task(BODY | {"n": 3}, Idempotency_Key="b")["id"] == running["id"]
        assert len(customer.wait_for_end(running)["results"]) == 3
        assert httpx.get(done["results"][0], trust_env=False, verify=False, timeout=60).content == before
        assert customer.wait_for_end(cancelled)["error"]["code"] == "request_cancelled"
        assert (simulator.total["images"], simulator.total["nanos"]) == (total["images"], total["nanos"])
        assert total["images"] == 4


def test_cancel_works_only_before_the_work_begins(simulator: Simulator, customer: ApiClient) -> None:
    early = customer.task(BODY | {"prompt": "[[latency:20]]"})
    ended = customer.http.post(f"/task/v1/tasks/{early['id']}/cancel").json()
    assert (ended["status"], ended["error"]["code"]) == ("failed", "request_cancelled")
    assert simulator.total["images"] == 0
    late = customer.task(BODY | {"prompt": "[[latency:1]]"})
    path = f"/task/v1/tasks/{late['id']}"
    customer.poll_until(path, lambda seen: seen["status"] == "processing")
    assert customer.http.post(f"{path}/cancel").json()["status"] == "processing"
    assert customer.wait_for_end(late)["status"] == "completed"
    assert customer.http.post(f"{path}/cancel").status_code == 409
    assert simulator.total["images"] == 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("moderation-refusal", "content_policy_violation"),
        ("task-fails", "service_unavailable"),
        ("task-fails:generation_timeout", "generation_timeout"),
    ],
)
def test_failed_tasks_cost_nothing(simulator: Simulator, customer: ApiClient, fault: str, code: str) -> None:
    simulator.script(fault)
    done = customer.wait_for_end(customer.task())
    assert (done["status"], done["error"]["code"], done["usage"]["credits_used"]) == ("failed", code, 0)
    assert simulator.total["images"] == 0


def test_a_lost_task_is_forgotten_midway(customer: ApiClient) -> None:
    made = customer.task(BODY | {"prompt": "[[fault:task-lost]] [[latency:1]]"})
    path = f"/task/v1/tasks/{made['id']}"
    assert customer.http.get(path).status_code == 200
    give_up = time.monotonic() + 30
    while customer.http.get(path).status_code != 404:
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_polls_and_downloads_fail_as_often_as_asked(customer: ApiClient) -> None:
    made = customer.task(BODY | {"prompt": "[[fault:poll-503:2]] [[fault:result-404:2]]"})
    path = f"/task/v1/tasks/{made['id']}"
    assert [customer.http.get(path).status_code for _ in range(3)] == [503, 503, 200]
    link = customer.http.get(path).json()["results"][0]
    assert [httpx.get(link, trust_env=False, verify=False, timeout=60).status_code for _ in range(3)] == [404, 404, 200]


def test_too_many_hops_are_refused(customer: ApiClient) -> None:
    refused = customer.submit("/task/v1/images/generations", BODY, X_Imagegate_Hop="4")
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "X-Imagegate-Hop"
    assert customer.submit("/task/v1/images/generations", BODY, X_Imagegate_Hop="3").status_code == 200


def test_references_are_fetched_as_vendors_do(simulator: Simulator, customer: ApiClient) -> None:
    link = customer.wait_for_end(customer.task())["results"][0]
    edited = customer.wait_for_end(customer.task(BODY | {"image_urls": [link]}))
    assert edited["usage"]["tokens"]["image_input"] == 1024
    gone = customer.submit("/task/v1/images/generations", BODY | {"image_urls": [f"{simulator.url}/files/no"]})
    assert (gone.status_code, gone.json()["error"]["code"]) == (400, "image_processing_error")


def test_fal_is_polled_at_the_addresses_that_it_tells(simulator: Simulator, fal: ApiClient) -> None:
    body = {
        "prompt": "[[latency:0.5]]",
        "image_size": {"width": 1360, "height": 768},
        "quality": "medium",
        "num_images": 2,
    }
    queued = fal.submit("/fal/openai/gpt-image-2.5/flare/text-to-image", body).json()
    assert fal.http.get(queued["status_url"]).status_code == 202
    assert fal.http.get(queued["response_url"]).status_code == 404
    fal.poll_until(queued["status_url"], lambda seen: seen["status"] == "COMPLETED")
    images = fal.http.get(queued["response_url"]).json()["images"]
    assert [(image["width"], image["height"]) for image in images] == [(1360, 768)] * 2
    assert download_image(images[1]["url"]).size == (1360, 768)
    (call,) = simulator.calls()
    assert (call["shape"], call["model"], call["billed_images"]) == ("fal", "gpt-image-2.5-flare", 2)
    assert call["billed_nanos"] == 2 * (256 * 30_000 + 11 * 5_000)


def test_fal_tells_errors_in_its_own_way(simulator: Simulator, fal: ApiClient) -> None:
    simulator.script("moderation-refusal", "task-fails", "503-json", "401")
    refused, failed = (fal.submit("/fal/openai/gpt-image-2", {"prompt": "x"}).json() for _ in range(2))
    answer = fal.http.get(refused["response_url"])
    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, "content_policy_violation")
    answer = fal.http.get(failed["response_url"])
    assert (answer.status_code, answer.headers["X-Fal-Error-Type"]) == (500, "service_unavailable")
    down = fal.submit("/fal/openai/gpt-image-2", {"prompt": "x"})
    assert (down.status_code, down.json()["detail"]) == (503, "The server is currently overloaded. Try again later.")
    assert fal.submit("/fal/openai/gpt-image-2", {"prompt": "x"}).status_code == 401
    assert fal.submit("/fal/openai/gpt-image-2", {}).status_code == 422
    assert simulator.total["images"] == 0


def test_fal_never_bills_a_5xx_nor_knows_keys(simulator: Simulator, fal: ApiClient) -> None:
    simulator.script("5xx-html", "504")
    assert [fal.submit("/fal/openai/gpt-image-2", {"prompt": "x"}).status_code for _ in range(2)] == [502, 504]
    assert simulator.total["images"] == 0
    for _ in range(2):
        fal.submit("/fal/openai/gpt-image-2", {"prompt": "x"}, Idempotency_Key="a")
    assert simulator.total["images"] == 2
    assert simulator.calls()[-1]["headers"]["idempotency-key"] == "a"


def test_fal_cancels_what_waits(simulator: Simulator, fal: ApiClient) -> None:
    queued = fal.submit("/fal/openai/gpt-image-2", {"prompt": "[[latency:20]]"}).json()
    assert fal.http.put(queued["cancel_url"]).status_code == 202
    assert fal.http.put(queued["cancel_url"]).status_code == 400
    assert fal.http.get(queued["response_url"]).status_code == 500
    assert simulator.total["images"] == 0


def test_replicate_knows_ratios_and_bills_what_is_cancelled(simulator: Simulator, customer: ApiClient) -> None:
    path = "/replicate/v1/models/openai/gpt-image-2/predictions"
    made = customer.submit(path, {"input": {"prompt": "[[latency:0.3]]", "aspect_ratio": "3:2", "quality": "low"}})
    assert made.status_code == 201
    assert made.json()["status"] == "starting"
    done = customer.poll_until(made.json()["urls"]["get"], lambda seen: seen["status"] == "succeeded")
    assert download_image(done["output"][0]).size == (1536, 1024)
    other = customer.submit(path, {"input": {"prompt": "[[latency:20]]"}}).json()
    assert customer.http.post(other["urls"]["cancel"]).json()["status"] == "canceled"
    assert simulator.total["images"] == 2
    assert customer.submit(path, {"input": {"prompt": "x", "aspect_ratio": "4:3"}}).status_code == 422
    throttled = customer.submit(path, {"input": {"prompt": "[[fault:429:30]]"}})
    assert (throttled.status_code, throttled.json()["detail"]) == (
        429,
        "Request was throttled. Your rate limit resets in ~30s.",
    )
