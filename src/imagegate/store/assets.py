"""Rows about stored bytes. Refuses to know the bytes themselves."""

from __future__ import annotations

from imagegate.domain.assets import Asset
from imagegate.store.engines import Row
from imagegate.store.transaction import Tx

_ASSET = """SELECT id, account_id, task_id, kind, position, key, media_type, bytes, width, height, sha256, created,
    expires, deleted FROM assets"""


def add_asset(tx: Tx, account_id: str, asset: Asset, commit_id: str) -> None:
    tx.run(
        """INSERT INTO assets (id, account_id, task_id, kind, position, key, media_type, bytes, width, height, sha256,
            created, expires, commit_id)
        VALUES (:id, :account_id, :task_id, :kind, :position, :key, :media_type, :bytes, :width, :height, :sha256,
            :created, :expires, :commit_id)""",
        id=asset.id, account_id=account_id, task_id=asset.task_id, kind=str(asset.kind), position=asset.position,
        key=asset.key, media_type=asset.media_type, bytes=asset.bytes, width=asset.width, height=asset.height,
        sha256=asset.sha256, created=asset.created, expires=asset.expires, commit_id=commit_id,
    )  # fmt: skip


def result_of(tx: Tx, task_id: str, position: int) -> Asset | None:
    """The result behind a signed link: the signature stands in for the account."""
    row = tx.one(
        f"{_ASSET} WHERE task_id = :task_id AND kind = 'result' AND position = :position",
        task_id=task_id, position=position,
    )  # fmt: skip
    return _asset(row) if row else None


def expired_assets(tx: Tx, limit: int) -> list[Asset]:
    rows = tx.all(
        f"{_ASSET} WHERE deleted IS NULL AND expires <= :now ORDER BY expires LIMIT :limit", now=tx.now, limit=limit
    )
    return [_asset(row) for row in rows]


def mark_deleted(tx: Tx, asset_ids: list[str]) -> None:
    """The bytes are gone."""
    for asset_id in asset_ids:
        tx.run("UPDATE assets SET deleted = :now WHERE id = :id AND deleted IS NULL", id=asset_id, now=tx.now)


def known_keys(tx: Tx, keys: list[str]) -> set[str]:
    """Which of these blobs have a row that still lives."""
    found = (tx.one("SELECT key FROM assets WHERE key = :key AND deleted IS NULL", key=key) for key in keys)
    return {row["key"] for row in found if row}


def _asset(row: Row) -> Asset:
    return Asset(**row)
