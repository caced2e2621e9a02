"""Tasks and the claims on them: submitted, claimed, settled or failed, each in one commit and fenced.

Knows: the row, its states, and that every write after a claim carries `claim_no`. Refuses to know: what a worker
does between two commits.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.credit import DAY_US
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.images import ImageOrder
from imagegate.domain.money import PER_MILLION, Nanos
from imagegate.domain.tasks import Attempt, Outcome, Result, Task, TaskState
from imagegate.domain.usage import Usage, UsageSource
from imagegate.store import accounts, assets, deliveries, idempotency, ledger, turns
from imagegate.store.accounts import NoCredit, TooManyUnfinished, TooMuchInFlight
from imagegate.store.deliveries import Render
from imagegate.store.engines import SKIP_LOCKED, Row
from imagegate.store.idempotency import Conflict, Replayed
from imagegate.store.transaction import Tx

_TASK = """SELECT id, account_id, key_id, state, claim_no, crashes, progress, order_body, billing_rule, price_version,
    hold, created, deadline, started, ended, lease_until, owner, charge, usage_body, usage_source, engine, results,
    error, results_expire, sent, cancel_wished FROM tasks"""
CRASH_LOOP = TaskError(
    TaskErrorCode.service_error, "The task stopped its worker too often.", reason="worker_crash_loop"
)
UNFINISHED = "('queued', 'running', 'finalizing')"


class NewTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task to submit; `id` is made by the caller, so that a repeat finds what the first try wrote."""

    id: str
    account_id: str
    key_id: str
    order: ImageOrder
    billing_rule: str
    price_version: str
    hold: int
    created: int
    deadline: int
    pinned: tuple[assets.NewAsset, ...] = ()


class KeyUse(msgspec.Struct, frozen=True):
    """The Idempotency-Key of a submit."""

    endpoint: str
    key: str
    fingerprint: str
    keep_us: int


class Submitted(msgspec.Struct, frozen=True):
    """Task, hold and key are one commit."""


class Done(msgspec.Struct, frozen=True):
    """The write was accepted."""


class LostLease(msgspec.Struct, frozen=True):
    """Another worker holds the task, or it has ended: stop quietly and discard."""


class Unwanted(msgspec.Struct, frozen=True):
    """The customer wishes the task cancelled: no further attempt is made."""


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that makes a task completed. `price` may exceed `charge`: the rest is the operator's overrun."""

    charge: int
    price: int
    usage: Usage
    usage_source: UsageSource
    engine: str | None
    results: tuple[Result, ...]
    assets: tuple[assets.NewAsset, ...]
    keep_us: int
    commit_id: str
    attempt_id: str


def submit_task(
    tx: Tx, account_id: str, new: NewTask, use: KeyUse | None, unfinished_max: int
) -> Submitted | Replayed | Conflict | NoCredit | TooManyUnfinished | TooMuchInFlight:
    """[ idempotency key, hold, task ]: all or none."""
    if tx.again and find_task(tx, account_id, new.id):
        return Submitted()
    if use is not None:
        claim = idempotency.claim_key(
            tx, account_id, use.endpoint, use.key, use.fingerprint, new.id, use.keep_us
        )  # fmt: skip
        if isinstance(claim, Replayed | Conflict):
            return claim
    held = accounts.place_hold(tx, account_id, new.key_id, new.hold, unfinished_max)
    if isinstance(held, NoCredit | TooManyUnfinished | TooMuchInFlight):
        if use is not None:
            idempotency.free_key(tx, account_id, use.endpoint, use.key)
        return held
    _insert_task(tx, new)
    return Submitted()


