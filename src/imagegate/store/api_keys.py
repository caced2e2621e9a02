"""API keys: their limits, and the look-up by digest. The key itself never comes here."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from imagegate.domain.accounts import ApiKey, NewKey
from imagegate.domain.pages import NEWEST, Page, Position, paged
from imagegate.store import key_concurrency
from imagegate.store.dialect import Row
from imagegate.store.transaction import Tx

_KEY = """SELECT id, account_id, name, hint, scopes, models, cap, spent, held, daily_cap, day, day_spent,
    created, expires, disabled, ips, deleted, rate_per_minute, concurrent_tasks, in_flight_cap, made_by FROM api_keys"""


UPDATABLE_COLUMNS = (*NewKey.__struct_fields__, "disabled")


def create_key(tx: Tx, account_id: str, key: ApiKey, digest: str) -> ApiKey:
    columns = {name: _to_column(value) for name, value in msgspec.structs.asdict(key).items()}
    own = {"account_id": account_id, "digest": digest, "created": tx.now}
    tx.insert("api_keys", unless_exists="id", **columns | own)
    return key


def update_key(tx: Tx, account_id: str, key_id: str, changes: dict[str, Any]) -> ApiKey | None:
    """Set these of the `UPDATABLE_COLUMNS` and return the key; None where there is no such key."""
    names = [name for name in UPDATABLE_COLUMNS if name in changes]
    if names:
        values = {name: _to_column(changes[name]) for name in names}
        tx.execute(
            f"""UPDATE api_keys SET {", ".join(f"{name} = :{name}" for name in names)}
            WHERE id = :key_id AND account_id = :account_id AND deleted IS NULL""",
            {"key_id": key_id, "account_id": account_id, **values},
        )
    if "concurrent_tasks" in changes:
        key_concurrency.apply_new_limit(tx, account_id, key_id, changes["concurrent_tasks"])
    key = find_key(tx, account_id, key_id)
    return key if key and key.deleted is None else None


def disable_key(tx: Tx, account_id: str, key_id: str) -> bool:
    """Disable the key, at the time of the first call; False where there is no such key."""
    changed = tx.execute(
        "UPDATE api_keys SET disabled = COALESCE(disabled, :now) WHERE id = :id AND account_id = :account_id",
        {"id": key_id, "account_id": account_id},
    )
    return changed == 1


def disable_all(tx: Tx, account_id: str) -> list[str]:
    """Disable every key of the account that is not disabled, expired ones too; return their ids."""
    rows = tx.fetch_all(
        "UPDATE api_keys SET disabled = :now WHERE account_id = :account_id AND disabled IS NULL RETURNING id",
        {"account_id": account_id},
    )
    return sorted(row["id"] for row in rows)


def delete_key(tx: Tx, account_id: str, key_id: str) -> bool:
    """Make the key stop working and leave every list. Its row stays: tasks and holds refer to it."""
    changed = tx.execute(
        """UPDATE api_keys SET deleted = :now, disabled = COALESCE(disabled, :now)
        WHERE id = :id AND account_id = :account_id AND deleted IS NULL""",
        {"id": key_id, "account_id": account_id},
    )
    return changed == 1


def find_key(tx: Tx, account_id: str, key_id: str) -> ApiKey | None:
    row = tx.fetch_one(f"{_KEY} WHERE id = :id AND account_id = :account_id", {"id": key_id, "account_id": account_id})
    return _key_from_row(row) if row else None


def find_key_by_digest(tx: Tx, digest: str) -> ApiKey | None:
    """Return the key with this digest. With sessions, the only look-up that starts without an account."""
    row = tx.fetch_one(f"{_KEY} WHERE digest = :digest", {"digest": digest})
    return _key_from_row(row) if row else None


def has_keys(tx: Tx) -> bool:
    """Return whether there is any key, live or not."""
    return tx.fetch_one("SELECT id FROM api_keys LIMIT 1") is not None


def has_hint(tx: Tx, hint: str) -> bool:
    """Return whether any key is shown as this."""
    return tx.fetch_one("SELECT id FROM api_keys WHERE hint = :hint LIMIT 1", {"hint": hint}) is not None


def list_keys(tx: Tx, account_id: str) -> list[ApiKey]:
    rows = tx.fetch_all(f"{_KEY} WHERE account_id = :id AND deleted IS NULL ORDER BY created, id", {"id": account_id})
    return [_key_from_row(row) for row in rows]


def count_live_keys(tx: Tx) -> dict[str, int]:
    """By account, for the operator; accounts without any are left out."""
    rows = tx.fetch_all(
        """SELECT account_id, COUNT(*) AS number FROM api_keys
        WHERE disabled IS NULL AND (expires IS NULL OR expires > :now) GROUP BY account_id"""
    )
    return {row["account_id"]: row["number"] for row in rows}


# The keys that a key made, those that they made, and so on.
_MADE_BY = """WITH RECURSIVE made (id) AS (
    SELECT id FROM api_keys WHERE made_by = :maker AND account_id = :account_id
    UNION SELECT k.id FROM api_keys k JOIN made m ON k.made_by = m.id WHERE k.account_id = :account_id)"""


def list_made_keys(tx: Tx, account_id: str, key_id: str) -> list[ApiKey]:
    """Return the keys that this one made, those that they made, and so on."""
    rows = tx.fetch_all(
        f"{_MADE_BY} {_KEY} WHERE id IN (SELECT id FROM made) AND deleted IS NULL ORDER BY created, id",
        {"maker": key_id, "account_id": account_id},
    )
    return [_key_from_row(row) for row in rows]


def list_keys_page(
    tx: Tx, account_id: str, before: Position | None, limit: int, made_by: str = ""
) -> Page[ApiKey, Position]:
    """The account's keys, newest first, from the one after `before`; only those that `made_by` made, if it is given."""
    prefix, among = (_MADE_BY, "AND id IN (SELECT id FROM made)") if made_by else ("", "")
    rows = tx.fetch_all(
        f"""{prefix} {_KEY} WHERE account_id = :account_id AND deleted IS NULL {among}
            AND (created, id) < (:created, :id)
        ORDER BY created DESC, id DESC LIMIT :limit""",
        {"account_id": account_id, "limit": limit + 1, "maker": made_by} | msgspec.structs.asdict(before or NEWEST),
    )
    return paged([_key_from_row(row) for row in rows], limit, lambda key: Position(key.created, key.id))


def _key_from_row(row: Row) -> ApiKey:
    lists = {name: json.loads(row[name]) for name in ("scopes", "models", "ips") if row[name]}
    return msgspec.convert({**row, **lists}, ApiKey)


def _to_column(value: Any) -> Any:
    """Encode a list as the JSON text that its column holds."""
    return json.dumps(value) if isinstance(value, tuple) else value
