"""Traces: request, task and attempts of the real program, as a collector receives them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gateway import Gateway, StandaloneGateway
from tests.support.otlp_collector import Collector, Span, otlp_collector
from tests.support.program import wait_until
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

CANARY = "zebulon-quillon-canary"
UPSTREAM_KEY = "upstream-key-canary"
CLIENT_TRACE, CLIENT_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SERVER, CLIENT, INTERNAL = 2, 3, 1
# Sent after so many ms: a test waits for nothing else.
QUICK = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_EXPORTER_OTLP_TIMEOUT": "0.3"}


def environment(endpoint: str) -> dict[str, str]:
    return {**QUICK, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=images"}


class Traced:
    def __init__(self, gateway: RoutedGateway, collector: Collector, cheap: Simulator, dear: Simulator) -> None:
        self.gateway, self.collector, self.cheap, self.dear = gateway, collector, cheap, dear

    def create(self, *faults: Any, headers: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
        """A task that has ended, after these faults of the cheap route."""
        self.cheap.script(*faults)
        body = {"prompt": f"{CANARY} in the snow", "size": "1:1", "quality": "low", **fields}
        with self.gateway.client() as http:
            answer = http.post("/v1/images/generations", json=body, headers={"Prefer": "wait=60", **(headers or {})})
            task: dict[str, Any] = answer.raise_for_status().json()
        return task

    def spans_of(self, task: dict[str, Any]) -> list[Span]:
        """All spans of the task's trace, oldest first, once its own has arrived."""

        def of_task() -> list[Span]:
            return [one for one in self.collector.spans if one.attributes.get("imagegate.task.id") == task["id"]]

        # Its own span and that of the request which created it are the last ones to end.
        wait_until(lambda: {one.kind for one in of_task()} == {SERVER, INTERNAL}, 30, 0.02, lambda: repr(of_task()))
        trace = of_task()[0].trace
        return sorted((one for one in self.collector.spans if one.trace == trace), key=lambda one: one.began)


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    data = tmp_path_factory.mktemp("traced") / "data"
    with otlp_collector() as collector, Simulator() as cheap, Simulator() as dear:
        rows = [
            upstream_config("cheap", f"{cheap.url}/v1", timeout_s=20),
            upstream_config("dear", f"{dear.url}/v1", timeout_s=20),
            route_config("cheap", "0.001"),
            route_config("dear", "0.002"),
        ]
        env = {**environment(collector.url), "SIMULATOR_KEY": UPSTREAM_KEY}
        with RoutedGateway(data, *rows, env=env) as gateway:
            yield Traced(gateway, collector, cheap, dear)


def test_a_task_continues_the_trace_of_its_request_which_continues_that_of_its_client(traced: Traced) -> None:
    task = traced.create(headers={"traceparent": f"00-{CLIENT_TRACE}-{CLIENT_SPAN}-01"})
    spans = {span.name: span for span in traced.spans_of(task)}
    request, whole = spans["POST /v1/images/generations"], spans["task gpt-image-2"]
    attempt, stored, settled = spans["generate_content gpt-image-2"], spans["store results"], spans["settle"]
    assert len(spans) == 5
    assert (request.trace, request.parent, request.kind) == (CLIENT_TRACE, CLIENT_SPAN, SERVER)
    assert (whole.parent, whole.kind) == (request.id, INTERNAL)
    assert {attempt.parent, stored.parent, settled.parent} == {whole.id}
    assert whole.began <= attempt.began <= attempt.ended <= whole.ended
    assert not any(span.failed for span in spans.values())
    assert request.attributes["http.route"] == "/v1/images/generations"
    assert request.attributes["http.response.status_code"] == 200
    assert whole.attributes | {"imagegate.account.id": ""} == {
        "imagegate.task.id": task["id"],
        "imagegate.account.id": "",
        "imagegate.task.state": "completed",
        "imagegate.task.claims": 1,
        "imagegate.task.crashes": 0,
        "imagegate.task.credits": pytest.approx(float(task["usage"]["cost"]["credits"])),
        "imagegate.task.images": 1,
        "imagegate.image.size": "1024x1024",
        "imagegate.image.quality": "low",
        "imagegate.image.references": 0,
        "gen_ai.output.type": "image",
        "gen_ai.request.model": "gpt-image-2",
        "gen_ai.request.choice.count": 1,
    }
    assert whole.events == ["started"]
    assert attempt.kind == CLIENT
    assert attempt.attributes["imagegate.route"] == "gpt-image-2@cheap"
    assert attempt.attributes["server.port"] == traced.cheap.port
    assert attempt.attributes["gen_ai.provider.name"] == "openai"
    assert attempt.attributes["gen_ai.usage.output_tokens"] > 0
    assert traced.collector.resource["service.name"] == "imagegate"
    assert traced.collector.headers["x-tenant"] == "images"


