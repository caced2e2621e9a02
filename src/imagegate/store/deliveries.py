"""Webhooks and the attempts to deliver them: written with the end of a task, claimed by host, closed once.

Knows: the rows, the limit per host, what an answer does to a delivery and to its host. Refuses to know: how a request
is made and signed, and what a body says.

An attempt is a row before it is a request: whatever dies in between, nobody is asked more often than was promised.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from imagegate.domain.tasks import Task
from imagegate.domain.webhooks import (
    Closing,
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    Heard,
    SecretVersion,
    host_of,
    webhook_id,
)
from imagegate.store.engines import SKIP_LOCKED, Row
from imagegate.store.transaction import Tx

Render = Callable[[Task], bytes]

PER_HOST = 2
PARK_AFTER = 20
HOST_DOWN_US = 3_600_000_000
INTERRUPTED = Heard(duration_ms=0, error="interrupted")

_DELIVERY = """SELECT id, account_id, task_id, url, host, body, state, reason, round, number, due, created, closed
    FROM deliveries"""


class Claimed(msgspec.Struct, frozen=True):
    """A delivery in our hands: its attempt is begun. Sign with `secret`."""

    delivery: Delivery
    secret: SecretVersion


class NextDue(msgspec.Struct, frozen=True):
    """The attempt failed; the next one may be made `wait_us` from now."""

    wait_us: int


class Closed(msgspec.Struct, frozen=True):
    """Nothing more will be sent."""

    state: DeliveryState


class Stale(msgspec.Struct, frozen=True):
    """Somebody else has already ended this attempt."""


def tell(tx: Tx, account_id: str, task: Task, url: str, body: bytes, commit_id: str) -> None:
    """The webhook of a task that ends in this commit."""
    add_delivery(tx, account_id, webhook_id(task.id), task.id, url, body, commit_id)


def add_delivery(
    tx: Tx, account_id: str, delivery_id: str, task_id: str | None, url: str, body: bytes, commit_id: str
) -> None:
    host = host_of(url)
    tx.put("INSERT INTO hook_hosts (host) VALUES (:host) ON CONFLICT (host) DO NOTHING", host=host)
    tx.put(
        """INSERT INTO deliveries (id, account_id, task_id, url, host, body, state, due, created, commit_id)
        VALUES (:id, :account_id, :task_id, :url, :host, :body, 'waiting', :now, :now, :commit_id)
        ON CONFLICT (id) DO NOTHING""",
        id=delivery_id,
        account_id=account_id,
        task_id=task_id,
        url=url,
        host=host,
        body=body.decode(),
        now=tx.now,
        commit_id=commit_id,
    )


def hosts_due(tx: Tx, after: str, limit: int) -> list[str]:
    """Hosts that something is due for and that have a place free, in order, starting behind `after`."""
    rows = tx.all(
        """SELECT host FROM hook_hosts h WHERE host > :after
            AND EXISTS (SELECT 1 FROM deliveries d
                WHERE d.host = h.host AND d.state = 'waiting' AND d.owner IS NULL AND d.due <= :now)
            AND (SELECT COUNT(*) FROM deliveries d WHERE d.host = h.host AND d.owner IS NOT NULL)
                < CASE WHEN h.parked IS NULL THEN :places ELSE 1 END
        ORDER BY host LIMIT :limit""",
        after=after,
        now=tx.now,
        places=PER_HOST,
        limit=limit,
    )
    return [row["host"] for row in rows]


def claim_deliveries(tx: Tx, host: str, owner: str, lease_us: int, limit: int) -> list[Claimed]:
    """Lease what is due for the host, as far as its places go, and begin an attempt of each."""
    known = tx.all("UPDATE hook_hosts SET failures = failures WHERE host = :host RETURNING parked", host=host)
    if not known:
        return []
    parked = known[0]["parked"]
    if parked is not None:
        _give_up_waiting(tx, host, parked)
    leased = tx.count("SELECT COUNT(*) AS leased FROM deliveries WHERE host = :host AND owner IS NOT NULL", host=host)
    places = min(limit, (PER_HOST if parked is None else 1) - leased)
    return [_begin(tx, row) for row in _lease(tx, host, owner, lease_us, places)] if places > 0 else []


def _give_up_waiting(tx: Tx, host: str, parked: int) -> None:
    """A delivery that has waited too long for a host that is down for as long closes unsent."""
    long_ago = tx.now - HOST_DOWN_US
    if parked <= long_ago:
        tx.put(
            """UPDATE deliveries SET state = 'exhausted', reason = :reason, closed = :now
            WHERE host = :host AND state = 'waiting' AND owner IS NULL AND due <= :long_ago""",
            reason=str(Closing.host_down),
            now=tx.now,
            host=host,
            long_ago=long_ago,
        )


def _lease(tx: Tx, host: str, owner: str, lease_us: int, limit: int) -> list[Row]:
    return tx.all(
        f"""WITH next AS MATERIALIZED (
            SELECT id FROM deliveries WHERE host = :host AND state = 'waiting' AND owner IS NULL AND due <= :now
            ORDER BY due LIMIT :limit {SKIP_LOCKED})
        UPDATE deliveries SET owner = :owner, lease_until = :lease, tried = tried + 1, number = number + 1
        WHERE id IN (SELECT id FROM next) AND state = 'waiting' AND owner IS NULL
        RETURNING id, account_id""",
        host=host,
        now=tx.now,
        limit=limit,
        owner=owner,
        lease=tx.now + lease_us,
    )


def _begin(tx: Tx, row: Row) -> Claimed:
    delivery = _delivery(tx.all(f"{_DELIVERY} WHERE id = :id", id=row["id"])[0])
    tx.put(
        """INSERT INTO delivery_attempts (delivery_id, number, account_id, round, not_before, started)
        VALUES (:id, :number, :account_id, :round, :due, :now)""",
        id=delivery.id,
        number=delivery.number,
        account_id=delivery.account_id,
        round=delivery.round,
        due=delivery.due,
        now=tx.now,
    )
    return Claimed(delivery, secret_version(tx, delivery.account_id))


def end_attempt(
    tx: Tx, account_id: str, delivery_id: str, number: int, heard: Heard, retry_us: tuple[int, ...]
) -> NextDue | Closed | Stale:
    """[ attempt, its delivery, its host ]. `retry_us`: how long to wait after the first failure, the second, …"""
    ended = tx.run(
        """UPDATE delivery_attempts SET ended = :now, duration_ms = :duration_ms, status = :status, error = :error,
            retry_after = :retry_after, excerpt = :excerpt
        WHERE delivery_id = :id AND number = :number AND account_id = :account_id AND ended IS NULL""",
        now=tx.now,
        duration_ms=heard.duration_ms,
        status=heard.status,
        error=heard.error,
        retry_after=heard.retry_after,
        excerpt=heard.excerpt,
        id=delivery_id,
        number=number,
        account_id=account_id,
    )
    if ended == 0:
        return Stale()
    row = tx.all("SELECT host, tried FROM deliveries WHERE id = :id", id=delivery_id)[0]
    _judge_host(tx, row["host"], heard)
    if heard.accepted:
        return _close(tx, delivery_id, DeliveryState.delivered, None)
    if heard.gone:
        return _close(tx, delivery_id, DeliveryState.exhausted, Closing.gone)
    if row["tried"] > len(retry_us):
        return _close(tx, delivery_id, DeliveryState.exhausted, Closing.failed)
    return _wait(tx, delivery_id, retry_us[row["tried"] - 1])


def _judge_host(tx: Tx, host: str, heard: Heard) -> None:
    """Failures in a row park a host; one success frees it. A 410 and our own death say nothing about it."""
    if heard.accepted:
        tx.put("UPDATE hook_hosts SET failures = 0, parked = NULL WHERE host = :host", host=host)
    elif not heard.gone and heard != INTERRUPTED:
        tx.put(
            """UPDATE hook_hosts SET failures = failures + 1,
                parked = CASE WHEN failures + 1 >= :most THEN COALESCE(parked, :now) ELSE parked END
            WHERE host = :host""",
            most=PARK_AFTER,
            now=tx.now,
            host=host,
        )


def _close(tx: Tx, delivery_id: str, state: DeliveryState, reason: Closing | None) -> Closed:
    tx.put(
        """UPDATE deliveries SET state = :state, reason = :reason, closed = :now, owner = NULL, lease_until = NULL
        WHERE id = :id""",
        state=str(state),
        reason=str(reason) if reason else None,
        now=tx.now,
        id=delivery_id,
    )
    return Closed(state)


def _wait(tx: Tx, delivery_id: str, wait_us: int) -> NextDue:
    tx.put(
        "UPDATE deliveries SET due = :due, owner = NULL, lease_until = NULL WHERE id = :id",
        due=tx.now + wait_us,
        id=delivery_id,
    )
    return NextDue(wait_us)


def reclaim_attempts(tx: Tx, owner: str, shared: bool, retry_us: tuple[int, ...], limit: int) -> int:
    """Close attempts whose sender died or lost them: they count as made, for the receiver may have been asked."""
    lost = "lease_until <= :now" if shared else "(lease_until <= :now OR owner <> :owner)"
    rows = tx.all(
        f"SELECT id, account_id, number FROM deliveries WHERE owner IS NOT NULL AND {lost} ORDER BY id LIMIT :limit",
        now=tx.now,
        owner=owner,
        limit=limit,
    )
    for row in rows:
        end_attempt(tx, row["account_id"], row["id"], row["number"], INTERRUPTED, retry_us)
    return len(rows)


def replay(tx: Tx, account_id: str, delivery_id: str, round_seen: int) -> Delivery | None:
    """Send a closed delivery again, same id and bytes; one that is still waiting stays as it is. None: no such one."""
    tx.put(
        """UPDATE deliveries SET state = 'waiting', reason = NULL, closed = NULL, round = round + 1, tried = 0,
            due = :now
        WHERE id = :id AND account_id = :account_id AND state <> 'waiting' AND round = :round""",
        id=delivery_id,
        account_id=account_id,
        now=tx.now,
        round=round_seen,
    )
    return find_delivery(tx, account_id, delivery_id)


def find_delivery(tx: Tx, account_id: str, delivery_id: str) -> Delivery | None:
    row = tx.one(f"{_DELIVERY} WHERE id = :id AND account_id = :account_id", id=delivery_id, account_id=account_id)
    return _delivery(row) if row else None


def newest_deliveries(tx: Tx, account_id: str, after: str | None, limit: int) -> list[Delivery]:
    """Newest first, starting behind `after`."""
    behind = (
        "AND (created, id) < (SELECT created, id FROM deliveries WHERE id = :after AND account_id = :account_id)"
        if after
        else ""
    )
    rows = tx.all(
        f"{_DELIVERY} WHERE account_id = :account_id {behind} ORDER BY created DESC, id DESC LIMIT :limit",
        account_id=account_id,
        after=after,
        limit=limit,
    )
    return [_delivery(row) for row in rows]


def attempts_of(tx: Tx, account_id: str, delivery_id: str) -> list[DeliveryAttempt]:
    rows = tx.all(
        """SELECT number, round, started, ended, duration_ms, status, error, retry_after, excerpt
        FROM delivery_attempts WHERE delivery_id = :id AND account_id = :account_id ORDER BY number""",
        id=delivery_id,
        account_id=account_id,
    )
    return [DeliveryAttempt(**row) for row in rows]


def secret_version(tx: Tx, account_id: str) -> SecretVersion:
    row = tx.all("SELECT hook_version, hook_rotated FROM accounts WHERE id = :id", id=account_id)[0]
    return SecretVersion(row["hook_version"], row["hook_rotated"])


def rotate_secret(tx: Tx, account_id: str, version_seen: int) -> SecretVersion:
    """The next secret, unless somebody has rotated since `version_seen` was read."""
    tx.put(
        """UPDATE accounts SET hook_version = hook_version + 1, hook_rotated = :now
        WHERE id = :id AND hook_version = :seen""",
        now=tx.now,
        id=account_id,
        seen=version_seen,
    )
    return secret_version(tx, account_id)


def _delivery(row: Row) -> Delivery:
    return Delivery(**{**row, "state": DeliveryState(row["state"])})
