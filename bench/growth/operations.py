"""What is asked: every list, view and look-up of the API, of the account with the most tasks and of a small one."""

from __future__ import annotations

import datetime
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from bench.gateway import BODY
from bench.growth.prompts import COMMON, KOREAN_NONE, KOREAN_SHORT, NONE, RARE
from bench.growth.rows import DAY, DAYS, MODEL_NONE, OTHER_MODEL
from bench.growth.served import Owner
from bench.http_load import request_bytes

STATUSES = ("pending", "processing", "completed", "failed", "cancelled")
LINE_TYPES = ("grant", "charge", "hold", "release", "refund", "adjustment")
MANY_WORDS = f"{COMMON} copper morning paper light"
INCLUDED = "request,outputs,attempts"
PAGE_SIZE, LISTED = 20, 10_000


@dataclass(frozen=True)
class Operation:
    """`pause_s` between two requests, where the answer is kept for a while. `walks`: page by page to the end."""

    name: str
    request: Callable[[], bytes]
    pause_s: float = 0.0
    walks: bool = False


def operations(origin: str, owners: list[Owner], operator: str) -> Iterator[Operation]:
    for owner in owners:
        for name, path in itertools.chain(_lists(owner), _money(owner)):
            yield Operation(f"{name} {owner.name}", _get(origin, path, owner.key))
        yield _one_of(f"GET task {owner.name}", origin, owner, "")
        yield _one_of(f"GET task with all parts {owner.name}", origin, owner, f"?include={INCLUDED}")
        quoted = request_bytes(f"{origin}/v1/images/quotes", "POST", BODY, Authorization=f"Bearer {owner.key}")
        yield Operation(f"quote {owner.name}", itertools.repeat(quoted).__next__)
        for what, query in (("none", NONE), ("common", COMMON)):
            path = f"/v1/tasks?cursor=&limit=100&q={query}"
            yield Operation(f"list q {what}, walked {owner.name}", _get(origin, path, owner.key), walks=True)
    for name, path in _admin(owners[0]):
        pause = 6.0 if "overview" in path else 0.0
        yield Operation(name, _get(origin, path, operator), pause)
    yield Operation("metrics", _get(origin, "/metrics", operator), 1.1)
    for path in ("/v1/status", "/readyz", "/healthz"):
        yield Operation(path.rpartition("/")[2], _get(origin, path, operator))


def create_request(origin: str, key: str) -> bytes:
    return request_bytes(f"{origin}/v1/images/generations", "POST", BODY, Authorization=f"Bearer {key}")


def _get(origin: str, path: str, key: str) -> Callable[[], bytes]:
    request = request_bytes(f"{origin}{path}", Authorization=f"Bearer {key}")
    return lambda: request


def _one_of(name: str, origin: str, owner: Owner, query: str) -> Operation:
    url = f"{origin}/v1/tasks"
    requests = [request_bytes(f"{url}/{task}{query}", Authorization=f"Bearer {owner.key}") for task in owner.some]
    turns = itertools.cycle(requests)
    return Operation(name, lambda: next(turns))


