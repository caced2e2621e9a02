"""MON-2, P2, P8 on the real program: racing clients never get more holds than the credit has room for."""

from __future__ import annotations

import concurrent.futures
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.api.helpers import CREATE, QUOTE, SMALL_IMAGE, parse_error, parse_response
from tests.support.gateway import Gateway

CLIENTS, EACH, ROOM = 32, 25, 100
SERVE_ONLY = "--no-workers"  # nothing is carried out, so every hold stays open


def all_at_once(gateway: Gateway, key: str, work: Callable[[httpx.Client, int], list[httpx.Response]]) -> list[Any]:
    """The responses of all clients, which start at the same moment on open connections."""
    line = threading.Barrier(CLIENTS)

    def one(number: int) -> list[httpx.Response]:
        with gateway.client(key) as client:
            parse_response(client.get("/v1/credits"))
            line.wait(timeout=30)
            return work(client, number)

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as clients:
        return [answer for answers in clients.map(one, range(CLIENTS)) for answer in answers]


def hold_of(gateway: Gateway) -> Decimal:
    """What one task of this kind reserves, in credits."""
    with gateway.client() as client:
        return Decimal(parse_response(client.post(QUOTE, json=SMALL_IMAGE))["maximum"]["credits"])


def user_of(gateway: Gateway, key: str) -> dict[str, Any]:
    with gateway.client(key) as client:
        user: dict[str, Any] = parse_response(client.get("/v1/credits"))["data"]["user"]
        return user


def task_count(gateway: Gateway, key: str) -> int:
    with gateway.client(key) as client:
        return int(parse_response(client.get("/v1/tasks?page_size=1"))["total"])


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway; every test has an account of its own."""
    with Gateway(tmp_path_factory.mktemp("race"), SERVE_ONLY) as gateway:
        yield gateway


def test_mon_2_room_for_100_holds_grants_exactly_100(serving: Gateway) -> None:
    hold = hold_of(serving)
    key = serving.new_key("racer", str(ROOM * hold))
    answers = all_at_once(serving, key, lambda client, _: [client.post(CREATE, json=SMALL_IMAGE) for _ in range(EACH)])
    assert Counter(answer.status_code for answer in answers) == {200: ROOM, 402: CLIENTS * EACH - ROOM}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 200}) == ROOM
    for answer in answers:
        if answer.status_code == 402:
            error = parse_error(answer, 402, "insufficient_quota")
            assert error["limit_scope"] == "account"
            assert (str(error["estimated_credits"]), error["remaining_credits"]) == (str(hold), 0)
    user = user_of(serving, key)
    assert Decimal(str(user["reserved_credits"])) == ROOM * hold
    assert user["remaining_credits"] == 0
    assert task_count(serving, key) == ROOM
    serving.check()


def test_p8_32_clients_on_one_idempotency_key_make_one_task(serving: Gateway) -> None:
    key, hold = serving.new_key("one request"), hold_of(serving)
    answers = all_at_once(
        serving, key, lambda client, _: [client.post(CREATE, json=SMALL_IMAGE, headers={"Idempotency-Key": "once"})]
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    replayed = Counter(answer.headers.get("idempotency-replayed") for answer in answers)
    assert replayed == {None: 1, "true": CLIENTS - 1}
    assert task_count(serving, key) == 1
    assert Decimal(str(user_of(serving, key)["reserved_credits"])) == hold
    serving.check()


def test_p8_two_requests_that_race_for_one_idempotency_key_make_one_task(serving: Gateway) -> None:
    key = serving.new_key("two requests")

    def post(client: httpx.Client, number: int) -> list[httpx.Response]:
        body = {**SMALL_IMAGE, "prompt": f"request {number % 2}"}
        return [client.post(CREATE, json=body, headers={"Idempotency-Key": "contested"})]

    answers = all_at_once(serving, key, post)
    for answer in answers:
        if answer.status_code != 200:
            parse_error(answer, 409, "idempotency_conflict", "Idempotency-Key")
    accepted = [answer for answer in answers if answer.status_code == 200]
    assert len(accepted) == CLIENTS // 2
    assert Counter(answer.headers.get("idempotency-replayed") for answer in accepted)[None] == 1
    assert len({answer.json()["id"] for answer in accepted}) == 1
    assert task_count(serving, key) == 1
    serving.check()
