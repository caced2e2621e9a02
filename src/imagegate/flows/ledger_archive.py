"""Closed months of the ledger go to files, and opening lines stand for them: a month at a time, repeatable anywhere.

The file is whole and on disk before the month is on record, and the month on record before the first line is deleted.
From then on the file decides: only what stands in it, and exactly as it stands there, is replaced.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from imagegate.crash_points import crash_point
from imagegate.domain import ids
from imagegate.domain.audit import Actor
from imagegate.domain.ledger_files import COUNTER_ACCOUNTS, Line, file_name
from imagegate.domain.months import Month
from imagegate.domain.pages import Position
from imagegate.flows.audit import write_act
from imagegate.flows.ledger_files import (
    FileFacts,
    LedgerFileError,
    LinesWriter,
    partial_file,
    publish,
    read_bookings,
    verify_file,
)
from imagegate.progress import Progress
from imagegate.store import ledger_archives
from imagegate.store.daily_sums import last_closed_day
from imagegate.store.database import Database
from imagegate.store.ledger_archives import MAX_KEPT_COUNTED, LedgerArchive

# Of two lines each. A commit of so many takes some 50 ms, which others wait for.
_BOOKINGS_PER_COMMIT = 1_000
_BOOKINGS_PER_PAGE = 1_000
# A writer of another process that waits for SQLite looks again after this long at the latest.
_SQLITE_PAUSE_S = 0.1

State = Literal["archived", "archivable", "kept", "empty"]


class MonthReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became, or would become, of a month. `lines` and `bytes` are those of its file; `reason`: why it stays."""

    month: str
    state: State
    lines: int = 0
    bytes: int = 0
    file: str = ""
    sha256: str = ""
    reason: str = ""


async def list_months(db: Database, before: Month) -> list[Month]:
    """The months before that one in which anything was booked that can be archived, oldest first."""
    first = await db.read_report(ledger_archives.find_first_booking)
    months = []
    month = before if first is None else Month.containing(first)
    while month < before:
        months.append(month)
        month = month.next
    return months


async def measure_month(db: Database, month: Month, progress: Progress) -> MonthReport:
    """What archiving it would do, without doing it: the lines are read and compressed all the same."""
    archive = await db.read_report(ledger_archives.find_archive, month)
    if archive is not None:
        return _report(archive, "archived" if archive.completed is not None else "archivable")
    if reason := await _find_reason_to_stay(db, month):
        return MonthReport(month=str(month), state="kept", reason=reason)
    facts = await _write_lines(db, month, LinesWriter(None), progress)
    if not facts.lines:
        return MonthReport(month=str(month), state="empty")
    return MonthReport(month=str(month), state="archivable", lines=facts.lines, bytes=facts.bytes)


async def archive_month(db: Database, month: Month, folder: Path, actor: Actor, progress: Progress) -> MonthReport:
    """Write the file into the folder, an absolute path; put it on record; replace its lines.

    A call after one that was cut off goes on where that ended.
    LedgerFileError and LedgerDiffers where file and ledger do not agree: then no more is replaced.
    """
    path = folder / file_name(month)
    archive = await db.read_report(ledger_archives.find_archive, month)
    if archive is not None and archive.completed is not None:
        return _report(archive, "archived")
    if archive is None:
        if reason := await _find_reason_to_stay(db, month):
            return MonthReport(month=str(month), state="kept", reason=reason)
        written = await _write_file(db, month, path, progress)
        if not written.lines:
            return MonthReport(month=str(month), state="empty")
        crash_point("archive.file_written")
    facts = verify_file(path, month)
    if archive is None:
        archive = await _record(db, month, path, facts, actor)
    elif facts.sha256 != archive.sha256:
        raise LedgerFileError(f"{path} is not the file of {month} that is on record: its SHA-256 is {facts.sha256}")
    await _replace_lines(db, archive, path, progress)
    await db.write(ledger_archives.complete_archive, archive, facts.sums)
    return _report(archive, "archived")


