"""Delivers webhooks: sign the stored body, POST it, record the result.

`[ ]` is one commit. `[ attempt begun ]` is written when the delivery is claimed; then the request; then
`[ attempt ended, delivery closed or due again ]`. If the process dies in between, the attempt counts as made and the
next one follows at its time: at least one delivery, and never more attempts than documented.
"""

from __future__ import annotations

import time

from imagegate.crash_points import crash_point
from imagegate.domain.time import US_PER_SECOND
from imagegate.domain.webhooks import Delivery, DeliveryResult, SecretVersion
from imagegate.egress import FetchFailed, Purpose, UrlRefused, check_url
from imagegate.flows.webhooks.secrets import signing_keys
from imagegate.logging import log
from imagegate.runtime import Runtime
from imagegate.security.signing import sign_webhook
from imagegate.store import deliveries
from imagegate.store.deliveries import ClaimedDelivery, DeliveryClosed, RetryScheduled, StaleAttempt

_BATCH_SIZE = 50


async def claim_deliveries(runtime: Runtime, host: str, limit: int) -> list[ClaimedDelivery]:
    """[ lease, attempt begun ] for deliveries that are due for this host, within its limit."""
    lease_us = int(runtime.settings.work.webhook_lease_s * US_PER_SECOND)
    return await runtime.db.write(deliveries.claim_deliveries, host, runtime.boot_id, lease_us, limit)


async def deliver(runtime: Runtime, claimed: ClaimedDelivery) -> float | None:
    """Make one attempt; returns the seconds until the next one, or None where there is none."""
    delivery = claimed.delivery
    crash_point("hook.claimed")
    result, words = await _post(runtime, delivery, claimed.secret)
    crash_point("hook.post_send")
    answer = await runtime.db.write(
        deliveries.end_attempt, delivery.account_id, delivery.id, delivery.number, result, retry_schedule_us(runtime)
    )
    crash_point("hook.post_mark")
    log(
        "webhook",
        delivery=delivery.id,
        attempt=delivery.number,
        host=delivery.host,
        status=result.status,
        error=words,
        ms=result.duration_ms,
        retry_after=result.retry_after,
    )
    match answer:
        case RetryScheduled(delay_us=wait_us):
            runtime.counters.webhooks["failed"] += 1
            return wait_us / US_PER_SECOND
        case DeliveryClosed(state=state):
            runtime.counters.webhooks[str(state)] += 1
            return None
        case StaleAttempt():
            return None


async def _post(runtime: Runtime, delivery: Delivery, secret: SecretVersion) -> tuple[DeliveryResult, str | None]:
    """The result, and its error in words for the operator, without the URL's path and query.

    The URL is checked again each time: the egress rules may have changed since the task was created.
    """
    started = time.monotonic()
    body = delivery.body.encode()
    headers = _headers(runtime, delivery, secret, body)
    try:
        url = check_url(delivery.url, Purpose.CALLBACK, runtime.egress_rules)
        posted = await runtime.egress_client.post(url, body, headers, total_s=runtime.settings.work.webhook_timeout_s)
    except UrlRefused as refused:
        return DeliveryResult(duration_ms=0, error="refused_url"), f"refused_url: {refused}"
    except FetchFailed as failed:
        took_ms = round((time.monotonic() - started) * 1000)
        return DeliveryResult(duration_ms=took_ms, error=failed.reason), failed.words
    accepted = 200 <= posted.status < 300
    result = DeliveryResult(
        duration_ms=posted.elapsed_ms,
        status=posted.status,
        error=None if accepted else "status",
        retry_after=posted.retry_after,
        excerpt=posted.excerpt,
    )
    return result, None if accepted else f"status: the receiver answered {posted.status}"


def _headers(runtime: Runtime, delivery: Delivery, secret: SecretVersion, body: bytes) -> dict[str, str]:
    now = runtime.clock()
    timestamp = now // US_PER_SECOND
    return {
        "content-type": "application/json",
        "webhook-id": delivery.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign_webhook(
            signing_keys(runtime, delivery.account_id, secret, now), delivery.id, timestamp, body
        ),
    }


def retry_schedule_us(runtime: Runtime) -> tuple[int, ...]:
    return tuple(int(wait * US_PER_SECOND) for wait in runtime.settings.work.webhook_retry_s)


async def reclaim_deliveries(runtime: Runtime) -> None:
    """End the attempts of dead processes; their deliveries are due again or exhausted."""
    shared = runtime.db.engine.shared
    while (
        await runtime.db.write(
            deliveries.recover_lost_attempts, runtime.boot_id, shared, retry_schedule_us(runtime), _BATCH_SIZE
        )
        == _BATCH_SIZE
    ):
        pass
