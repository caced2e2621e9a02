"""What belongs to the whole installation: one value by name."""

from __future__ import annotations

from imagegate.store.transaction import Tx

SECRET_CHECK = "secret_check"  # noqa: S105  a name; the value tells secrets apart and is none
LAST_BACKUP = "last_backup"  # when its snapshot was taken, UTC microseconds
# Until when a backup under way needs the inputs of unfinished tasks; it is put off while the backup goes on.
BACKUP_UNTIL = "backup_until"
BOOK_CHECK = "book_check"  # where the check of the books beside serving has come to
FORMER_CHECK = "former_secret_check"  # of the secret before; the row is as old as the rotation


def find_value(tx: Tx, name: str) -> str | None:
    row = tx.fetch_one("SELECT value FROM installation WHERE name = :name", {"name": name})
    return str(row["value"]) if row else None


def find_age(tx: Tx, name: str) -> tuple[str, int] | None:
    """Return the value and for how long it has been stored, in microseconds."""
    row = tx.fetch_one("SELECT value, created FROM installation WHERE name = :name", {"name": name})
    return (str(row["value"]), tx.now - int(row["created"])) if row else None


def backup_age(tx: Tx) -> int | None:
    """How long ago the snapshot of the last backup was taken, in microseconds; None where there is no backup."""
    taken = find_value(tx, LAST_BACKUP)
    return None if taken is None else max(0, tx.now - int(taken))


def keep_inputs(tx: Tx, duration_us: int) -> None:
    """Let no bytes of inputs be deleted for so long: a backup under way has tasks that need them."""
    replace_value(tx, BACKUP_UNTIL, str(tx.now + duration_us))


def forget_places(tx: Tx) -> None:
    """What is known of folders and backups of the place that the rows came from. Its spools did not come with them:
    nobody waits for what they hold."""
    tx.execute("DELETE FROM installation WHERE name LIKE '%_folder' OR name LIKE 'spool:%'")
    tx.execute("UPDATE attempts SET spool = NULL, spooled = 0 WHERE spool IS NOT NULL")
    tx.execute("UPDATE tasks SET spool_wait = NULL WHERE spool_wait IS NOT NULL")
    for name in (BACKUP_UNTIL, LAST_BACKUP, BOOK_CHECK):
        delete_value(tx, name)


def formers_of(check_value: str) -> str:
    """The name of what the secret with this check value keeps of those before it: each reads its own row."""
    return f"former_secrets:{check_value}"


def delete_value(tx: Tx, name: str) -> None:
    tx.execute("DELETE FROM installation WHERE name = :name", {"name": name})


def add_value(tx: Tx, name: str, value: str) -> str:
    """Store the value unless there is one; return the one that is stored."""
    tx.insert("installation", unless_exists="name", name=name, value=value, created=tx.now)
    return str(find_value(tx, name))


def probe_write(tx: Tx) -> None:
    """Write, and leave nothing: DiskFull where there is no space for a commit."""
    tx.insert("installation", unless_exists="name", name="probe", value="", created=tx.now)
    tx.execute("DELETE FROM installation WHERE name = 'probe'")


def replace_value(tx: Tx, name: str, value: str) -> None:
    tx.execute(
        """INSERT INTO installation (name, value, created) VALUES (:name, :value, :now)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value, created = excluded.created""",
        {"name": name, "value": value},
    )
