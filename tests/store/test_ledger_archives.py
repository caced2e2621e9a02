"""Closed months of the ledger in files: nothing that adds up changes, whatever cuts the work off, and a file that does
not prove itself replaces nothing."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from imagegate.domain.accounts import SYS_COST, SYS_REVENUE, SYS_UPSTREAM, SYS_WASTE
from imagegate.domain.audit import Actor
from imagegate.domain.months import Month
from imagegate.domain.time import US_PER_DAY, US_PER_HOUR
from imagegate.flows import ledger_archive
from imagegate.flows.archive_check import verify_archives
from imagegate.flows.ledger_archive import MonthReport, archive_month, list_months, measure_month
from imagegate.flows.ledger_files import verify_file
from imagegate.progress import Progress
from imagegate.store import ledger, ledger_archives
from imagegate.store.audit import list_audit_page
from imagegate.store.database import Database
from imagegate.store.dialect import Row
from imagegate.store.invariants import Check, Place, find_violations
from imagegate.store.ledger_archives import LedgerDiffers
from imagegate.store.queries.statement import StatementFilter, StatementLine, list_statement_lines
from imagegate.store.rules import INVARIANTS
from imagegate.store.transaction import Tx
from tests.conftest import OpenDatabase
from tests.store.helpers import FakeClock, close_days, create_customer, purge_old_tasks
from tests.store.old_months import APRIL, BOOKINGS, MARCH, fill, forget_bytes, post_purged, run_task

ACTOR = Actor(name="test", via="command line")
BOOKS = {"I1", "I2.posted", "I3", "I5", "I6.settled", "I6.refunds", "I22"}
# Nanos by account and kind.
Totals = dict[tuple[str, str], int]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files are."""
    folder = tmp_path / "books"
    folder.mkdir()
    return folder


class StoppedHereError(Exception):
    """What a test stops the work with."""


def load_totals(tx: Tx) -> Totals:
    rows = tx.fetch_all("SELECT account, kind, CAST(SUM(amount) AS BIGINT) AS total FROM entries GROUP BY 1, 2")
    return {(row["account"], row["kind"]): row["total"] for row in rows}


def load_entries(tx: Tx) -> list[Row]:
    return tx.fetch_all("SELECT * FROM entries ORDER BY ref, account")


def load_sums(tx: Tx) -> list[Row]:
    return tx.fetch_all("SELECT * FROM daily_sums ORDER BY account, day, kind, model, key_id, route")


async def archive(db: Database, folder: Path, month: Month = MARCH) -> MonthReport:
    return await archive_month(db, month, folder, ACTOR, Progress("archiving"))


async def measure(db: Database) -> MonthReport:
    return await measure_month(db, MARCH, Progress("archiving"))


async def check_books(db: Database, before: Totals) -> None:
    assert await db.read(load_totals) == before
    assert [one for one in await db.snapshot(find_violations, 0) if one.id in BOOKS] == []


def scenario_on(open_database: OpenDatabase, scenario: Callable[[Database, FakeClock], Any]) -> None:
    async def run() -> None:
        clock = FakeClock()
        await scenario(open_database(clock), clock)

    asyncio.run(run())


