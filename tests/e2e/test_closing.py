"""An account is closed while its tasks are queued, sent and delivered: by the API, and by the command line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.image_files import PNG
from tests.support.program import wait_until
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

CREATE = "/v1/images/generations"
MODEL = "gpt-image-1.5"
HOOK = "https://hook.invalid/done"


class Setup:
    def __init__(self, gateway: RoutedGateway, sim: Simulator) -> None:
        self.gateway, self.sim = gateway, sim
        self.admin = gateway.client(gateway.new_key("operator", "1", "--scope", "admin"))

    def account(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.admin.post("/v1/admin/accounts", json={"name": name}).raise_for_status().json()
        return found

    def customer_with_a_sent_and_an_unsent_task(self, name: str) -> tuple[httpx.Client, list[str]]:
        """The second waits for the only slot of its key."""
        open_before = self._open_polls()
        client = self.gateway.client(self.gateway.new_key(name, "100", "--concurrent-tasks", "1"))
        body = {"prompt": "a fox", "size": "1:1", "quality": "low", "model": MODEL, "callback_url": HOOK}
        tasks = [client.post(CREATE, json=body).raise_for_status().json()["id"] for _ in range(2)]
        wait_until(lambda: self._open_polls() > open_before, 30, what=lambda: "the first is sent")
        return client, tasks

    def _open_polls(self) -> int:
        return sum(call["open"] for call in self.sim.calls("poll"))

    def expect_the_sent_one_charged_and_the_other_cancelled(self, name: str, tasks: list[str]) -> None:
        """Both with their webhooks; read with a key that was made after the account was reopened."""
        wait_until(lambda: self.account(name)["unfinished_tasks"] == 0, 30, what=lambda: "the sent one ends")
        account = self.account(name)
        assert account["held"]["nanos"] == "0"
        assert self.sim.calls("cancel") == [], "an upstream at work is not told to stop"
        again = self.admin.post(f"/v1/admin/accounts/{account['id']}/reopen").raise_for_status().json()
        assert again["closed_at"] is None
        with self.gateway.client(self.gateway.new_key(name, "1")) as client:
            sent, unsent = (client.get(f"/v1/tasks/{task}").raise_for_status().json() for task in tasks)
            hooks = client.get("/v1/webhooks/deliveries").raise_for_status().json()["data"]
        assert (sent["status"], sent["billing"]["charge_status"]) == ("completed", "charged")
        assert (unsent["status"], unsent["error"]["code"]) == ("failed", "request_cancelled")
        assert {hook["task_id"] for hook in hooks} == set(tasks)
        self.gateway.check()


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    with Simulator() as sim:
        rows = [upstream_config("tasks", f"{sim.url}/task", protocol="task_api"), route_config("tasks", model=MODEL)]
        env = {"IMAGEGATE_KEY_CACHE_S": "0"}
        with RoutedGateway(tmp_path_factory.mktemp("closing") / "data", *rows, env=env) as gateway:
            opened = Setup(gateway, sim)
            yield opened
            opened.admin.close()


def test_what_was_sent_is_charged_and_delivered_and_the_rest_cancelled(setup: Setup) -> None:
    """By the API it has ended with the answer, by the command line the gateway ends it."""
    setup.sim.script(*[{"latency": "3s"}] * 2)
    client, by_api = setup.customer_with_a_sent_and_an_unsent_task("api")
    shell, by_shell = setup.customer_with_a_sent_and_an_unsent_task("shell")
    upload = client.post("/api/v1/files/upload/stream", files={"file": ("a.png", PNG, "image/png")})
    link = upload.raise_for_status().json()["data"]["file_url"]
    assert "shell is closed; 1 key ended" in setup.gateway.run("accounts", "close", "shell").stdout
    account = setup.account("api")
    assert (account["unfinished_tasks"], account["closed_at"]) == (2, None)
    closed = setup.admin.post(f"/v1/admin/accounts/{account['id']}/close").raise_for_status().json()
    assert closed["unfinished_tasks"] == 1
    assert closed["closed_at"] >= closed["created"]
    assert httpx.get(link).status_code == 404, "as of a file that was deleted"
    wait_until(lambda: client.post(CREATE, json={"prompt": "x"}).status_code == 401, 30, what=lambda: "the key ends")
    again = setup.admin.post(f"/v1/admin/accounts/{account['id']}/close").raise_for_status().json()
    assert again["closed_at"] == closed["closed_at"]
    grant = {"account_id": account["id"], "credits": 1}
    for path, body in (("/v1/admin/grants", grant), ("/v1/admin/accounts", {"name": "api", "with_key": True})):
        refused = setup.admin.post(path, json=body, headers={"Idempotency-Key": f"late-{time.monotonic_ns()}"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "account_closed")
    setup.expect_the_sent_one_charged_and_the_other_cancelled("api", by_api)
    setup.expect_the_sent_one_charged_and_the_other_cancelled("shell", by_shell)
    client.close()
    shell.close()


def test_an_operator_cannot_lock_itself_out_and_unknown_accounts_are_404(setup: Setup) -> None:
    own = setup.account("operator")["id"]
    refused = setup.admin.post(f"/v1/admin/accounts/{own}/close")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")
    for account_id in ("acc_nobody", "a%00b"):
        for verb in ("close", "reopen"):
            missing = setup.admin.post(f"/v1/admin/accounts/{account_id}/{verb}")
            assert (missing.status_code, missing.json()["error"]["param"]) == (404, "account_id")


def test_what_was_queued_while_no_gateway_ran_is_cancelled_by_the_next_and_a_closed_demo_account_stays_closed(
    setup: Setup,
) -> None:
    """The same as a process that dies between the commit and the tasks' ends."""
    gateway = setup.gateway
    setup.sim.script({"latency": "2s"})
    client, tasks = setup.customer_with_a_sent_and_an_unsent_task("late")
    client.close()
    gateway.kill()
    for name in ("late", "demo"):
        gateway.run("accounts", "close", name)
    gateway.start()
    assert any(line.startswith("the account demo is closed") for line in gateway.output)
    setup.admin.close()
    setup.admin = gateway.client(setup.admin.headers["authorization"].partition(" ")[2])
    setup.expect_the_sent_one_charged_and_the_other_cancelled("late", tasks)
    gateway.run("accounts", "reopen", "demo")
