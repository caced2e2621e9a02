"""Rows about uploaded files: names, addresses and how many one account keeps.

The bytes are an asset of kind `upload`, written in the same commit. Refuses to know the bytes themselves.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.assets import Asset
from imagegate.domain.files import StoredFile
from imagegate.store.assets import NewAsset, add_asset, asset_of
from imagegate.store.engines import SKIP_LOCKED, Row
from imagegate.store.transaction import Tx

_SECOND = 1_000_000
_FILE = """SELECT f.id, f.account_id, f.asset_id, f.secret, f.file_name, f.original_name, f.upload_path, f.created,
    f.expires, f.removed, a.key, a.media_type, a.bytes FROM files f
    JOIN assets a ON a.id = f.asset_id AND a.account_id = f.account_id"""


class NewFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file whose bytes are stored. `given_name` is None where the sender left the naming to us."""

    id: str
    secret: str
    file_name: str
    original_name: str
    given_name: str | None
    upload_path: str
    asset: NewAsset


class Added(msgspec.Struct, frozen=True):
    """The file is kept. `replaced` are the assets whose bytes nobody can reach any more."""

    file: StoredFile
    replaced: tuple[Asset, ...]


class NoRoom(msgspec.Struct, frozen=True):
    """The account keeps as many files as it may."""


class Removed(msgspec.Struct, frozen=True):
    """The file is gone; the bytes of its asset can follow."""

    asset: Asset


class Unknown(msgspec.Struct, frozen=True):
    """The account has no such live file."""


def add_file(tx: Tx, account_id: str, new: NewFile, keep_us: int, most: int) -> Added | NoRoom:
    """[ file, asset, count; the older file of its path and given name is replaced ] unless there is no room."""
    if tx.again and (before := find_file(tx, account_id, new.id)) is not None:
        return Added(before, ())
    _lock_account(tx, account_id)
    _discount_expired(tx, account_id)
    replaced = _replace(tx, account_id, new)
    counted = tx.run(
        "UPDATE accounts SET files = files + 1 WHERE id = :account_id AND (files < :most OR :replaced > 0)",
        account_id=account_id,
        most=most,
        replaced=len(replaced),
    )
    if counted == 0:
        return NoRoom()
    expires = tx.now // _SECOND * _SECOND + keep_us
    add_asset(tx, account_id, new.asset, expires, None)
    _insert(tx, account_id, new, expires)
    kept = find_file(tx, account_id, new.id)
    assert kept is not None
    return Added(kept, replaced)


def _lock_account(tx: Tx, account_id: str) -> None:
    """Writers of one account's files come one after the other, each seeing what the one before it did."""
    tx.run("UPDATE accounts SET files = files WHERE id = :account_id", account_id=account_id)


def _discount_expired(tx: Tx, account_id: str) -> None:
    """What has expired takes no room, whether or not it was swept."""
    expired = tx.run(
        "UPDATE files SET counted = 0 WHERE account_id = :account_id AND counted = 1 AND expires <= :now",
        account_id=account_id,
        now=tx.now,
    )
    _give_room(tx, account_id, expired)


def _give_room(tx: Tx, account_id: str, number: int) -> None:
    if number > 0:
        tx.put(
            "UPDATE accounts SET files = files - :number WHERE id = :account_id", number=number, account_id=account_id
        )


def _replace(tx: Tx, account_id: str, new: NewFile) -> tuple[Asset, ...]:
    if new.given_name is None:
        return ()
    rows = tx.all(
        """SELECT id FROM files WHERE account_id = :account_id AND upload_path = :path AND given_name = :name
            AND counted = 1""",
        account_id=account_id,
        path=new.upload_path,
        name=new.given_name,
    )
    return tuple(_remove(tx, account_id, row["id"]) for row in rows)


def _remove(tx: Tx, account_id: str, file_id: str) -> Asset:
    """The link ends here; the bytes are due from now on, so that the sweep takes them if nobody else does."""
    asset_id = tx.all(
        """UPDATE files SET removed = :now, counted = 0 WHERE id = :id AND account_id = :account_id
            AND removed IS NULL RETURNING asset_id""",
        id=file_id,
        account_id=account_id,
        now=tx.now,
    )[0]["asset_id"]
    tx.run(
        "UPDATE assets SET expires = :now WHERE id = :id AND account_id = :account_id",
        id=asset_id,
        account_id=account_id,
        now=tx.now,
    )
    _give_room(tx, account_id, 1)
    asset = asset_of(tx, account_id, asset_id)
    assert asset is not None
    return asset


