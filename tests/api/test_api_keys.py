"""Who is let in: section 1 and the 401 and 429 of section 10."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

import apsw
import httpx

from imagegate.security.api_keys import generate_key
from tests.api.helpers import CREATE, SMALL_IMAGE, parse_error, parse_response
from tests.support.gateway import Gateway


def ask(gateway: Gateway, authorization: str | None, path: str = "/v1/credits") -> httpx.Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    return httpx.get(f"{gateway.url}{path}", headers=headers, timeout=60)


def create_key(gateway: Gateway, *more: str) -> tuple[str, str]:
    """Value and id of a new key."""
    answer = json.loads(gateway.run("keys", "create", "--account", "a", "--credits", "10", "--json", *more).stdout)
    return answer["key"], answer["id"]


def test_s10_1_unauthorized_is_the_same_for_every_bad_key(tmp_path: Path) -> None:
    with Gateway(tmp_path, env={"IMAGEGATE_FAILED_LOGINS_PER_MINUTE": "100000"}) as gateway:
        good, key_id = create_key(gateway)
        parse_response(ask(gateway, f"Bearer {good}"))
        expired, expired_id = create_key(gateway, "--expires", "2099-01-01")
        with contextlib.closing(apsw.Connection(str(gateway.data / "imagegate.db"))) as db:
            db.execute("UPDATE api_keys SET expires = 1 WHERE id = ?", (expired_id,))
        gateway.run("keys", "disable", "--account", "a", key_id)
        _until_refused(gateway, good)
        bad = [
            f"Bearer {generate_key()}",
            f"Bearer {generate_key('imk_test_')}",
            f"Bearer {expired}",
            f"Bearer {good}",
            f"Bearer {gateway.key[:-1]}",
            f"Bearer {gateway.key}x",
            "Bearer",
            "Bearer x",
            gateway.key,
            f"Basic {gateway.key}",
            f"Token {gateway.key}",
            "Bearer " + "x" * 9000,
        ]
        for value in bad:
            error = parse_error(ask(gateway, value), 401, "unauthorized")
            assert (error["message"], error["type"]) == ("Invalid or expired token", "authentication_error"), value
        missing = parse_error(ask(gateway, None), 401, "unauthorized")
        assert missing["message"] == "Authentication required"
        for path in ("/v1/tasks", "/v1/tasks/task-unified-1-aaaaaaaa", "/v1/tasks/x"):
            parse_error(ask(gateway, bad[0], path), 401, "unauthorized")
        answer = httpx.post(f"{gateway.url}{CREATE}", content=b"{", headers={"Authorization": bad[0]}, timeout=60)
        parse_error(answer, 401, "unauthorized")
        parse_response(ask(gateway, f"Bearer {gateway.key}"))


def _until_refused(gateway: Gateway, key: str) -> None:
    """A disabled key may still work for a few seconds, and no longer than 5."""
    give_up = time.monotonic() + 30
    while ask(gateway, f"Bearer {key}").status_code == 200:
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_s10_1_failed_logins_are_429_and_good_keys_still_work(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        answers = [ask(gateway, f"Bearer {generate_key()}") for _ in range(25)]
        assert [answer.status_code for answer in answers[:10]] == [401] * 10
        error = parse_error(answers[-1], 429, "rate_limit_exceeded")
        assert error["type"] == "rate_limit_error"
        with gateway.client() as client:
            parse_response(client.get("/v1/credits"))
            parse_response(client.post(CREATE, json=SMALL_IMAGE))
        braked = next(answer for answer in answers if answer.status_code == 429)
        assert int(braked.headers["retry-after"]) <= 60


def test_s10_1_visitors_are_limited_by_address_and_keys_are_not(tmp_path: Path) -> None:
    with Gateway(tmp_path, "--no-workers", env={"IMAGEGATE_VISITOR_REQUESTS_PER_MINUTE": "3"}) as gateway:
        answers = [httpx.get(f"{gateway.url}/v1/models", timeout=60) for _ in range(4)]
        assert [one.status_code for one in answers] == [200, 200, 200, 429]
        assert parse_error(answers[3], 429, "rate_limit_exceeded")["reason"] == "visitors"
        refused = httpx.post(f"{gateway.url}/v1/images/quotes", json={"prompt": "logo"}, timeout=60)
        assert parse_error(refused, 429, "rate_limit_exceeded")["reason"] == "visitors"
        assert httpx.get(f"{gateway.url}/v1/pricing", timeout=60).status_code == 200
        with gateway.client() as client:
            assert [client.get("/v1/models").status_code for _ in range(5)] == [200] * 5
        gateway.stop()
        gateway.env["IMAGEGATE_VISITOR_REQUESTS_PER_MINUTE"] = "0"
        gateway.start()
        parse_error(httpx.get(f"{gateway.url}/v1/models", timeout=60), 401, "unauthorized")
