"""The webhooks section of the document: what the gateway sends, and the responses it understands."""

from __future__ import annotations

from typing import Any

from imagegate.api.openapi import examples
from imagegate.api.openapi.schemas import Schemas
from imagegate.api_docs.schema import DELIVERY_ID_PATTERN
from imagegate.flows.views.task import TaskView

BODY_TYPES = (TaskView,)
_DESCRIPTION = """A POST to the `callback_url` of a create when its task has completed, failed or been cancelled, and \
never before it is settled. The body is what `GET /v1/tasks/{task_id}` answers at that moment, and the same bytes in \
every attempt.

Any 2xx within 10 seconds accepts it; everything else, redirects included, is retried after 1, 2 and 4 seconds; \
410 stops retries. Deliveries are listed and can be replayed.

Signed by Standard Webhooks v1: the signature is the HMAC-SHA256 of `<webhook-id>.<webhook-timestamp>.<body>` in \
base64; its key is the base64-decoded part of the account's secret behind `whsec_`. Reject timestamps older than 5 \
minutes, and accept the same `webhook-id` only once."""
_SIGNATURE = "v1,[A-Za-z0-9+/]{43}="
_HEADERS = (
    ("webhook-id", DELIVERY_ID_PATTERN, "The same in every attempt and replay", examples.DELIVERY_ID),
    ("webhook-timestamp", "^[1-9][0-9]*$", "Unix seconds of this attempt", str(examples.ENDED)),
    (
        "webhook-signature",
        f"^{_SIGNATURE}( {_SIGNATURE})?$",
        "For 24 hours after a rotation two, separated by a space: either fits",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
    ("user-agent", "^imagegate/", "imagegate and its version", "imagegate/0.7.0"),
)
_RESPONSES = {
    "2XX": {"description": "Accepted"},
    "410": {"description": "No further attempts are made"},
    "default": {"description": "Retried, up to three times"},
}


def webhooks_section(schemas: Schemas) -> dict[str, Any]:
    task = _webhook("task_ended", "A task has ended", _DESCRIPTION, schemas.of(TaskView), examples.COMPLETED_TASK)
    about = (
        "Requested with `POST /v1/webhooks/test`; signed, retried and listed like any other. Its body is that of a"
        " completed task with `test` true. The task does not exist: its id begins with `task-unified-0-`, it cost"
        " nothing, and its image is one pixel."
    )
    test = _webhook("webhook_test", "A test", about, schemas.of(TaskView), examples.WEBHOOK_TEST)
    return {"task_ended": {"post": task}, "webhook_test": {"post": test}}


def _webhook(name: str, summary: str, description: str, schema: dict[str, Any], example: Any) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "description": description,
        "tags": ["webhooks"],
        "security": [],
        "parameters": [_header(*one) for one in _HEADERS],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}},
        "responses": _RESPONSES,
    }


def _header(name: str, pattern: str, description: str, example: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern}
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": schema,
        "example": example,
    }