def _insert(tx: Tx, account_id: str, new: NewFile, expires: int) -> None:
    tx.put(
        """INSERT INTO files (id, account_id, asset_id, secret, file_name, original_name, given_name, upload_path,
            created, expires)
        VALUES (:id, :account_id, :asset_id, :secret, :file_name, :original_name, :given_name, :upload_path,
            :created, :expires)""",
        id=new.id,
        account_id=account_id,
        asset_id=new.asset.id,
        secret=new.secret,
        file_name=new.file_name,
        original_name=new.original_name,
        given_name=new.given_name,
        upload_path=new.upload_path,
        created=tx.now,
        expires=expires,
    )


def remove_file(tx: Tx, account_id: str, file_id: str) -> Removed | Unknown:
    """[ link ended, room given ]."""
    _lock_account(tx, account_id)
    found = find_file(tx, account_id, file_id)
    if found is None:
        return Unknown()
    if found.removed is None and found.expires > tx.now:
        _discount_expired(tx, account_id)
        return Removed(_remove(tx, account_id, file_id))
    asset = asset_of(tx, account_id, found.asset_id) if tx.again and found.removed is not None else None
    return Removed(asset) if asset else Unknown()


def purge_files(tx: Tx, keep_us: int, limit: int) -> int:
    """Forget files whose links ended `keep_us` ago and whose bytes are gone; how many. Their links answer 410 until
    then, and 404 from then on."""
    rows = tx.all(
        f"""SELECT f.id, f.account_id, f.asset_id FROM files f
        WHERE f.expires <= :before AND EXISTS (SELECT 1 FROM assets a WHERE a.id = f.asset_id AND a.deleted IS NOT NULL)
        ORDER BY f.expires LIMIT :limit {SKIP_LOCKED}""",
        before=tx.now - keep_us,
        limit=limit,
    )
    for account_id in sorted({row["account_id"] for row in rows}):
        _lock_account(tx, account_id)
        _discount_expired(tx, account_id)
    for row in rows:
        tx.put("DELETE FROM files WHERE id = :id", id=row["id"])
        tx.put("DELETE FROM assets WHERE id = :id", id=row["asset_id"])
    return len(rows)


def find_file(tx: Tx, account_id: str, file_id: str) -> StoredFile | None:
    """One file of this account, whatever became of it."""
    row = tx.one(f"{_FILE} WHERE f.id = :id AND f.account_id = :account_id", id=file_id, account_id=account_id)
    return _file(row) if row else None


def page_of_files(tx: Tx, account_id: str, page: int, page_size: int) -> tuple[list[StoredFile], int]:
    """Live files, newest first, and how many there are in all."""
    rows = tx.all(
        f"""{_FILE} WHERE f.account_id = :account_id AND f.removed IS NULL AND f.expires > :now
            ORDER BY f.created DESC, f.id DESC LIMIT :size OFFSET :skip""",
        account_id=account_id,
        now=tx.now,
        size=page_size,
        skip=(page - 1) * page_size,
    )
    return [_file(row) for row in rows], count_files(tx, account_id)


def count_files(tx: Tx, account_id: str) -> int:
    return tx.count(
        """SELECT COUNT(*) AS number FROM files
        WHERE account_id = :account_id AND removed IS NULL AND expires > :now""",
        account_id=account_id,
        now=tx.now,
    )


def file_by_secret(tx: Tx, secret: str) -> StoredFile | None:
    """The file behind an address: its secret stands in for the account."""
    row = tx.one(f"{_FILE} WHERE f.secret = :secret", secret=secret)
    return _file(row) if row else None


def file_by_id(tx: Tx, file_id: str) -> StoredFile | None:
    """The file behind a download link: the id is as secret as the address."""
    row = tx.one(f"{_FILE} WHERE f.id = :id", id=file_id)
    return _file(row) if row else None


def _file(row: Row) -> StoredFile:
    return StoredFile(**row)