def _insert_task(tx: Tx, new: NewTask) -> None:
    tx.put(
        f"""INSERT INTO tasks (id, account_id, key_id, state, model, order_body, billing_rule, price_version, hold, due,
            created, deadline, callback_url)
        VALUES (:id, :account_id, :key_id, 'queued', :model, :order_body, :billing_rule, :price_version, :hold,
            {turns.DUE}, :created, :deadline, :callback_url)""",
        now=tx.now, id=new.id, account_id=new.account_id, key_id=new.key_id, model=new.order.model,
        order_body=msgspec.json.encode(new.order).decode(), billing_rule=new.billing_rule,
        price_version=new.price_version, hold=new.hold, created=new.created, deadline=new.deadline,
        callback_url=new.order.callback_url,
    )  # fmt: skip
    tx.put(
        """INSERT INTO holds (task_id, account_id, key_id, amount, day, state, created)
        VALUES (:task_id, :account_id, :key_id, :amount, :day, 'open', :created)""",
        task_id=new.id, account_id=new.account_id, key_id=new.key_id, amount=new.hold,
        day=tx.now // DAY_US, created=new.created,
    )  # fmt: skip
    tx.put(
        "INSERT INTO steps (task_id, seq, claim_no, state, progress, at) VALUES (:id, 1, 0, 'queued', 0, :at)",
        id=new.id, at=new.created,
    )  # fmt: skip
    for asset in new.pinned:
        assets.add_asset(tx, new.account_id, asset, new.deadline, None)


def add_inputs(
    tx: Tx, account_id: str, task_id: str, claim_no: int, fetched: list[assets.NewAsset]
) -> Done | LostLease:
    """[ assets ]: what was fetched for a task that is still ours. They live as long as the task may."""
    row = tx.one(
        """SELECT deadline FROM tasks
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND state = 'running'""",
        id=task_id, account_id=account_id, claim_no=claim_no,
    )  # fmt: skip
    if row is None:
        return LostLease()
    for asset in fetched:
        if not tx.again or not assets.is_known(tx, asset.key):
            assets.add_asset(tx, account_id, asset, row["deadline"], None)
    return Done()


def fresh_task(new: NewTask) -> Task:
    """The task as the commit that made it left it."""
    return Task(
        id=new.id, account_id=new.account_id, key_id=new.key_id, state=TaskState.queued, claim_no=0, crashes=0,
        progress=0, order=new.order, billing_rule=new.billing_rule, price_version=new.price_version,
        hold=Nanos(new.hold), created=new.created, deadline=new.deadline,
    )  # fmt: skip


def claim_due(tx: Tx, account_id: str, owner: str, lease_us: int, limit: int) -> list[Task]:
    """Take up to `limit` due tasks of the account: lease them and raise their claim number."""
    turns.let_in(tx, account_id)
    # Materialised: a plain subquery may be run once per row by PostgreSQL, and then the limit means nothing.
    rows = tx.all(
        f"""WITH due AS MATERIALIZED (
            SELECT id FROM tasks WHERE account_id = :account_id AND state = 'queued' AND due <= :now
            ORDER BY due LIMIT :limit {SKIP_LOCKED})
        UPDATE tasks SET state = 'running', claim_no = claim_no + 1, owner = :owner, lease_until = :lease,
            started = COALESCE(started, :now)
        WHERE id IN (SELECT id FROM due) AND state = 'queued' RETURNING id""",
        owner=owner, lease=tx.now + lease_us, now=tx.now, account_id=account_id, limit=limit,
    )  # fmt: skip
    for row in rows:
        _step(tx, row["id"])
    return [_task(tx.all(f"{_TASK} WHERE id = :id", id=row["id"])[0]) for row in rows]


def renew_leases(tx: Tx, owner: str, claims: list[tuple[str, int]], lease_us: int) -> list[str]:
    """Extend what is still ours; the ids of those that are not."""
    lost = []
    for task_id, claim_no in claims:
        changed = tx.run(
            """UPDATE tasks SET lease_until = :lease
            WHERE id = :id AND claim_no = :claim_no AND owner = :owner AND state IN ('running', 'finalizing')""",
            lease=tx.now + lease_us, id=task_id, claim_no=claim_no, owner=owner,
        )  # fmt: skip
        if changed == 0:
            lost.append(task_id)
    return lost


