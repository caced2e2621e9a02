"""Rows of uploads: the quota under concurrency, replacing, removing, whose they are and how long they live."""

from __future__ import annotations

import asyncio
import threading
import time

from imagegate.domain.files import FileState
from imagegate.domain.time import US_PER_HOUR, US_PER_SECOND
from imagegate.store import assets, files
from imagegate.store.database import Database
from imagegate.store.files import FileAdded, FileLimitReached, FileRemoved, NoSuchFile
from imagegate.store.invariants import find_violations
from imagegate.store.transaction import Tx
from tests.conftest import OpenDatabase
from tests.store.helpers import create_customer, new_file

KEEP = 72 * US_PER_HOUR
CLIENTS, FILES, ROOM = 32, 5, 20


async def add_file(db: Database, account_id: str, new: files.NewFile, most: int = 100) -> FileAdded:
    answer = await db.write(files.add_file, account_id, new, KEEP, most)
    assert isinstance(answer, FileAdded)
    return answer


def test_exactly_as_many_files_as_there_is_room_for(open_database: OpenDatabase) -> None:
    """32 clients in threads of their own, over two databases, so that two writers meet."""
    databases = [open_database(), open_database()]
    account_id, _ = asyncio.run(create_customer(databases[0], 0))
    kept: list[int] = []

    async def many(db: Database) -> int:
        news = [new_file(account_id) for _ in range(FILES)]
        answers = await asyncio.gather(*(db.write(files.add_file, account_id, new, KEEP, ROOM) for new in news))
        assert all(isinstance(answer, FileAdded | FileLimitReached) for answer in answers)
        return sum(isinstance(answer, FileAdded) for answer in answers)

    def client(number: int) -> None:
        kept.append(asyncio.run(many(databases[number % 2])))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(kept) == ROOM
    assert asyncio.run(databases[0].read(files.count_files, account_id)) == ROOM
    assert asyncio.run(databases[0].snapshot(find_violations, 0)) == []


