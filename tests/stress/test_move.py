"""An installation moves from SQLite and files to PostgreSQL and S3, is backed up there, and moves back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gateway import Gateway
from tests.support.image_files import PNG, b64
from tests.support.s3_server import S3Server

ADDRESS = "http://gateway.test"  # of the proxy before whichever place serves
BODY = {"prompt": "logo", "size": "816x816", "quality": "low"}
BROWSER = {"Host": "gateway.test", "Sec-Fetch-Site": "same-origin"}
WAIT = {"Prefer": "wait=60"}


class Person:
    """Who keeps a key, a session, links and a webhook secret while the installation moves."""

    def __init__(self, gateway: Gateway) -> None:
        self.key = gateway.new_key("shop")
        with gateway.client(self.key) as client:
            task = client.post("/v1/images/generations", json=BODY, headers=WAIT).json()
            file = client.post("/api/v1/files/upload/base64", json={"base64_data": b64(PNG)}).json()["data"]
            self.paths = [link.removeprefix(ADDRESS) for link in (*task["results"], file["file_url"])]
            self.bytes = [client.get(path).content for path in self.paths]
            self.seen = self._look(client)
        with httpx.Client(base_url=gateway.url, headers=BROWSER, timeout=60) as browser:
            signed_in = browser.post("/web/session", json={"key": self.key})
            self.cookie = signed_in.headers["set-cookie"].partition(";")[0]

    def _look(self, client: Any) -> list[Any]:
        addresses = ("/v1/tasks", "/v1/credits", "/v1/ledger", "/v1/webhooks/secret")
        return [client.get(address).json() for address in addresses]

    def finds_everything(self, gateway: Gateway) -> None:
        with gateway.client(self.key) as client:
            assert [client.get(path).content for path in self.paths] == self.bytes
            assert self._look(client) == self.seen
        with httpx.Client(base_url=gateway.url, headers={**BROWSER, "Cookie": self.cookie}, timeout=60) as browser:
            assert browser.post("/web/session/token").json()["token"]


@pytest.mark.gate
def test_links_keys_and_sessions_survive_a_move_and_a_backup_on_the_other_engine(
    postgres_url: str, empty_postgres_url: str, s3: S3Server, tmp_path: Path
) -> None:
    with Gateway(tmp_path / "first", public_url=ADDRESS) as first:
        person = Person(first)
    there = {"IMAGEGATE_DATABASE": empty_postgres_url, "IMAGEGATE_STORAGE": s3.url("moved"), **s3.env}
    second = Gateway(tmp_path / "second", env=there, public_url=ADDRESS)
    copied = second.run("copy", "--from", str(first.data), "--to", empty_postgres_url)
    assert "copied to" in copied.stdout
    with second:
        person.finds_everything(second)
        second.run("backup", "create", str(tmp_path / "backup"))
    again = Gateway(tmp_path / "again", env={"IMAGEGATE_DATABASE": postgres_url}, public_url=ADDRESS)
    refused = again.run("backup", "restore", str(tmp_path / "backup"), check=False)
    assert "the database is not empty" in refused.stderr, "a schema alone is something"
    occupied = Gateway(tmp_path / "again", env={"IMAGEGATE_STORAGE": s3.url("moved"), **s3.env})
    refused = occupied.run("backup", "restore", str(tmp_path / "backup"), check=False)
    assert f"{s3.url('moved')} is not empty" in refused.stderr
    third = Gateway(tmp_path / "third", public_url=ADDRESS)
    third.run("backup", "restore", str(tmp_path / "backup"))
    with third:
        person.finds_everything(third)
    third.run("check", "--deep")