def reclaim_lost(tx: Tx, owner: str, shared: bool, crashes_max: int, limit: int, render: Render) -> list[str]:
    """Put tasks of dead workers back in the queue, and end those that killed too many; all their ids.

    On an engine with one process every task of another owner is lost, whatever its lease says, and none of our own
    is; on a shared engine the lease decides.
    """
    lost = "lease_until <= :now" if shared else "owner <> :owner"
    rows = tx.all(
        f"""WITH lost AS MATERIALIZED (
            SELECT id FROM tasks WHERE state IN ('running', 'finalizing') AND {lost}
            ORDER BY lease_until LIMIT :limit {SKIP_LOCKED})
        UPDATE tasks SET state = 'queued', crashes = crashes + 1, owner = NULL, lease_until = NULL
        WHERE id IN (SELECT id FROM lost) AND state IN ('running', 'finalizing')
        RETURNING id, account_id, claim_no, crashes""",
        now=tx.now, owner=owner, limit=limit,
    )  # fmt: skip
    for row in rows:
        _step(tx, row["id"])
        if row["crashes"] > crashes_max:
            commit_id = f"cmt_crashed_{row['id']}"
            fail_task(tx, row["account_id"], row["id"], row["claim_no"], CRASH_LOOP, commit_id, render)
    return [row["id"] for row in rows]


def hand_back(tx: Tx, account_id: str, task_id: str, claim_no: int) -> Done | LostLease:
    """Give an unsent task back to the queue. That is no crash."""
    changed = tx.run(
        """UPDATE tasks SET state = 'queued', owner = NULL, lease_until = NULL
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND state = 'running'""",
        id=task_id, account_id=account_id, claim_no=claim_no,
    )  # fmt: skip
    return _stepped(tx, task_id, changed)


def begin_attempt(tx: Tx, account_id: str, attempt: Attempt, owner: str) -> Done | LostLease | Unwanted:
    """The dispatch mark: `sending`, written while the task is still ours and before the first byte leaves.

    The first statement takes the task's row, so that a cancel comes before it or finds the task sent.
    """
    ours = tx.all(
        """UPDATE tasks SET sent = CASE WHEN cancel_wished IS NULL THEN COALESCE(sent, :now) ELSE sent END
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND state = 'running'
        RETURNING cancel_wished""",
        now=tx.now, id=attempt.task_id, account_id=account_id, claim_no=attempt.claim_no,
    )  # fmt: skip
    if not ours:
        return LostLease()
    if ours[0]["cancel_wished"] is not None:
        return Unwanted()
    tx.put(
        """INSERT INTO attempts (id, task_id, account_id, claim_no, route, owner, outcome, started)
        VALUES (:id, :task_id, :account_id, :claim_no, :route, :owner, 'sending', :started)
        ON CONFLICT (id) DO NOTHING""",
        id=attempt.id, task_id=attempt.task_id, account_id=account_id, claim_no=attempt.claim_no,
        route=attempt.route, owner=owner, started=attempt.started,
    )  # fmt: skip
    return Done()


def end_attempt(tx: Tx, account_id: str, attempt_id: str, outcome: Outcome, detail: str | None) -> None:
    tx.put(
        """UPDATE attempts SET outcome = :outcome, ended = :now, detail = :detail
        WHERE id = :id AND account_id = :account_id AND outcome = 'sending'""",
        id=attempt_id, account_id=account_id, outcome=str(outcome), now=tx.now, detail=detail,
    )  # fmt: skip


def open_attempts(tx: Tx, account_id: str, task_id: str) -> list[Attempt]:
    """Attempts that carry the dispatch mark and no outcome: what a dead worker left behind."""
    return [attempt for attempt in list_attempts(tx, account_id, task_id) if attempt.outcome == Outcome.sending]


def is_sending(tx: Tx, attempt_id: str) -> bool:
    """Whether this attempt still waits for its outcome: the spool keeps its folder as long."""
    row = tx.one("SELECT outcome FROM attempts WHERE id = :id", id=attempt_id)
    return row is not None and row["outcome"] == Outcome.sending


