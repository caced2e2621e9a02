"""Price blocks as they were when the first price was quoted by them. The content of a version never changes then."""

from __future__ import annotations

import hashlib

from imagegate.store.transaction import Tx


def register_price_version(tx: Tx, version: str, body: str) -> str:
    """Record the version with its content, unless it is on record; return the content on record."""
    digest = hashlib.sha256(body.encode()).hexdigest()
    tx.insert("prices", unless_exists="version", version=version, hash=digest, body=body, created=tx.now)
    return find_price_body(tx, version) or ""


def find_price_body(tx: Tx, version: str) -> str | None:
    row = tx.fetch_one("SELECT body FROM prices WHERE version = :version", {"version": version})
    return row["body"] if row else None


def list_price_bodies(tx: Tx) -> dict[str, str]:
    """The content of every version on record."""
    return {row["version"]: row["body"] for row in tx.fetch_all("SELECT version, body FROM prices ORDER BY version")}


def forget_unused_version(tx: Tx, version: str) -> bool:
    """Take the version off the record, unless a task was priced by it; return whether it is off."""
    tx.execute(
        """DELETE FROM prices WHERE version = :version
            AND NOT EXISTS (SELECT 1 FROM tasks WHERE price_version = :version)
            AND NOT EXISTS (SELECT 1 FROM entries WHERE price_version = :version)""",
        {"version": version},
    )
    return find_price_body(tx, version) is None
