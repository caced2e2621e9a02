"""Images in a bucket: everything works as with a folder, and an outage of the store delays and loses nothing."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.api.test_api_events import events_of
from tests.support.file_server import FileServer, send_bytes
from tests.support.gateway import THUMBNAILS, Gateway, GatewayExited
from tests.support.image_files import PNG, b64
from tests.support.outages import BODY, open_gateway
from tests.support.program import wait_until
from tests.support.s3_server import S3Server, own_server
from tests.support.simulator import Simulator

UPLOAD = "/api/v1/files/upload/base64"


@pytest.fixture(scope="module")
def files() -> Iterator[FileServer]:
    with FileServer() as server:
        server.serve("/a.png", send_bytes(PNG))
        yield server


def storage(server: S3Server, **more: str) -> dict[str, str]:
    return {**server.env, "IMAGEGATE_STORAGE": server.url(), **more}


def task_of(http: httpx.Client, task_id: str, wait: int = 0) -> dict[str, Any]:
    task: dict[str, Any] = parse_response(http.get(f"/v1/tasks/{task_id}" + (f"?wait={wait}" if wait else "")))
    return task


def create(http: httpx.Client, **more: Any) -> str:
    return str(parse_response(http.post(CREATE, json={**BODY, "prompt": "a logo", **more}))["id"])


def wait_for_reason(http: httpx.Client, task_id: str) -> dict[str, Any]:
    wait_until(lambda: "waiting" in task_of(http, task_id)["task_info"], 30, 0.05, lambda: str(task_of(http, task_id)))
    return task_of(http, task_id)


def test_everything_works_with_images_in_a_bucket(s3: S3Server, tmp_path: Path) -> None:
    env = storage(s3, **THUMBNAILS)
    with Gateway(tmp_path / "data", env=env) as gateway, gateway.client() as http:
        task = parse_response(http.post(f"{CREATE}?include=outputs", json=SMALL_IMAGE, headers=WAIT))
        [output] = task_of(http, f"{task['id']}?include=outputs")["result_data"]
        whole = http.get(output["image_url"])
        assert (whole.status_code, whole.headers["content-type"]) == (200, output["mime_type"])
        assert len(whole.content) == output["bytes"] == int(http.head(output["image_url"]).headers["content-length"])
        part = http.get(output["image_url"], headers={"Range": "bytes=100-199"})
        assert (part.status_code, part.content) == (206, whole.content[100:200])
        assert http.get(output["thumbnail_url"]).headers["content-type"] == "image/webp"

        file = parse_response(http.post(UPLOAD, json={"base64_data": b64(PNG)}))["data"]
        assert http.get(file["file_url"]).content == PNG
        body = {**SMALL_IMAGE, "image_urls": [file["file_url"], output["image_url"], output["thumbnail_url"]]}
        edited = parse_response(http.post(CREATE, json=body, headers=WAIT))
        assert edited["status"] == "completed", edited
        wait_until(lambda: not list((gateway.data / "incoming").glob("blob-*")), what=lambda: "local copies are gone")
        b64_json = http.post("/openai/v1/images/generations", json={"prompt": "x", "model": "gpt-image-1"}).json()
        assert b64_json["data"][0]["b64_json"]
        http.delete(f"/api/v1/files/{file['file_id']}")
        assert not (gateway.data / "blobs").exists()
        gateway.run("check", "--deep")

    stranger = Gateway(tmp_path / "data", env=storage(s3))
    with pytest.raises(GatewayExited, match="is not the `storage` of this database"):
        stranger.start()


@pytest.mark.gate
@pytest.mark.fault("F8")
def test_an_outage_of_the_store_delays_and_loses_nothing(files: FileServer, tmp_path: Path) -> None:
    with own_server() as server, Simulator() as sim:
        env = storage(server, IMAGEGATE_EGRESS_ALLOW=files.egress_allow, IMAGEGATE_WORKERS="4")
        with open_gateway(tmp_path, sim, env) as gateway:
            with gateway.client() as http:
                before = create(http)
                [link] = task_of(http, before, wait=60)["results"]
                upload = parse_response(http.post(UPLOAD, json={"base64_data": b64(PNG)}))["data"]["file_url"]
                server.kill()
                # More than there are places: what waits keeps none of them.
                bought = [create(http) for _ in range(7)] + [create(http, n=2)]
                for one in bought:
                    task = wait_for_reason(http, one)
                    assert task["task_info"]["waiting"]["reason"] == "storage_unavailable"
                    assert (task["status"], task["task_info"]["can_cancel"]) == ("processing", False)
                    assert "credits_used" not in task["usage"]
                    assert task["task_info"]["waiting"]["next_attempt_at"] <= time.time() + 6
                fetched = create(http, image_urls=[files.url + "/a.png"])
                assert wait_for_reason(http, fetched)["task_info"]["waiting"]["reason"] == "storage_unavailable"
                for refused in (
                    http.get(link),
                    http.head(link),
                    http.get(upload),
                    http.post(UPLOAD, json={"base64_data": b64(PNG)}),
                    http.post(CREATE, json={**BODY, "prompt": "x", "image_urls": [upload]}),
                ):
                    assert (refused.status_code, int(refused.headers["retry-after"])) == (503, 5), refused.text
                error = parse_error(http.get(link), 503, "service_unavailable")
                assert error["reason"] == "storage_unavailable"
                gateway.check()

                server.start()
                for one in (*bought, fetched):
                    assert task_of(http, one, wait=60)["status"] == "completed"
                assert http.get(link).status_code == 200
                assert files.requests["/a.png"] == 1, "what was fetched is kept"
                told = [
                    json.loads(data)["task_info"]
                    for _, data in events_of(http.get(f"/v1/tasks/{bought[0]}/events").text)
                ]
                waits = [info for info in told if "waiting" in info]
                assert [(info["waiting"]["reason"], info["can_cancel"]) for info in waits] == [
                    ("storage_unavailable", False)
                ]

                server.kill()
                bought += [create(http) for _ in range(3)]
                for one in bought[-3:]:
                    wait_for_reason(http, one)
            # A drain does not wait for the store: the next start settles from the spool.
            assert gateway.stop() == 0
            server.start()
            gateway.start()
            with gateway.client() as http:
                for one in bought[-3:]:
                    task = task_of(http, one, wait=60)
                    assert (task["status"], http.get(task["results"][0]).status_code) == ("completed", 200)
            assert sim.total["images"] == 14, "nothing is bought twice"
            with closing(sqlite3.connect(gateway.data / "imagegate.db")) as books:
                counted = books.execute("SELECT outcome, COUNT(*) FROM attempts GROUP BY 1").fetchall()
            assert counted == [("produced", 13)]
            gateway.run("check", "--deep")


def test_links_redirect_to_the_store_where_the_setting_says_so(s3: S3Server, tmp_path: Path) -> None:
    env = storage(s3, IMAGEGATE_STORAGE_LINKS="redirect", **THUMBNAILS)
    with Gateway(tmp_path / "data", env=env) as gateway, gateway.client() as http:
        task = parse_response(http.post(CREATE, json={**SMALL_IMAGE, "output_format": "jpeg"}, headers=WAIT))
        [output] = task_of(http, f"{task['id']}?include=outputs")["result_data"]
        for link, kind in ((output["image_url"], "image/jpeg"), (output["thumbnail_url"], "image/webp")):
            answer, head = http.get(link), http.head(link)
            for one in (answer, head):
                assert (one.status_code, one.headers["cache-control"]) == (302, "private, no-store")
                assert one.headers["location"].startswith(s3.endpoint)
                seconds = int(httpx.URL(one.headers["location"]).params["X-Amz-Expires"])
                assert 0 < seconds <= 300
            there = httpx.get(answer.headers["location"], trust_env=False, verify=False)
            assert (there.status_code, there.headers["content-type"]) == (200, kind)
            assert there.headers["content-disposition"] == answer.headers["content-disposition"]
            told = httpx.head(head.headers["location"], trust_env=False, verify=False)
            assert (told.status_code, told.headers["content-length"]) == (200, str(len(there.content)))
            part = httpx.get(answer.headers["location"], headers={"Range": "bytes=1-2"}, trust_env=False, verify=False)
            assert (part.status_code, part.content) == (206, there.content[1:3])
        script = {"Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin"}
        assert http.get(output["image_url"], headers=script).headers["content-type"] == "image/jpeg"
        parse_error(http.get(output["image_url"][:-1]), 403, "invalid_signature")
        policy = http.get("/", headers={"Accept": "text/html"}).headers["content-security-policy"]
        assert f"img-src 'self' blob: {gateway.url} {s3.endpoint};" in policy
        body = {**SMALL_IMAGE, "image_urls": [output["image_url"]]}
        assert parse_response(http.post(CREATE, json=body, headers=WAIT))["status"] == "completed"
        found = gateway.run("doctor").stdout
        assert "create-only writes, ranges, lists, checksums, a wrong secret is refused, links end" in found


def test_redirects_are_refused_at_the_start_where_the_store_cannot_sign(s3: S3Server, tmp_path: Path) -> None:
    redirect = {"IMAGEGATE_STORAGE_LINKS": "redirect"}
    anonymous = {**storage(s3), "AWS_SKIP_SIGNATURE": "true", "AWS_METADATA_ENDPOINT": "http://127.0.0.1:9"}
    del anonymous["AWS_ACCESS_KEY_ID"], anonymous["AWS_SECRET_ACCESS_KEY"]
    for env, said in (
        (redirect, "storage_links is 'redirect': must be stream where storage is a folder"),
        ({**anonymous, **redirect}, "redirect needs credentials that can sign"),
    ):
        gateway = Gateway(tmp_path / "data", env=env)
        with pytest.raises(GatewayExited) as refused:
            gateway.start()
        assert refused.value.code == 1
        assert any(said in line for line in gateway.output), gateway.output


def test_a_store_that_does_not_answer_or_lets_nobody_in_is_told_in_one_line(s3: S3Server, tmp_path: Path) -> None:
    for change in ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, {"AWS_SECRET_ACCESS_KEY": "wrong"}):
        gateway = Gateway(tmp_path / "data", env={**storage(s3), **change})
        with pytest.raises(GatewayExited) as refused:
            gateway.start()
        assert refused.value.code == 1
        [line] = [line for line in gateway.output if not line.startswith("{")]
        assert line.startswith("imagegate: the storage of images does not answer"), line
        assert "testsecret" not in line