def list_attempts(tx: Tx, account_id: str, task_id: str) -> list[Attempt]:
    rows = tx.all(
        """SELECT id, task_id, account_id, claim_no, route, outcome, started, ended, detail FROM attempts
        WHERE task_id = :task_id AND account_id = :account_id ORDER BY started, id""",
        task_id=task_id, account_id=account_id,
    )  # fmt: skip
    return [Attempt(**{**row, "outcome": Outcome(row["outcome"])}) for row in rows]


def advance(tx: Tx, account_id: str, task_id: str, claim_no: int, progress: int) -> Done | LostLease:
    """Raise the progress of a running task; it never falls and never reaches 100 here."""
    changed = tx.run(
        """UPDATE tasks SET progress = :progress
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND state = 'running'
            AND progress < :progress""",
        id=task_id, account_id=account_id, claim_no=claim_no, progress=min(progress, 99),
    )  # fmt: skip
    return _stepped(tx, task_id, changed)


def complete_task(
    tx: Tx, account_id: str, task_id: str, claim_no: int, done: Settlement, render: Render
) -> Done | LostLease:
    """[ task done (fenced), assets, settle hold, entries, webhook ]: all or none. Results live `keep_us` from now."""
    expires = (tx.now + done.keep_us) // PER_MILLION * PER_MILLION
    ended = tx.all(
        f"""UPDATE tasks SET state = 'completed', progress = 100, ended = :ended, charge = :charge,
            usage_body = :usage, usage_source = :source, engine = :engine, results = :results,
            results_expire = :expire, commit_id = :commit_id, owner = NULL, lease_until = NULL
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND state IN {UNFINISHED}
            AND state <> 'queued' RETURNING callback_url""",
        id=task_id, account_id=account_id, claim_no=claim_no, ended=tx.now, charge=done.charge,
        usage=msgspec.json.encode(done.usage).decode(), source=str(done.usage_source), engine=done.engine,
        results=msgspec.json.encode(done.results).decode(), expire=expires, commit_id=done.commit_id,
    )  # fmt: skip
    if not ended:
        return _done_before(tx, account_id, task_id, done.commit_id)
    _step(tx, task_id)
    _close_hold(tx, account_id, task_id, "settled", done.charge)
    ledger.book_charge(tx, account_id, task_id, done.charge, done.price, done.commit_id)
    for asset in done.assets:
        assets.add_asset(tx, account_id, asset, expires, done.commit_id)
    end_attempt(tx, account_id, done.attempt_id, Outcome.produced, None)
    _close_attempts(tx, account_id, task_id)
    _tell(tx, account_id, task_id, ended[0]["callback_url"], done.commit_id, render)
    return Done()


def fail_task(
    tx: Tx, account_id: str, task_id: str, claim_no: int, error: TaskError, commit_id: str, render: Render
) -> Done | LostLease:
    """[ task failed (fenced), hold released, webhook ]: nothing is charged."""
    ended = tx.all(
        f"""UPDATE tasks SET state = 'failed', ended = :now, error = :error, charge = 0, commit_id = :commit_id,
            owner = NULL, lease_until = NULL
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND state IN {UNFINISHED}
        RETURNING callback_url""",
        id=task_id, account_id=account_id, claim_no=claim_no, now=tx.now,
        error=msgspec.json.encode(error).decode(), commit_id=commit_id,
    )  # fmt: skip
    if not ended:
        return _done_before(tx, account_id, task_id, commit_id)
    _step(tx, task_id)
    _close_hold(tx, account_id, task_id, "released", 0)
    _close_attempts(tx, account_id, task_id)
    _tell(tx, account_id, task_id, ended[0]["callback_url"], commit_id, render)
    return Done()


def _tell(tx: Tx, account_id: str, task_id: str, url: str | None, commit_id: str, render: Render) -> None:
    """The webhook says what this commit makes true: `render` is given the row as it stands at the end of it."""
    if url is not None:
        task = _task(
            tx.all(f"{_TASK} WHERE id = :id AND account_id = :account_id", id=task_id, account_id=account_id)[0]
        )
        deliveries.tell(tx, account_id, task, url, render(task), commit_id)


