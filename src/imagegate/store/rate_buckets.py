"""Rate limit buckets that several processes share: one row per limited key, account or address."""

from __future__ import annotations

from imagegate.domain.time import US_PER_MINUTE
from imagegate.security.rate_limit import Allowed, Denied, Quota, TakeShared, take
from imagegate.store.database import Database
from imagegate.store.dialect import SKIP_LOCKED
from imagegate.store.transaction import Tx
from imagegate.store.writer import BUCKET_RANK, LockKey


def bucket_table(db: Database) -> TakeShared | None:
    """How a RateLimiter takes from the table; None where one process serves and its memory is enough."""
    if not db.engine.shared:
        return None

    async def take_from_table(quotas: tuple[Quota, ...]) -> Allowed | Denied:
        return await db.write_ordered(lock_key(quotas), take_shared, quotas)

    return take_from_table


def lock_key(quotas: tuple[Quota, ...]) -> LockKey:
    """Return the place of `take_shared` in a batch: before every command that locks an account, and of buckets the one
    that more keys share first."""
    return (BUCKET_RANK, min(quota.bucket for quota in quotas))


def take_shared(tx: Tx, quotas: tuple[Quota, ...]) -> Allowed | Denied:
    """Take one request out of every quota, or out of none. Write it in the order of its `lock_key`."""
    result = take(quotas, _lock_buckets(tx, [quota.bucket for quota in quotas]), tx.now)
    if isinstance(result, Allowed):
        for bucket, moment in result.full_at.items():
            tx.execute_nowait(
                "UPDATE rate_buckets SET full_at = :at WHERE bucket = :bucket", {"bucket": bucket, "at": moment}
            )
    return result


def _lock_buckets(tx: Tx, buckets: list[str]) -> dict[str, int]:
    """Lock the buckets and return when each is full. A new one is inserted first: two first requests meet too."""
    moments = {}
    for bucket in sorted(buckets):
        tx.insert("rate_buckets", unless_exists="bucket", bucket=bucket, full_at=0)
        row = tx.lock_row("SELECT full_at FROM rate_buckets WHERE bucket = :bucket", {"bucket": bucket})
        moments[bucket] = row["full_at"] if row else 0  # purged in between: it was full
    return moments


def purge_full_buckets(tx: Tx) -> int:
    """Delete buckets that have been full for minutes, which say no more than an absent one; return how many."""
    return tx.execute(
        f"""DELETE FROM rate_buckets WHERE bucket IN (
            SELECT bucket FROM rate_buckets WHERE full_at < :before {SKIP_LOCKED})""",
        {"before": tx.now - 2 * US_PER_MINUTE},
    )
