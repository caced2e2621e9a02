"""No account sees or touches what is another's. The doors come from the API's description: new ones too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT
from tests.support.gateway import Gateway
from tests.support.image_files import PNG, b64

PROMPT = "the owner's own logo"
BODIES: dict[str, Any] = {
    "PATCH /v1/keys/{key_id}": {"disabled": True},
    "PATCH /v1/tasks/{task_id}": {"metadata": {"starred": "true"}},
}


@dataclass(frozen=True)
class Tenants:
    """An account with one of everything, by the name of the path's parameter, and another one's client."""

    owner: httpx.Client
    stranger: httpx.Client
    ids: dict[str, str]
    secret: str


@pytest.fixture(scope="module")
def tenants(gateway: Gateway) -> Iterator[Tenants]:
    with gateway.client() as owner, gateway.client(gateway.new_key("stranger")) as stranger:
        task = owner.post(CREATE, json={**SMALL_IMAGE, "prompt": PROMPT}, headers=WAIT).json()
        file = owner.post("/api/v1/files/upload/base64", json={"base64": b64(PNG)}).json()["data"]
        key = owner.post("/v1/keys", json={"name": "owner's second"}).json()
        delivery = owner.post("/v1/webhooks/test", json={"callback_url": "https://hooks.example/"}).json()
        ids = {"task_id": task["id"], "file_id": file["file_id"], "key_id": key["id"], "delivery_id": delivery["id"]}
        yield Tenants(owner, stranger, ids, owner.get("/v1/webhooks/secret").json()["secret"])


def operations(gateway: Gateway) -> list[tuple[str, str, list[str]]]:
    """Method, path and query parameters of everything that needs a key."""
    paths = httpx.get(f"{gateway.url}/openapi.json", timeout=60).json()["paths"]
    return [
        (method.upper(), path, [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"])
        for path, methods in paths.items()
        for method, operation in methods.items()
        if operation.get("security") != []
    ]


def other_id(given: str) -> str:
    """An id of the same form that nothing has."""
    return given[:-4] + ("zzzz" if given[-4:] != "zzzz" else "yyyy")


def answer(response: httpx.Response, *ids: str) -> tuple[int, str]:
    """The answer without what differs from request to request."""
    text = response.text.replace(response.headers["x-request-id"], "")
    for one in ids:
        text = text.replace(one, "ID")
    return response.status_code, text


def test_another_accounts_id_is_answered_like_one_that_nothing_has(gateway: Gateway, tenants: Tenants) -> None:
    cases = 0
    for method, path, _ in operations(gateway):
        for name, given in tenants.ids.items():
            if f"{{{name}}}" not in path:
                continue
            unknown, body = other_id(given), BODIES.get(f"{method} {path}")
            real = tenants.stranger.request(method, path.format(**{name: given}), json=body)
            none = tenants.stranger.request(method, path.format(**{name: unknown}), json=body)
            assert real.status_code in (403, 404), (method, path, real.text)
            assert answer(real, given) == answer(none, unknown), (method, path)
            cases += 1
    assert cases >= 8, "every door with an id"


def test_ids_in_bodies_and_queries_open_nothing(gateway: Gateway, tenants: Tenants) -> None:
    task, key = tenants.ids["task_id"], tenants.ids["key_id"]
    for given in (task, other_id(task)):
        batch = tenants.stranger.post("/v1/tasks/batch", json={"task_ids": [given]})
        assert batch.text == '{"code":200,"data":[]}'
    queries = {"task_id": task, "made_by": key, "q": PROMPT}
    for method, path, names in operations(gateway):
        if method != "GET" or "{" in path:
            continue
        for name in names:
            if name in queries:
                assert_nothing_of_the_owner(tenants, tenants.stranger.get(path, params={name: queries[name]}))


def test_lists_hold_nothing_of_another_account_also_by_its_cursors(gateway: Gateway, tenants: Tenants) -> None:
    seen_by_owner = ""
    for method, path, names in operations(gateway):
        if method != "GET" or "{" in path:
            continue
        seen_by_owner += tenants.owner.get(path).text
        assert_nothing_of_the_owner(tenants, tenants.stranger.get(path))
        if "cursor" in names and "/admin/" not in path:
            cursor = tenants.owner.get(path, params={"limit": 1, "cursor": ""}).json().get("next_cursor")
            assert_nothing_of_the_owner(tenants, tenants.stranger.get(path, params={"cursor": cursor or ""}))
    assert all(one in seen_by_owner for one in tenants.ids.values()), "the owner itself sees all of it"


def test_what_only_operators_may_do_is_refused_to_customers(gateway: Gateway, tenants: Tenants) -> None:
    ids = {**tenants.ids, "account_id": "acc_x"}
    for method, path, _ in operations(gateway):
        if path.startswith("/v1/admin/"):
            response = tenants.stranger.request(method, path.format(**ids), headers={"Idempotency-Key": "k"})
            assert response.status_code == 403, (method, path, response.text)


def test_a_link_is_good_for_its_own_file_alone(gateway: Gateway, tenants: Tenants) -> None:
    theirs = tenants.stranger.post(CREATE, json=SMALL_IMAGE, headers=WAIT).json()
    owners = tenants.owner.get(f"/v1/tasks/{tenants.ids['task_id']}").json()
    moved = theirs["results"][0].replace(theirs["id"], owners["id"])
    assert httpx.get(moved, timeout=60).status_code == 403
    assert httpx.get(owners["results"][0], timeout=60).status_code == 200


def test_the_same_idempotency_key_of_two_accounts_makes_two_tasks(tenants: Tenants) -> None:
    headers = {"Idempotency-Key": "tenants"}
    made = {
        one.post(CREATE, json=SMALL_IMAGE, headers=headers).json()["id"] for one in (tenants.owner, tenants.stranger)
    }
    assert len(made) == 2


def test_nothing_of_the_owner_has_changed(gateway: Gateway, tenants: Tenants) -> None:
    """Runs last: after every attempt above."""
    ids, owner = tenants.ids, tenants.owner
    assert owner.get(f"/v1/tasks/{ids['task_id']}").json()["status"] == "completed"
    keys = {one["id"]: one for one in owner.get("/v1/keys").json()["data"]}
    assert not keys[ids["key_id"]].get("disabled_at")
    assert ids["file_id"] in owner.get("/api/v1/files/list").text
    assert owner.get("/v1/webhooks/secret").json()["secret"] == tenants.secret


def assert_nothing_of_the_owner(tenants: Tenants, response: httpx.Response) -> None:
    for one in (*tenants.ids.values(), PROMPT, tenants.secret):
        assert one not in response.text.replace(response.request.url.query.decode(), ""), response.request.url
