"""Lists that take too long are refused with what the caller can narrow; look-ups of single things go on."""

from __future__ import annotations

import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE
from tests.support.gateway import Gateway

# No list ends in this time, on any machine.
GATEWAY_ENV = {"IMAGEGATE_LIST_TIMEOUT_S": "0.000001"}
GATEWAY_OPTIONS = ("--no-workers",)


@pytest.mark.parametrize(
    ("path", "narrow"),
    [
        ("/v1/tasks?q=fox", "status or model"),
        ("/v1/tasks?cursor=", "status or model"),
        ("/v1/ledger", "task_id"),
        ("/v1/usage", "fewer days"),
        ("/v1/keys", "limit"),
        ("/v1/webhooks/deliveries", "fewer rows"),
        ("/api/v1/files/list", "pageSize"),
    ],
)
def test_a_list_that_takes_too_long_is_a_503_that_says_what_to_narrow(gateway: Gateway, path: str, narrow: str) -> None:
    with gateway.client() as client:
        refused = client.get(path)
        assert refused.status_code == 503, refused.text
        assert "Retry-After" in refused.headers
        body = refused.json()
        message = body["msg"] if "msg" in body else body["error"]["message"]
        assert message.startswith("This list took too long: ")
        assert narrow in message
        assert "msg" in body or body["error"]["reason"] == "list_too_slow"
        task = client.post(CREATE, json=SMALL_IMAGE).json()
        assert client.get(f"/v1/tasks/{task['id']}").json()["status"] == "pending"
