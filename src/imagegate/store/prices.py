"""Price blocks as they were when tasks were priced by them. A version's content never changes."""

from __future__ import annotations

from imagegate.store.transaction import Tx


def register_price_version(tx: Tx, version: str, digest: str, body: str) -> bool:
    """True where this version is on record with this content; False where its content was edited since."""
    tx.execute(
        "INSERT INTO prices (version, hash, body, created) VALUES (:version, :hash, :body, :now)"
        " ON CONFLICT (version) DO NOTHING",
        version=version,
        hash=digest,
        body=body,
        now=tx.now,
    )
    row = tx.fetch_all("SELECT hash FROM prices WHERE version = :version", version=version)[0]
    return bool(row["hash"] == digest)
