"""Sessions of the page: who signed in with which key, and until when. Only a hash of the session's id is stored."""

from __future__ import annotations

import msgspec

from imagegate.domain.accounts import ApiKey
from imagegate.domain.time import US_PER_HOUR
from imagegate.store.api_keys import find_key
from imagegate.store.dialect import SKIP_LOCKED
from imagegate.store.transaction import Tx

IDLE_TIMEOUT_US = US_PER_HOUR
MAX_LIFETIME_US = 12 * US_PER_HOUR


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """`expires` is when it ends however much it is used; times are UTC microseconds."""

    digest: str
    account_id: str
    key_id: str
    created: int
    last_used: int
    expires: int

    def is_live(self, now: int) -> bool:
        """Not where it would last longer than any can: then the clock was set back since."""
        is_possible = self.expires <= now + MAX_LIFETIME_US + IDLE_TIMEOUT_US
        return is_possible and now < self.expires and now < self.last_used + IDLE_TIMEOUT_US


def open_session(tx: Tx, account_id: str, key_id: str, digest: str, replaced_digest: str) -> None:
    """Begin a session; the one that the browser had before, if any, ends."""
    tx.execute("DELETE FROM sessions WHERE digest = :digest", {"digest": replaced_digest})
    tx.insert(
        "sessions",
        unless_exists="digest",
        digest=digest,
        account_id=account_id,
        key_id=key_id,
        created=tx.now,
        last_used=tx.now,
        expires=tx.now + MAX_LIFETIME_US,
    )


def find_session_by_digest(tx: Tx, digest: str) -> Session | None:
    """Return the session behind a cookie, as `find_key_by_digest` returns the key behind a header."""
    return tx.fetch_struct(Session, "SELECT * FROM sessions WHERE digest = :digest", {"digest": digest})


def touch_session(tx: Tx, account_id: str, digest: str) -> None:
    tx.execute(
        "UPDATE sessions SET last_used = :now WHERE digest = :digest AND account_id = :account_id",
        {"digest": digest, "account_id": account_id},
    )


def close_session(tx: Tx, account_id: str, digest: str) -> None:
    tx.execute(
        "DELETE FROM sessions WHERE digest = :digest AND account_id = :account_id",
        {"digest": digest, "account_id": account_id},
    )


def close_key_sessions(tx: Tx, account_id: str, key_id: str) -> int:
    """End every session of this key; return how many."""
    return tx.execute(
        "DELETE FROM sessions WHERE account_id = :account_id AND key_id = :key_id",
        {"account_id": account_id, "key_id": key_id},
    )


def find_session_key(tx: Tx, account_id: str, key_id: str, digest: str) -> ApiKey | None:
    """Return the key as it is now, where the session has not ended."""
    session = tx.fetch_struct(
        Session,
        "SELECT * FROM sessions WHERE digest = :digest AND account_id = :account_id AND key_id = :key_id",
        {"digest": digest, "account_id": account_id, "key_id": key_id},
    )
    return find_key(tx, account_id, key_id) if session and session.is_live(tx.now) else None


def purge_ended_sessions(tx: Tx, limit: int) -> int:
    """Delete sessions that have ended, up to `limit` of each kind; return how many."""
    idle = tx.execute(
        f"""DELETE FROM sessions WHERE digest IN (
            SELECT digest FROM sessions WHERE last_used < :idle ORDER BY last_used LIMIT :limit {SKIP_LOCKED})""",
        {"idle": tx.now - IDLE_TIMEOUT_US, "limit": limit},
    )
    expired = tx.execute(
        f"""DELETE FROM sessions WHERE digest IN (
            SELECT digest FROM sessions WHERE expires < :now ORDER BY expires LIMIT :limit {SKIP_LOCKED})""",
        {"limit": limit},
    )
    return idle + expired