def _report(archive: LedgerArchive, state: State) -> MonthReport:
    return MonthReport(
        month=archive.month,
        state=state,
        lines=archive.lines,
        bytes=archive.bytes,
        file=archive.file,
        sha256=archive.sha256,
    )


async def _find_reason_to_stay(db: Database, month: Month) -> str:
    closed = await db.read_report(last_closed_day)
    if closed is None or closed < month.last_day:
        return "its days are not summed up yet: a gateway that serves does that"
    kept = await db.read_report(ledger_archives.count_kept_tasks, month)
    if not kept:
        return ""
    number = f"{kept:,} or more" if kept == MAX_KEPT_COUNTED else f"{kept:,}"
    return f"tasks of it are still there ({number}): not older than task_days, or starred"


async def _read_lines(db: Database, month: Month) -> AsyncIterator[list[Line]]:
    """All lines of the month that can be archived, in the order of the file, a page at a time."""
    for kind in COUNTER_ACCOUNTS:
        after: Position | None = Position(month.start - 1, "")
        waiting: list[Line] = []
        while after is not None:
            page = await db.read_report(ledger_archives.load_lines, month, kind, after, _BOOKINGS_PER_PAGE)
            # What was posted together may go on in the next page.
            complete_to = month.end if page.next is None else page.next.created
            lines = sorted([*waiting, *page.lines], key=lambda line: line.place)
            yield [line for line in lines if line.created < complete_to]
            waiting = [line for line in lines if line.created >= complete_to]
            after = page.next


async def _write_lines(db: Database, month: Month, writer: LinesWriter, progress: Progress) -> FileFacts:
    number = 0
    async for lines in _read_lines(db, month):
        writer.write(lines)
        number += len(lines)
        progress.update(f"{month}: {number:,} lines read", month=str(month), read=number)
    return writer.end()


async def _write_file(db: Database, month: Month, path: Path, progress: Progress) -> FileFacts:
    with partial_file(path) as (partial, stream):
        facts = await _write_lines(db, month, LinesWriter(stream), progress)
    if facts.lines:
        publish(partial, path, facts)
    else:
        partial.unlink()
    return facts


async def _record(db: Database, month: Month, path: Path, facts: FileFacts, actor: Actor) -> LedgerArchive:
    now = await db.read(lambda tx: tx.now)
    archive = LedgerArchive(
        month=str(month),
        first_day=month.first_day,
        last_day=month.last_day,
        lines=facts.lines,
        bytes=facts.bytes,
        sha256=facts.sha256,
        file=str(path),
        commit_id=ids.new_id("cmt", now),
        created=now,
    )
    stored = await write_act(db, ledger_archives.record_archive, archive, actor)
    if stored.sha256 != facts.sha256:
        raise LedgerFileError(f"{month} was archived to {stored.file} meanwhile: {path} is not needed")
    return stored


async def _replace_lines(db: Database, archive: LedgerArchive, path: Path, progress: Progress) -> None:
    number = 0
    for lines in _read_commits(path):
        number += len(lines)
        if await db.read_report(ledger_archives.has_any, lines):
            began = time.monotonic()
            await db.write(ledger_archives.replace_lines, archive, lines)
            crash_point("archive.post_commit")
            words = f"{archive.month}: {number:,} of {archive.lines:,} lines replaced"
            progress.update(words, month=archive.month, replaced=number)
            if number < archive.lines:
                # Whoever else writes gets as much time as we take.
                took = time.monotonic() - began
                await asyncio.sleep(took if db.engine.shared else max(took, _SQLITE_PAUSE_S))


def _read_commits(path: Path) -> Iterator[list[Line]]:
    bookings = read_bookings(path)
    while some := list(itertools.islice(bookings, _BOOKINGS_PER_COMMIT)):
        yield [line for lines in some for line in lines]
