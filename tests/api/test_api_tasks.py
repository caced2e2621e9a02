"""Sections 5.2 to 5.4 and 6: reading tasks and their images."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.support.gateway import THUMBNAILS, Gateway

UNKNOWN = "task-unified-1795341693-aaaaaaaa"
GATEWAY_ENV = THUMBNAILS


@pytest.fixture(scope="module")
def stranger(gateway: Gateway) -> Iterator[httpx.Client]:
    """A customer of another account."""
    with gateway.client(gateway.new_key("stranger")) as opened:
        yield opened


@pytest.fixture(scope="module")
def done(client: httpx.Client) -> Any:
    """A completed task of the demo account."""
    return parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))


@pytest.fixture(scope="module")
def link(done: Any) -> str:
    address: str = done["results"][0]
    return address


def test_s5_1_one_serializer_query_shows_what_create_showed(client: httpx.Client, done: Any) -> None:
    first = client.get(f"/v1/tasks/{done['id']}")
    assert parse_response(first) == done
    assert client.get(f"/v1/tasks/{done['id']}?wait=5").text == first.text
    batch = client.post("/v1/tasks/batch", json={"task_ids": [done["id"]]})
    last = client.get(f"/v1/tasks/{done['id']}/events").text.rpartition("data: ")[2].strip()
    assert batch.text == f'{{"code":200,"data":[{first.text}]}}'
    assert last == first.text


def test_s5_1_never_at_top_level(done: Any) -> None:
    never = {
        "url",
        "image_url",
        "file_url",
        "output_url",
        "result_url",
        "result",
        "text",
        "data",
        "images",
        "code",
        "success",
    }
    assert not never & set(done)


def test_s5_1_id_first_and_nothing_nested_is_called_id_or_status(client: httpx.Client, done: Any) -> None:
    assert list(done)[:2] == ["created", "id"]
    assert not {"id", "status"} & _nested(done)
    text = client.get(f"/v1/tasks/{done['id']}?include=outputs,attempts,request").text
    assert text.index('"id":') == text.index(f'"id":"{done["id"]}"')


def _nested(value: Any) -> set[str]:
    found: set[str] = set()
    for inner in value.values() if isinstance(value, dict) else []:
        if isinstance(inner, dict):
            found |= set(inner) | _nested(inner)
    return found


def test_s5_2_wait_answers_when_the_task_ends(client: httpx.Client) -> None:
    task = parse_response(client.post(CREATE, json={**SMALL_IMAGE, "prompt": "logo"}))
    ended = parse_response(client.get(f"/v1/tasks/{task['id']}?wait=60", timeout=45))  # less than the wait
    assert ended["status"] == "completed"


@pytest.fixture(scope="module")
def watched(client: httpx.Client) -> list[Any]:
    """A task of three images as often as it could be seen, from its create to its end and once more."""
    seen = [parse_response(client.post(CREATE, json={**SMALL_IMAGE, "prompt": "logo", "n": 3}))]
    while seen[-1]["status"] not in ("completed", "failed"):
        seen.append(parse_response(client.get(f"/v1/tasks/{seen[0]['id']}")))
    return [*seen, parse_response(client.get(f"/v1/tasks/{seen[0]['id']}"))]


def test_c04_results_appear_together_with_completed(watched: list[Any]) -> None:
    assert [("results" in one) for one in watched] == [one["status"] == "completed" for one in watched]


def test_s5_1_status_never_moves_back(watched: list[Any]) -> None:
    order = ["pending", "processing", "completed"]
    places = [order.index(one["status"]) for one in watched]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0, 2)


def test_s5_1_progress_never_falls_and_is_100_at_completion_alone(watched: list[Any]) -> None:
    progress = [one["progress"] for one in watched]
    assert progress == sorted(progress)
    assert {type(value) for value in progress} == {int}
    for one in watched:
        assert (one["progress"] == 100) == (one["status"] == "completed")
        assert one["status"] != "pending" or one["progress"] == 0


def test_s5_1_results_are_addresses_and_stay_the_same(watched: list[Any]) -> None:
    assert len(watched[-1]["results"]) == 3
    assert all(isinstance(link, str) and link.startswith("http") for link in watched[-1]["results"])
    assert watched[-2]["results"] == watched[-1]["results"]


def test_s5_1_task_info_expects_seconds_until_the_end(watched: list[Any]) -> None:
    for one in watched:
        assert set(one["task_info"]) == ({"can_cancel"} if "results" in one else {"can_cancel", "estimated_time"})
        expected = one["task_info"].get("estimated_time", 1)
        assert type(expected) is int
        assert expected >= 1


def test_s5_1_credits_reserved_keep_their_value(watched: list[Any]) -> None:
    assert {one["usage"]["credits_reserved"] for one in watched} == {watched[0]["billing"]["reserved_credits"]}


def test_s5_1_duration_comes_with_the_end(watched: list[Any]) -> None:
    assert ["duration" in one for one in watched] == ["results" in one for one in watched]
    assert 0 < watched[-1]["duration"] < 120


def test_s5_1_billing_rule_is_that_of_the_row(client: httpx.Client) -> None:
    for model, rule in (("gpt-image-1", "per_token"), ("gpt-4o-image", "per_call")):
        task = parse_response(client.post(CREATE, json={"prompt": "logo", "size": "1:1", "model": model}))
        assert task["usage"]["billing_rule"] == rule


def test_s5_1_id_is_unique_and_of_one_shape(client: httpx.Client) -> None:
    made = [parse_response(client.post(CREATE, json=SMALL_IMAGE)) for _ in range(10)]
    assert len({task["id"] for task in made}) == 10
    for task in made:
        assert re.fullmatch(rf"task-unified-{task['created']}-[a-z0-9]{{8}}", task["id"])


@pytest.mark.parametrize("wait", ["-1", "1.5", "", "x", "1s", "\u0663", "+1", "0x1", "1e1"])
def test_s5_2_wait_that_is_no_whole_number_is_400(client: httpx.Client, done: Any, wait: str) -> None:
    parse_error(client.get(f"/v1/tasks/{done['id']}", params={"wait": wait}), 400, "invalid_request", "wait")


@pytest.mark.parametrize("wait", ["0", "60", "61", "999999999", "9999999999999999999"])
def test_s5_2_wait_above_60_counts_as_60(client: httpx.Client, done: Any, wait: str) -> None:
    assert parse_response(client.get(f"/v1/tasks/{done['id']}", params={"wait": wait})) == done


@pytest.mark.parametrize("task_id", ["x", "task-1-aaaaaaaa", "TASK-unified-1-aaaaaaaa", "%20", "task-unified"])
def test_s10_1_invalid_task_id_without_the_prefix(client: httpx.Client, task_id: str) -> None:
    error = parse_error(client.get(f"/v1/tasks/{task_id}"), 400, "invalid_task_id", "task_id")
    assert error["message"] == "Invalid task ID format, must start with 'task-unified-'"


@pytest.mark.parametrize(
    "task_id",
    [
        UNKNOWN,
        "task-unified-",
        "task-unified-x",
        UNKNOWN + "a",
        "task-unified-1795341693-AAAAAAAA",
        "task-unified-1-aaaaaaa%00",
        "task-unified-" + "1" * 3000,
    ],
)
def test_s10_1_task_not_found_for_an_unknown_id(client: httpx.Client, task_id: str) -> None:
    error = parse_error(client.get(f"/v1/tasks/{task_id}"), 404, "task_not_found")
    assert error["message"] == "The requested task could not be found"


def test_s5_2_prefix_is_asked_for_before_anything_else(client: httpx.Client) -> None:
    parse_error(client.get("/v1/tasks/run-1?wait=1"), 400, "invalid_task_id", "task_id")
    parse_error(client.get(f"/v1/tasks/{UNKNOWN}"), 404, "task_not_found")


def test_s5_2_plain_query_carries_no_part_of_include(client: httpx.Client, done: Any) -> None:
    assert not {"request", "result_data", "attempts"} & set(
        parse_response(client.get(f"/v1/tasks/{done['id']}?wait=1"))
    )


def test_s5_2_unknown_and_foreign_are_one_answer(stranger: httpx.Client, done: Any) -> None:
    answers = [stranger.get(f"/v1/tasks/{one}") for one in (done["id"], UNKNOWN)]
    assert {answer.status_code for answer in answers} == {404}
    assert without_request_id(answers[0]) == without_request_id(answers[1])


def without_request_id(response: httpx.Response) -> str:
    return re.sub(r"req_[0-9a-z]+", "", response.text)


def test_c12_a_foreign_task_is_an_unknown_one(client: httpx.Client, stranger: httpx.Client, done: Any) -> None:
    parse_error(stranger.get(f"/v1/tasks/{done['id']}"), 404, "task_not_found")
    foreign, unknown = (stranger.get(f"/v1/tasks/{one}") for one in (done["id"], UNKNOWN))
    assert without_request_id(foreign) == without_request_id(unknown)
    assert [(name, value) for name, value in foreign.headers.items() if name not in ("date", "x-request-id")] == [
        (name, value) for name, value in unknown.headers.items() if name not in ("date", "x-request-id")
    ]
    waiting = stranger.get(f"/v1/tasks/{done['id']}?wait=60")
    assert without_request_id(waiting) == without_request_id(foreign)
    assert (
        stranger.get("/v1/tasks").text
        == '{"object":"list","data":[],"total":0,"page":1,"page_size":20,"total_capped":false}'
    )
    assert stranger.post("/v1/tasks/batch", json={"task_ids": [done["id"], UNKNOWN]}).text == '{"code":200,"data":[]}'
    assert parse_response(client.get(f"/v1/tasks/{done['id']}")) == done


def test_s5_2_all_keys_of_one_account_see_its_tasks(gateway: Gateway, done: Any) -> None:
    with gateway.client(gateway.new_key("demo", "1")) as second:
        assert parse_response(second.get(f"/v1/tasks/{done['id']}")) == done


def test_s5_3_row_as_published(client: httpx.Client, done: Any) -> None:
    rows = parse_response(client.get("/v1/tasks?page_size=100&status=completed"))["data"]
    row = next(row for row in rows if row["id"] == done["id"])
    assert f"/files/results/{done['id']}/0.thumb.webp?exp=" in row.pop("thumbnail_url")
    outputs = row["outputs"]
    assert f"/files/results/{done['id']}/0.thumb.webp?exp=" in outputs[0].pop("thumbnail_url")
    expected = {
        "id": done["id"],
        "model": "gpt-image-2",
        "type": "image",
        "status": "completed",
        "progress": 100,
        "created_at": done["created"],
        "has_results": True,
        "result_count": 1,
        "credits_used": done["usage"]["credits_used"],
        "has_error": False,
        "prompt": "logo",
        "size": "816x816",
        "resolution": None,
        "quality": "low",
        "n": 1,
        "references": 0,
        "has_mask": False,
        "outputs": [{"width": 816, "height": 816, "mime_type": "image/png"}],
        "results_expire_at": done["results_expire_at"],
        "cost": done["usage"]["cost"],
    }
    assert row == expected
    assert list(row) == list(expected)


def test_s5_3_pages_newest_first(gateway: Gateway) -> None:
    with gateway.client(gateway.new_key("pages")) as pages:
        made = [
            parse_response(pages.post(CREATE, json={**SMALL_IMAGE, "prompt": f"logo page {k}"}, headers=WAIT))
            for k in range(3)
        ]
        other = parse_response(pages.post(CREATE, json={**SMALL_IMAGE, "model": "gpt-image-2-beta"}, headers=WAIT))
        ids = [task["id"] for task in [*made, other]][::-1]

        def listed(query: str) -> list[str]:
            answer = parse_response(pages.get(f"/v1/tasks?{query}"))
            assert list(answer) == ["object", "data", "total", "page", "page_size", "total_capped"]
            return [row["id"] for row in answer["data"]]

        assert listed("") == listed("page=1&type=image") == listed("status=completed") == ids
        assert [*listed("page=1&page_size=3"), *listed("page=2&page_size=3")] == ids
        assert listed("page=3&page_size=3") == listed("status=failed") == listed("status=pending") == []
        assert listed("status=processing") == listed("status=cancelled") == listed("model=none") == []
        assert listed("model=gpt-image-2-beta") == ids[:1]
        assert parse_response(pages.get("/v1/tasks?page=2&page_size=3"))["total"] == 4
        batch = parse_response(pages.post("/v1/tasks/batch", json={"task_ids": ids[::-1]}))
        assert batch == {"code": 200, "data": [*made, other]}


def test_s5_3_bound_pages_are_numbered_within_the_first_ten_thousand_tasks(client: httpx.Client) -> None:
    for query in ("page=501", "page=101&page_size=100", "page=1000000&page_size=1&status=failed"):
        error = parse_error(client.get(f"/v1/tasks?{query}"), 400, "invalid_request", param="page")
        assert "cursor" in error["message"]
    for query in ("page=500", "page=100&page_size=100"):
        answer = parse_response(client.get(f"/v1/tasks?{query}"))
        assert (answer["data"], answer["total_capped"]) == ([], False)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=x", "page"),
        ("page=", "page"),
        ("page_size=0", "page_size"),
        ("page_size=101", "page_size"),
        ("page_size=1.0", "page_size"),
        ("status=done", "status"),
        ("status=Completed", "status"),
        ("type=video", "type"),
        ("page=%D9%A3", "page"),
        ("references=yes", "references"),
        ("starred=1", "starred"),
        ("metadata=order", "metadata"),
        ("metadata=a%20b:1", "metadata"),
        ("created_after=-1", "created_after"),
        ("created_before=1e9", "created_before"),
        ("q=" + "x" * 201, "q"),
    ],
)
def test_s5_3_filters_that_are_none_are_400(client: httpx.Client, query: str, param: str) -> None:
    parse_error(client.get(f"/v1/tasks?{query}"), 400, "invalid_request", param)


@pytest.mark.parametrize("model", ["%00", "%ff", "%ed%a0%80", "'%20OR%20'1'='1", "%25"])
def test_s5_3_filters_take_a_model_as_text(client: httpx.Client, model: str) -> None:
    assert parse_response(client.get(f"/v1/tasks?model={model}"))["data"] == []


def test_s5_4_left_out_is_what_is_unknown_foreign_or_malformed(stranger: httpx.Client, done: Any) -> None:
    own = parse_response(stranger.post(CREATE, json=SMALL_IMAGE))["id"]
    answer = stranger.post("/v1/tasks/batch", json={"task_ids": [done["id"], UNKNOWN, "x", "", own]})
    assert [task["id"] for task in parse_response(answer)["data"]] == [own]


def test_s5_4_order_is_that_of_the_question(client: httpx.Client, done: Any) -> None:
    second = parse_response(client.post(CREATE, json={**SMALL_IMAGE, "prompt": "second logo"}, headers=WAIT))
    asked = [second["id"], UNKNOWN, "nonsense", "", "a\0b", done["id"], second["id"], done["id"]]
    answer = client.post("/v1/tasks/batch", json={"task_ids": asked})
    assert parse_response(answer) == {"code": 200, "data": [second, done]}
    alone = client.get(f"/v1/tasks/{done['id']}").text
    assert alone in answer.text


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "task_ids"),
        ({"task_ids": None}, "task_ids"),
        ({"task_ids": []}, "task_ids"),
        ({"task_ids": [UNKNOWN] * 51}, "task_ids"),
        ({"task_ids": UNKNOWN}, "task_ids"),
        ({"task_ids": {}}, "task_ids"),
        ({"task_ids": [UNKNOWN, 1]}, "task_ids[1]"),
        ({"task_ids": [None]}, "task_ids[0]"),
    ],
    ids=str,
)
def test_s5_4_limits_other_batches_are_400(client: httpx.Client, body: Any, param: str) -> None:
    parse_error(client.post("/v1/tasks/batch", json=body), 400, "invalid_request", param)


def test_s5_4_limits_fifty_are_allowed(client: httpx.Client) -> None:
    assert parse_response(client.post("/v1/tasks/batch", json={"task_ids": [UNKNOWN] * 50}))["data"] == []


def test_s6_form_of_the_link(gateway: Gateway, done: Any, link: str) -> None:
    form = rf"{re.escape(gateway.url)}/files/results/{done['id']}/0\.png\?exp=([0-9]+)&sig=k1\.[A-Za-z0-9_-]{{43}}"
    match = re.fullmatch(form, link)
    assert match
    assert int(match[1]) == done["results_expire_at"]
    ended = done["created"] + done["duration"]
    assert abs(done["results_expire_at"] - ended - 24 * 3600) <= 2


def test_c05_links_open_without_auth_and_head_agrees_with_get(done: Any, link: str) -> None:
    got, head = httpx.get(link, timeout=60), httpx.head(link, timeout=60)
    assert got.status_code == head.status_code == 200
    assert head.content == b""
    assert got.headers["content-type"] == "image/png"
    assert int(got.headers["content-length"]) == len(got.content)
    assert got.headers["content-disposition"] == f'inline; filename="{done["id"]}_0.png"'
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["access-control-allow-origin"] == "*"
    age = re.fullmatch(r"private, max-age=([0-9]+)", got.headers["cache-control"])
    assert age
    assert 24 * 3600 - 120 < int(age[1]) <= 24 * 3600
    assert Image.open(io.BytesIO(got.content)).size == (816, 816)
    apart = ("date", "x-request-id", "cache-control", "connection")
    assert {name: value for name, value in got.headers.items() if name not in apart} == {
        name: value for name, value in head.headers.items() if name not in apart
    }


def test_s6_ext_is_true_to_the_bytes(client: httpx.Client) -> None:
    for kind, ext in (("jpeg", "jpg"), ("webp", "webp")):
        task = parse_response(client.post(CREATE, json={**SMALL_IMAGE, "output_format": kind}, headers=WAIT))
        assert task["results"][0].partition("?")[0].endswith(f"/0.{ext}")
        assert Image.open(io.BytesIO(httpx.get(task["results"][0], timeout=60).content)).format == kind.upper()


def test_s6_headers_of_a_result(done: Any, link: str) -> None:
    for got in (httpx.get(link, timeout=60), httpx.head(link, timeout=60)):
        assert got.headers["content-type"] == "image/png"
        assert int(got.headers["content-length"]) == len(httpx.get(link, timeout=60).content)
        assert got.headers["content-disposition"] == f'inline; filename="{done["id"]}_0.png"'
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["access-control-allow-origin"] == "*"
        assert re.fullmatch(r"private, max-age=[0-9]+", got.headers["cache-control"])


def test_s6_no_redirect_stands_before_the_bytes(link: str) -> None:
    got = httpx.get(link, follow_redirects=False, timeout=60)
    assert (got.status_code, got.history) == (200, [])


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=-5", -5, None),
        ("bytes=100-", 100, None),
        ("bytes=5-99999999", 5, None),
    ],
)
def test_s6_range_single(link: str, header: str, first: int, last: int | None) -> None:
    whole = httpx.get(link, timeout=60).content
    part = httpx.get(link, headers={"Range": header}, timeout=60)
    expected = whole[first:] if last is None else whole[first : last + 1]
    start = first % len(whole)
    assert part.status_code == 206
    assert part.content == expected
    assert part.headers["content-range"] == f"bytes {start}-{start + len(expected) - 1}/{len(whole)}"
    assert part.headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    "header", ["bytes=5-3", "bytes=0-1,3-4", "items=0-1", "bytes=x-y", "bytes=-", "bytes= 0-1", ""]
)
def test_s6_range_of_other_forms_is_ignored(link: str, header: str) -> None:
    got = httpx.get(link, headers={"Range": header}, timeout=60)
    assert (got.status_code, len(got.content)) == (200, int(got.headers["content-length"]))


@pytest.mark.parametrize("header", ["bytes=99999999-", "bytes=-0"])
def test_s6_range_outside_the_image_is_416_json(link: str, header: str) -> None:
    size = len(httpx.get(link, timeout=60).content)
    got = httpx.get(link, headers={"Range": header}, timeout=60)
    assert (got.status_code, got.headers["content-range"]) == (416, f"bytes */{size}")
    assert got.headers["content-type"] == "application/json"
    assert got.json()["error"]["message"]


def test_s6_bad_signature_is_403(link: str, done: Any) -> None:
    place, _, query = link.partition("?")
    exp, sig = (part.partition("=")[2] for part in query.split("&"))
    later = str(int(exp) + 1)
    wrong = [
        place,
        f"{place}?exp={exp}",
        f"{place}?sig={sig}",
        f"{place}?exp={exp}&sig=",
        f"{place}?exp={exp}&sig={sig}x",
        f"{place}?exp=0{exp}&sig={sig}",
        f"{place}?exp={later}&sig={sig}",
        f"{place}?exp={exp}&sig={sig[:-1]}",
        f"{place}?exp={exp}&sig={sig.upper()}",
        f"{place}?exp={exp}&sig=k2{sig[2:]}",
        f"{place}?exp=x&sig={sig}",
        f"{place}?exp=%D9%A3&sig={sig}",
        link.replace("/0.png", "/1.png"),
        link.replace("/0.png", "/0.jpg"),
        link.replace(done["id"], UNKNOWN),
        f"{place}?exp={exp}&sig=%00",
        f"{place}?exp={exp}&sig=%ff",
    ]
    for address in wrong:
        parse_error(httpx.get(address, timeout=60), 403, "invalid_signature")
        assert httpx.head(address, timeout=60).status_code == 403
    parse_error(httpx.get(link.replace("/0.png", "/00.png"), timeout=60), 404, "not_found")


def test_s6_form_other_names_are_404(gateway: Gateway, done: Any) -> None:
    for name in ("0.gif", "x.png", "0", "0.png.png", "-1.png", "..%2f0.png", "\u0660.png"):
        parse_error(
            httpx.get(f"{gateway.url}/files/results/{done['id']}/{name}?exp=1&sig=k1.x", timeout=60), 404, "not_found"
        )


def test_s6_stable_at_every_reading(client: httpx.Client, done: Any, link: str) -> None:
    assert parse_response(client.get(f"/v1/tasks/{done['id']}"))["results"] == [link]
    assert httpx.get(link, timeout=60).content == httpx.get(link, timeout=60).content
