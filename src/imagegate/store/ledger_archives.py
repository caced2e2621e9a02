"""Months of the ledger in files: which lines can go there, and the opening lines that stand for them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec

from imagegate.crash_points import crash_point
from imagegate.domain import ids
from imagegate.domain.audit import Action, Actor
from imagegate.domain.ledger_files import COUNTER_ACCOUNTS, Line, Sums, is_whole_ref, opening_ref, sum_lines
from imagegate.domain.months import Month
from imagegate.domain.pages import Position
from imagegate.store.acts import Act
from imagegate.store.audit import record
from imagegate.store.transaction import Tx, name_values

_COLUMNS = ", ".join(Line.__struct_fields__)
MAX_KEPT_COUNTED = 1_000


class LedgerArchive(msgspec.Struct, frozen=True, kw_only=True):
    """A month whose lines are in `file`. `completed`: since when opening lines stand for all of them."""

    month: str
    first_day: int
    last_day: int
    lines: int
    bytes: int
    sha256: str
    file: str
    commit_id: str
    created: int
    completed: int | None = None


class LedgerDiffers(Exception):
    """The ledger has other lines than the file: nothing was changed."""


class LinesPage(msgspec.Struct, frozen=True):
    """Lines that can be archived, and after which booking the next page begins; None where there is none."""

    lines: list[Line]
    next: Position | None


def list_archives(tx: Tx) -> list[LedgerArchive]:
    """By month."""
    return tx.fetch_structs(LedgerArchive, "SELECT * FROM ledger_archives ORDER BY month")


def find_archive(tx: Tx, month: Month) -> LedgerArchive | None:
    return tx.fetch_struct(LedgerArchive, "SELECT * FROM ledger_archives WHERE month = :month", {"month": str(month)})


def find_first_booking(tx: Tx) -> int | None:
    """When the first line was posted that could ever be archived, UTC microseconds."""
    found = (
        tx.fetch_one(
            "SELECT created FROM entries WHERE account = :account ORDER BY created LIMIT 1", {"account": account}
        )
        for account in COUNTER_ACCOUNTS.values()
    )
    return min((int(row["created"]) for row in found if row), default=None)


def count_kept_tasks(tx: Tx, month: Month) -> int:
    """How many tasks are still there that had a part of their life in the month: their lines are still asked for.

    Counted up to `MAX_KEPT_COUNTED`.
    """
    return tx.fetch_int(
        """SELECT COUNT(*) AS number FROM (SELECT id FROM tasks
            WHERE created < :end AND (ended IS NULL OR ended >= :start) LIMIT :limit) AS kept""",
        {"start": month.start, "end": month.end, "limit": MAX_KEPT_COUNTED},
    )


def load_lines(tx: Tx, month: Month, kind: str, after: Position, limit: int) -> LinesPage:
    """Of up to `limit` bookings of the kind, in the order of their time, those that can be archived."""
    rows = tx.fetch_all(
        """SELECT created, id, ref FROM entries WHERE account = :account AND kind = :kind
            AND (created, id) > (:created, :id) AND created < :end
        ORDER BY created, id LIMIT :limit""",
        {
            "account": COUNTER_ACCOUNTS[kind],
            "kind": kind,
            "created": after.created,
            "id": after.id,
            "end": month.end,
            "limit": limit,
        },
    )
    if not rows:
        return LinesPage([], None)
    refs, names = name_values("ref", [row["ref"] for row in rows])
    found = tx.fetch_structs(Line, f"SELECT {_COLUMNS} FROM entries WHERE ref IN ({refs}) ORDER BY ref", names)
    bookings = [list(lines) for _, lines in itertools.groupby(found, lambda line: line.ref)]
    whole = [lines for lines in bookings if is_whole_ref(lines, month)]
    needed = _find_needed_tasks(tx, {str(lines[0].task_id) for lines in whole})
    lines = [line for lines in whole if lines[0].task_id not in needed for line in lines]
    last = rows[-1]
    return LinesPage(lines, Position(last["created"], last["id"]) if len(rows) == limit else None)


def _find_needed_tasks(tx: Tx, task_ids: set[str]) -> set[str]:
    """Those that are still there, and those that were refunded: a refund and its charge explain each other."""
    if not task_ids:
        return set()
    listed, names = name_values("id", sorted(task_ids))
    rows = tx.fetch_all(
        f"""SELECT id FROM tasks WHERE id IN ({listed})
        UNION SELECT task_id AS id FROM refunds WHERE task_id IN ({listed})""",
        names,
    )
    return {row["id"] for row in rows}


def record_archive(tx: Tx, archive: LedgerArchive, actor: Actor) -> Act[LedgerArchive]:
    """Put the month on record, or return what is on record. Its file is whole and on disk."""
    values = msgspec.structs.asdict(archive) | {"created": tx.now}
    tx.insert("ledger_archives", unless_exists="month", **values)
    stored = tx.fetch_structs(
        LedgerArchive, "SELECT * FROM ledger_archives WHERE month = :month", {"month": archive.month}
    )[0]
    if stored.commit_id != archive.commit_id:
        return Act(stored, [])
    after = {"file": archive.file, "sha256": archive.sha256, "lines": archive.lines}
    return Act(stored, [record(tx, actor, Action.ledger_archive, target=archive.month, after=after)])


def has_any(tx: Tx, lines: Sequence[Line]) -> bool:
    """Whether one of these refs is still in the ledger."""
    refs, names = name_values("ref", list({line.ref: None for line in lines}))
    return tx.fetch_one(f"SELECT ref FROM entries WHERE ref IN ({refs}) LIMIT 1", names) is not None


def replace_lines(tx: Tx, archive: LedgerArchive, lines: Sequence[Line]) -> int:
    """[ lines deleted, opening lines changed by their sums ]: every ref and every account sums to what it did.

    `lines` are whole refs of the file. What was replaced before is passed over; LedgerDiffers where the ledger has a
    ref otherwise than the file.
    """
    # Two commands at the same month come one after the other.
    tx.lock_row("SELECT month FROM ledger_archives WHERE month = :month", {"month": archive.month})
    refs, names = name_values("ref", list({line.ref: None for line in lines}))
    rows = tx.fetch_all(f"DELETE FROM entries WHERE ref IN ({refs}) RETURNING {_COLUMNS}", names)
    deleted = {line.id: line for line in (msgspec.convert(row, Line) for row in rows)}
    refs_deleted = {line.ref for line in deleted.values()}
    expected = {line.id: line for line in lines if line.ref in refs_deleted}
    if deleted != expected:
        different = {line.id for line in set(deleted.values()) ^ set(expected.values())}
        raise LedgerDiffers(f"{archive.month}: entry {min(different)} is not the same in the ledger and in the file")
    crash_point("archive.mid")
    _add_to_openings(tx, archive, sum_lines(deleted.values()))
    return len(deleted)


def _add_to_openings(tx: Tx, archive: LedgerArchive, sums: Sums) -> None:
    month = Month.parse(archive.month)
    assert month is not None
    for (kind, account), amount in sorted(sums.items()):
        tx.execute_nowait(
            """INSERT INTO entries (id, ref, account, kind, amount, actor, commit_id, created, images)
            VALUES (:id, :ref, :account, :kind, :amount, 'archive', :commit_id, :created, 0)
            ON CONFLICT (ref, account) DO UPDATE SET amount = entries.amount + excluded.amount""",
            {
                "id": ids.new_id("led", month.end - 1),
                "ref": opening_ref(month, kind, archive.sha256),
                "account": account,
                "kind": kind,
                "amount": amount,
                "commit_id": archive.commit_id,
                # The last moment of the month: what is left of it comes before, and the balance after it is that of
                # the month's end.
                "created": month.end - 1,
            },
        )


def load_openings(tx: Tx, archive: LedgerArchive) -> Sums:
    """What the opening lines of the month say."""
    month = Month.parse(archive.month)
    assert month is not None
    refs, names = name_values("ref", [opening_ref(month, kind, archive.sha256) for kind in COUNTER_ACCOUNTS])
    rows = tx.fetch_all(f"SELECT kind, account, amount FROM entries WHERE ref IN ({refs})", names)
    return Sums({(row["kind"], row["account"]): row["amount"] for row in rows})


def complete_archive(tx: Tx, archive: LedgerArchive, sums: Sums) -> None:
    """All lines are replaced; LedgerDiffers where the opening lines do not say what the file sums to."""
    if load_openings(tx, archive) != sums:
        raise LedgerDiffers(f"{archive.month}: the opening lines are not the sums of the file")
    tx.execute(
        "UPDATE ledger_archives SET completed = :now WHERE month = :month AND completed IS NULL",
        {"month": archive.month},
    )
