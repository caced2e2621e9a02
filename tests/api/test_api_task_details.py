"""Sections 5.2 and 5.3: include, the search in prompts, and the list by cursor."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.support.gateway import THUMBNAILS, Gateway

GATEWAY_ENV = THUMBNAILS


def test_s5_2_include_adds_what_is_asked_for_and_nothing_else(client: httpx.Client) -> None:
    task = parse_response(client.post(CREATE, json={**SMALL_IMAGE, "n": 2, "output_format": "webp"}, headers=WAIT))
    path = f"/v1/tasks/{task['id']}"
    assert parse_response(client.get(f"{path}?include=")) == task
    whole = parse_response(client.get(f"{path}?include=request,outputs,attempts"))
    assert {name: value for name, value in whole.items() if name in task} == task
    assert list(whole) == [*task, "request", "result_data", "attempts"]
    assert whole["request"] == {
        "model": "gpt-image-2",
        "prompt": "logo",
        "size": "816x816",
        "resolution": None,
        "quality": "low",
        "n": 2,
        "image_urls": [],
        "mask_url": None,
        "callback_url": None,
        "background": "opaque",
        "output_format": "webp",
        "output_compression": 100,
    }
    assert [one["image_url"] for one in whole["result_data"]] == task["results"]
    for place, one in enumerate(whole["result_data"]):
        assert len(httpx.get(one["image_url"], timeout=60).content) == one.pop("bytes")
        assert f"/{place}.thumb.webp?" in (thumbnail := one.pop("thumbnail_url"))
        assert httpx.get(thumbnail, timeout=60).headers["content-type"] == "image/webp", "drawn at the first look"
        assert one == {
            "result_id": str(place),
            "image_url": task["results"][place],
            "width": 816,
            "height": 816,
            "mime_type": "image/webp",
            "quality": "low",
        }
    (attempt,) = whole["attempts"]
    assert (attempt["attempt"], attempt["outcome"], attempt["charged"]) == (1, "produced", True)
    assert 0 <= attempt["duration"] <= task["duration"]
    assert "embedded" not in str(whole["attempts"])
    assert list(parse_response(client.get(f"{path}?include=attempts"))) == [*task, "attempts"]
    parse_error(client.get(f"{path}?include=request,upstream"), 400, "invalid_request", "include")
    assert not {"id", "status"} & {name for part in ("request", "attempts") for name in _names(whole[part])}


def _names(value: Any) -> set[str]:
    if isinstance(value, list):
        return {name for one in value for name in _names(one)}
    return set(value) if isinstance(value, dict) else set()


def test_c12_include_shows_nothing_of_a_foreign_task(gateway: Gateway, client: httpx.Client) -> None:
    task = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
    with gateway.client(gateway.new_key("stranger")) as stranger:
        path = f"/v1/tasks/{task['id']}?include=request,attempts"
        parse_error(stranger.get(path), 404, "task_not_found")


def test_q_searches_in_prompts_and_nowhere_else(gateway: Gateway, client: httpx.Client) -> None:
    find_and_page(gateway, "search")


def find_and_page(gateway: Gateway, account: str) -> None:
    prompts = [
        "A red Fox",
        'the "fox" said:\n100% _sure_ \\o/',
        "Füchse, Katzen 🦊",
        "a low medium high prompt!",
        "box",
    ]
    with gateway.client(gateway.new_key(account)) as client:
        ids = {
            text: parse_response(client.post(CREATE, json={**SMALL_IMAGE, "prompt": text}))["id"] for text in prompts
        }

        def found(q: str) -> set[str]:
            answer = parse_response(client.get("/v1/tasks", params={"q": q}))
            assert answer["total"] == len(answer["data"])
            return {text for text, task_id in ids.items() if task_id in [row["id"] for row in answer["data"]]}

        assert found("FOX") == {prompts[0], prompts[1]}
        assert found('"fox" said:\n100%') == found("_sure_") == found("\\o/") == found("0%") == {prompts[1]}
        assert found("🦊") == found("Füchse") == {prompts[2]}
        assert found("medium") == found("!") == {prompts[3]}
        assert found("gpt-image") == found("816x816") == found("opaque") == found("%x%") == found("f_x") == set()
        assert found("\0") == set()
        assert found("") == set(prompts)
        pages(client, [row["id"] for row in parse_response(client.get("/v1/tasks"))["data"]])
        with_q = parse_response(client.get("/v1/tasks?q=ox&cursor=&limit=2"))
        assert [row["id"] for row in with_q["data"]] == [ids["box"], ids[prompts[1]]]
        assert with_q["has_more"]


def pages(client: httpx.Client, ids: list[str]) -> None:
    """By cursor every task comes once, also when new ones are made between two pages."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = parse_response(client.get(f"/v1/tasks?limit=2&cursor={cursor}"))
        assert list(page) == ["object", "data", "has_more", "next_cursor"]
        found, cursor = [*found, *(row["id"] for row in page["data"])], page["next_cursor"]
        parse_response(client.post(CREATE, json={**SMALL_IMAGE, "prompt": "logo"}))
    assert found == ids


@pytest.mark.gate
def test_q_does_the_same_with_postgres_underneath(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with Gateway(tmp_path_factory.mktemp("pg"), "--no-workers", env={"IMAGEGATE_DATABASE": postgres_url}) as gateway:
        find_and_page(gateway, "search")


@pytest.mark.parametrize(
    ("query", "param"), [("q=" + "x" * 201, "q"), ("cursor=x", "cursor"), ("cursor=&limit=101", "limit")]
)
def test_other_searches_are_400(client: httpx.Client, query: str, param: str) -> None:
    parse_error(client.get(f"/v1/tasks?{query}"), 400, "invalid_request", param)
