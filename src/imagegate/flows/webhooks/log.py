"""An account's webhooks: their list, sending one again, and one to try a receiver with."""

from __future__ import annotations

from typing import Literal

import msgspec

from imagegate.domain import ids
from imagegate.domain.errors import InvalidRequest, NotFound
from imagegate.domain.fields import DeliveryIdText, Seconds
from imagegate.domain.webhooks import ID_PREFIX, Delivery, DeliveryAttempt
from imagegate.egress import Purpose, UrlRefused, check_url
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.store import deliveries
from imagegate.store.transaction import Tx

Logged = tuple[Delivery, list[DeliveryAttempt]]


class TestBody(msgspec.Struct):
    """What a webhook says that was asked for as a test."""

    created: Seconds
    id: DeliveryIdText
    object: Literal["webhook.test"] = "webhook.test"


async def page_of_hooks(runtime: Runtime, account_id: str, after: str | None, limit: int) -> tuple[list[Logged], bool]:
    """Newest first, starting behind `after`, and whether there are more."""
    if after is not None and await runtime.db.read(deliveries.find_delivery, account_id, after) is None:
        raise InvalidRequest("cursor is not one of this list", param="cursor")
    found = await runtime.db.read(_logged, account_id, after, limit + 1)
    return found[:limit], len(found) > limit


def _logged(tx: Tx, account_id: str, after: str | None, limit: int) -> list[Logged]:
    found = deliveries.newest_deliveries(tx, account_id, after, limit)
    return [(one, deliveries.attempts_of(tx, account_id, one.id)) for one in found]


async def replay_hook(runtime: Runtime, account_id: str, delivery_id: str) -> Logged:
    """Send it again, same id and bytes. One that is still on its way stays as it is."""
    seen = await runtime.db.read(deliveries.find_delivery, account_id, delivery_id)
    if seen is None:
        raise NotFound("The requested delivery could not be found")
    delivery = await runtime.db.write(deliveries.replay, account_id, delivery_id, seen.round) or seen
    runtime.signals.hooks.set()
    return delivery, await runtime.db.read(deliveries.attempts_of, account_id, delivery_id)


async def send_test(runtime: Runtime, account_id: str, url: str) -> Logged:
    """A webhook of no task, delivered like any other."""
    try:
        check_url(url, Purpose.CALLBACK, runtime.egress)
    except UrlRefused as refused:
        raise InvalidRequest(f"callback_url: {refused}", param="callback_url") from refused
    now = runtime.clock()
    name = ids.new_id(f"{ID_PREFIX}test", now)
    body = msgspec.json.encode(TestBody(now // PER_SECOND, name))
    await runtime.db.write(deliveries.add_delivery, account_id, name, None, url, body, ids.new_id("cmt", now))
    runtime.signals.hooks.set()
    delivery = await runtime.db.read(deliveries.find_delivery, account_id, name)
    if delivery is None:
        raise NotFound
    return delivery, []