def _filters() -> Iterator[tuple[str, str]]:
    for status in STATUSES:
        yield f"status={status}", f"status={status}"
    yield f"model={OTHER_MODEL}", f"model={OTHER_MODEL}"
    yield "model none", f"model={MODEL_NONE}"
    words = {
        "q common": COMMON,
        "q rare": RARE,
        "q none": NONE,
        "q korean two letters": KOREAN_SHORT,
        "q korean none": KOREAN_NONE,
        "q many words": MANY_WORDS,
        "q two letters": "ox",
        "q two letters none": "qz",
    }
    for name, text in words.items():
        yield name, f"q={quote(text)}"
    yield "starred", "starred=true"
    yield "not starred", "starred=false"
    yield "tag", "tag=logo"
    yield "tag none", "tag=nobodys"
    yield "metadata of many", "metadata=client:web"
    yield "metadata of few", "metadata=project:project-7"
    yield "metadata none", "metadata=order:17"
    yield "references", "references=true"
    yield "no references", "references=false"
    now = time.time_ns() // 1000
    yield "newest day", f"created_after={(now - DAY) // 1_000_000}"
    yield "older half", f"created_before={(now - DAYS // 2 * DAY) // 1_000_000}"
    day = (now - DAYS // 2 * DAY) // 1_000_000
    yield "one day long ago", f"created_after={day}&created_before={day + 86_400}"
    yield "failed of older half", f"status=failed&created_before={day}"
    yield "q none of older half", f"q={NONE}&created_before={day}"
    yield "q common and failed", f"q={COMMON}&status=failed"


def _lists(owner: Owner) -> Iterator[tuple[str, str]]:
    yield "list p1", f"/v1/tasks?page_size={PAGE_SIZE}"
    yield "list p50", f"/v1/tasks?page_size={PAGE_SIZE}&page=50"
    last = max(1, min(owner.tasks, LISTED) // PAGE_SIZE)
    yield "list last page", f"/v1/tasks?page_size={PAGE_SIZE}&page={last}"
    yield "list cursor first", "/v1/tasks?cursor=&limit=20"
    yield "list cursor 90% deep", f"/v1/tasks?limit=20&cursor={owner.task_cursor(90)}"
    for name, query in _filters():
        yield f"list {name}", f"/v1/tasks?page_size={PAGE_SIZE}&{query}"
        yield f"list {name}, cursor", f"/v1/tasks?cursor=&limit={PAGE_SIZE}&{query}"


def _money(owner: Owner) -> Iterator[tuple[str, str]]:
    yield "credits", "/v1/credits"
    yield "ledger p1", "/v1/ledger"
    yield "ledger 90% deep", f"/v1/ledger?cursor={owner.line_cursor(90)}"
    yield "ledger 5000 tasks deep", f"/v1/ledger?cursor={owner.line_cursor(5000)}"
    yield "ledger task_id newest", f"/v1/ledger?task_id={owner.newest}"
    yield "ledger task_id oldest", f"/v1/ledger?task_id={owner.oldest}"
    for kind in LINE_TYPES:
        yield f"ledger type={kind}", f"/v1/ledger?type={kind}"
        yield f"ledger type={kind} 90% deep", f"/v1/ledger?type={kind}&cursor={owner.line_cursor(90)}"
    today = datetime.datetime.now(datetime.UTC).date()
    for days in (30, 90):
        yield f"usage day {days}d", f"/v1/usage?group_by=day&from={today - datetime.timedelta(days)}"
    first = today - datetime.timedelta(DAYS)
    for groups in ("model", "key", "day,model,key"):
        yield f"usage {groups} 90d", f"/v1/usage?group_by={groups}&from={first}"
    yield "webhook deliveries p1", "/v1/webhooks/deliveries"
    yield "webhook deliveries deep", f"/v1/webhooks/deliveries?cursor={owner.deep_delivery}"
    yield "keys", "/v1/keys"


def _admin(big: Owner) -> Iterator[tuple[str, str]]:
    yield "admin accounts", "/v1/admin/accounts"
    yield "admin overruns", "/v1/admin/overruns"
    yield "admin audit", "/v1/admin/audit"
    yield "admin routes", "/v1/admin/routes"
    yield "admin task", f"/v1/admin/tasks/{big.oldest}"
    for days in (1, 30, 90):
        yield f"admin margin {days}d", f"/v1/admin/margin?days={days}"
    yield "admin overview", "/v1/admin/overview"
    yield "admin tasks", "/v1/admin/tasks"
    yield "admin tasks 90% deep", f"/v1/admin/tasks?cursor={big.task_cursor(90)}"
    yield "admin tasks of big", f"/v1/admin/tasks?account={big.name}"
    for name, query in _filters():
        yield f"admin tasks {name}", f"/v1/admin/tasks?{query}"
