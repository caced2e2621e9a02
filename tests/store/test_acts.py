"""Acts on keys with their audit rows, on both databases: all of it in one commit."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from imagegate.domain.accounts import ApiKey
from imagegate.domain.audit import Actor
from imagegate.domain.pages import Position
from imagegate.domain.time import US_PER_DAY, US_PER_MINUTE
from imagegate.store import acts, api_keys, audit
from imagegate.store.acts import Act, KeysEnded, MakerEnded
from imagegate.store.transaction import Tx
from tests.conftest import OpenDatabase
from tests.store.helpers import create_customer, new_key

ACTOR = Actor(name="key:key_x", via="api", address="192.0.2.1", request_id="req_1")


def test_keys_and_their_rows_are_written_together(open_database: OpenDatabase) -> None:
    async def run() -> None:
        db = open_database()
        account_id, maker = await create_customer(db, 1000)
        made: list[ApiKey] = []
        for number, by in enumerate((maker.id, "", "")):
            key = msgspec.structs.replace(new_key(account_id), made_by=by or made[-1].id)
            assert isinstance(await db.write(acts.create_key, account_id, key, f"d{number}", ACTOR), Act)
            made.append(key)
        listed = await db.read(api_keys.list_made_keys, account_id, maker.id)
        assert {key.id for key in listed} == {key.id for key in made}
        ended = await db.write(acts.disable_key, account_id, maker.id, True, ACTOR)
        assert isinstance(ended.result, KeysEnded)
        assert {key.id for key in ended.result.made_keys} == {key.id for key in made}
        late = msgspec.structs.replace(new_key(account_id), made_by=made[0].id)
        refused = await db.write(acts.create_key, account_id, late, "late", ACTOR)
        assert refused == Act(MakerEnded(), [])
        page = await db.read(audit.list_audit_page, None, 50)
        assert [row.action for row in page.rows].count("key.create") == 3
        assert [row.action for row in page.rows].count("key.disable") == 4
        assert page.rows[-1].request_id == "req_1"
        first = await db.read(audit.list_audit_page, None, 2)
        assert first.next_position is not None
        rest = await db.read(audit.list_audit_page, Position(**msgspec.structs.asdict(first.next_position)), 50)
        assert first.rows + rest.rows == page.rows

    asyncio.run(run())


def test_an_act_that_fails_leaves_no_row(open_database: OpenDatabase) -> None:
    def fail(tx: Tx, account_id: str) -> None:
        acts.grant(tx, account_id, 5, "grant:x", ACTOR)
        raise RuntimeError

    async def run() -> None:
        db = open_database()
        account_id, _ = await create_customer(db, 1000)
        with pytest.raises(RuntimeError):
            await db.write(fail, account_id)
        assert (await db.read(audit.list_audit_page, None, 50)).rows == []
        posted = await db.write(acts.grant, account_id, 5, "grant:x", ACTOR)
        again = await db.write(acts.grant, account_id, 5, "grant:x", ACTOR)
        assert (len(posted.entries), len(again.entries)) == (1, 0)
        assert (posted.entries[0].before, posted.entries[0].after) == (
            {"posted": 1000},
            {"posted": 1005, "amount": 5},
        )

    asyncio.run(run())


def test_refused_sign_ins_of_a_minute_are_one_row_and_old_rows_are_purged(open_database: OpenDatabase) -> None:
    now = [1_800_000_000_000_000]

    async def run() -> None:
        db = open_database(lambda: now[0])
        for _ in range(3):
            await db.write(audit.count_failed_sign_in, "192.0.2.1", "req_1", "sign_in")
        await db.write(audit.count_failed_sign_in, "192.0.2.2", "req_1", "sign_in")
        now[0] += US_PER_MINUTE
        await db.write(audit.count_failed_sign_in, "192.0.2.1", "req_2", "sign_in")
        rows = (await db.read(audit.list_audit_page, None, 50)).rows
        assert sorted(row.times for row in rows) == [1, 1, 3]
        now[0] += US_PER_DAY
        assert await db.write(audit.purge_audit, US_PER_DAY, 50) == 2
        assert len((await db.read(audit.list_audit_page, None, 50)).rows) == 1

    asyncio.run(run())
