"""Webhook deliveries and their attempts: enqueued by the commit that ends a task, claimed by host, closed once.

An attempt is a row before it is a request: whatever dies in between, no receiver is called more often than promised.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from imagegate.domain.pages import Page, paged
from imagegate.domain.tasks import Task
from imagegate.domain.time import US_PER_HOUR
from imagegate.domain.webhooks import (
    CloseReason,
    Delivery,
    DeliveryAttempt,
    DeliveryResult,
    DeliveryState,
    SecretVersion,
    host_of,
)
from imagegate.store.dialect import SKIP_LOCKED, STATE, Row, indexed_by
from imagegate.store.transaction import Tx

RenderWebhook = Callable[[Task], bytes]

MAX_PER_HOST = 2  # deliveries to one host at a time
# Deliveries of one account at a time, whatever the number of its hosts: hosts that never answer hold their places for
# the whole time-out. One more where its last place is taken by a claim of two.
MAX_PER_ACCOUNT = 16
SUSPEND_AFTER_FAILURES = 20  # in a row: from then on one delivery at a time
HOST_DOWN_AFTER_US = US_PER_HOUR  # of suspension: what has waited as long is given up
# The result of an attempt whose sender died.
INTERRUPTED = DeliveryResult(duration_ms=0, error="interrupted")

# Accounts that have taken all their places. Processes that claim at the same moment do not see each other's claims.
_FULL_ACCOUNTS = """SELECT account_id FROM deliveries WHERE owner IS NOT NULL
    GROUP BY account_id HAVING COUNT(*) >= :max_per_account"""
# From one host with a waiting delivery to the next: whoever has none costs nothing.
_NEXT_WAITING_HOST = """(SELECT MIN(host) FROM deliveries WHERE state = 'waiting' AND owner IS NULL
    AND host > {after})"""
_DELIVERY = """SELECT id, account_id, task_id, url, host, body, state, reason, round, number, due, created, closed
    FROM deliveries"""


class ClaimedDelivery(msgspec.Struct, frozen=True):
    """A delivery that is leased to us and whose attempt has begun. Sign with `secret`."""

    delivery: Delivery
    secret: SecretVersion


class RetryScheduled(msgspec.Struct, frozen=True):
    """The attempt failed; the next one may be made `delay_us` from now."""

    delay_us: int


class DeliveryClosed(msgspec.Struct, frozen=True):
    """Nothing more will be sent."""

    state: DeliveryState


class StaleAttempt(msgspec.Struct, frozen=True):
    """The attempt was ended before."""


def add_delivery(
    tx: Tx, account_id: str, delivery_id: str, task_id: str | None, url: str, body: bytes, commit_id: str
) -> None:
    """Enqueue a webhook; `task_id` is that of the task that ends in this commit, None for a test."""
    host = host_of(url)
    tx.insert("webhook_hosts", unless_exists="host", host=host)
    tx.insert(
        "deliveries",
        unless_exists="id",
        id=delivery_id,
        account_id=account_id,
        task_id=task_id,
        url=url,
        host=host,
        body=body.decode(),
        state="waiting",
        due=tx.now,
        created=tx.now,
        commit_id=commit_id,
    )


def list_due_hosts(tx: Tx, after: str, limit: int) -> list[str]:
    """Return hosts that have a delivery due and may take one, in order, from the one after `after`."""
    rows = tx.fetch_all(
        f"""WITH RECURSIVE waiting (host) AS (
            SELECT {_NEXT_WAITING_HOST.format(after=":after")}
            UNION ALL SELECT {_NEXT_WAITING_HOST.format(after="waiting.host")} FROM waiting
                WHERE waiting.host IS NOT NULL)
        SELECT h.host FROM waiting JOIN webhook_hosts h ON h.host = waiting.host
        WHERE EXISTS (SELECT 1 FROM deliveries d
                WHERE d.host = h.host AND d.state = 'waiting' AND d.owner IS NULL AND d.due <= :now
                AND d.account_id NOT IN ({_FULL_ACCOUNTS}))
            AND (SELECT COUNT(*) FROM deliveries d WHERE d.host = h.host AND d.owner IS NOT NULL)
                < CASE WHEN h.suspended IS NULL THEN :max_per_host ELSE 1 END
        ORDER BY h.host LIMIT :limit""",
        {"after": after, "max_per_host": MAX_PER_HOST, "max_per_account": MAX_PER_ACCOUNT, "limit": limit},
    )
    return [row["host"] for row in rows]


def claim_deliveries(tx: Tx, host: str, owner: str, lease_us: int, limit: int) -> list[ClaimedDelivery]:
    """Lease what is due for the host, up to its limit, and begin an attempt of each."""
    # Whoever claims for this host does so after us: the limit per host holds over all processes.
    row = tx.lock_row("SELECT suspended FROM webhook_hosts WHERE host = :host", {"host": host})
    if row is None:
        return []
    suspended = row["suspended"]
    if suspended is not None:
        _exhaust_overdue(tx, host, suspended)
    leased = tx.fetch_int(
        "SELECT COUNT(*) AS leased FROM deliveries WHERE host = :host AND owner IS NOT NULL", {"host": host}
    )
    free_slots = min(limit, (MAX_PER_HOST if suspended is None else 1) - leased)
    return [_begin_attempt(tx, row) for row in _lease(tx, host, owner, lease_us, free_slots)] if free_slots > 0 else []


def _exhaust_overdue(tx: Tx, host: str, suspended: int) -> None:
    """Close, unsent, what has waited for as long as its host has been down."""
    cutoff = tx.now - HOST_DOWN_AFTER_US
    if suspended <= cutoff:
        tx.execute_nowait(
            """UPDATE deliveries SET state = 'exhausted', reason = :reason, closed = :now
            WHERE host = :host AND state = 'waiting' AND owner IS NULL AND due <= :cutoff""",
            {"reason": str(CloseReason.host_down), "host": host, "cutoff": cutoff},
        )


def _lease(tx: Tx, host: str, owner: str, lease_us: int, limit: int) -> list[Row]:
    return tx.fetch_all(
        f"""WITH next AS MATERIALIZED (
            SELECT id FROM deliveries WHERE host = :host AND state = 'waiting' AND owner IS NULL AND due <= :now
                AND account_id NOT IN ({_FULL_ACCOUNTS})
            ORDER BY due LIMIT :limit {SKIP_LOCKED})
        UPDATE deliveries SET owner = :owner, lease_until = :lease, number = number + 1,
            round_attempts = round_attempts + 1
        WHERE id IN (SELECT id FROM next) AND {STATE} = 'waiting' AND owner IS NULL
        RETURNING id, account_id""",
        {
            "host": host,
            "limit": limit,
            "owner": owner,
            "lease": tx.now + lease_us,
            "max_per_account": MAX_PER_ACCOUNT,
        },
    )


def _begin_attempt(tx: Tx, row: Row) -> ClaimedDelivery:
    delivery = tx.fetch_structs(Delivery, f"{_DELIVERY} WHERE id = :id", {"id": row["id"]})[0]
    tx.insert(
        "delivery_attempts",
        delivery_id=delivery.id,
        number=delivery.number,
        account_id=delivery.account_id,
        round=delivery.round,
        not_before=delivery.due,
        started=tx.now,
    )
    return ClaimedDelivery(delivery, load_secret_version(tx, delivery.account_id))


def end_attempt(
    tx: Tx, account_id: str, delivery_id: str, number: int, result: DeliveryResult, retry_delays_us: tuple[int, ...]
) -> RetryScheduled | DeliveryClosed | StaleAttempt:
    """[ attempt, its delivery, its host ]. `retry_delays_us` is the delay after the first failure, the second, …"""
    ended = tx.execute(
        """UPDATE delivery_attempts SET ended = :now, duration_ms = :duration_ms, status = :status, error = :error,
            retry_after = :retry_after, excerpt = :excerpt
        WHERE delivery_id = :id AND number = :number AND account_id = :account_id AND ended IS NULL""",
        msgspec.structs.asdict(result) | {"id": delivery_id, "number": number, "account_id": account_id},
    )
    if ended == 0:
        return StaleAttempt()
    row = tx.fetch_all("SELECT host, round_attempts FROM deliveries WHERE id = :id", {"id": delivery_id})[0]
    _update_host(tx, row["host"], result)
    if result.accepted:
        return _close(tx, delivery_id, DeliveryState.delivered, None)
    if result.gone:
        return _close(tx, delivery_id, DeliveryState.exhausted, CloseReason.gone)
    if row["round_attempts"] > len(retry_delays_us):
        return _close(tx, delivery_id, DeliveryState.exhausted, CloseReason.failed)
    delay_us = retry_delays_us[row["round_attempts"] - 1]
    tx.execute_nowait(
        "UPDATE deliveries SET due = :due, owner = NULL, lease_until = NULL WHERE id = :id",
        {"due": tx.now + delay_us, "id": delivery_id},
    )
    return RetryScheduled(delay_us)


def _update_host(tx: Tx, host: str, result: DeliveryResult) -> None:
    """Suspend a host after failures in a row; one success ends that. A 410 and our own death do not count."""
    if result.accepted:
        tx.execute_nowait("UPDATE webhook_hosts SET failures = 0, suspended = NULL WHERE host = :host", {"host": host})
    elif not result.gone and result != INTERRUPTED:
        tx.execute_nowait(
            """UPDATE webhook_hosts SET failures = failures + 1,
                suspended = CASE WHEN failures + 1 >= :limit THEN COALESCE(suspended, :now) ELSE suspended END
            WHERE host = :host""",
            {"limit": SUSPEND_AFTER_FAILURES, "host": host},
        )


def _close(tx: Tx, delivery_id: str, state: DeliveryState, reason: CloseReason | None) -> DeliveryClosed:
    tx.execute_nowait(
        """UPDATE deliveries SET state = :state, reason = :reason, closed = :now, owner = NULL, lease_until = NULL
        WHERE id = :id""",
        {"state": str(state), "reason": str(reason) if reason else None, "id": delivery_id},
    )
    return DeliveryClosed(state)


def recover_lost_attempts(tx: Tx, owner: str, shared: bool, retry_delays_us: tuple[int, ...], limit: int) -> int:
    """End attempts whose sender died or lost its lease; return how many. They count: the receiver may have got them."""
    lost = "lease_until <= :now" if shared else "(lease_until <= :now OR owner <> :owner)"
    rows = tx.fetch_all(
        f"""SELECT id, account_id, number FROM deliveries {indexed_by("deliveries_lost")}
        WHERE owner IS NOT NULL AND {lost} ORDER BY lease_until LIMIT :limit""",
        {"owner": owner, "limit": limit},
    )
    for row in rows:
        end_attempt(tx, row["account_id"], row["id"], row["number"], INTERRUPTED, retry_delays_us)
    return len(rows)


def replay_delivery(tx: Tx, account_id: str, delivery_id: str, expected_round: int) -> Delivery | None:
    """Send a closed delivery again, with the same id and bytes, and return it; None where there is no such delivery.

    One that is still waiting stays as it is, and so does one that was replayed after `expected_round` was read.
    """
    tx.execute_nowait(
        """UPDATE deliveries SET state = 'waiting', reason = NULL, closed = NULL, round = round + 1, round_attempts = 0,
            due = :now
        WHERE id = :id AND account_id = :account_id AND state <> 'waiting' AND round = :round""",
        {"id": delivery_id, "account_id": account_id, "round": expected_round},
    )
    return find_delivery(tx, account_id, delivery_id)


def find_delivery(tx: Tx, account_id: str, delivery_id: str) -> Delivery | None:
    owned = f"{_DELIVERY} WHERE id = :id AND account_id = :account_id"
    return tx.fetch_struct(Delivery, owned, {"id": delivery_id, "account_id": account_id})


def list_deliveries(tx: Tx, account_id: str, after: str | None, limit: int) -> Page[Delivery, str]:
    """Return the account's deliveries, newest first, from the one after the delivery of the id `after`."""
    behind = (
        "AND (created, id) < (SELECT created, id FROM deliveries WHERE id = :after AND account_id = :account_id)"
        if after
        else ""
    )
    rows = tx.fetch_structs(
        Delivery,
        f"{_DELIVERY} WHERE account_id = :account_id {behind} ORDER BY created DESC, id DESC LIMIT :limit",
        {"account_id": account_id, "after": after, "limit": limit + 1},
    )
    return paged(rows, limit, lambda delivery: delivery.id)


def list_delivery_attempts(tx: Tx, account_id: str, delivery_id: str) -> list[DeliveryAttempt]:
    return tx.fetch_structs(
        DeliveryAttempt,
        """SELECT number, round, started, ended, duration_ms, status, error, retry_after, excerpt
        FROM delivery_attempts WHERE delivery_id = :id AND account_id = :account_id ORDER BY number""",
        {"id": delivery_id, "account_id": account_id},
    )


def load_secret_version(tx: Tx, account_id: str) -> SecretVersion:
    row = tx.fetch_all(
        "SELECT webhook_secret_version, webhook_secret_rotated FROM accounts WHERE id = :id", {"id": account_id}
    )[0]
    return SecretVersion(row["webhook_secret_version"], row["webhook_secret_rotated"])


def rotate_secret(tx: Tx, account_id: str, expected_version: int) -> SecretVersion:
    """Switch to the next secret, unless it was rotated since `expected_version` was read; return the current one."""
    tx.execute_nowait(
        """UPDATE accounts SET webhook_secret_version = webhook_secret_version + 1, webhook_secret_rotated = :now
        WHERE id = :id AND webhook_secret_version = :expected""",
        {"id": account_id, "expected": expected_version},
    )
    return load_secret_version(tx, account_id)
