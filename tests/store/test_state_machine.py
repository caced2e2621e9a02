"""F24: random sequences of submits, claims, ends, cancels, webhooks, stars, deletions, crashes and lost leases against
a plain model.

On both engines.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import os
import tempfile
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from imagegate.domain.accounts import ApiKey
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import Attempt, Task
from imagegate.domain.webhooks import DeliveryResult
from imagegate.store import (
    accounts,
    attempts,
    cancellation,
    claims,
    deliveries,
    holds,
    ledger,
    refunds,
    settlement,
    tasks,
)
from imagegate.store.cancellation import AlreadyFinished, Cancelled, cancel_task
from imagegate.store.database import Database, create_engine
from imagegate.store.deletion import NotEnded, NotThere, TaskDeleted, delete_task
from imagegate.store.holds import InsufficientCredit
from imagegate.store.idempotency import IdempotencyKey, KeyConflict, Replay
from imagegate.store.invariants import find_violations
from imagegate.store.task_metadata import MetadataChanged, NoSuchTask, change_metadata
from imagegate.store.tasks import CancelRequested
from tests.store.helpers import (
    LEASE_US,
    ROUTE,
    claim_tasks,
    create_customer,
    new_attempt,
    new_refund,
    new_settlement,
    new_task,
    render_webhook,
)

T = TypeVar("T")
EXAMPLES = int(os.environ.get("IMAGEGATE_TEST_MACHINE_EXAMPLES", "16"))
CRASHES_MAX = 3
HOOK = "https://hook.test/"
ERROR = TaskError(TaskErrorCode.service_error, "test")


@dataclasses.dataclass
class ExpectedTask:
    """What the model expects of one task."""

    hold: int
    claim_no: int = 0
    crashes: int = 0
    state: str = "queued"
    callback: bool = False
    sent: bool = False
    cancel_requested: bool = False
    charge: int = 0
    refunded: bool = False
    deleted: bool = False

    @property
    def ended(self) -> bool:
        return self.state in ("completed", "failed")


class DatabaseMachine(RuleBasedStateMachine):
    """`url` names the database; each example starts with an account of its own in it."""

    url = ""
    counter = itertools.count()
    claims: Bundle[tuple[Task, Attempt]] = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.db = self.empty_database()
        self.model: dict[str, ExpectedTask] = {}
        self.used: dict[str, tuple[str, str]] = {}
        self.posted = 0
        self.boot = 0

    def empty_database(self) -> Database:
        """Each example begins with nothing, or it would depend on the examples before."""
        if "://" not in self.url:
            for file in Path(self.url).parent.glob("machine.db*"):
                file.unlink()
        db = Database(create_engine(self.url))
        db.migrate()
        if db.engine.shared:
            with psycopg.connect(self.url, autocommit=True) as admin:
                admin.execute("TRUNCATE accounts, entries, prices CASCADE")
        return db

    def run(self, work: Awaitable[T]) -> T:
        async def await_it() -> T:
            return await work

        return self.loop.run_until_complete(await_it())

    def write(self, command: Any, *args: Any) -> Any:
        async def run() -> Any:
            return await self.db.write(command, *args)

        return self.loop.run_until_complete(run())

    @initialize(posted=st.integers(0, 5000))
    def open(self, posted: int) -> None:
        account_id, key = self.run(create_customer(self.db, posted, f"machine{next(self.counter)}"))
        self.account_id: str = account_id
        self.key: ApiKey = key
        self.posted = posted

    @property
    def held(self) -> int:
        return sum(task.hold for task in self.model.values() if task.state in ("queued", "running"))

    @rule(amount=st.integers(-2000, 3000))
    def grant(self, amount: int) -> None:
        answer = self.write(ledger.grant, self.account_id, amount, f"grant:m{next(self.counter)}", "machine")
        fits = self.posted + amount - self.held >= 0
        assert isinstance(answer, ledger.GrantPosted) == fits
        self.posted += amount if fits else 0

    @rule(
        hold=st.integers(0, 2000),
        name=st.sampled_from(["", "", "a", "b"]),
        body=st.sampled_from("xy"),
        callback=st.booleans(),
    )
    def submit(self, hold: int, name: str, body: str, callback: bool) -> None:
        new = new_task(self.key, hold, HOOK if callback else None)
        use = IdempotencyKey("create", name, body, 10**15) if name else None
        answer = self.write(tasks.submit_task, self.account_id, new, use, 10**6)
        if name in self.used:
            task_id, used_body = self.used[name]
            assert answer == (Replay(task_id) if used_body == body else KeyConflict())
        elif self.posted - self.held < hold:
            assert isinstance(answer, InsufficientCredit)
        else:
            assert answer == tasks.TaskSubmitted()
            self.model[new.id] = ExpectedTask(hold, callback=callback)
            if name:
                self.used[name] = (new.id, body)

    @rule(target=claims, sends=st.sampled_from([True, True, True, False]))  # type: ignore[arg-type]  # a claim that finds nothing is a value too
    def claim(self, sends: bool) -> tuple[Task, Attempt] | None:
        claimed = self.write(claim_tasks, self.account_id, f"boot{self.boot}", LEASE_US, 1)
        assert bool(claimed) == any(task.state == "queued" for task in self.model.values())
        if not claimed:
            return None
        task: Task = claimed[0]
        known = self.model[task.id]
        known.state, known.claim_no = "running", known.claim_no + 1
        assert task.claim_no == known.claim_no
        attempt = new_attempt(task)
        if not sends:
            return task, attempt
        begun = self.write(attempts.begin_attempt, self.account_id, attempt, f"boot{self.boot}", ROUTE)
        assert begun == (CancelRequested() if known.cancel_requested else tasks.Done())
        known.sent = known.sent or not known.cancel_requested
        return task, attempt

    @rule(pick=st.integers(0, 10**6))
    def cancel(self, pick: int) -> None:
        if not self.model:
            return
        task_id = list(self.model)[pick % len(self.model)]
        known = self.model[task_id]
        answer = self.write(cancel_task, self.account_id, task_id, f"cmt_{next(self.counter)}", render_webhook)
        if known.deleted:
            assert answer == cancellation.NoSuchTask()
            return
        if known.ended:
            cancelled = known.cancel_requested and not known.sent
            assert answer == (Cancelled() if cancelled else AlreadyFinished())
            return
        known.cancel_requested = True
        assert answer == (CancelRequested() if known.sent else Cancelled())
        known.state = known.state if known.sent else "failed"

    @rule(status=st.sampled_from([204, 410, 500, None]), dies=st.booleans())
    def deliver(self, status: int | None, dies: bool) -> None:
        """A sender that dies leaves its attempts to the next boot."""
        result = DeliveryResult(duration_ms=1, status=status, error=None if status else "timeout")
        for one in self.write(deliveries.claim_deliveries, "hook.test", f"boot{self.boot}", LEASE_US, 2):
            ended = self.run(self.db.read(tasks.find_task, self.account_id, one.delivery.task_id))
            assert ended is not None
            # a webhook reports the end; a refund and a star come later
            reported = msgspec.structs.replace(ended, refunded=None, metadata={}, starred_since=None)
            assert one.delivery.body.encode() == render_webhook(reported)
            if dies:
                continue
            answer = self.write(
                deliveries.end_attempt, self.account_id, one.delivery.id, one.delivery.number, result, (0, 0, 0)
            )
            assert not isinstance(answer, deliveries.StaleAttempt)
        self.write(deliveries.recover_lost_attempts, "next boot", False, (0, 0, 0), 100)

    @rule(pick=st.integers(0, 10**6))
    def replay(self, pick: int) -> None:
        known = self.run(self.db.read(deliveries.list_deliveries, self.account_id, None, 100)).rows
        if known:
            one = known[pick % len(known)]
            assert self.write(deliveries.replay_delivery, self.account_id, one.id, one.round).body == one.body

    def ours(self, task: Task) -> bool:
        known = self.model[task.id]
        return known.state == "running" and known.claim_no == task.claim_no

    @rule(claim=consumes(claims), share=st.integers(0, 100), excess=st.integers(0, 500))
    def complete(self, claim: tuple[Task, Attempt] | None, share: int, excess: int) -> None:
        if claim is None:
            return
        task, _attempt = claim
        charge = task.hold * share // 100
        price = charge + (excess if share == 100 else 0)
        ours = self.ours(task)
        done = new_settlement(task, charge, price)
        answer = self.write(settlement.complete_task, self.account_id, task.id, task.claim_no, done, render_webhook)
        assert answer == (tasks.Done() if ours else tasks.LostLease())
        if ours:
            self.model[task.id].state, self.model[task.id].charge = "completed", charge
            self.posted -= charge

    @rule(pick=st.integers(0, 10**6))
    def refund(self, pick: int) -> None:
        if not self.model:
            return
        task_id = list(self.model)[pick % len(self.model)]
        known = self.model[task_id]
        answer = self.write(refunds.refund_task, self.account_id, new_refund(task_id))
        if known.refunded:
            assert isinstance(answer, refunds.AlreadyRefunded)
        elif known.charge == 0:
            assert answer == refunds.NotCharged(known.state)
        else:
            assert (answer.amount, answer.replayed) == (known.charge, False)
            self.posted += known.charge
            known.refunded = True

    @rule(pick=st.integers(0, 10**6), starred=st.booleans())
    def star(self, pick: int, starred: bool) -> None:
        ended = [task_id for task_id, known in self.model.items() if known.ended]
        if not ended:
            return
        task_id = ended[pick % len(ended)]
        answer = self.write(change_metadata, self.account_id, task_id, {"starred": "true" if starred else None})
        assert answer == (NoSuchTask() if self.model[task_id].deleted else MetadataChanged())

    @rule(pick=st.integers(0, 10**6))
    def delete(self, pick: int) -> None:
        if not self.model:
            return
        task_id = list(self.model)[pick % len(self.model)]
        known = self.model[task_id]
        answer = self.write(delete_task, self.account_id, task_id)
        if known.deleted:
            assert answer == NotThere()
        elif not known.ended:
            assert answer == NotEnded()
        else:
            assert isinstance(answer, TaskDeleted)
            known.deleted = True
            self.used = {name: used for name, used in self.used.items() if used[0] != task_id}

    @rule(claim=claims)
    def fail(self, claim: tuple[Task, Attempt] | None) -> None:
        if claim is None:
            return
        task, _ = claim
        ours = self.ours(task)
        commit_id = f"cmt_{next(self.counter)}"
        answer = self.write(
            settlement.fail_task, self.account_id, task.id, task.claim_no, ERROR, commit_id, render_webhook
        )
        # a queued task that was reclaimed still carries the claim number that its failer has read
        known = self.model[task.id]
        queued = known.state == "queued" and known.claim_no == task.claim_no
        assert answer == (tasks.Done() if ours or queued else tasks.LostLease())
        if ours or queued:
            known.state = "failed"

    @rule(claim=claims, percent=st.integers(0, 100))
    def advance(self, claim: tuple[Task, Attempt] | None, percent: int) -> None:
        if claim is not None:
            self.write(attempts.update_progress, self.account_id, claim[0].id, claim[0].claim_no, percent)

    @rule(claim=claims)
    def hand_back(self, claim: tuple[Task, Attempt] | None) -> None:
        if claim is None:
            return
        ours = self.ours(claim[0])
        answer = self.write(claims.release_task, self.account_id, claim[0].id, claim[0].claim_no)
        assert answer == (tasks.Done() if ours else tasks.LostLease())
        if ours:
            self.model[claim[0].id].state = "queued"

    @rule()
    def crash(self) -> None:
        """The process dies: the database is opened anew by the next boot, which takes back what was running."""
        self.db.close()
        self.db = Database(create_engine(self.url))
        self.boot += 1
        self.write(claims.recover_lost_tasks, f"boot{self.boot}", False, CRASHES_MAX, 100, render_webhook)
        for task in self.model.values():
            if task.state == "running":
                task.crashes += 1
                task.state = "failed" if task.crashes > CRASHES_MAX else "queued"

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "account_id"):
            return
        account = self.run(self.db.read(accounts.find_account, self.account_id))
        assert account is not None
        assert (account.posted, account.held) == (self.posted, self.held)
        for task_id, known in self.model.items():
            task = self.run(self.db.read(tasks.find_task, self.account_id, task_id))
            assert (task is None) == known.deleted
            if task is None:
                continue
            assert (task.state, task.claim_no, task.crashes) == (known.state, known.claim_no, known.crashes)
            assert task.cancellable == (known.state in ("queued", "running") and not known.sent)
        listed = self.run(self.db.read(deliveries.list_deliveries, self.account_id, None, 1000)).rows
        ended = {name for name, known in self.model.items() if known.callback and known.ended and not known.deleted}
        assert {one.task_id for one in listed} == ended
        assert self.run(self.db.snapshot(find_violations, 10**9)) == []

    def teardown(self) -> None:
        self.db.close()
        self.loop.close()


def _run(url: str, examples: int, *, shrink: bool = True) -> None:
    machine = type("MachineHere", (DatabaseMachine,), {"url": url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
            derandomize=not shrink,
        ),
    )


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """A folder in memory where there is one: these tests are about logic, others are about disks."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def test_f24_model_and_store_agree_on_sqlite(memory_folder: Path) -> None:
    _run(str(memory_folder / "machine.db"), EXAMPLES)


def test_f24_model_and_store_agree_on_postgres(postgres_url: str) -> None:
    _run(postgres_url, max(1, EXAMPLES // 6))


def test_f24_finds_a_planted_overcharge(memory_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault stays in the suite: a machine that misses it proves nothing."""
    honest = holds.close_hold

    def greedy(tx: Any, account_id: str, key_id: str, amount: int, day: int, charge: int) -> None:
        honest(tx, account_id, key_id, amount, day, charge + (1 if charge else 0))

    monkeypatch.setattr(holds, "close_hold", greedy)
    # more examples than the honest machine gets: this run ends at the first one that finds the fault
    with pytest.raises(AssertionError):
        _run(str(memory_folder / "machine.db"), 1000, shrink=False)
