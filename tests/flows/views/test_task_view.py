"""The public task object, for every way a task can end."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.images import ImageOrder, Size
from imagegate.domain.money import Nanos
from imagegate.domain.tasks import ImageResult, Task, TaskState
from imagegate.domain.time import US_PER_HOUR
from imagegate.domain.usage import Usage, UsageSource
from imagegate.flows.views.task import task_view
from imagegate.runtime import Runtime
from tests.flows.conftest import CREATED

ORDER = ImageOrder("gpt-image-2", "gpt-image-2", "x" * 42, Size("1:1", 1024, 1024, False, "1K"), "medium", 1)
WAITING = Task(
    id="task-unified-1795341693-imcg5zqt",
    account_id="acc_1",
    key_id="key_1",
    state=TaskState.queued,
    claim_no=0,
    crashes=0,
    progress=0,
    order=ORDER,
    billing_rule="per_token",
    price_version="2026-11-01.1",
    hold=Nanos(48_177_000),
    created=CREATED,
    deadline=CREATED + US_PER_HOUR,
)


def render(runtime: Runtime, task: Task) -> tuple[str, dict[str, Any]]:
    text = msgspec.json.encode(task_view(runtime, task)).decode()
    return text, json.loads(text)


def task_with(**fields: Any) -> Task:
    return msgspec.structs.replace(WAITING, **fields)


DONE = task_with(
    state=TaskState.completed,
    claim_no=1,
    progress=100,
    ended=CREATED + 37_200_000,
    charge=Nanos(47_470_500),
    usage=Usage(images=1, text_input=13, image_output=1756),
    usage_source=UsageSource.upstream,
    results=(ImageResult(0, "png", "image/png", 1024, 1024, 99),),
    results_expire=1_795_428_130_000_000,
)


def test_s5_1_wire_order_of_a_waiting_task(runtime: Runtime) -> None:
    text, _ = render(runtime, WAITING)
    assert text == (
        '{"created":1795341693,"id":"task-unified-1795341693-imcg5zqt","model":"gpt-image-2",'
        '"object":"image.generation.task","progress":0,"status":"pending",'
        '"task_info":{"can_cancel":true,"estimated_time":1},"type":"image",'
        '"usage":{"billing_rule":"per_token","credits_reserved":3.276036,"user_group":"default"},'
        '"billing":{"refund_scope":"account_balance","charge_status":"reserved","refund_status":"not_required",'
        '"reserved_credits":3.276036,"charged_credits":0,"refunded_credits":0,"refunded_at":null}}'
    )


def test_s5_1_wire_order_of_a_completed_task(runtime: Runtime) -> None:
    text, task = render(runtime, DONE)
    link = task["results"][0]
    assert link.startswith(
        "https://gw.example/files/results/task-unified-1795341693-imcg5zqt/0.png?exp=1795428130&sig=k1."
    )
    assert text == (
        '{"created":1795341693,"id":"task-unified-1795341693-imcg5zqt","model":"gpt-image-2",'
        f'"object":"image.generation.task","progress":100,"results":["{link}"],"status":"completed",'
        '"task_info":{"can_cancel":false},"type":"image","usage":{"billing_rule":"per_token",'
        '"credits_reserved":3.276036,"credits_used":3.227994,"cost":{"credits":3.227994,"usd":0.0474705},'
        '"tokens":{"text_input":13,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":1756},'
        '"source":"upstream","price_version":"2026-11-01.1","user_group":"default"},'
        '"billing":{"refund_scope":"account_balance","charge_status":"charged","refund_status":"not_required",'
        '"reserved_credits":3.276036,"charged_credits":3.227994,"refunded_credits":0,"refunded_at":null},'
        '"duration":37.2,"results_expire_at":1795428130}'
    )


def test_s5_1_wire_order_of_a_failed_task(runtime: Runtime) -> None:
    error = TaskError(
        TaskErrorCode.content_policy_violation,
        "Content policy violation.\nYour request was blocked by safety filters.",
    )
    failed = task_with(
        state=TaskState.failed, claim_no=1, progress=40, ended=CREATED + 47_000_000, charge=Nanos(0), error=error
    )
    _, task = render(runtime, failed)
    assert task["error"] == {
        "code": "content_policy_violation",
        "message": "Content policy violation.\nYour request was blocked by safety filters.",
        "type": "task_error",
    }
    assert list(task) == [
        "created",
        "id",
        "model",
        "object",
        "progress",
        "status",
        "task_info",
        "type",
        "usage",
        "billing",
        "error",
        "duration",
    ]
    assert task["usage"] == {
        "billing_rule": "per_token",
        "credits_reserved": 3.276036,
        "credits_used": 0,
        "cost": {"credits": 0, "usd": 0},
        "user_group": "default",
    }
    assert task["billing"] == {
        "refund_scope": "account_balance",
        "charge_status": "released",
        "refund_status": "completed",
        "reserved_credits": 3.276036,
        "charged_credits": 0,
        "refunded_credits": 3.276036,
        "refunded_at": 1795341740,
    }
    assert task["duration"] == 47


@pytest.mark.parametrize("code", list(TaskErrorCode))
def test_s5_1_error_names_code_message_and_type(runtime: Runtime, code: TaskErrorCode) -> None:
    error = TaskError(code, "why", reason="because", param="image_urls[0]")
    _, task = render(runtime, task_with(state=TaskState.failed, ended=CREATED, charge=Nanos(0), error=error))
    assert task["status"] == "failed"
    assert list(task["error"])[:3] == ["code", "message", "type"]
    assert task["error"]["type"] == "task_error"
    assert (task["error"]["param"], task["error"]["reason"]) == ("image_urls[0]", "because")


@pytest.mark.parametrize(
    ("state", "claim_no", "sent", "status"),
    [
        (TaskState.queued, 0, None, "pending"),
        (TaskState.running, 1, None, "pending"),
        (TaskState.running, 1, CREATED, "processing"),
        (TaskState.queued, 1, None, "pending"),
        (TaskState.queued, 1, CREATED, "processing"),
    ],
)
def test_c03_status_has_four_words_and_never_moves_back(
    runtime: Runtime, state: TaskState, claim_no: int, sent: int | None, status: str
) -> None:
    """Pending until something is sent; cancelled for certain as long as nothing is being bought, whoever has it."""
    for is_buying in (False, sent is not None):
        _, task = render(runtime, task_with(state=state, claim_no=claim_no, first_sent=sent, is_buying=is_buying))
        assert task["task_info"]["can_cancel"] is not is_buying
    assert task["status"] == status
    assert task["task_info"]["estimated_time"] >= 1
    assert not {"error", "results", "duration", "results_expire_at", "engine"} & set(task)


def test_s5_1_engine_is_named_for_the_embedded_one_alone(runtime: Runtime) -> None:
    _, task = render(runtime, msgspec.structs.replace(DONE, engine="embedded"))
    assert (task["engine"], task["notice"]) == ("embedded", "procedural preview, not a neural model")
    assert list(task)[-2:] == ["engine", "notice"]
    _, plain = render(runtime, DONE)
    assert not {"engine", "notice"} & set(plain)


@pytest.mark.parametrize("nanos", [1, 10, 999_999_999_999_999, 10**17 + 1])
def test_s1_money_number_never_passes_through_a_float(runtime: Runtime, nanos: int) -> None:
    text, _ = render(runtime, msgspec.structs.replace(DONE, hold=Nanos(nanos), charge=Nanos(nanos)))
    exact = f"{nanos * 68 // 10**9}.{nanos * 68 % 10**9:09d}".rstrip("0").rstrip(".")
    for name in ("credits_reserved", "credits_used", "reserved_credits", "charged_credits"):
        assert f'"{name}":{exact},' in text
