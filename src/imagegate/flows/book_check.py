"""Checks the books of the whole database in pieces: for `imagegate check`, and beside serving after an unclean stop."""

from __future__ import annotations

import asyncio
import time

import msgspec

from imagegate.domain.time import US_PER_SECOND
from imagegate.logging import log, log_error
from imagegate.progress import Progress
from imagegate.runtime import Runtime
from imagegate.store import installation
from imagegate.store.database import Database
from imagegate.store.invariants import Check, Place
from imagegate.store.rules import BOOK_INVARIANTS

# A process that checks says so this often; one that has not for some time does not live any more.
_SAVE_S = 10.0
_LOST_S = 6 * _SAVE_S
_RETRY_S = 10.0
# Of one processor a fifth, while others want it: after each piece it rests for four times as long as that took.
_REST = 4.0


class _Position(msgspec.Struct):
    """What is stored of a check that goes on: whose it is, where it has come to, and what it found."""

    owner: str
    place: Place
    rows: dict[str, int]
    broken: list[str]


async def check_everything(db: Database, check: Check, progress: Progress) -> None:
    """Each piece in a snapshot of its own."""
    while not check.is_done:
        part, rows = check.place.part, check.rows[check.place.part]
        progress.update(f"checking {part}: {rows:,} rows, {check.rows.total():,} in all", part=part, rows=rows)
        await db.read_report(check.check_piece)


async def check_books(runtime: Runtime, *, is_due: bool) -> None:
    """Check all the books while serving, where that `is_due`, or go on with a check that did not come to its end.

    Where processes share the database one of them checks.
    """
    while True:
        try:
            stored = await runtime.db.read_report(installation.find_age, installation.BOOK_CHECK)
            if stored is None and not is_due:
                return
            is_due = False
            if stored is None or not _is_anothers(runtime, *stored):
                await _go_on(runtime, msgspec.json.decode(stored[0], type=_Position) if stored else None)
                return
        except Exception as error:  # noqa: BLE001  the edge of a task: nobody waits for it
            log_error("book_check_failed", exc_info=error)
            is_due = True
        await asyncio.sleep(_RETRY_S)


def _is_anothers(runtime: Runtime, value: str, age_us: int) -> bool:
    """Whether another process checks at the moment. One process serves from a database that is not shared."""
    is_fresh = 0 <= age_us < _LOST_S * US_PER_SECOND
    owner = msgspec.json.decode(value, type=_Position).owner
    return runtime.db.engine.shared and is_fresh and owner != runtime.boot_id


async def _go_on(runtime: Runtime, before: _Position | None) -> None:
    wake_ups = runtime.wake_ups
    check = Check(BOOK_INVARIANTS, place=before.place if before else None)
    if before:
        check.rows.update(before.rows)
        wake_ups.broken_books = frozenset(before.broken)
    began = saved = time.monotonic()
    await _save(runtime, check)
    while not check.is_done:
        piece_began = time.monotonic()
        await runtime.db.read_report(check.check_piece)
        _report(runtime, check)
        await asyncio.sleep(_REST * (time.monotonic() - piece_began))
        if time.monotonic() - saved > _SAVE_S:
            saved = time.monotonic()
            await _save(runtime, check)
    await runtime.db.write(installation.delete_value, installation.BOOK_CHECK)
    log(
        "books_checked",
        duration_s=round(time.monotonic() - began, 1),
        resumed=before is not None,
        broken=sorted(wake_ups.broken_books),
        **check.rows,
    )


def _report(runtime: Runtime, check: Check) -> None:
    """What is found for the first time."""
    for one in check.violations:
        if one.id not in runtime.wake_ups.broken_books:
            runtime.wake_ups.broken_books |= {one.id}
            log_error("invariant_broken", invariant=one.id, description=one.description, rows=len(one.rows))


async def _save(runtime: Runtime, check: Check) -> None:
    position = _Position(runtime.boot_id, check.place, dict(check.rows), sorted(runtime.wake_ups.broken_books))
    text = msgspec.json.encode(position).decode()
    await runtime.db.write(installation.replace_value, installation.BOOK_CHECK, text)