@pytest.mark.parametrize("stream", [False, True])
def test_a_synchronous_request_has_its_task_in_its_trace(traced: Traced, stream: bool) -> None:
    body = {"model": "gpt-image-2", "prompt": CANARY, "size": "1024x1024", "quality": "low", "stream": stream}
    with traced.gateway.client() as http:
        answer = http.post("/openai/v1/images/generations", json=body)
        assert answer.status_code == 200, answer.text
    spans = traced.spans_of({"id": answer.headers["x-task-id"]})
    request, whole = spans[0], next(span for span in spans if span.name.startswith("task"))
    assert request.name == "POST /openai/v1/images/generations"
    assert whole.parent == request.id
    assert request.ended >= whole.ended


def test_each_attempt_of_a_task_is_a_span_with_its_outcome(traced: Traced) -> None:
    spans = traced.spans_of(traced.create("500-json"))
    whole = next(span for span in spans if span.name.startswith("task"))
    failed, succeeded = [span for span in spans if span.kind == CLIENT]
    assert failed.parent == succeeded.parent == whole.id
    assert failed.failed
    assert failed.attributes["error.type"] == "failing"
    assert failed.attributes["http.response.status_code"] == 500
    assert failed.attributes["imagegate.attempt.outcome"] == "unavailable"
    assert not succeeded.failed
    assert succeeded.attributes["imagegate.attempt.outcome"] == "produced"
    assert succeeded.attributes["imagegate.route"] == "gpt-image-2@dear"


def test_a_task_that_waits_for_a_route_says_why(traced: Traced) -> None:
    traced.dear.script("500-json")
    spans = traced.spans_of(traced.create("500-json"))
    whole = next(span for span in spans if span.name.startswith("task"))
    waits = [span for span in spans if span.name == "wait"]
    assert waits
    assert {wait.parent for wait in waits} == {whole.id}
    assert all(wait.attributes == {"imagegate.waiting_reason": "upstream_unavailable"} for wait in waits)
    assert [span.failed for span in spans if span.kind == CLIENT] == [True, True, False]
    # One more where it looked before a route was ready again.
    assert whole.attributes["imagegate.task.claims"] == 1 + len(waits)


def test_a_task_that_fails_or_is_cancelled_says_so_in_its_span(traced: Traced) -> None:
    task = traced.create("moderation-refusal")
    whole = next(span for span in traced.spans_of(task) if span.name.startswith("task"))
    assert whole.failed
    assert whole.attributes["error.type"] == task["error"]["code"] == "content_policy_violation"
    assert whole.attributes["imagegate.task.credits"] == 0


def test_what_a_client_does_not_sample_is_not_recorded(traced: Traced) -> None:
    trace = "1af7651916cd43dd8448eb211c80319c"
    traced.create(headers={"traceparent": f"00-{trace}-{CLIENT_SPAN}-00"})
    traced.spans_of(traced.create())  # has arrived, and with it what was recorded before
    assert trace not in {span.trace for span in traced.collector.spans}


def test_traces_are_never_sent_on_and_probes_are_not_traced(traced: Traced) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        httpx.get(traced.gateway.url + path, timeout=60)
    traced.spans_of(traced.create(headers={"traceparent": f"00-{CLIENT_TRACE}-{CLIENT_SPAN}-01"}))
    assert not {"GET /healthz", "GET /readyz", "GET /metrics"} & {span.name for span in traced.collector.spans}
    assert all("traceparent" not in json.dumps(call).lower() for call in traced.cheap.calls())


