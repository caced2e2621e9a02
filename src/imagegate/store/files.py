"""Uploaded files: names, links, and how many one account keeps.

The bytes are an asset of kind `upload`, written in the same commit.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.assets import Asset, AssetKind
from imagegate.domain.files import StoredFile
from imagegate.domain.time import US_PER_SECOND
from imagegate.store.assets import add_asset, find_asset, mark_assets_deleted
from imagegate.store.dialect import SKIP_LOCKED, STATE
from imagegate.store.transaction import Tx

_FILE = """SELECT f.id, f.account_id, f.asset_id, f.secret, f.file_name, f.original_name, f.upload_path, f.created,
    f.expires, f.removed, a.key, a.media_type, a.bytes FROM files f
    JOIN assets a ON a.id = f.asset_id AND a.account_id = f.account_id"""

# Those that are counted are in an index of their own: however many were removed or have expired, few are read.
_LIVE = "f.counted = 1 AND f.removed IS NULL AND f.expires > :now"


class NewFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file whose bytes are stored. `given_name` is None where the sender gave no name."""

    id: str
    secret: str
    file_name: str
    original_name: str
    given_name: str | None
    upload_path: str
    asset: Asset


class FileAdded(msgspec.Struct, frozen=True):
    """The file is stored. The bytes of the `replaced` assets have no link any more."""

    file: StoredFile
    replaced: tuple[Asset, ...]


class FileLimitReached(msgspec.Struct, frozen=True):
    """The account has as many files as it may have."""


class OwnerClosed(msgspec.Struct, frozen=True):
    """The account was closed while the bytes came."""


class FileRemoved(msgspec.Struct, frozen=True):
    """The file is removed; the bytes of its asset can be deleted."""

    asset: Asset


class NoSuchFile(msgspec.Struct, frozen=True):
    """The account has no such live file."""


def add_file(
    tx: Tx, account_id: str, new: NewFile, retention_us: int, max_files: int
) -> FileAdded | FileLimitReached | OwnerClosed:
    """[ file, asset, count; a file of the same path and given name is replaced ], unless the limit is reached.

    `retention_us` is how long its link works.
    """
    if tx.is_retry and (existing := find_file(tx, account_id, new.id)) is not None:
        return FileAdded(existing, ())
    if _lock_account(tx, account_id):
        return OwnerClosed()
    _uncount_expired(tx, account_id)
    replaced = _remove_same_name(tx, account_id, new)
    counted = tx.execute(
        """UPDATE accounts SET file_count = file_count + 1
        WHERE id = :account_id AND (file_count < :max_files OR :replaced > 0)""",
        {"account_id": account_id, "max_files": max_files, "replaced": len(replaced)},
    )
    if counted == 0:
        return FileLimitReached()
    expires = tx.now // US_PER_SECOND * US_PER_SECOND + retention_us
    add_asset(tx, new.asset, expires, None)
    columns = {name: value for name, value in msgspec.structs.asdict(new).items() if name != "asset"}
    tx.insert("files", **columns, account_id=account_id, asset_id=new.asset.id, created=tx.now, expires=expires)
    stored = find_file(tx, account_id, new.id)
    assert stored is not None
    return FileAdded(stored, replaced)


def _lock_account(tx: Tx, account_id: str) -> bool:
    """Whether the account is closed."""
    # Writers of one account's files come one after the other, and each sees what the one before it did.
    row = tx.lock_row("SELECT closed FROM accounts WHERE id = :account_id", {"account_id": account_id})
    return row is not None and row["closed"] is not None


def _uncount_expired(tx: Tx, account_id: str) -> None:
    """Do not count what has expired, whether or not it was purged."""
    expired = tx.execute(
        "UPDATE files SET counted = 0 WHERE account_id = :account_id AND counted = 1 AND expires <= :now",
        {"account_id": account_id},
    )
    _decrement_count(tx, account_id, expired)


def _decrement_count(tx: Tx, account_id: str, number: int) -> None:
    if number > 0:
        tx.execute_nowait(
            "UPDATE accounts SET file_count = file_count - :number WHERE id = :account_id",
            {"number": number, "account_id": account_id},
        )


def _remove_same_name(tx: Tx, account_id: str, new: NewFile) -> tuple[Asset, ...]:
    if new.given_name is None:
        return ()
    rows = tx.fetch_all(
        """SELECT id FROM files WHERE account_id = :account_id AND upload_path = :path AND given_name = :name
            AND counted = 1""",
        {"account_id": account_id, "path": new.upload_path, "name": new.given_name},
    )
    return tuple(_remove_row(tx, account_id, row["id"]) for row in rows)


def _remove_row(tx: Tx, account_id: str, file_id: str) -> Asset:
    """End the link. The bytes expire now, so that the purge deletes them if nobody else does."""
    asset_id = tx.fetch_all(
        """UPDATE files SET removed = :now, counted = 0 WHERE id = :id AND account_id = :account_id
            AND removed IS NULL RETURNING asset_id""",
        {"id": file_id, "account_id": account_id},
    )[0]["asset_id"]
    tx.execute(
        "UPDATE assets SET expires = :now WHERE id = :id AND account_id = :account_id",
        {"id": asset_id, "account_id": account_id},
    )
    _decrement_count(tx, account_id, 1)
    asset = find_asset(tx, account_id, asset_id)
    assert asset is not None
    return asset


