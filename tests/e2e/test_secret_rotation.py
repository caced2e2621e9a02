"""The secret is rotated under a running gateway: nothing that is in use ends before 48 hours, and keys never do."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_response
from tests.support.clocked import ClockedGateway
from tests.support.gateway import Gateway, GatewayExited
from tests.support.program import wait_until

HOUR = 3600
ADDRESS = "http://gateway.test"  # of the proxy before them
OURS = {"Sec-Fetch-Site": "same-origin"}
ENV = {"IMAGEGATE_RESULT_HOURS": "100", "IMAGEGATE_SWEEP_S": "1", "IMAGEGATE_KEY_CACHE_S": "0"}


def new_link(client: httpx.Client) -> str:
    link: str = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))["results"][0]
    return link


def new_key(client: httpx.Client) -> str:
    return str(parse_response(client.post("/v1/keys", json={"name": "newest"}))["key"])


def page_token(client: httpx.Client) -> str:
    """Of the session that the client's cookie stands for."""
    answer = client.post("/web/session/token", headers={**OURS, "Authorization": ""})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def status_with(client: httpx.Client, bearer: str) -> int:
    return client.get("/v1/credits", headers={"Authorization": f"Bearer {bearer}"}).status_code


def path_of(link: str) -> str:
    return link[link.index("/files/") :]


@pytest.mark.gate
def test_what_was_made_with_the_former_secret_holds_for_48_hours_and_keys_for_ever(tmp_path: Path) -> None:
    gateway = ClockedGateway(tmp_path / "data", env=ENV)
    commands = Gateway(gateway.data)  # run before the clock is set, by the fork server
    with gateway:
        with gateway.client() as client:
            unused = commands.new_key("operator", "1", "--scope", "admin")
            old_link = path_of(new_link(client))
            webhook_secret = parse_response(client.get("/v1/webhooks/secret"))["secret"]
            assert client.post("/web/session", json={"key": gateway.key}, headers=OURS).status_code == 200
            cookies, old_token = dict(client.cookies), page_token(client)

            said = commands.run("secret", "rotate", "--yes")
            assert "both secrets hold until" in said.stdout
            # The process that still runs with the former one knows the keys that are made from now on.
            made_since = commands.new_key("later")
            assert status_with(client, made_since) == status_with(client, gateway.key) == 200
            assert client.get(old_link).status_code == 200
            again = commands.run("secret", "rotate", "--yes", check=False)
            assert (again.returncode, again.stdout) == (1, "")
            assert "a rotation is in progress: the former secret holds until" in again.stderr
            assert "the former one holds until" in commands.run("doctor").stdout
        assert gateway.stop() == 0
        gateway.start()

        with gateway.client() as client:
            client.cookies.update(cookies)
            assert client.get(old_link).status_code == 200
            assert client.get(new := path_of(new_link(client))).status_code == 200
            assert ("sig=k1." in old_link, "sig=k2." in new) == (True, True)
            for bearer in (gateway.key, made_since, new_key(client), old_token, page_token(client)):
                assert status_with(client, bearer) == 200
            secrets = parse_response(client.get("/v1/webhooks/secret"))
            assert secrets["previous"]["secret"] == webhook_secret != secrets["secret"]

            gateway.set_clock(49 * HOUR)
            assert client.get(old_link).status_code == 403
            assert client.get(new).status_code == 200
            assert status_with(client, old_token) == 401
            assert client.post("/web/session/token", headers={**OURS, "Authorization": ""}).json()["token"] is None
            for bearer in (gateway.key, made_since):
                assert status_with(client, bearer) == 200
            with gateway.client(unused) as admin:
                acts = parse_response(admin.get("/v1/admin/audit"))["data"]
                assert [act["action"] for act in acts].count("secret.rotate") == 1
    assert [line for line in gateway.output if "Traceback" in line] == []


@pytest.mark.gate
def test_a_process_with_the_former_secret_works_for_48_hours_and_is_not_ready_then(tmp_path: Path) -> None:
    gateway = ClockedGateway(tmp_path / "data", env=ENV)
    with gateway, gateway.client() as client:
        link = path_of(new_link(client))
        shutil.copy2(gateway.data / "secret", tmp_path / "former")
        gateway.run("secret", "rotate", "--yes")
        gateway.set_clock(47 * HOUR)
        assert client.get(link).status_code == 200
        assert client.get("/readyz").status_code == 200
        gateway.set_clock(49 * HOUR)
        wait_until(lambda: client.get("/readyz").status_code == 503)
        assert client.get("/readyz").json()["checks"]["secret"] == "ended"
        assert client.get(link).status_code == 403
        wait_until(lambda: any("secret_ended" in line for line in gateway.output))
        shutil.copy2(tmp_path / "former", gateway.data / "secret")
    with pytest.raises(GatewayExited, match="the secret is not the one"):
        gateway.start()


def test_processes_on_one_database_take_the_new_secret_one_after_the_other(postgres_url: str, tmp_path: Path) -> None:
    shared = {"IMAGEGATE_DATABASE": postgres_url, "IMAGEGATE_STORAGE": str(tmp_path / "blobs")}
    env = {**shared, "IMAGEGATE_SPOOL": str(tmp_path / "spool"), "IMAGEGATE_KEY_CACHE_S": "0"}
    former = {**env, "IMAGEGATE_SECRET": "5" * 64, "IMAGEGATE_SECRET_NEXT": "6" * 64}
    new = {**env, "IMAGEGATE_SECRET": "6" * 64, "IMAGEGATE_SECRET_PREVIOUS": "5" * 64}
    with Gateway(tmp_path / "one", env=former, public_url=ADDRESS) as one, one.client(one.new_key("shop")) as here:
        key, link = here.headers["Authorization"].removeprefix("Bearer "), path_of(new_link(here))
        # The start with the new one, and the former beside it, is the rotation.
        with Gateway(tmp_path / "two", env=new, public_url=ADDRESS) as two, two.client(key) as there:
            assert there.get(link).status_code == 200
            assert "sig=k2." in (newer := path_of(new_link(there)))
            assert here.get(newer).status_code == there.get(newer).status_code == 200
            assert status_with(here, new_key(there)) == status_with(there, new_key(here)) == 200