def overdue(tx: Tx, limit: int) -> list[Task]:
    """Unfinished tasks past their deadline."""
    rows = tx.all(
        f"{_TASK} WHERE state IN {UNFINISHED} AND deadline <= :now ORDER BY deadline LIMIT :limit",
        now=tx.now, limit=limit,
    )  # fmt: skip
    return [_task(row) for row in rows]


def find_task(tx: Tx, account_id: str, task_id: str) -> Task | None:
    row = tx.one(f"{_TASK} WHERE id = :id AND account_id = :account_id", id=task_id, account_id=account_id)
    return _task(row) if row else None


def any_task(tx: Tx, task_id: str) -> Task | None:
    """For workers, who act for every account."""
    row = tx.one(f"{_TASK} WHERE id = :id", id=task_id)
    return _task(row) if row else None


def _done_before(tx: Tx, account_id: str, task_id: str, commit_id: str) -> Done | LostLease:
    """A repeat after an unknown commit finds its own commit id."""
    row = tx.one("SELECT commit_id FROM tasks WHERE id = :id AND account_id = :account_id",
                 id=task_id, account_id=account_id)  # fmt: skip
    return Done() if row and row["commit_id"] == commit_id else LostLease()


def _close_attempts(tx: Tx, account_id: str, task_id: str) -> None:
    """What a dead worker left open when the task ends without it."""
    tx.put(
        """UPDATE attempts SET outcome = 'unknown', ended = :now
        WHERE task_id = :id AND account_id = :account_id AND outcome = 'sending'""",
        id=task_id, account_id=account_id, now=tx.now,
    )  # fmt: skip


def _close_hold(tx: Tx, account_id: str, task_id: str, state: str, charge: int) -> None:
    hold = tx.all(
        """UPDATE holds SET state = :state, closed = :now, charge = :charge
        WHERE task_id = :task_id AND account_id = :account_id AND state = 'open' RETURNING key_id, amount, day""",
        state=state, now=tx.now, charge=charge, task_id=task_id, account_id=account_id,
    )[0]  # fmt: skip
    accounts.close_hold(tx, account_id, hold["key_id"], hold["amount"], hold["day"], charge)


def _stepped(tx: Tx, task_id: str, changed: int) -> Done | LostLease:
    if changed == 0:
        return LostLease()
    _step(tx, task_id)
    return Done()


def _step(tx: Tx, task_id: str) -> None:
    """Number this change and log it."""
    tx.put("UPDATE tasks SET seq = seq + 1 WHERE id = :id", id=task_id)
    tx.put(
        """INSERT INTO steps (task_id, seq, claim_no, state, progress, at)
        SELECT id, seq, claim_no, state, progress, :now FROM tasks WHERE id = :id""",
        id=task_id, now=tx.now,
    )  # fmt: skip


def _task(row: Row) -> Task:
    return Task(
        **{name: row[name] for name in _PLAIN},
        state=TaskState(row["state"]),
        hold=Nanos(row["hold"]),
        charge=None if row["charge"] is None else Nanos(row["charge"]),
        order=msgspec.json.decode(row["order_body"], type=ImageOrder),
        usage=msgspec.json.decode(row["usage_body"], type=Usage) if row["usage_body"] else None,
        usage_source=UsageSource(row["usage_source"]) if row["usage_source"] else None,
        results=msgspec.json.decode(row["results"], type=tuple[Result, ...]) if row["results"] else (),
        error=msgspec.json.decode(row["error"], type=TaskError) if row["error"] else None,
    )


_PLAIN = (
    "id", "account_id", "key_id", "claim_no", "crashes", "progress", "billing_rule", "price_version", "created",
    "deadline", "started", "ended", "lease_until", "owner", "engine", "results_expire", "sent", "cancel_wished",
)  # fmt: skip
