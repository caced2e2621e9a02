"""References and masks from a real server: fetched once, kept in order, and a bad one costs nothing."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_response
from tests.e2e.helpers import read_rows
from tests.support.file_server import (
    FileServer,
    Responder,
    send_after,
    send_bytes,
    send_endless,
    send_redirect,
    send_status,
)
from tests.support.gateway import Gateway
from tests.support.image_files import IMAGE_BY_MEDIA_TYPE, PNG, b64, image_bytes, large_png
from tests.support.program import wait_until

LIMIT = 300_000
JPEG, WEBP, MASK = image_bytes("JPEG"), image_bytes("WEBP"), image_bytes(mode="RGBA")
ENV = {"IMAGEGATE_MAX_REFERENCE_BYTES": str(LIMIT)}


def hollow(png: bytes) -> bytes:
    """Every chunk is intact and in its place, but the compressed data are zeros."""
    start = png.index(b"IDAT") + 4
    length = int.from_bytes(png[start - 8 : start - 4])
    checksum = zlib.crc32(b"IDAT" + bytes(length)).to_bytes(4)
    return png[:start] + bytes(length) + checksum + png[start + length + 4 :]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, server: FileServer) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("references"), "--egress-allow", server.egress_allow, env=ENV) as served:
        yield served
        served.check()


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as opened:
        yield opened


def run(client: httpx.Client, urls: list[str], **more: Any) -> dict[str, Any]:
    task: dict[str, Any] = parse_response(
        client.post(CREATE, json={**SMALL_IMAGE, "image_urls": urls, **more}, headers=WAIT)
    )
    return task


def completed(task: dict[str, Any]) -> dict[str, Any]:
    assert task["status"] == "completed", task
    return task


def failed(client: httpx.Client, task: dict[str, Any], code: str, param: str, reason: str | None) -> str:
    """The task's error; nothing is held or charged any more."""
    assert task["status"] == "failed", task
    error = task["error"]
    assert (error["code"], error["param"], error.get("reason")) == (code, param, reason)
    assert error["type"] == "task_error"
    assert task["usage"]["credits_used"] == 0
    assert task["billing"]["charge_status"] == "released"
    assert task["billing"]["charged_credits"] == 0
    assert parse_response(client.get("/v1/credits"))["data"]["user"]["reserved_credits"] == 0
    message: str = error["message"]
    return message


def inputs(gateway: Gateway, task_id: str) -> list[tuple[str, int, str]]:
    """Kind, position and SHA-256 of what was stored for a task."""
    sql = "SELECT kind, position, sha256 FROM assets WHERE task_id = ? AND kind IN ('reference', 'mask') ORDER BY 1, 2"
    rows: list[Any] = read_rows(gateway.data, sql, (task_id,))
    return rows


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_s2_1_reference_fetch_is_once_per_address_and_keeps_the_order(
    client: httpx.Client, gateway: Gateway, server: FileServer
) -> None:
    one, two = (
        server.serve("/one", send_bytes(PNG)),
        server.serve("/two?q=%2F&r", send_bytes(JPEG, kind="text/html")),
    )
    mask = server.serve("/mask", send_bytes(MASK))
    task = completed(run(client, [two, one, two, one], mask_url=mask))
    assert {path: server.requests[path] for path in ("/one", "/two?q=%2F&r", "/mask")} == {
        "/one": 1,
        "/two?q=%2F&r": 1,
        "/mask": 1,
    }
    assert inputs(gateway, task["id"]) == [
        ("mask", 0, sha(MASK)),
        ("reference", 0, sha(JPEG)),
        ("reference", 1, sha(PNG)),
        ("reference", 2, sha(JPEG)),
        ("reference", 3, sha(PNG)),
    ]
    assert not list((gateway.data / "incoming").iterdir())


def test_c09_a_mask_without_references_is_never_fetched(client: httpx.Client, server: FileServer) -> None:
    mask = server.serve("/unasked", send_bytes(MASK))
    answer = client.post(CREATE, json={**SMALL_IMAGE, "mask_url": mask}, headers=WAIT)
    completed(parse_response(answer))
    assert server.requests["/unasked"] == 0


def test_net_6_a_redirect_to_an_open_place_is_followed(
    client: httpx.Client, gateway: Gateway, server: FileServer
) -> None:
    server.serve("/there", send_bytes(WEBP))
    task = completed(run(client, [server.serve("/here", send_redirect("/there"))]))
    assert inputs(gateway, task["id"]) == [("reference", 0, sha(WEBP))]


