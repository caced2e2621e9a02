"""GET /v1/webhooks/deliveries, POST …/{id}/replay, POST /v1/webhooks/test, GET /v1/webhooks/secret, POST …/rotate."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import Response
from litestar.params import PathParameter, QueryParameter
from msgspec import Meta

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import ResponseLink, get, post
from imagegate.api.pagination import CursorPage
from imagegate.api.params import Cursor
from imagegate.api.rate_limits import ActionLimiter
from imagegate.api.responses import view_of
from imagegate.api_docs.schema import (
    DELIVERY_ID_PATTERN,
    CallbackUrl,
    Count,
    DeliveryIdText,
    Seconds,
    SecretText,
    TaskIdText,
    doc,
    required,
)
from imagegate.domain import errors
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.audit import Actor
from imagegate.domain.time import US_PER_SECOND
from imagegate.domain.webhooks import Delivery, DeliveryAttempt, DeliveryState, SecretVersion, format_secret
from imagegate.flows.webhooks.log import delivery_page, resend_delivery, send_test_delivery
from imagegate.flows.webhooks.secrets import derive_secret, previous_secret, rotate_account_secret
from imagegate.runtime import Runtime
from imagegate.store.deliveries import load_secret_version


class DeliveryAttemptView(msgspec.Struct, kw_only=True):
    """One request of a delivery."""

    number: Annotated[int, doc("From 1, over all replays", minimum=1)]
    replay: Annotated[int, doc("0 at first, then one more for each replay", minimum=0)]
    started_at: Seconds
    duration_ms: Annotated[int | None, doc("null while it runs")]
    status_code: Annotated[int | None, doc("null where no response came")]
    error: Annotated[str | None, doc("The kind of error")]
    retry_after: Annotated[str | None, doc("The Retry-After of the response, for people")]
    excerpt: Annotated[str | None, doc("The first kilobyte of the response, escaped")]


class DeliveryView(msgspec.Struct, kw_only=True):
    """One webhook to one address."""

    id: DeliveryIdText
    object: Literal["webhook.delivery"] = "webhook.delivery"
    task_id: Annotated[TaskIdText | None, doc("null for a test")]
    url: str
    body: Annotated[str, doc("The body as sent, which the signature covers")]
    status: DeliveryState
    reason: Annotated[str | None, doc("Why it is exhausted: failed, gone or host_down")]
    created_at: Seconds
    closed_at: Seconds | None
    next_attempt_at: Seconds | None
    replays: Count
    attempts: list[DeliveryAttemptView]


class DeliveryPage(CursorPage, kw_only=True):
    data: list[DeliveryView]


DeliveryIdPath = Annotated[
    str,
    PathParameter(name="delivery_id"),
    doc("The id of a delivery", pattern=DELIVERY_ID_PATTERN, examples=[examples.DELIVERY_ID]),
]


class WebhookTest(msgspec.Struct):
    callback_url: Annotated[CallbackUrl | None, required("The URL that the test is sent to")] = None


class OldSecret(msgspec.Struct):
    """The previous secret, which also signs until then."""

    secret: SecretText
    expires_at: Seconds


class SecretView(msgspec.Struct, kw_only=True):
    object: Literal["webhook.secret"] = "webhook.secret"
    secret: SecretText
    version: Annotated[int, doc("From 1, one more for each rotation", minimum=1)]
    previous: OldSecret | None


@get(
    "/v1/webhooks/deliveries",
    summary="Webhook deliveries, newest first, with every attempt",
    tag="webhooks",
    scope=Scope.tasks_read,
    response_example=examples.DELIVERIES,
    links=(ResponseLink("replay_delivery", "Send it again", {"delivery_id": "$response.body#/data/0/id"}),),
)
async def list_deliveries(
    runtime: Runtime,
    key: ApiKey,
    limit: Annotated[int, QueryParameter(), Meta(ge=1, le=100, description="Deliveries on a page")] = 20,
    cursor: Cursor = "",
) -> DeliveryPage:
    if "\0" in cursor:
        raise errors.InvalidRequest("cursor is not one of this list", param="cursor")
    page = await delivery_page(runtime, key.account_id, cursor or None, limit)
    data = [_delivery_view(delivery, attempts) for delivery, attempts in page.rows]
    return DeliveryPage(data=data, has_more=page.has_more, next_cursor=page.next_position)


@post(
    "/v1/webhooks/deliveries/{delivery_id:str}/replay",
    summary="Send a webhook again: the same id and bytes",
    tag="webhooks",
    scope=Scope.images_write,
    response_example=examples.DELIVERY,
    errors=(errors.NotFound,),
)
async def replay_delivery(
    runtime: Runtime, key: ApiKey, action_limiter: ActionLimiter, delivery_id: DeliveryIdPath
) -> DeliveryView:
    await action_limiter.count_webhook_send(key.account_id)
    return _delivery_view(*await resend_delivery(runtime, key.account_id, delivery_id.replace("\0", "?")))


@post(
    "/v1/webhooks/test",
    summary="Send a test event to an address",
    tag="webhooks",
    scope=Scope.images_write,
    response_example=examples.TEST_DELIVERY,
    links=(ResponseLink("replay_delivery", "Send it again", {"delivery_id": "$response.body#/id"}),),
    request_example={"callback_url": "https://your-domain.com/webhook"},
)
async def test_webhook(data: WebhookTest, runtime: Runtime, key: ApiKey, action_limiter: ActionLimiter) -> DeliveryView:
    if not data.callback_url:
        raise errors.InvalidRequest("callback_url is required", param="callback_url")
    await action_limiter.count_webhook_send(key.account_id)
    return _delivery_view(*await send_test_delivery(runtime, key.account_id, data.callback_url))


@get(
    "/v1/webhooks/secret",
    summary="The secret that signs this account's webhooks",
    tag="webhooks",
    scope=Scope.images_write,
    response_example=examples.SECRET,
)
async def get_secret(runtime: Runtime, key: ApiKey) -> Response[SecretView]:
    return _secret_response(runtime, key.account_id, await runtime.db.read(load_secret_version, key.account_id))


@post(
    "/v1/webhooks/secret/rotate",
    summary="Create a new secret; the old one also signs for 24 hours",
    tag="webhooks",
    scope=Scope.images_write,
    response_example=examples.ROTATED_SECRET,
)
async def rotate_secret(runtime: Runtime, key: ApiKey, actor: Actor) -> Response[SecretView]:
    secret = await rotate_account_secret(runtime, key.account_id, actor)
    return _secret_response(runtime, key.account_id, secret)


def _secret_response(runtime: Runtime, account_id: str, secret: SecretVersion) -> Response[SecretView]:
    previous = previous_secret(runtime, account_id, secret, runtime.clock())
    view = SecretView(
        secret=format_secret(derive_secret(runtime, account_id, secret.version)),
        version=secret.version,
        previous=OldSecret(format_secret(previous[0]), previous[1] // US_PER_SECOND) if previous else None,
    )
    return Response(view, headers={"Cache-Control": "no-store"})


def _delivery_view(delivery: Delivery, attempts: list[DeliveryAttempt]) -> DeliveryView:
    waiting = delivery.state == DeliveryState.waiting
    return view_of(
        DeliveryView,
        delivery,
        status=delivery.state,
        created_at=delivery.created // US_PER_SECOND,
        closed_at=delivery.closed // US_PER_SECOND if delivery.closed else None,
        next_attempt_at=delivery.due // US_PER_SECOND if waiting else None,
        replays=delivery.round,
        attempts=[_attempt_view(one) for one in attempts],
    )


def _attempt_view(one: DeliveryAttempt) -> DeliveryAttemptView:
    started_at = one.started // US_PER_SECOND
    return view_of(DeliveryAttemptView, one, replay=one.round, started_at=started_at, status_code=one.status)