def remove_file(tx: Tx, account_id: str, file_id: str) -> FileRemoved | NoSuchFile:
    """[ link ended, count decremented ]."""
    _lock_account(tx, account_id)
    found = find_file(tx, account_id, file_id)
    if found is None:
        return NoSuchFile()
    if found.removed is None and found.expires > tx.now:
        _uncount_expired(tx, account_id)
        return FileRemoved(_remove_row(tx, account_id, file_id))
    asset = find_asset(tx, account_id, found.asset_id) if tx.is_retry and found.removed is not None else None
    return FileRemoved(asset) if asset else NoSuchFile()


def end_links(tx: Tx, account_id: str) -> None:
    """Remove every live file of the account, which the caller has locked; the sweep deletes the bytes."""
    _uncount_expired(tx, account_id)
    ended = {"account_id": account_id}
    tx.execute_nowait(
        """UPDATE assets SET expires = :now WHERE account_id = :account_id AND id IN (
            SELECT asset_id FROM files WHERE account_id = :account_id AND counted = 1)""",
        ended,
    )
    number = tx.execute(
        "UPDATE files SET removed = :now, counted = 0 WHERE account_id = :account_id AND counted = 1", ended
    )
    _decrement_count(tx, account_id, number)


def purge_files(tx: Tx, retention_us: int, limit: int) -> int:
    """Delete files whose links ended `retention_us` ago and whose bytes are gone; return how many.

    Their links answer 410 until then, and 404 from then on.
    """
    rows = tx.fetch_all(
        f"""SELECT f.id, f.account_id, f.asset_id FROM files f
        WHERE f.expires <= :before AND EXISTS (SELECT 1 FROM assets a WHERE a.id = f.asset_id AND a.deleted IS NOT NULL)
        ORDER BY f.expires LIMIT :limit {SKIP_LOCKED}""",
        {"before": tx.now - retention_us, "limit": limit},
    )
    for account_id in sorted({row["account_id"] for row in rows}):
        _lock_account(tx, account_id)
        _uncount_expired(tx, account_id)
    for row in rows:
        tx.execute_nowait("DELETE FROM files WHERE id = :id", {"id": row["id"]})
        tx.execute_nowait("DELETE FROM assets WHERE id = :id", {"id": row["asset_id"]})
    return len(rows)


def find_file(tx: Tx, account_id: str, file_id: str) -> StoredFile | None:
    """Return one file of this account, also where it is removed or expired."""
    owned = f"{_FILE} WHERE f.id = :id AND f.account_id = :account_id"
    return tx.fetch_struct(StoredFile, owned, {"id": file_id, "account_id": account_id})


def list_files_page(tx: Tx, account_id: str, page: int, page_size: int) -> tuple[list[StoredFile], int]:
    """Return a page of live files, newest first, and the number of all of them."""
    rows = tx.fetch_structs(
        StoredFile,
        f"""{_FILE} WHERE f.account_id = :account_id AND {_LIVE}
            ORDER BY f.created DESC, f.id DESC LIMIT :size OFFSET :skip""",
        {"account_id": account_id, "size": page_size, "skip": (page - 1) * page_size},
    )
    return rows, count_files(tx, account_id)


def count_files(tx: Tx, account_id: str) -> int:
    return tx.fetch_int(
        f"SELECT COUNT(*) AS number FROM files f WHERE f.account_id = :account_id AND {_LIVE}",
        {"account_id": account_id},
    )


def find_file_by_secret(tx: Tx, secret: str) -> StoredFile | None:
    """Return the file behind its public URL: the secret stands in for the account."""
    return tx.fetch_struct(StoredFile, f"{_FILE} WHERE f.secret = :secret", {"secret": secret})


def find_file_by_id(tx: Tx, file_id: str) -> StoredFile | None:
    """Return the file behind a download link: the id is as secret as the URL."""
    return tx.fetch_struct(StoredFile, f"{_FILE} WHERE f.id = :id", {"id": file_id})


def end_in_copy(tx: Tx, account_id: str, asset: Asset) -> bool:
    """In a copy of the database, where the asset is live, record that it has ended in the database itself.

    False, and nothing is recorded, where it is the input of a task that is unfinished in the copy: the task would go on
    without it.
    """
    if asset.kind == AssetKind.upload:
        for row in tx.fetch_all("SELECT id FROM files WHERE asset_id = :id", {"id": asset.id}):
            remove_file(tx, account_id, row["id"])
    elif asset.kind not in (AssetKind.result, AssetKind.thumbnail) and tx.fetch_one(
        f"SELECT id FROM tasks WHERE id = :id AND {STATE} IN ('queued', 'running')", {"id": asset.task_id}
    ):
        return False
    tx.execute("UPDATE assets SET thumbnail_due = NULL WHERE id = :id", {"id": asset.id})
    mark_assets_deleted(tx, [asset.id])
    return True
