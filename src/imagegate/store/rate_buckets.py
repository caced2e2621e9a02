"""Rate limit buckets that several processes share: one row per limited key, account or address."""

from __future__ import annotations

from imagegate.domain.time import US_PER_MINUTE
from imagegate.security.rate_limit import Allowed, Denied, Quota, TakeShared, take
from imagegate.store.database import Database
from imagegate.store.engines import FOR_UPDATE, SKIP_LOCKED
from imagegate.store.transaction import Tx


def bucket_table(db: Database) -> TakeShared | None:
    """How a RateLimiter takes from the table; None where one process serves and its memory is enough."""
    if not db.engine.shared:
        return None

    async def take_from_table(quotas: tuple[Quota, ...]) -> Allowed | Denied:
        return await db.write(take_shared, order_of(quotas), quotas)

    return take_from_table


def order_of(quotas: tuple[Quota, ...]) -> str:
    """What `take_shared` is ordered by among the commands of a batch.

    Writers that meet lock in one order: all buckets before all accounts, and of buckets the one that is shared by
    more keys first.
    """
    return "!" + min(quota.bucket for quota in quotas)


def take_shared(tx: Tx, _order: str, quotas: tuple[Quota, ...]) -> Allowed | Denied:
    """One request out of every quota, or out of none; `_order` is their `order_of`."""
    result = take(quotas, _lock_buckets(tx, [quota.bucket for quota in quotas]), tx.now)
    if isinstance(result, Allowed):
        for bucket, moment in result.full_at.items():
            tx.execute_nowait("UPDATE rates SET whole_at = :at WHERE bucket = :bucket", bucket=bucket, at=moment)
    return result


def _lock_buckets(tx: Tx, buckets: list[str]) -> dict[str, int]:
    """The moments of these buckets. A new one is made before it is locked, so that two first requests meet too."""
    moments = {}
    for bucket in sorted(buckets):
        tx.execute_nowait(
            "INSERT INTO rates (bucket, whole_at) VALUES (:bucket, 0) ON CONFLICT (bucket) DO NOTHING", bucket=bucket
        )
        row = tx.fetch_one(f"SELECT whole_at FROM rates WHERE bucket = :bucket {FOR_UPDATE}", bucket=bucket)
        moments[bucket] = row["whole_at"] if row else 0  # purged in between: it was full
    return moments


def purge_full_buckets(tx: Tx) -> int:
    """Buckets that have been full for minutes say nothing that an absent one would not say."""
    return tx.execute(
        f"""DELETE FROM rates WHERE bucket IN (
            SELECT bucket FROM rates WHERE whole_at < :before {SKIP_LOCKED})""",
        before=tx.now - 2 * US_PER_MINUTE,
    )
