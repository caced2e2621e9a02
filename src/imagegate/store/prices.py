"""Price blocks as they were when tasks were priced by them. The content of a version never changes."""

from __future__ import annotations

import hashlib

from imagegate.store.transaction import Tx


def register_price_version(tx: Tx, version: str, body: str) -> str:
    """Record the version with its content, unless it is on record; return the content on record."""
    digest = hashlib.sha256(body.encode()).hexdigest()
    tx.insert("prices", unless_exists="version", version=version, hash=digest, body=body, created=tx.now)
    row = tx.fetch_all("SELECT body FROM prices WHERE version = :version", {"version": version})[0]
    return str(row["body"])
