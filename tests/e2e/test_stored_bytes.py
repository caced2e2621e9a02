"""Stored bytes that are no longer what was stored: nobody is answered with them, charged for them or sent them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from imagegate.security.keyring import open_keyring
from imagegate.security.signing import sign_input_link
from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.support.crash_scenarios import CrashScenario, open_environment
from tests.support.gateway import Gateway
from tests.support.image_files import PNG, b64
from tests.support.program import wait_until

UPLOAD = "/api/v1/files/upload/base64"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def delete(path: Path) -> None:
    path.unlink()


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as opened:
        yield opened


def new_blob(gateway: Gateway, before: set[Path]) -> Path:
    [blob] = blobs(gateway) - before
    return blob


def blobs(gateway: Gateway) -> set[Path]:
    return {path for path in (gateway.data / "blobs" / "t").rglob("*") if path.is_file()}


def upload(client: httpx.Client) -> dict[str, Any]:
    kept: dict[str, Any] = parse_response(client.post(UPLOAD, json={"base64_data": b64(PNG)}))["data"]
    return kept


@pytest.mark.parametrize("damage", [cut, delete])
def test_a_result_whose_bytes_are_gone_or_cut_is_refused(
    gateway: Gateway, client: httpx.Client, damage: Callable[[Path], None]
) -> None:
    before = blobs(gateway)
    task = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
    blob = new_blob(gateway, before)
    whole = blob.read_bytes()
    link = task["results"][0]
    assert client.get(link).content == whole
    damage(blob)
    parse_error(client.get(link), 500, "storage_failed")
    parse_error(client.get(link, headers={"Range": "bytes=0-9"}), 500, "storage_failed")
    assert client.head(link).status_code == 500
    wait_until(lambda: any('"blob_unusable"' in line and blob.name in line for line in gateway.output))

    found = gateway.run("check", "--deep", "--json", check=False)
    assert found.returncode == 1
    [broken] = json.loads(found.stdout)["broken"]
    assert (broken["id"], len(broken["rows"])) == ("I12.bytes", 1)
    blob.write_bytes(whole)


@pytest.mark.parametrize("damage", [cut, delete])
def test_an_upload_whose_bytes_are_gone_or_cut_is_refused(
    gateway: Gateway, client: httpx.Client, damage: Callable[[Path], None]
) -> None:
    before = blobs(gateway)
    file = upload(client)
    damage(new_blob(gateway, before))
    parse_error(client.get(file["file_url"]), 500, "storage_failed")
    by_id = parse_response(client.get(file["download_url"]), 500)
    assert by_id["code"] == 50001
    copied = client.post("/api/v1/files/upload/url", json={"file_url": file["file_url"]})
    assert parse_response(copied, 400)["code"] == 40004
    order = SMALL_IMAGE | {"model": "gpt-image-2", "image_urls": [file["file_url"]]}
    refused = client.post(CREATE, json=order)
    assert refused.status_code in (400, 500), refused.text
    client.delete(f"/api/v1/files/{file['file_id']}")


def test_a_folder_that_takes_nothing_delays_what_was_bought(gateway: Gateway, client: httpx.Client) -> None:
    folder = gateway.data / "blobs" / "t"
    folder.mkdir(exist_ok=True)
    folder.rename(away := folder.with_name("away"))
    folder.write_bytes(b"")
    task = parse_response(client.post(CREATE, json=SMALL_IMAGE))["id"]

    def info() -> dict[str, Any]:
        found: dict[str, Any] = parse_response(client.get(f"/v1/tasks/{task}"))
        return {"status": found["status"], **found["task_info"]}

    wait_until(lambda: "waiting" in info(), what=info)
    assert (info()["status"], info()["waiting"]["reason"]) == ("processing", "storage_unavailable")
    assert parse_response(client.post(UPLOAD, json={"base64_data": b64(PNG)}), 503)["code"] == 503
    folder.unlink()
    away.rename(folder)
    ended = parse_response(client.get(f"/v1/tasks/{task}?wait=60"))
    assert ended["status"] == "completed", ended
    assert client.get(ended["results"][0]).status_code == 200
    gateway.run("check", "--deep")


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_a_link_for_upstreams_serves_every_type(gateway: Gateway, client: httpx.Client, output_format: str) -> None:
    before = blobs(gateway)
    parse_response(client.post(CREATE, json={**SMALL_IMAGE, "output_format": output_format}, headers=WAIT))
    blob, keyring = new_blob(gateway, before), open_keyring(gateway.data)
    key = str(blob.relative_to(gateway.data / "blobs"))
    expires_s = int(time.time()) + 60
    link = sign_input_link(gateway.url, keyring.derive_key("links"), key, expires_s, keyring.key_id)
    answer = httpx.get(link, trust_env=False, verify=False)
    assert (answer.status_code, answer.headers["content-type"]) == (200, f"image/{output_format}")
    assert answer.content == blob.read_bytes()


def test_flipped_bytes_are_found_by_the_deep_check(gateway: Gateway, client: httpx.Client) -> None:
    before = blobs(gateway)
    file = upload(client)
    flip(new_blob(gateway, before))
    found = gateway.run("check", "--deep", "--json", check=False)
    assert [one["id"] for one in json.loads(found.stdout)["broken"]] == ["I12.bytes"]
    client.delete(f"/api/v1/files/{file['file_id']}")


def test_a_reference_that_was_damaged_in_storage_is_sent_to_nobody(gateway: Gateway, client: httpx.Client) -> None:
    before = blobs(gateway)
    file = upload(client)
    flip(new_blob(gateway, before))
    order = SMALL_IMAGE | {"model": "gpt-image-2", "image_urls": [file["file_url"]]}
    task = parse_response(client.post(CREATE, json=order, headers=WAIT))
    assert (task["status"], task["error"]["code"], task["error"]["reason"]) == (
        "failed",
        "service_error",
        "input_damaged",
    )
    client.delete(f"/api/v1/files/{file['file_id']}")


def test_p3_an_image_damaged_in_the_spool_is_neither_delivered_nor_charged(tmp_path: Path) -> None:
    with (
        open_environment() as world,
        closing(CrashScenario(world, tmp_path, world.openai_without_repeats)) as scene,
    ):
        gateway = scene.gateway
        gateway.start()
        gateway.arm("spool.fsynced")
        with gateway.client() as client, pytest.raises(httpx.TransportError):
            client.post(CREATE, json={"prompt": "fox", "size": "1:1", "quality": "low"}, headers=WAIT)
        gateway.wait_for_crash()
        [image] = (gateway.data / "spool").glob("*.png")
        flip(image)
        with gateway, gateway.client() as client:

            def ended() -> bool:
                return bool(parse_response(client.get("/v1/tasks"))["data"][0]["status"] == "failed")

            wait_until(ended)
            [row] = parse_response(client.get("/v1/tasks"))["data"]
            task = parse_response(client.get(f"/v1/tasks/{row['id']}"))
            assert task["error"]["reason"] == "upstream_unknown"
            user = parse_response(client.get("/v1/credits"))["data"]["user"]
            assert (user["used_credits"], user["reserved_credits"]) == (0, 0)
            wait_until(lambda: any('"spool_damaged"' in line for line in gateway.output))
        gateway.check()