UNREACHABLE: dict[str, Responder] = {
    "gone": send_status(404),
    "broken": send_status(500),
    "inward": send_redirect("http://127.0.0.1:9/"),
    "metadata": send_redirect("http://169.254.169.254/latest"),
    "file": send_redirect("file:///etc/passwd"),
    "round": send_redirect("/round"),
    "short": send_bytes(PNG[:100], announced=len(PNG)),
}
UNUSABLE: dict[str, tuple[Responder, str]] = {
    "announced": (send_bytes(large_png(LIMIT + 1)), "reference_too_large"),
    "endless": (send_endless(large_png(65_536)), "reference_too_large"),
    "html": (send_bytes(b"<html>" * 9, kind="image/png"), "unsupported_image_type"),
    "svg": (send_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "unsupported_image_type"),
    "gif": (send_bytes(IMAGE_BY_MEDIA_TYPE["image/gif"][0]), "unsupported_image_type"),
    "empty": (send_bytes(b""), "unsupported_image_type"),
    "cut": (send_bytes(PNG[:-20]), "truncated"),
    "noise": (send_bytes(large_png(1000)), "corrupt"),
}


def test_net_9_one_message_for_every_reason_of_the_network(client: httpx.Client, server: FileServer) -> None:
    urls = [server.serve(f"/{name}", act) for name, act in UNREACHABLE.items()]
    urls += ["https://nowhere.invalid/a.png", "http://127.0.0.2.nip.invalid/x.png"]
    messages = {
        failed(client, run(client, [url]), "image_processing_error", "image_urls[0]", "reference_unreachable")
        for url in urls
    }
    assert len(messages) == 1


@pytest.mark.parametrize("name", UNUSABLE)
def test_s2_1_reference_limits_what_is_too_large_or_no_image_ends_the_task(
    client: httpx.Client, gateway: Gateway, server: FileServer, name: str
) -> None:
    act, reason = UNUSABLE[name]
    good, bad = server.serve("/fine", send_bytes(PNG)), server.serve(f"/{name}", act)
    task = run(client, [good, bad])
    failed(client, task, "image_processing_error", "image_urls[1]", reason)
    assert inputs(gateway, task["id"]) == []
    failed(client, run(client, [good], mask_url=bad), "image_processing_error", "mask_url", reason)
    assert not list((gateway.data / "incoming").iterdir())


def test_s2_1_reference_fetch_ends_at_the_first_bad_one(client: httpx.Client, server: FileServer) -> None:
    bad, never = server.serve("/first", send_status(404)), server.serve("/never", send_bytes(PNG))
    failed(client, run(client, [bad, never]), "image_processing_error", "image_urls[0]", "reference_unreachable")
    assert (server.requests["/first"], server.requests["/never"]) == (1, 0)


def test_s2_1_mask_url_of_other_dimensions(client: httpx.Client, server: FileServer) -> None:
    first, second = (
        server.serve("/first", send_bytes(PNG)),
        server.serve("/second", send_bytes(image_bytes(size=(48, 64)))),
    )
    mask = server.serve("/mask", send_bytes(image_bytes(size=(48, 64), mode="RGBA")))
    failed(client, run(client, [first, second], mask_url=mask), "image_dimension_mismatch", "mask_url", None)
    completed(run(client, [second, first], mask_url=mask))
    drawn = server.serve("/jpeg-mask", send_bytes(JPEG))
    failed(client, run(client, [first], mask_url=drawn), "image_processing_error", "mask_url", "unsupported_image_type")


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("opaque", image_bytes(mode="RGB"), "unsupported_image_type"),
        ("hollow", hollow(MASK), "corrupt"),
    ],
)
def test_s2_1_mask_url_that_says_nothing(
    client: httpx.Client, server: FileServer, name: str, data: bytes, reason: str
) -> None:
    good, bad = server.serve("/good", send_bytes(PNG)), server.serve(f"/{name}", send_bytes(data))
    failed(client, run(client, [good], mask_url=bad), "image_processing_error", "mask_url", reason)


def test_masks_reach_an_upstream_written_anew(gateway: Gateway, client: httpx.Client, server: FileServer) -> None:
    """Fetched or pinned: besides the customer's mask there is a small PNG that holds only its alpha."""
    base = {"base64": b64(MASK)}
    own = client.post("/api/v1/files/upload/base64", json=base).json()["data"]["file_url"]
    good = server.serve("/good", send_bytes(PNG))
    for url in (server.serve("/mask", send_bytes(MASK)), own):
        task = completed(run(client, [good], mask_url=url))
        sql = "SELECT key FROM assets WHERE task_id = ? AND kind IN ('mask', 'repaint') ORDER BY kind"
        sent, rewritten = (gateway.data / "blobs" / key for (key,) in read_rows(gateway.data, sql, (task["id"],)))
        assert sent.read_bytes() == MASK
        with Image.open(rewritten) as plain, Image.open(sent) as original:
            assert (plain.format, plain.mode, plain.size) == ("PNG", "RGBA", original.size)
            assert plain.convert("RGB").getextrema() == ((0, 0),) * 3
            alpha = original.getchannel("A").point(lambda value: 255 if value == 255 else 0)
            assert plain.getchannel("A").tobytes() == alpha.tobytes()
    gateway.run("check", "--deep")


