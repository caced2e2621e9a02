"""Price blocks as they were when tasks were priced by them. The content of a version never changes."""

from __future__ import annotations

from imagegate.store.transaction import Tx


def register_price_version(tx: Tx, version: str, digest: str, body: str) -> bool:
    """Record the version; False where it is on record with other content."""
    tx.insert("prices", unless_exists="version", version=version, hash=digest, body=body, created=tx.now)
    row = tx.fetch_all("SELECT hash FROM prices WHERE version = :version", {"version": version})[0]
    return bool(row["hash"] == digest)
