"""Assets: the rows of stored bytes."""

from __future__ import annotations

import msgspec

from imagegate.domain.assets import Asset, AssetKind
from imagegate.store import installation
from imagegate.store.transaction import Tx, name_values

_ASSET = """SELECT id, account_id, task_id, kind, position, key, media_type, bytes, width, height, sha256, created,
    expires, deleted FROM assets"""
_INPUT_KINDS = "'reference', 'upright', 'mask', 'repaint'"


def add_asset(tx: Tx, asset: Asset, expires: int, commit_id: str | None, *, thumbnail_due: int | None = None) -> None:
    """Add the row of bytes that are stored; they are kept until `expires`.

    With `thumbnail_due`, also until their thumbnail is drawn or has failed.
    """
    columns = msgspec.structs.asdict(asset) | {"kind": str(asset.kind), "created": tx.now, "expires": expires}
    tx.insert("assets", commit_id=commit_id, thumbnail_due=thumbnail_due, **columns)


def find_output_asset(tx: Tx, task_id: str, kind: AssetKind, position: int) -> Asset | None:
    """Return the result or thumbnail behind a signed link: the signature stands in for the account.

    None from the moment on at which its task is deleted.
    """
    return tx.fetch_struct(
        Asset,
        f"""{_ASSET} WHERE task_id = :task_id AND kind = :kind AND position = :position
            AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.id = :task_id AND t.deleted IS NOT NULL)""",
        {"task_id": task_id, "kind": str(kind), "position": position},
    )


def list_input_assets(tx: Tx, account_id: str, task_id: str) -> list[Asset]:
    """Return the references of a task in their order, its mask, and what upstreams get in place of them."""
    return tx.fetch_structs(
        Asset,
        f"""{_ASSET} WHERE task_id = :task_id AND account_id = :account_id
            AND kind IN ({_INPUT_KINDS}) AND deleted IS NULL ORDER BY kind DESC, position""",
        {"task_id": task_id, "account_id": account_id},
    )


def list_task_assets(tx: Tx, account_id: str, task_id: str) -> list[Asset]:
    """Return all of a task whose bytes should be there."""
    return tx.fetch_structs(
        Asset,
        f"{_ASSET} WHERE task_id = :task_id AND account_id = :account_id AND deleted IS NULL ORDER BY id",
        {"task_id": task_id, "account_id": account_id},
    )


def find_asset(tx: Tx, account_id: str, asset_id: str) -> Asset | None:
    """Return one asset of this account."""
    return tx.fetch_struct(
        Asset, f"{_ASSET} WHERE id = :id AND account_id = :account_id", {"id": asset_id, "account_id": account_id}
    )


def find_live_output_asset(tx: Tx, account_id: str, task_id: str, kind: AssetKind, position: int) -> Asset | None:
    """Return a result or thumbnail of this account that is not deleted."""
    asset = find_output_asset(tx, task_id, kind, position)
    return asset if asset and asset.account_id == account_id and asset.deleted is None else None


def expire_inputs(tx: Tx, account_id: str, task_id: str) -> None:
    """Expire references and masks with their task: the next purge deletes their bytes."""
    tx.execute_nowait(
        f"""UPDATE assets SET expires = :now WHERE task_id = :task_id AND account_id = :account_id AND expires > :now
            AND kind IN ({_INPUT_KINDS})""",
        {"task_id": task_id, "account_id": account_id},
    )


def list_expired_assets(tx: Tx, limit: int) -> list[Asset]:
    """Return what may be deleted: a result whose thumbnail is still to be drawn may not.

    Nor may inputs while a backup is under way: its snapshot has their task unfinished, which would go on without them.
    """
    until = installation.find_value(tx, installation.BACKUP_UNTIL)
    kept = _INPUT_KINDS if until is not None and int(until) > tx.now else "''"
    return tx.fetch_structs(
        Asset,
        f"""{_ASSET} WHERE deleted IS NULL AND thumbnail_due IS NULL AND expires <= :now AND kind NOT IN ({kept})
        ORDER BY expires LIMIT :limit""",
        {"limit": limit},
    )


def mark_assets_deleted(tx: Tx, asset_ids: list[str]) -> None:
    """Record that the bytes are gone."""
    if asset_ids:
        ids, params = name_values("id", asset_ids)
        tx.execute_nowait(f"UPDATE assets SET deleted = :now WHERE id IN ({ids}) AND deleted IS NULL", params)


def has_assets(tx: Tx) -> bool:
    return tx.fetch_one("SELECT id FROM assets LIMIT 1") is not None


def list_kept_assets(tx: Tx, asset_ids: list[str]) -> list[Asset]:
    """Return those of these assets whose bytes nobody may have deleted yet."""
    if not asset_ids:
        return []
    names, values = name_values("id", asset_ids)
    return tx.fetch_structs(
        Asset,
        f"""{_ASSET} WHERE id IN ({names}) AND deleted IS NULL AND (expires > :now OR thumbnail_due IS NOT NULL)
        ORDER BY id""",
        values,
    )


def find_live_keys(tx: Tx, keys: list[str]) -> set[str]:
    """Return those of these keys whose bytes should be there."""
    if not keys:
        return set()
    names, values = name_values("key", keys)
    rows = tx.fetch_all(f"SELECT key FROM assets WHERE key IN ({names}) AND deleted IS NULL", values)
    return {row["key"] for row in rows}


def is_blob_known(tx: Tx, key: str) -> bool:
    return tx.fetch_one("SELECT id FROM assets WHERE key = :key", {"key": key}) is not None


def list_live_assets(tx: Tx, after: str, limit: int) -> list[Asset]:
    """Return assets whose bytes should be there, by id, from the first after this id on."""
    return tx.fetch_structs(
        Asset,
        f"{_ASSET} WHERE deleted IS NULL AND id > :after ORDER BY id LIMIT :limit",
        {"after": after, "limit": limit},
    )


def measure_live_assets(tx: Tx) -> tuple[int, int]:
    """The number of those assets, and of their bytes."""
    row = tx.fetch_all(
        "SELECT COUNT(*) AS number, CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS total FROM assets WHERE deleted IS NULL"
    )[0]
    return row["number"], row["total"]


def is_ended(tx: Tx, asset_id: str) -> bool:
    """Whether its bytes may be gone: it expired, was deleted, or went with its task."""
    live = "SELECT id FROM assets WHERE id = :id AND deleted IS NULL AND expires > :now"
    return tx.fetch_one(live, {"id": asset_id}) is None
