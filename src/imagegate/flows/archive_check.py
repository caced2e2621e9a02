"""`imagegate check` of the files of archived months: they are what is on record, and prove what stands for them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from imagegate.domain.ledger_files import file_name
from imagegate.domain.months import Month
from imagegate.flows.ledger_files import LedgerFileError, hash_file, verify_file
from imagegate.store import ledger_archives
from imagegate.store.database import Database
from imagegate.store.invariants import Violation
from imagegate.store.ledger_archives import LedgerArchive

ARCHIVE_RULE = "I23.files"
_DESCRIPTION = "the file of an archived month is the one on record, and sums to the month's opening lines"


class ArchivesFound(msgspec.Struct, frozen=True):
    """What is wrong, and the files that are not where they were written: moved to another place, or lost."""

    broken: list[Violation]
    elsewhere: list[str]


async def verify_archives(db: Database, folder: Path | None, *, deep: bool) -> ArchivesFound:
    """Of every archived month the SHA-256 of its file; with a folder, where each of them has to be, or `deep` also what
    is in it."""
    rows, elsewhere = [], []
    for archive in await db.read_report(ledger_archives.list_archives):
        month = Month.parse(archive.month)
        assert month is not None
        path = Path(archive.file) if folder is None else folder / file_name(month)
        if folder is None and not await asyncio.to_thread(path.exists):
            elsewhere.append(archive.file)
        elif error := await _find_error(db, archive, month, path, whole=deep or folder is not None):
            rows.append({"month": archive.month, "error": error})
    return ArchivesFound([Violation(ARCHIVE_RULE, _DESCRIPTION, rows)] if rows else [], elsewhere)


async def _find_error(db: Database, archive: LedgerArchive, month: Month, path: Path, *, whole: bool) -> str:
    try:
        if await asyncio.to_thread(hash_file, path) != archive.sha256:
            return f"{path} has another SHA-256 than {archive.sha256}"
        if not whole:
            return ""
        facts = await asyncio.to_thread(verify_file, path, month)
    except LedgerFileError as error:
        return str(error)
    if facts.lines != archive.lines:
        return f"{path} has {facts.lines:,} lines, {archive.lines:,} are on record"
    # Until the last line is replaced the opening lines say less than the file.
    openings = await db.read_report(ledger_archives.load_openings, archive)
    if archive.completed is not None and openings != facts.sums:
        return f"the opening lines are not the sums of {path}"
    return ""
