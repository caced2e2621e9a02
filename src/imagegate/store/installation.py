"""What belongs to the whole installation: one value by name."""

from __future__ import annotations

from imagegate.store.transaction import Tx

SECRET_CHECK = "secret_check"  # noqa: S105  a name; the value tells secrets apart and is none


def find_value(tx: Tx, name: str) -> str | None:
    row = tx.fetch_one("SELECT value FROM installation WHERE name = :name", {"name": name})
    return str(row["value"]) if row else None


def add_value(tx: Tx, name: str, value: str) -> str:
    """Store the value unless there is one; return the one that is stored."""
    tx.insert("installation", unless_exists="name", name=name, value=value, created=tx.now)
    return str(find_value(tx, name))


def probe_write(tx: Tx) -> None:
    """Write, and leave nothing: DiskFull where there is no space for a commit."""
    tx.insert("installation", unless_exists="name", name="probe", value="", created=tx.now)
    tx.execute("DELETE FROM installation WHERE name = 'probe'")


def replace_value(tx: Tx, name: str, value: str) -> None:
    tx.execute("DELETE FROM installation WHERE name = :name", {"name": name})
    tx.insert("installation", name=name, value=value, created=tx.now)