def test_p15_no_prompt_key_link_or_callback_is_exported(traced: Traced) -> None:
    task = traced.create("400-parameter", callback_url=f"https://{CANARY}.example/hook?token={CANARY}")
    traced.spans_of(task)
    done = traced.create()
    traced.spans_of(done)
    link = done["results"][0]
    with traced.gateway.client() as http:
        assert http.get(link).status_code == 200
        http.get(f"/{CANARY}?signature={CANARY}")
        http.get("/v1/tasks/none", params={"wait": CANARY})
    traced.spans_of(traced.create())
    exported = b"".join(traced.collector.bodies)
    secrets = [CANARY, UPSTREAM_KEY, traced.gateway.key, "Bearer", link.rpartition("/")[2].partition("?")[0]]
    secrets += [part for part in link.partition("?")[2].split("&") if part]
    for secret in secrets:
        assert secret.encode() not in exported, secret


@pytest.mark.gate
def test_a_task_that_another_process_takes_over_stays_in_its_trace(tmp_path: Path) -> None:
    with otlp_collector() as collector:
        env = environment(collector.url)
        only_at_the_end = {"OTEL_BSP_SCHEDULE_DELAY": "3600000"}
        with (
            Gateway(tmp_path / "data", "--no-workers", env={**env, **only_at_the_end}) as gateway,
            gateway.client() as http,
        ):
            body = {"prompt": CANARY, "size": "1:1", "quality": "low"}
            task = http.post("/v1/images/generations", json=body).raise_for_status().json()
            assert gateway.stop() == 0
        (request,) = collector.spans  # a stop sends what is left
        # It begins no traces of its own, and continues those that were begun.
        second = {"OTEL_TRACES_SAMPLER": "parentbased_always_off", "OTEL_SERVICE_NAME": "images"}
        with Gateway(tmp_path / "data", env={**env, **second}) as gateway:
            httpx.get(f"{gateway.url}/v1/models", timeout=60)
            (whole,) = collector.wait_for(1, "task")
            (attempt,) = collector.wait_for(1, "generate_content")
        assert {span.trace for span in collector.spans} == {request.trace}
        assert collector.resource["service.name"] == "images"
    assert whole.attributes["imagegate.task.id"] == task["id"]
    assert (whole.parent, attempt.parent) == (request.id, whole.id)


def test_a_dead_collector_costs_a_line_and_nothing_else(tmp_path: Path) -> None:
    """It takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        env = {**environment(f"http://127.0.0.1:{silent.getsockname()[1]}"), "OTEL_BSP_MAX_QUEUE_SIZE": "8"}
        env["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"] = "4"
        with Gateway(tmp_path / "data", env=env) as gateway, gateway.client() as http:
            for number in range(20):  # more than the queue holds
                assert http.get("/v1/models").status_code == 200, number
            body = {"prompt": "a fox", "size": "1:1", "quality": "low"}
            task = http.post("/v1/images/generations", json=body, headers={"Prefer": "wait=60"}).json()
            assert task["status"] == "completed"
            lost = "spans batch"
            wait_until(lambda: any(lost in line for line in gateway.output), 30, 0.05, lambda: gateway.output)
            assert gateway.stop() == 0
            assert sum(lost in line for line in gateway.output) == 1


def test_without_an_endpoint_nothing_of_it_is_imported(tmp_path: Path) -> None:
    with (
        StandaloneGateway(tmp_path / "data", env={"PYTHONPROFILEIMPORTTIME": "1"}) as gateway,
        gateway.client() as http,
    ):
        assert http.get("/v1/models").status_code == 200
        assert gateway.stop() == 0
        assert any("imagegate.tracing" in line for line in gateway.output)
        # The web framework looks whether the API is installed: that is not ours to change.
        ours = ("opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf", "requests")
        assert not [line for line in gateway.output if line.split("|")[-1].strip().startswith(ours)]