def test_c18_own_result_and_own_upload_go_with_a_stranger_s_image(
    client: httpx.Client, gateway: Gateway, server: FileServer
) -> None:
    result = completed(run(client, [server.serve("/one", send_bytes(PNG))]))["results"][0]
    upload = client.post("/api/v1/files/upload/base64", json={"base64": b64(WEBP)}).json()["data"]
    task = completed(
        run(client, [result, server.serve("/two", send_bytes(JPEG)), upload["file_url"], upload["download_url"]])
    )
    assert [digest for _, _, digest in inputs(gateway, task["id"])] == [
        sha(httpx.get(result, timeout=60).content),
        sha(JPEG),
        sha(WEBP),
        sha(WEBP),
    ]


def test_s8_url_goes_through_the_guard_of_references(client: httpx.Client, server: FileServer) -> None:
    """The upload by URL goes through the same guard, and its answers are those of the files API."""
    address = "/api/v1/files/upload/url"
    kept = client.post(address, json={"file_url": server.serve("/a%20fox.html?x=1", send_bytes(JPEG))}).json()["data"]
    assert (kept["file_name"], kept["original_name"], kept["mime_type"]) == ("a_fox.jpg", "a fox.html", "image/jpeg")
    assert httpx.get(kept["file_url"], timeout=60).content == JPEG
    answers = {
        client.post(address, json={"file_url": server.serve(f"/{name}", act)}).text.partition('"request_id"')[0]
        for name, act in UNREACHABLE.items()
    }
    assert len(answers) == 1
    assert '"code":40004' in answers.pop()
    for name, (act, reason) in UNUSABLE.items():
        if reason == "unsupported_image_type" and name not in ("gif", "empty"):
            assert client.post(address, json={"file_url": server.serve(f"/{name}", act)}).json()["code"] == 40002
    own = client.post(address, json={"file_url": kept["file_url"], "file_name": "copy.png"}).json()["data"]
    assert (own["file_name"], httpx.get(own["file_url"], timeout=60).content) == ("copy.jpg", JPEG)


def test_kill_9_between_fetch_and_attempt_loses_nothing(tmp_path: Path) -> None:
    """Killed during a fetch, it fetches again; killed once the references are stored, it reuses them."""
    with FileServer() as server:
        served = Gateway(tmp_path, "--egress-allow", server.egress_allow)
        with served:
            first, slow = (
                server.serve("/first", send_bytes(PNG)),
                server.serve("/slow", send_after(1.0, send_bytes(JPEG))),
            )
            order = {**SMALL_IMAGE, "size": "2048x2048", "image_urls": [first, slow, first]}
            task_id = _create(served, order)
            wait_until(lambda: server.requests["/slow"] == 1)
            served.kill()
            assert inputs(served, task_id) == []
            served.start()
            server.serve("/slow", send_bytes(JPEG))
            wait_until(lambda: len(inputs(served, task_id)) == 3)
            served.kill()
            served.start()
            with served.client() as client:
                completed(parse_response(client.get(f"/v1/tasks/{task_id}?wait=60")))
                assert client.get("/v1/credits").json()["data"]["user"]["reserved_credits"] == 0
            assert (server.requests["/first"], server.requests["/slow"]) == (2, 2)
            assert [digest for _, _, digest in inputs(served, task_id)] == [sha(PNG), sha(JPEG), sha(PNG)]
            served.check()
            assert not list((tmp_path / "incoming").glob("*"))


@pytest.mark.gate
def test_kill_9_a_pinned_upload_outlives_its_deletion_and_the_process(tmp_path: Path) -> None:
    served = Gateway(tmp_path)
    with served:
        with served.client() as client:
            file = client.post("/api/v1/files/upload/base64", json={"base64": b64(PNG)}).json()["data"]
        order = {**SMALL_IMAGE, "size": "2048x2048", "image_urls": [file["file_url"]]}
        ids = [_create(served, order) for _ in range(3)]
        with served.client() as client:
            assert client.delete(f"/api/v1/files/{file['file_id']}").status_code == 200
        served.kill()
        served.start()
        with served.client() as client:
            for task_id in ids:
                completed(parse_response(client.get(f"/v1/tasks/{task_id}?wait=60")))
        served.check()
        served.run("check", "--deep")


def _create(served: Gateway, order: dict[str, Any]) -> str:
    with served.client() as client:
        task_id: str = parse_response(client.post(CREATE, json=order))["id"]
    return task_id
