"""One account names hosts that nobody answers for: what others need names for goes on, and the gateway stops."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.e2e.helpers import read_rows
from tests.support.file_server import FileServer, send_bytes
from tests.support.image_files import PNG
from tests.support.name_server import NameServer
from tests.support.program import wait_until
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

ATTACKS = 60
LEASED = "SELECT COUNT(*) FROM deliveries WHERE owner IS NOT NULL"


def test_silent_name_servers_of_one_account_stop_nobody_and_no_shutdown(tmp_path: Path, server: FileServer) -> None:
    reference = server.serve("/cat.png", send_bytes(PNG)).replace("127.0.0.1", "files.example")
    with Simulator() as sim, NameServer(files_example="127.0.0.1", upstream_example="127.0.0.1") as names:
        rows = [upstream_config("one", f"http://upstream.example:{sim.port}/v1"), route_config("one", "0.01")]
        env = {
            "IMAGEGATE_DNS_SERVERS": names.address,
            "IMAGEGATE_WEBHOOK_SENDS_PER_MINUTE": "0",
            "IMAGEGATE_ALLOWED_HOSTS": "gateway.example",
        }
        options = ("--egress-allow", server.egress_allow)
        with RoutedGateway(tmp_path / "data", *rows, options=options, env=env) as gateway:
            with gateway.client(gateway.new_key("attacker", "0")) as attacker:
                for number in range(ATTACKS):
                    test = {"callback_url": f"https://a{number}.silent.example/"}
                    assert attacker.post("/v1/webhooks/test", json=test).status_code == 200
            wait_until(lambda: names.queries >= 16, what=lambda: names.queries)
            assert read_rows(tmp_path / "data", LEASED)[0][0] <= 17, "the account's own bound"
            assert gateway.create()["status"] == "completed"
            with gateway.client() as victim:
                uploaded = victim.post("/api/v1/files/upload/url", json={"file_url": reference})
                assert uploaded.status_code == 200, uploaded.text
            assert gateway.create(image_urls=[reference])["status"] == "completed"
            # Lookups are under way as it stops.
            assert read_rows(tmp_path / "data", LEASED)[0][0] > 0
            assert gateway.stop(timeout_s=30) == 0


def test_webhook_tests_replays_and_new_keys_are_limited_for_each_account(tmp_path: Path) -> None:
    with NameServer() as names:
        env = {"IMAGEGATE_DNS_SERVERS": names.address}
        env |= {"IMAGEGATE_WEBHOOK_SENDS_PER_MINUTE": "3", "IMAGEGATE_NEW_KEYS_PER_MINUTE": "2"}
        with (
            RoutedGateway(tmp_path / "data", env=env) as gateway,
            gateway.client() as client,
            gateway.client(gateway.new_key("other")) as other,
        ):
            first = client.post("/v1/webhooks/test", json={"callback_url": "https://a.example/"})
            replay = f"/v1/webhooks/deliveries/{first.json()['id']}/replay"
            sends = [client.post(replay), client.post(replay), client.post(replay)]
            assert [one.status_code for one in (first, *sends)] == [200, 200, 200, 429]
            assert_refused(sends[-1], "webhook_sends")
            keys = [client.post("/v1/keys", json={"name": "k"}) for _ in range(3)]
            assert [one.status_code for one in keys] == [200, 200, 429]
            assert_refused(keys[-1], "new_keys")
            assert other.post("/v1/webhooks/test", json={"callback_url": "https://a.example/"}).status_code == 200
            assert other.post("/v1/keys", json={"name": "k"}).status_code == 200


def assert_refused(response: httpx.Response, reason: str) -> None:
    error = response.json()["error"]
    assert (error["code"], error["reason"]) == ("rate_limit_exceeded", reason)
    assert int(response.headers["Retry-After"]) >= 1