def test_an_archived_month_leaves_one_line_per_account_and_kind(open_database: OpenDatabase, folder: Path) -> None:
    async def scenario(db: Database, clock: FakeClock) -> None:
        first, second = await fill(db, clock)
        totals, entries, sums = await db.read(load_totals), await db.read(load_entries), await db.read(load_sums)
        planned = await measure(db)
        assert await db.read(load_entries) == entries
        report = await archive(db, folder)
        file = folder / "ledger-2026-03.jsonl.gz"
        assert (report.state, report.file, planned.state) == ("archived", str(file), "archivable")
        assert (planned.lines, planned.bytes) == (report.lines, report.bytes) == (report.lines, file.stat().st_size)
        assert file.stat().st_mode & 0o777 == 0o600
        assert report.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()

        await check_books(db, totals)
        assert await db.read(load_sums) == sums
        after = await db.read(load_entries)
        opening = [row for row in after if row["ref"].startswith("archive:")]
        charges = sum(100 + number for number in range(BOOKINGS))
        cost, waste = 7 * (2 * BOOKINGS // 2 + 1), 7 * 2 * BOOKINGS // 3
        assert {(row["account"], row["kind"]): row["amount"] for row in opening} == {
            (first, "charge"): -charges,
            (second, "charge"): -charges,
            (SYS_REVENUE, "charge"): 2 * charges,
            (SYS_COST, "cost"): cost,
            (SYS_UPSTREAM, "cost"): -cost,
            (SYS_WASTE, "waste"): waste,
            (SYS_UPSTREAM, "waste"): -waste,
        }
        assert {row["ref"] for row in opening} == {
            f"archive:2026-03:{kind}:{report.sha256}" for kind in ("charge", "cost", "waste")
        }
        assert {row["created"] for row in opening} == {APRIL.start - 1}
        # What is left of March is what somebody may look up by itself, unchanged.
        kept = [row for row in after if row not in opening]
        assert all(row in entries for row in kept)
        assert sorted({row["ref"].partition(":")[0] for row in kept if row["created"] < APRIL.start}) == [
            "cost",
            "grant",
            "mine",
            "refund",
            "settle",
        ]
        # File and rest are the whole ledger.
        lines = [json.loads(text) for text in gzip.decompress(file.read_bytes()).splitlines()]
        assert len(lines) == report.lines
        assert sorted([*lines, *kept], key=lambda row: (row["ref"], row["account"])) == entries
        # A grant of an archived month is still recognized.
        await db.write(ledger.grant, first, 5, "mine:1", "test")
        await check_books(db, totals)

    scenario_on(open_database, scenario)


def test_archiving_again_changes_nothing_and_is_audited_once(open_database: OpenDatabase, folder: Path) -> None:
    async def scenario(db: Database, clock: FakeClock) -> None:
        await fill(db, clock)
        first = await archive(db, folder)
        entries = await db.read(load_entries)
        assert [str(month) for month in await list_months(db, Month(2026, 6))] == ["2026-03", "2026-04", "2026-05"]
        assert await archive(db, folder / "elsewhere") == await measure(db) == first
        assert await db.read(load_entries) == entries
        audit = await db.read(list_audit_page, None, 9, "", "ledger.archive")
        assert [(row.target, row.after) for row in audit.rows] == [
            ("2026-03", {"file": first.file, "sha256": first.sha256, "lines": first.lines})
        ]
        assert {path.name for path in folder.iterdir()} == {"ledger-2026-03.jsonl.gz"}

    scenario_on(open_database, scenario)


def test_books_add_up_after_each_commit_and_what_was_cut_off_goes_on(
    open_database: OpenDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_archive, "_BOOKINGS_PER_COMMIT", 9)
    monkeypatch.setattr(ledger_archive, "_BOOKINGS_PER_PAGE", 4)
    monkeypatch.setattr(ledger_archive, "_SQLITE_PAUSE_S", 0)

    async def scenario(db: Database, clock: FakeClock) -> None:
        await fill(db, clock)
        totals = await db.read(load_totals)
        commits = 0

        class Stopping(Progress):
            def update(self, words: str, **_fields: Any) -> None:
                nonlocal commits
                if words.endswith("replaced"):
                    commits += 1
                    raise StoppedHereError

        while True:
            try:
                report = await archive_month(db, MARCH, folder, ACTOR, Stopping("archiving"))
                break
            except StoppedHereError:
                await check_books(db, totals)
                found = await db.read(ledger_archives.find_archive, MARCH)
                assert found is not None
                assert found.completed is None
                assert (await measure(db)).state == "archivable"
        assert commits == -(-report.lines // 2 // 9) > 3
        await check_books(db, totals)
        assert verify_file(Path(report.file), MARCH).sha256 == report.sha256
        found = await db.read(ledger_archives.find_archive, MARCH)
        assert found is not None
        assert found.completed == clock.now

    scenario_on(open_database, scenario)


def test_months_stay_whose_days_are_open_or_whose_tasks_are_there(open_database: OpenDatabase, folder: Path) -> None:
    async def scenario(db: Database, clock: FakeClock) -> None:
        clock.now = MARCH.end - US_PER_HOUR
        account_id, key = await create_customer(db, 100_000)
        await db.write(post_purged, account_id, key.id, MARCH.end - US_PER_DAY, 2)
        clock.now = APRIL.start + US_PER_HOUR
        open_days = await archive(db, folder)
        assert (open_days.state, "summed up" in open_days.reason) == ("kept", True)
        clock.now = APRIL.start - 1
        await run_task(db, clock, key, 100, 100)
        clock.now = APRIL.start + US_PER_HOUR
        await close_days(db)
        refundable = await archive(db, folder)
        assert refundable.state == (await measure(db)).state == "kept"
        assert "tasks of it are still there (1)" in refundable.reason
        assert list(folder.iterdir()) == []
        await db.write(forget_bytes)
        assert await db.write(purge_old_tasks, US_PER_HOUR, 50) == 1
        assert (await archive(db, folder)).state == "archived"

    scenario_on(open_database, scenario)


def test_nothing_is_replaced_that_the_file_says_otherwise(open_database: OpenDatabase, folder: Path) -> None:
    async def scenario(db: Database, clock: FakeClock) -> None:
        await fill(db, clock)

        def change(tx: Tx) -> None:
            tx.execute("UPDATE entries SET actor = 'other' WHERE kind = 'waste'")

        def verify_then_change(path: Path, month: Month) -> Any:
            found = verify_file(path, month)
            changing.append(db.write(change))
            return found

        changing: list[Any] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("imagegate.flows.ledger_archive.verify_file", verify_then_change)
            with pytest.raises(LedgerDiffers, match="not the same in the ledger and in the file"):
                await archive(db, folder)
        await changing[0]
        entries = await db.read(load_entries)
        assert not [row for row in entries if row["ref"].startswith("archive:")]
        with pytest.raises(LedgerDiffers):
            await archive(db, folder)
        assert await db.read(load_entries) == entries

    scenario_on(open_database, scenario)


def test_i23_a_file_that_is_not_what_is_on_record_is_found(open_database: OpenDatabase, folder: Path) -> None:
    async def scenario(db: Database, clock: FakeClock) -> None:
        async def errors(place: Path | None, *, deep: bool = False) -> list[str]:
            found = await verify_archives(db, place, deep=deep)
            return [row["error"] for one in found.broken for row in one.rows] + found.elsewhere

        await fill(db, clock)
        report = await archive(db, folder)
        file = Path(report.file)
        assert await errors(None) == await errors(None, deep=True) == await errors(folder) == []
        moved = folder / "moved"
        moved.mkdir()
        file.rename(moved / file.name)
        assert await errors(None) == [str(file)]
        assert await errors(moved) == []
        assert "No such file" in (await errors(folder))[0]
        content = (moved / file.name).read_bytes()
        file.write_bytes(content[:-1])
        assert "has another SHA-256" in (await errors(None))[0]
        file.write_bytes(content)
        await db.write(_move_money)
        assert await errors(None) == []
        assert "opening lines are not the sums" in (await errors(None, deep=True))[0]

    scenario_on(open_database, scenario)


def test_i22_an_archived_month_is_compared_as_one(open_database: OpenDatabase, folder: Path) -> None:
    """Whatever the size of a piece, and wherever an earlier piece ended; each difference is found."""

    async def scenario(db: Database, clock: FakeClock) -> None:
        async def find(place: Place | None = None) -> list[tuple[Any, ...]]:
            check = Check([rule for rule in INVARIANTS if rule.id == "I22"], place=place)
            check.share = 1 / 10_000
            while not check.is_done:
                await db.snapshot(check.check_piece)
            return [(row["account"], row.get("amount_too_much")) for one in check.violations for row in one.rows]

        async def change(sql: str) -> None:
            await db.write(lambda tx: tx.execute(sql))

        await fill(db, clock)
        assert await find() == []
        await archive(db, folder)
        for day in (MARCH.first_day + 3, MARCH.last_day - 1, MARCH.last_day):
            assert await find(Place("days", f"{day}|{SYS_COST}")) == []
        assert await find() == []
        await change(f"UPDATE entries SET amount = amount + 9 WHERE account = '{SYS_COST}' AND ref LIKE 'archive:%'")
        assert await find() == [(SYS_COST, -9)]
        await change(f"UPDATE entries SET amount = amount - 9 WHERE account = '{SYS_COST}' AND ref LIKE 'archive:%'")
        last = "(SELECT MAX(day) FROM daily_balances WHERE account = 'sys:upstream_waste')"
        await change(f"UPDATE daily_balances SET used = used + 1 WHERE account = '{SYS_WASTE}' AND day = {last}")
        assert await find() == [(SYS_WASTE, None)]

    scenario_on(open_database, scenario)


def _move_money(tx: Tx) -> None:
    """From one account to another, so that every ref still sums to zero."""
    for amount, account in ((1, "sys:revenue"), (-1, "sys:upstream_cost")):
        tx.execute(
            "UPDATE entries SET amount = amount + :amount WHERE account = :account AND ref LIKE 'archive:%'",
            {"amount": amount, "account": account},
        )


def test_a_statement_adds_up_across_an_archived_month(open_database: OpenDatabase, folder: Path) -> None:
    async def scenario(db: Database, clock: FakeClock) -> None:
        first, _ = await fill(db, clock)

        async def read_statement() -> list[StatementLine]:
            lines: list[StatementLine] = []
            before: Any = None
            while not lines or before is not None:
                page = await db.snapshot(list_statement_lines, first, StatementFilter(before=before, limit=1))
                lines += page.rows
                before = page.next_position
            return lines

        whole = await read_statement()
        await archive(db, folder)
        left = await read_statement()
        opening = left[0]
        assert (opening.type, opening.task_id, opening.at) == ("charge", None, APRIL.start - 1)
        assert opening.available_after == whole[0].available_after
        assert [line.id for line in left[1:]] == [line.id for line in whole if line.id in {one.id for one in left}]
        for newer, older in pairwise([*left, None]):
            assert newer is not None
            assert newer.available_after - newer.amount == (older.available_after if older else 0)

    scenario_on(open_database, scenario)
