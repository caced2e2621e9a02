"""Thumbnails that are still to be drawn: which, by whom, and how each of them ends."""

from __future__ import annotations

import msgspec

from imagegate.domain.assets import NEVER, Asset
from imagegate.store import assets
from imagegate.store.dialect import SKIP_LOCKED
from imagegate.store.task_metadata import is_task_starred
from imagegate.store.transaction import Tx

MAX_TRIES = 4
# Before another try: 1, 4 and 16 minutes.
_FIRST_PAUSE_US, _PAUSE_FACTOR = 60_000_000, 4
# What is due even later was written before the clock was set back.
MAX_PAUSE_US = 16 * _FIRST_PAUSE_US
_UNDRAWN = """SELECT a.id, a.account_id, a.task_id, a.position, a.key, a.bytes, a.sha256, a.created,
    a.thumbnail_due AS due, a.thumbnail_tries AS tries, t.thumbnail_expires AS expires
    FROM assets a JOIN tasks t ON t.id = a.task_id WHERE a.thumbnail_due IS NOT NULL"""


class Undrawn(msgspec.Struct, frozen=True):
    """A result whose thumbnail is still to be drawn: all is the result's, but `expires`, which is the thumbnail's.

    `due`: when it may next be tried in the background, UTC microseconds.
    """

    id: str
    account_id: str
    task_id: str
    position: int
    key: str
    bytes: int
    sha256: str
    created: int
    due: int
    tries: int
    expires: int


def find_undrawn(tx: Tx, task_id: str, position: int) -> Undrawn | None:
    return tx.fetch_struct(
        Undrawn,
        f"{_UNDRAWN} AND a.task_id = :task_id AND a.kind = 'result' AND a.position = :position",
        {"task_id": task_id, "position": position},
    )


def has_undrawn(tx: Tx, before: int) -> bool:
    """Return whether a result that is to be deleted by `before` has a thumbnail to be drawn."""
    return (
        tx.fetch_one(
            "SELECT id FROM assets WHERE thumbnail_due IS NOT NULL AND expires <= :before ORDER BY expires LIMIT 1",
            {"before": before},
        )
        is not None
    )


def claim_undrawn(tx: Tx, before: int, lease_us: int, limit: int) -> list[Undrawn]:
    """Take up to `limit` of the results that are to be deleted by `before`, the earliest first.

    Others leave them alone for `lease_us`. A claim only saves work: of two who draw one thumbnail, one adds it.
    """
    rows = tx.fetch_all(
        f"""WITH taken AS MATERIALIZED (
            SELECT id FROM assets WHERE thumbnail_due IS NOT NULL AND expires <= :before
                AND (thumbnail_due <= :now OR thumbnail_due > :now + :longest)
            ORDER BY expires LIMIT :limit {SKIP_LOCKED})
        UPDATE assets SET thumbnail_due = :leased WHERE id IN (SELECT id FROM taken) RETURNING id""",
        {"before": before, "longest": MAX_PAUSE_US, "leased": tx.now + lease_us, "limit": limit},
    )
    found = (tx.fetch_struct(Undrawn, f"{_UNDRAWN} AND a.id = :id", {"id": row["id"]}) for row in rows)
    return [one for one in found if one is not None]


def add_thumbnail(tx: Tx, account_id: str, undrawn: Undrawn, thumbnail: Asset) -> bool:
    """[ thumbnail, no longer to be drawn ]; False where another has added one, or none is wanted any more."""
    changed = tx.execute(
        """UPDATE assets SET thumbnail_due = NULL
        WHERE id = :id AND account_id = :account_id AND thumbnail_due IS NOT NULL""",
        {"id": undrawn.id, "account_id": account_id},
    )
    if changed == 0:
        # A commit whose result was lost has done both.
        return tx.is_retry and assets.find_asset(tx, account_id, thumbnail.id) is not None
    assets.add_asset(tx, thumbnail, NEVER if is_task_starred(tx, undrawn.task_id) else undrawn.expires, None)
    return True


def record_failed_try(tx: Tx, account_id: str, result_id: str, is_final: bool) -> None:
    """Try again later; after `MAX_TRIES`, or where it `is_final`, never: nothing waits for it any more."""
    row = tx.fetch_one(
        "SELECT thumbnail_tries AS tries FROM assets WHERE id = :id AND account_id = :account_id",
        {"id": result_id, "account_id": account_id},
    )
    tries = row["tries"] + 1 if row else MAX_TRIES
    pause_us = _FIRST_PAUSE_US * _PAUSE_FACTOR ** (tries - 1)
    tx.execute_nowait(
        """UPDATE assets SET thumbnail_tries = :tries, thumbnail_due = :due
        WHERE id = :id AND account_id = :account_id AND thumbnail_due IS NOT NULL""",
        {
            "tries": tries,
            "due": None if is_final or tries >= MAX_TRIES else tx.now + pause_us,
            "id": result_id,
            "account_id": account_id,
        },
    )
