"""Idempotency-Keys: each belongs to one task of its account, and to one request, known by its fingerprint."""

from __future__ import annotations

import msgspec

from imagegate.store.transaction import Tx

_KEY = "account_id = :account_id AND endpoint = :endpoint AND key = :key"


class IdempotencyKey(msgspec.Struct, frozen=True):
    """The Idempotency-Key of a submit, the fingerprint of its request, and how long the key stays claimed."""

    endpoint: str
    key: str
    fingerprint: str
    retention_us: int


class Replay(msgspec.Struct, frozen=True):
    """The key already belongs to this task, for the same request."""

    task_id: str


class KeyConflict(msgspec.Struct, frozen=True):
    """The key already belongs to another request."""


def claim_key(tx: Tx, account_id: str, key: IdempotencyKey, task_id: str) -> Replay | KeyConflict | None:
    """Claim the key for this task, or return whose it is."""
    params = msgspec.structs.asdict(key) | {"account_id": account_id, "task_id": task_id}
    # Of two callers at the same time the second one waits at the INSERT for the commit of the first.
    tx.execute(f"DELETE FROM idempotency WHERE {_KEY} AND expires <= :now", params)
    changed = tx.execute(
        """INSERT INTO idempotency (account_id, endpoint, key, fingerprint, task_id, expires)
        VALUES (:account_id, :endpoint, :key, :fingerprint, :task_id, :expires)
        ON CONFLICT (account_id, endpoint, key) DO NOTHING""",
        {**params, "expires": tx.now + key.retention_us},
    )
    if changed == 1:
        return None
    row = tx.fetch_all(f"SELECT fingerprint, task_id FROM idempotency WHERE {_KEY}", params)[0]
    return Replay(row["task_id"]) if row["fingerprint"] == key.fingerprint else KeyConflict()


def is_key_used(tx: Tx, account_id: str, endpoint: str, key: str) -> bool:
    params = {"account_id": account_id, "endpoint": endpoint, "key": key}
    return tx.fetch_one(f"SELECT task_id FROM idempotency WHERE {_KEY}", params) is not None


def release_key(tx: Tx, account_id: str, key: IdempotencyKey) -> None:
    """Give the key back: a request that was refused does not use it up."""
    params = {"account_id": account_id, "endpoint": key.endpoint, "key": key.key}
    tx.execute_nowait(f"DELETE FROM idempotency WHERE {_KEY}", params)


def purge_expired_keys(tx: Tx, limit: int) -> list[str]:
    """Delete expired keys; return the tasks that they belonged to."""
    rows = tx.fetch_all(
        """DELETE FROM idempotency WHERE (account_id, endpoint, key) IN (
            SELECT account_id, endpoint, key FROM idempotency WHERE expires <= :now ORDER BY expires LIMIT :limit)
        RETURNING task_id""",
        {"limit": limit},
    )
    return [row["task_id"] for row in rows]
