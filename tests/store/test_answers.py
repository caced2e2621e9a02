"""Section 11, joining: which task a repeated request finds, on both engines."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from imagegate.concurrency import LiveAnswer, LiveAnswers
from imagegate.domain.accounts import ApiKey
from imagegate.domain.time import US_PER_MINUTE, US_PER_SECOND
from imagegate.store import answers, tasks
from imagegate.store.answers import FailedBefore, Joined, OwedAnswer
from imagegate.store.database import Database
from imagegate.store.tasks import TaskSubmitted
from tests.conftest import OpenDatabase
from tests.store.helpers import FakeClock, create_customer, new_task

KEEP_US = 75 * US_PER_MINUTE


class Place:
    """A database, an account with a key, and processes whose connections wait for answers."""

    def __init__(self, open_database: OpenDatabase) -> None:
        self.clock = FakeClock()
        self.db: Database = open_database(self.clock)
        self.live = LiveAnswers()
        self.key: ApiKey

    async def open(self) -> Place:
        _, self.key = await create_customer(self.db, 10**12)
        return self

    async def request(self, retry_count: int = 0, **changes: Any) -> tuple[str, LiveAnswer]:
        """The task that a request gets, and its wait. It is live until it ends."""
        key = changes.pop("key", self.key)
        live = LiveAnswer(changes.pop("live", self.live))
        self.clock.now += 1  # which one is the newest is no matter of chance
        owed = OwedAnswer(
            **{
                "key_id": key.id,
                "fingerprint": "same",
                "retry_count": retry_count,
                "owner": "boot_1",
                "shared": False,
                "keep_us": KEEP_US,
                "live": live,
                **changes,
            }
        )
        new = msgspec.structs.replace(new_task(key), owed=owed, created=self.clock.now)
        live.wait_for(new.id)
        result = await self.db.write(tasks.submit_task, key.account_id, new, None, 1000)
        if isinstance(result, TaskSubmitted):
            return new.id, live
        assert isinstance(result, Joined | FailedBefore)
        if isinstance(result, FailedBefore):
            live.end()
        return result.task_id, live

    async def end(self, task_id: str, live: LiveAnswer, *, delivered: bool) -> None:
        await self.db.write(answers.end_answer, self.key.account_id, task_id, "boot_1", delivered)
        live.end()

    async def settle(self, task_id: str, state: str, outcome: str = "produced") -> None:
        """End the task as its row would be."""
        now = self.clock.now

        def change(tx: Any, account_id: str) -> None:
            tx.execute(
                "UPDATE tasks SET state = :state, ended = :at WHERE id = :id",
                {"state": state, "at": now, "id": task_id},
            )
            tx.execute(
                """INSERT INTO attempts (id, task_id, account_id, claim_no, owner, route, outcome, started)
                VALUES (:id, :task_id, :account_id, 1, 'boot_1', 'r', :outcome, :at)""",
                {"id": f"att_{task_id}", "task_id": task_id, "account_id": account_id, "outcome": outcome, "at": now},
            )

        await self.db.write(change, self.key.account_id)


def run(open_database: OpenDatabase, scenario: Any) -> None:
    async def whole() -> None:
        await scenario(await Place(open_database).open())

    asyncio.run(whole())


def test_s11_join_two_live_requests_are_two_tasks(open_database: OpenDatabase) -> None:
    async def scenario(place: Place) -> None:
        made = await asyncio.gather(*(place.request() for _ in range(20)))
        assert len({task_id for task_id, _ in made}) == 20

    run(open_database, scenario)


def test_s11_join_what_was_lost_is_found_once(open_database: OpenDatabase) -> None:
    async def scenario(place: Place) -> None:
        task_id, live = await place.request()
        await place.end(task_id, live, delivered=False)
        again = await asyncio.gather(*(place.request() for _ in range(3)))
        assert [found for found, _ in again].count(task_id) == 1
        assert len({found for found, _ in again}) == 3

    run(open_database, scenario)


def test_s11_join_what_was_delivered_is_found_by_a_retry_alone(open_database: OpenDatabase) -> None:
    async def scenario(place: Place) -> None:
        task_id, live = await place.request()
        await place.settle(task_id, "completed")
        live.mark_written()
        undecided, other = await place.request()
        assert undecided != task_id
        await place.end(undecided, other, delivered=True)
        await place.end(task_id, live, delivered=True)
        fresh, other = await place.request()
        assert fresh not in (task_id, undecided)
        await place.end(fresh, other, delivered=True)
        # The newest first, each once per count.
        await place.settle(fresh, "completed")
        found = [(await place.request(1))[0] for _ in range(4)]
        assert found[0] == fresh
        assert set(found[:3]) == {task_id, undecided, fresh}
        assert found[3] not in found[:3]
        assert (await place.request(2))[0] in found

    run(open_database, scenario)


def test_s11_join_a_retry_prefers_what_nobody_waits_for_and_what_was_lost(open_database: OpenDatabase) -> None:
    async def scenario(place: Place) -> None:
        lost, lost_live = await place.request()
        got, got_live = await place.request()
        live, _ = await place.request()
        await place.end(lost, lost_live, delivered=False)
        await place.end(got, got_live, delivered=True)
        found = [(await place.request(1))[0] for _ in range(3)]
        assert found == [lost, got, live]

    run(open_database, scenario)


@pytest.mark.parametrize("retry_count", [0, 1])
def test_s11_join_ages(open_database: OpenDatabase, retry_count: int) -> None:
    async def scenario(place: Place) -> None:
        ended, live = await place.request(fingerprint="ended")
        await place.settle(ended, "completed")
        await place.end(ended, live, delivered=False)
        unfinished, live = await place.request(fingerprint="unfinished")
        await place.end(unfinished, live, delivered=False)
        place.clock.now += 149 * US_PER_SECOND
        assert (await place.request(retry_count, fingerprint="ended"))[0] == ended
        place.live.waited_for.clear()
        place.clock.now += 2 * US_PER_SECOND
        assert (await place.request(retry_count + 1 if retry_count else 0, fingerprint="ended"))[0] != ended
        place.clock.now += 15 * US_PER_MINUTE - 152 * US_PER_SECOND
        assert (await place.request(retry_count, fingerprint="unfinished"))[0] == unfinished
        place.live.waited_for.clear()
        place.clock.now += 2 * US_PER_SECOND
        assert (await place.request(retry_count + 1 if retry_count else 0, fingerprint="unfinished"))[0] != unfinished

    run(open_database, scenario)


def test_s11_join_never_crosses_keys_bodies_or_endpoints(open_database: OpenDatabase) -> None:
    async def scenario(place: Place) -> None:
        task_id, live = await place.request()
        await place.end(task_id, live, delivered=False)
        _, other_key = await create_customer(place.db, 10**12)
        assert (await place.request(1, key=other_key))[0] != task_id
        assert (await place.request(1, fingerprint="other"))[0] != task_id
        assert (await place.request(1))[0] == task_id

    run(open_database, scenario)


def test_s11_join_after_the_death_of_the_process(open_database: OpenDatabase) -> None:
    async def scenario(place: Place) -> None:
        task_id, _ = await place.request()
        assert (await place.request(owner="boot_2", live=LiveAnswers()))[0] == task_id
        elsewhere, _ = await place.request(fingerprint="shared", owner="boot_2", shared=True)
        there: dict[str, Any] = {"fingerprint": "shared", "owner": "boot_3", "shared": True, "live": LiveAnswers()}
        assert (await place.request(**there))[0] != elsewhere
        place.clock.now += answers.LIVE_US - US_PER_SECOND
        await place.db.write(answers.renew_answers, "boot_2", [elsewhere])
        place.clock.now += 2 * US_PER_SECOND
        assert (await place.request(**{**there, "live": LiveAnswers(), "owner": "boot_4"}))[0] != elsewhere
        place.clock.now += answers.LIVE_US
        assert (await place.request(1, **{**there, "owner": "boot_5"}))[0]

    run(open_database, scenario)


@pytest.mark.parametrize(("outcome", "repeated"), [("unknown", True), ("produced", True), ("unavailable", False)])
def test_s11_failures_after_a_purchase_are_given_again(
    open_database: OpenDatabase, outcome: str, repeated: bool
) -> None:
    async def scenario(place: Place) -> None:
        failed, live = await place.request()
        await place.settle(failed, "failed", outcome)
        await place.end(failed, live, delivered=False)
        for retry_count in (0, 1, 2):
            assert ((await place.request(retry_count))[0] == failed) is repeated
        place.clock.now += 31 * US_PER_SECOND
        assert (await place.request())[0] != failed

    run(open_database, scenario)


def test_s11_join_a_commit_whose_result_was_lost_is_repeated_as_it_was(open_database: OpenDatabase) -> None:
    async def scenario(place: Place) -> None:
        task_id, live = await place.request()
        await place.end(task_id, live, delivered=False)
        again = LiveAnswer(place.live)
        owed = OwedAnswer(place.key.id, "same", 1, "boot_1", False, KEEP_US, again)

        def twice(tx: Any, account_id: str) -> list[Any]:
            first = answers.find_answer(tx, account_id, owed)
            tx.is_retry = True
            return [first, answers.find_answer(tx, account_id, owed)]

        assert await place.db.write(twice, place.key.account_id) == [Joined(task_id), Joined(task_id)]

    run(open_database, scenario)


def test_s11_join_rows_are_purged_by_age(open_database: OpenDatabase) -> None:
    async def scenario(place: Place) -> None:
        await place.request()
        place.clock.now += KEEP_US
        young, _ = await place.request()
        assert await place.db.write(answers.purge_answers, KEEP_US, 10) == 1
        left = await place.db.read(lambda tx: tx.fetch_all("SELECT task_id FROM answers"))
        assert left == [{"task_id": young}]

    run(open_database, scenario)
