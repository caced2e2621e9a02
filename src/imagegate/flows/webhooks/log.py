"""An account's webhook deliveries: list them, send one again, send a test."""

from __future__ import annotations

import msgspec

from imagegate.domain import ids
from imagegate.domain.errors import InvalidRequest, NotFound
from imagegate.domain.images import ImageOrder, Size
from imagegate.domain.money import Nanos
from imagegate.domain.pages import Page
from imagegate.domain.tasks import ImageResult, Task, TaskState
from imagegate.domain.time import US_PER_HOUR
from imagegate.domain.usage import Usage, UsageSource
from imagegate.domain.webhooks import ID_PREFIX, Delivery, DeliveryAttempt
from imagegate.egress import Purpose
from imagegate.flows.execution.inputs import check_url_in
from imagegate.flows.quote import DEFAULT_MODEL
from imagegate.flows.views.task import task_view
from imagegate.runtime import Runtime
from imagegate.store import deliveries
from imagegate.store.transaction import Tx

DeliveryWithAttempts = tuple[Delivery, list[DeliveryAttempt]]


async def delivery_page(
    runtime: Runtime, account_id: str, after: str | None, limit: int
) -> Page[DeliveryWithAttempts, str]:
    """Deliveries with their attempts, newest first, after the delivery `after`. InvalidRequest for a bad cursor."""
    if after is not None and await runtime.db.read(deliveries.find_delivery, account_id, after) is None:
        raise InvalidRequest("cursor is not one of this list", param="cursor")
    return await runtime.db.read_list(account_id, _list_with_attempts, account_id, after, limit)


def _list_with_attempts(tx: Tx, account_id: str, after: str | None, limit: int) -> Page[DeliveryWithAttempts, str]:
    page = deliveries.list_deliveries(tx, account_id, after, limit)
    rows = [(one, deliveries.list_delivery_attempts(tx, account_id, one.id)) for one in page.rows]
    return Page(rows, page.next_position)


async def resend_delivery(runtime: Runtime, account_id: str, delivery_id: str) -> DeliveryWithAttempts:
    """Send it again with the same id and body; one that is still being delivered stays as it is. NotFound."""
    current = await runtime.db.read(deliveries.find_delivery, account_id, delivery_id)
    if current is None:
        raise NotFound("The requested delivery could not be found")
    delivery = await runtime.db.write(deliveries.replay_delivery, account_id, delivery_id, current.round) or current
    runtime.wake_ups.notify_webhooks_due()
    return delivery, await runtime.db.read(deliveries.list_delivery_attempts, account_id, delivery_id)


async def send_test_delivery(runtime: Runtime, account_id: str, url: str) -> DeliveryWithAttempts:
    """Send a webhook whose task does not exist; it is delivered like any other. InvalidRequest for a refused URL."""
    check_url_in(runtime, url, Purpose.CALLBACK, "callback_url")
    now = runtime.clock()
    delivery_id = ids.new_id(f"{ID_PREFIX}test", now)
    body = msgspec.json.encode(msgspec.structs.replace(task_view(runtime, _example_task(runtime, now)), test=True))
    await runtime.db.write(deliveries.add_delivery, account_id, delivery_id, None, url, body, ids.new_id("cmt", now))
    runtime.wake_ups.notify_webhooks_due()
    delivery = await runtime.db.read(deliveries.find_delivery, account_id, delivery_id)
    if delivery is None:
        raise NotFound
    return delivery, []


def _example_task(runtime: Runtime, now: int) -> Task:
    """A completed task that cost nothing. Its one image is answered by `/files/results` like any other's."""
    return Task(
        id=ids.new_task_id(0),
        account_id="",
        key_id="",
        state=TaskState.completed,
        claim_no=0,
        crashes=0,
        progress=100,
        order=ImageOrder(DEFAULT_MODEL, DEFAULT_MODEL, "", Size("1:1", 1, 1, False, None), "medium", 1),
        billing_rule="per_token",
        price_version=runtime.catalog.price_block_at(now).version,
        hold=Nanos(0),
        created=now,
        deadline=now,
        ended=now,
        charge=Nanos(0),
        usage=Usage(images=1),
        usage_source=UsageSource.formula,
        results=(ImageResult(index=0, ext="png", media_type="image/png", width=1, height=1, bytes=0),),
        results_expire=now + runtime.settings.storage.result_hours * US_PER_HOUR,
    )