def test_one_file_stays_of_many_with_one_name(open_database: OpenDatabase) -> None:
    """At once, through two writers: the last one stays, the others are replaced, and each is returned once."""

    async def scenario() -> None:
        db, other = open_database(), open_database()
        account_id, _ = await create_customer(db, 0)
        news = [new_file(account_id, "fox.png") for _ in range(24)]
        answers = await asyncio.gather(
            *((db, other)[n % 2].write(files.add_file, account_id, new, KEEP, 1) for n, new in enumerate(news))
        )
        assert all(isinstance(answer, FileAdded) for answer in answers)
        replaced = [asset.id for answer in answers if isinstance(answer, FileAdded) for asset in answer.replaced]
        assert len(replaced) == len(set(replaced)) == 23
        (left,), total = await db.read(files.list_files_page, account_id, 1, 100)
        assert total == 1
        assert left.asset_id not in replaced
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_only_path_and_given_name_replace(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, _ = await create_customer(db, 0)
        neighbour, _ = await create_customer(db, 0, "neighbour")
        for owner, name, path in (
            (account_id, "a.png", "p"),
            (neighbour, "a.png", "p"),
            (account_id, "a.png", "q"),
            (account_id, "b.png", "p"),
            (account_id, None, "p"),
            (account_id, None, "p"),
        ):
            assert (await add_file(db, owner, new_file(owner, name, path))).replaced == ()
        first = await db.read(files.count_files, account_id)
        answer = await add_file(db, account_id, new_file(account_id, "a.png", "p"))
        assert len(answer.replaced) == 1
        assert await db.read(files.count_files, account_id) == first
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_a_full_account_may_still_replace(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, _ = await create_customer(db, 0)
        for name in ("a.png", "b.png"):
            await add_file(db, account_id, new_file(account_id, name), most=2)
        assert await db.write(files.add_file, account_id, new_file(account_id, "c.png"), KEEP, 2) == FileLimitReached()
        await add_file(db, account_id, new_file(account_id, "a.png"), most=2)
        await add_file(db, account_id, new_file(account_id, "b.png"), most=1)  # the limit was lowered since
        assert await db.read(files.count_files, account_id) == 2
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_what_has_expired_takes_no_room_and_is_due(open_database: OpenDatabase) -> None:
    now = time.time_ns() // 1000

    async def scenario() -> None:
        db = open_database(lambda: now)
        account_id, _ = await create_customer(db, 0)
        old = (await add_file(db, account_id, new_file(account_id, "a.png"), most=1)).file
        assert old.expires == now // US_PER_SECOND * US_PER_SECOND + KEEP
        later = open_database(lambda: now + KEEP)
        assert old.state_at(now + KEEP) is FileState.expired
        assert await later.read(files.count_files, account_id) == 0
        assert await later.write(files.remove_file, account_id, old.id) == NoSuchFile()
        assert [asset.id for asset in await later.read(assets.list_expired_assets, 10)] == [old.asset_id]
        answer = await add_file(later, account_id, new_file(account_id, "a.png"), most=1)
        assert answer.replaced == ()
        await later.write(assets.mark_assets_deleted, [old.asset_id])
        assert await later.snapshot(find_violations, 0) == []
        found = await later.read(files.find_file_by_secret, old.secret)
        assert found is not None
        assert found.state_at(now + KEEP) is FileState.expired

    asyncio.run(scenario())


def test_removing_ends_the_link_gives_room_and_makes_the_bytes_due(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, _ = await create_customer(db, 0)
        file = (await add_file(db, account_id, new_file(account_id), most=1)).file
        removed = await db.write(files.remove_file, account_id, file.id)
        assert isinstance(removed, FileRemoved)
        assert removed.asset.id == file.asset_id
        assert [asset.id for asset in await db.read(assets.list_expired_assets, 10)] == [file.asset_id]
        assert await db.write(files.remove_file, account_id, file.id) == NoSuchFile()
        for found in (
            await db.read(files.find_file_by_secret, file.secret),
            await db.read(files.find_file_by_id, file.id),
        ):
            assert found is not None
            assert found.state_at(0) is FileState.removed
        await add_file(db, account_id, new_file(account_id), most=1)
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_ten_1_a_foreign_file_is_unknown(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, _ = await create_customer(db, 0)
        neighbour, _ = await create_customer(db, 0, "neighbour")
        file = (await add_file(db, account_id, new_file(account_id))).file
        assert await db.read(files.find_file, neighbour, file.id) is None
        assert await db.read(assets.find_asset, neighbour, file.asset_id) is None
        assert await db.write(files.remove_file, neighbour, file.id) == NoSuchFile()
        assert await db.read(files.list_files_page, neighbour, 1, 100) == ([], 0)
        assert await db.read(files.find_file, account_id, file.id) == file

    asyncio.run(scenario())


def test_a_repeated_command_finds_its_own_commit(open_database: OpenDatabase) -> None:
    """The commit was made and its result lost: run again, each command returns the same and changes nothing."""

    async def scenario() -> None:
        db = open_database()
        account_id, _ = await create_customer(db, 0)
        new = new_file(account_id, "a.png")
        first = await add_file(db, account_id, new)
        again = await db.write(lambda tx: files.add_file(_retry(tx), account_id, new, KEEP, 1))
        assert again == FileAdded(first.file, ())
        removed = await db.write(files.remove_file, account_id, new.id)
        assert isinstance(removed, FileRemoved)
        repeated = await db.write(lambda tx: files.remove_file(_retry(tx), account_id, new.id))
        assert repeated == removed
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def _retry(tx: Tx) -> Tx:
    return Tx(tx._connection, is_retry=True)


def test_pages_are_newest_first(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        moment = iter(range(10**15, 10**15 + 10**9, 10**6))
        db = open_database(lambda: next(moment))
        account_id, _ = await create_customer(db, 0)
        made = [(await add_file(db, account_id, new_file(account_id))).file.id for _ in range(5)]
        pages = [await db.read(files.list_files_page, account_id, page, 2) for page in (1, 2, 3, 4)]
        assert [file.id for page, _ in pages for file in page] == made[::-1]
        assert {total for _, total in pages} == {5}

    asyncio.run(scenario())
