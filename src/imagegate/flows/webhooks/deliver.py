"""Tell a receiver what became of a task: sign the stored bytes, post them, write down what came of it.

`[ ]` is one commit. `[ attempt begun ]` was written when the delivery was claimed; then the request; then
`[ attempt ended, delivery closed or due again ]`. If we die in between, the attempt counts as made and the next one
goes out in its time: the receiver hears at least once, and is never asked more often than was promised.
"""

from __future__ import annotations

import time

from imagegate.crash_points import point
from imagegate.domain.webhooks import Delivery, Heard, SecretVersion, signature
from imagegate.egress import FetchFailed, Purpose, UrlRefused, check_url
from imagegate.flows.webhooks.secrets import signing_keys
from imagegate.logging import log
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.store import deliveries
from imagegate.store.deliveries import Claimed, Closed, NextDue, Stale

_AT_ONCE = 200
_BEYOND_S = 30


async def claim_hooks(runtime: Runtime, host: str, limit: int) -> list[Claimed]:
    """[ lease, attempt begun ] for what is due for this host, as far as its places go."""
    lease_us = int((runtime.settings.work.hook_timeout_s + _BEYOND_S) * PER_SECOND)
    return await runtime.db.write(deliveries.claim_deliveries, host, runtime.boot_id, lease_us, limit)


async def deliver(runtime: Runtime, claimed: Claimed) -> float | None:
    """One attempt. The seconds until the next one may be made, or None where none will be."""
    delivery = claimed.delivery
    point("hook.claimed")
    heard = await _ask(runtime, delivery, claimed.secret)
    point("hook.post_send")
    answer = await runtime.db.write(
        deliveries.end_attempt, delivery.account_id, delivery.id, delivery.number, heard, retry_us(runtime)
    )
    point("hook.post_mark")
    log(
        "webhook",
        delivery=delivery.id,
        attempt=delivery.number,
        host=delivery.host,
        status=heard.status,
        error=heard.error,
        ms=heard.duration_ms,
        retry_after=heard.retry_after,
    )
    match answer:
        case NextDue(wait_us=wait_us):
            return wait_us / PER_SECOND
        case Closed() | Stale():
            return None


async def _ask(runtime: Runtime, delivery: Delivery, secret: SecretVersion) -> Heard:
    """The URL is judged anew each time: what may be reached can have changed since the task was made."""
    started = time.monotonic()
    body = delivery.body.encode()
    headers = _headers(runtime, delivery, secret, body)
    try:
        url = check_url(delivery.url, Purpose.CALLBACK, runtime.egress)
        posted = await runtime.outbound.post(url, body, headers, total_s=runtime.settings.work.hook_timeout_s)
    except UrlRefused:
        return Heard(duration_ms=0, error="refused_url")
    except FetchFailed as failed:
        return Heard(duration_ms=round((time.monotonic() - started) * 1000), error=failed.reason)
    return Heard(
        duration_ms=posted.elapsed_ms,
        status=posted.status,
        error=None if 200 <= posted.status < 300 else "status",
        retry_after=posted.retry_after,
        excerpt=posted.excerpt,
    )


def _headers(runtime: Runtime, delivery: Delivery, secret: SecretVersion, body: bytes) -> dict[str, str]:
    now = runtime.clock()
    timestamp = now // PER_SECOND
    return {
        "content-type": "application/json",
        "webhook-id": delivery.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(
            signing_keys(runtime, delivery.account_id, secret, now), delivery.id, timestamp, body
        ),
    }


def retry_us(runtime: Runtime) -> tuple[int, ...]:
    return tuple(int(wait * PER_SECOND) for wait in runtime.settings.work.hook_retry_s)


async def reclaim_hooks(runtime: Runtime) -> None:
    """Attempts of dead senders are over; what they were for is due again or exhausted."""
    shared = runtime.db.engine.shared
    while (
        await runtime.db.write(deliveries.reclaim_attempts, runtime.boot_id, shared, retry_us(runtime), _AT_ONCE)
        == _AT_ONCE
    ):
        pass
