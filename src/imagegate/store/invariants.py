"""What must always be true of the database, as statements that select what breaks it.

Every statement only reads; none selected means that the invariant holds.
"""

from __future__ import annotations

import hashlib

import msgspec

from imagegate.domain.tasks import ALLOWED_STEPS
from imagegate.store.dialect import Row
from imagegate.store.transaction import Tx

MAX_ROWS_SHOWN = 20


class Invariant(msgspec.Struct, frozen=True):
    id: str
    description: str
    sql: str


class Violation(msgspec.Struct, frozen=True, rename={"description": "says"}):
    """An invariant that does not hold, with up to `MAX_ROWS_SHOWN` of the rows that break it."""

    id: str
    description: str
    rows: list[Row]


_STEPS = ", ".join(
    f"('{before}', '{after}')" for before, after in sorted(ALLOWED_STEPS | {(s, s) for s, _ in ALLOWED_STEPS})
)

INVARIANTS = (
    Invariant(
        "I1",
        "every ref of the ledger sums to zero",
        "SELECT ref, CAST(SUM(amount) AS BIGINT) AS total FROM entries GROUP BY ref HAVING SUM(amount) <> 0",
    ),
    Invariant(
        "I2.posted",
        "posted is the sum of the account's entries",
        """SELECT a.id, a.posted, CAST(COALESCE(SUM(e.amount), 0) AS BIGINT) AS entries FROM accounts a
        LEFT JOIN entries e ON e.account = a.id GROUP BY a.id, a.posted
        HAVING a.posted <> COALESCE(SUM(e.amount), 0)""",
    ),
    Invariant(
        "I2.held",
        "held is the sum of the account's open holds, and unfinished is their number",
        """SELECT a.id, a.held, a.unfinished, CAST(COALESCE(SUM(h.amount), 0) AS BIGINT) AS open_holds,
            COUNT(h.task_id) AS number FROM accounts a
        LEFT JOIN holds h ON h.account_id = a.id AND h.state = 'open' GROUP BY a.id, a.held, a.unfinished
        HAVING a.held <> COALESCE(SUM(h.amount), 0) OR a.unfinished <> COUNT(h.task_id)""",
    ),
    Invariant(
        "I2.key",
        "what a key holds and spent is the sum of its holds, less refunds",
        """SELECT k.id, k.held, k.spent FROM api_keys k LEFT JOIN holds h ON h.key_id = k.id
        LEFT JOIN refunds r ON r.task_id = h.task_id GROUP BY k.id, k.held, k.spent
        HAVING k.held <> COALESCE(SUM(CASE WHEN h.state = 'open' THEN h.amount ELSE 0 END), 0)
            OR k.spent < COALESCE(SUM(h.charge), 0) - COALESCE(SUM(r.amount), 0)""",
    ),
    Invariant(
        "I3",
        "no account holds less than nothing or owes more than its credit line",
        "SELECT id, posted, held FROM accounts WHERE held < 0 OR posted - held + credit_line < 0",
    ),
    Invariant(
        "I4",
        "a task has one hold, open exactly while the task is unfinished",
        """SELECT t.id, t.state, h.state AS hold FROM tasks t LEFT JOIN holds h ON h.task_id = t.id
        WHERE h.task_id IS NULL OR h.amount <> t.hold
            OR (t.state = 'completed') <> (h.state = 'settled') OR (t.state = 'failed') <> (h.state = 'released')""",
    ),
    Invariant(
        "I5",
        "0 <= charge <= hold, the same in task, hold and ledger; a failed task costs nothing",
        """SELECT t.id, t.charge, t.hold, h.charge AS hold_charge FROM tasks t JOIN holds h ON h.task_id = t.id
        LEFT JOIN entries e ON e.ref = 'settle:' || t.id AND e.account = t.account_id
        WHERE t.state IN ('completed', 'failed') AND (t.charge IS NULL OR t.charge < 0 OR t.charge > t.hold
            OR t.charge <> h.charge OR t.charge <> -COALESCE(e.amount, 0)
            OR (t.state = 'failed' AND t.charge <> 0))""",
    ),
    Invariant(
        "I6.settled",
        "a completed task has its settle lines, and no other task has",
        """SELECT t.id, t.state, COUNT(e.id) AS lines FROM tasks t LEFT JOIN entries e ON e.ref = 'settle:' || t.id
        GROUP BY t.id, t.state HAVING (t.state = 'completed' AND COUNT(e.id) NOT IN (2, 3))
            OR (t.state <> 'completed' AND COUNT(e.id) <> 0)""",
    ),
    Invariant(
        "I6.accounts",
        "a settlement moves money between the customer, revenue and overrun only",
        """SELECT e.ref, e.account FROM entries e JOIN tasks t ON e.ref = 'settle:' || t.id
        WHERE e.account NOT IN (t.account_id, 'sys:revenue', 'sys:overrun')""",
    ),
    Invariant(
        "I6.refunds",
        "a refund gives the task's whole charge from revenue back to its account, once",
        """SELECT r.task_id, r.amount, e.amount AS entry, s.amount AS charged FROM refunds r
        LEFT JOIN entries e ON e.ref = 'refund:' || r.task_id AND e.account = r.account_id
        LEFT JOIN entries s ON s.ref = 'settle:' || r.task_id AND s.account = r.account_id
        WHERE e.id IS NULL OR s.id IS NULL OR r.amount <> e.amount OR r.amount <> -s.amount
            OR e.kind <> 'refund' OR e.commit_id <> r.commit_id
        UNION ALL SELECT e.task_id, e.amount, e.amount, NULL FROM entries e
        LEFT JOIN refunds r ON r.task_id = substr(e.ref, 8)
        WHERE e.kind = 'refund' AND (r.task_id IS NULL OR e.account NOT IN (r.account_id, 'sys:revenue'))""",
    ),
    Invariant(
        "I7.claims",
        "claims are numbered without gaps",
        """SELECT t.id, t.claim_no, COUNT(DISTINCT s.claim_no) AS claims FROM tasks t
        LEFT JOIN task_steps s ON s.task_id = t.id AND s.claim_no > 0 GROUP BY t.id, t.claim_no
        HAVING t.claim_no <> COUNT(DISTINCT s.claim_no)""",
    ),
    Invariant(
        "I7.attempts",
        "an attempt belongs to a claim of its task, and none is open on a finished task",
        """SELECT a.id, a.outcome, t.state FROM attempts a JOIN tasks t ON t.id = a.task_id
        WHERE a.claim_no NOT BETWEEN 1 AND t.claim_no
            OR (a.outcome = 'sending' AND t.state IN ('completed', 'failed'))""",
    ),
    Invariant(
        "I8",
        "a completed task, its charge and its results are one commit",
        """SELECT t.id FROM tasks t LEFT JOIN entries e ON e.ref = 'settle:' || t.id AND e.account = t.account_id
        LEFT JOIN assets a ON a.task_id = t.id AND a.kind = 'result'
        WHERE t.state = 'completed' GROUP BY t.id, t.commit_id
        HAVING COUNT(a.id) = 0 OR MIN(e.commit_id) <> t.commit_id OR MIN(a.commit_id) <> t.commit_id
            OR MAX(a.commit_id) <> t.commit_id""",
    ),
    Invariant(
        "I9",
        "every stored step is an allowed one, and nothing follows the end",
        f"""SELECT before.task_id, before.state, after.state AS next FROM task_steps before
        JOIN task_steps after ON after.task_id = before.task_id AND after.seq = before.seq + 1
        WHERE (before.state, after.state) NOT IN (VALUES {_STEPS}) OR before.progress > after.progress""",
    ),
    Invariant(
        "I10.one",
        "a task that ended and names a callback has one webhook, of the same commit; no other has one",
        """SELECT t.id, t.state, d.id AS delivery FROM tasks t LEFT JOIN deliveries d ON d.task_id = t.id
        WHERE (d.id IS NOT NULL) <> (t.callback_url IS NOT NULL AND t.state IN ('completed', 'failed'))
            OR d.commit_id <> t.commit_id""",
    ),
    Invariant(
        "I10.attempts",
        "attempts follow the settlement and each other in their time, and none follows success",
        """SELECT a.delivery_id, a.number FROM delivery_attempts a JOIN deliveries d ON d.id = a.delivery_id
        LEFT JOIN tasks t ON t.id = d.task_id
        LEFT JOIN delivery_attempts p ON p.delivery_id = a.delivery_id AND p.number = a.number - 1
        WHERE a.started < a.not_before OR a.not_before < COALESCE(t.ended, d.created)
            OR (a.number > 1 AND (p.ended IS NULL OR a.not_before < p.ended))
            OR (a.round = p.round AND (p.status BETWEEN 200 AND 299 OR p.status = 410))""",
    ),
    Invariant(
        "I10.closed",
        "a delivery is what its attempts say; unsent and closed is only one whose host was down",
        """SELECT d.id, d.state, d.reason FROM deliveries d
        LEFT JOIN delivery_attempts a ON a.delivery_id = d.id AND a.number = d.number
        WHERE d.number <> (SELECT COUNT(*) FROM delivery_attempts n WHERE n.delivery_id = d.id)
            OR d.round_attempts <>
                (SELECT COUNT(*) FROM delivery_attempts n WHERE n.delivery_id = d.id AND n.round = d.round)
            OR (d.state = 'delivered') <> (COALESCE(a.status, 0) BETWEEN 200 AND 299 AND d.round_attempts > 0)
            OR (d.state = 'exhausted' AND d.round_attempts = 0 AND d.reason <> 'host_down')
            OR (d.owner IS NOT NULL) <> (a.number IS NOT NULL AND a.ended IS NULL)""",
    ),
    Invariant(
        "I11",
        "no unfinished task long past its deadline",
        """SELECT id, state, deadline FROM tasks WHERE state IN ('queued', 'running')
        AND deadline + :grace < :now""",
    ),
    Invariant(
        "I11.slots",
        "a task waits for a slot only where its key limits concurrent tasks",
        """SELECT t.id, t.due FROM tasks t JOIN api_keys k ON k.id = t.key_id
        WHERE t.state IN ('queued', 'running') AND k.concurrent_tasks IS NULL
            AND t.waiting_for_slot = 1""",
    ),
    Invariant(
        "I12.files",
        "the number of an account's files is that of its counted rows",
        """SELECT a.id, a.file_count, COUNT(f.id) AS number FROM accounts a
        LEFT JOIN files f ON f.account_id = a.id AND f.counted = 1
        GROUP BY a.id, a.file_count HAVING a.file_count <> COUNT(f.id)""",
    ),
    Invariant(
        "I13",
        "results expire when their task says, and are deleted within the hour or when their thumbnail is drawn",
        """SELECT a.id, a.expires, a.deleted FROM assets a JOIN tasks t ON t.id = a.task_id
        WHERE a.kind = 'result' AND (a.expires <> t.results_expire
            OR (a.deleted IS NULL AND a.thumbnail_due IS NULL AND a.expires + 3600000000 < :now - :grace))""",
    ),
    Invariant(
        "I13.thumbnails",
        "a thumbnail is the only one of its result, expires when the task says, never while that is starred, and is"
        " deleted in time",
        """SELECT a.task_id, a.position, t.thumbnail_expires, a.expires, a.deleted FROM assets a
        LEFT JOIN tasks t ON t.id = a.task_id
        LEFT JOIN assets r ON r.task_id = a.task_id AND r.kind = 'result' AND r.position = a.position
        LEFT JOIN starred_tasks s ON s.task_id = a.task_id AND s.since < t.thumbnail_expires
        WHERE a.kind = 'thumbnail' AND (t.thumbnail_expires IS NULL OR a.expires < t.thumbnail_expires
            OR (a.expires = 4611686018427387904) <> (s.task_id IS NOT NULL)
            OR (a.expires > t.thumbnail_expires AND a.expires > :now AND s.task_id IS NULL)
            OR r.id IS NULL OR r.thumbnail_due IS NOT NULL
            OR (a.deleted IS NULL AND a.expires + 3600000000 < :now - :grace)
            OR EXISTS (SELECT 1 FROM assets o WHERE o.task_id = a.task_id AND o.kind = 'thumbnail'
                AND o.position = a.position AND o.id <> a.id))""",
    ),
    Invariant(
        "I13.undrawn",
        "only a result whose bytes are there waits for its thumbnail",
        """SELECT a.id, a.kind, a.deleted FROM assets a LEFT JOIN tasks t ON t.id = a.task_id
        WHERE a.thumbnail_due IS NOT NULL
            AND (a.kind <> 'result' OR a.deleted IS NOT NULL OR t.thumbnail_expires IS NULL)""",
    ),
    Invariant(
        "I13.files",
        "an upload's bytes end with its link, and are deleted within the hour",
        """SELECT f.id, a.expires, a.deleted FROM files f JOIN assets a ON a.id = f.asset_id
        WHERE a.kind <> 'upload' OR a.expires <> COALESCE(f.removed, f.expires)
            OR (f.removed IS NOT NULL AND (f.counted = 1 OR f.removed > f.expires))
            OR (a.deleted IS NOT NULL AND a.deleted + :grace < COALESCE(f.removed, f.expires))
            OR (a.deleted IS NULL AND a.expires + 3600000000 < :now - :grace)""",
    ),
    Invariant(
        "I14",
        "an Idempotency-Key points to a task of its account",
        """SELECT i.account_id, i.key FROM idempotency i
        LEFT JOIN tasks t ON t.id = i.task_id AND t.account_id = i.account_id WHERE t.id IS NULL""",
    ),
    Invariant(
        "I15",
        "everything of a task belongs to the task's account",
        """SELECT t.id FROM tasks t JOIN api_keys k ON k.id = t.key_id WHERE k.account_id <> t.account_id
        UNION ALL SELECT h.task_id FROM holds h JOIN tasks t ON t.id = h.task_id WHERE h.account_id <> t.account_id
        UNION ALL SELECT a.id FROM attempts a JOIN tasks t ON t.id = a.task_id WHERE a.account_id <> t.account_id
        UNION ALL SELECT a.id FROM assets a JOIN tasks t ON t.id = a.task_id WHERE a.account_id <> t.account_id
        UNION ALL SELECT d.id FROM deliveries d JOIN tasks t ON t.id = d.task_id WHERE d.account_id <> t.account_id
        UNION ALL SELECT a.delivery_id FROM delivery_attempts a JOIN deliveries d ON d.id = a.delivery_id
            WHERE a.account_id <> d.account_id""",
    ),
    Invariant(
        "I15.files",
        "a file and its bytes belong to one account, and every upload has its file",
        """SELECT a.id FROM assets a LEFT JOIN files f ON f.asset_id = a.id
        WHERE a.kind = 'upload' AND (f.id IS NULL OR f.account_id <> a.account_id)
        UNION ALL SELECT f.id FROM files f JOIN assets a ON a.id = f.asset_id WHERE f.account_id <> a.account_id""",
    ),
    Invariant(
        "I20",
        "of a deleted task nothing is left but what it cost: it has ended, and its bytes are deleted within the hour",
        """SELECT t.id, t.state FROM tasks t WHERE t.deleted IS NOT NULL AND (t.state NOT IN ('completed', 'failed')
            OR t.callback_url IS NOT NULL OR t.order_body NOT LIKE '%"prompt":""%'
            OR EXISTS (SELECT 1 FROM task_metadata m WHERE m.task_id = t.id)
            OR EXISTS (SELECT 1 FROM starred_tasks s WHERE s.task_id = t.id)
            OR EXISTS (SELECT 1 FROM deliveries d WHERE d.task_id = t.id)
            OR EXISTS (SELECT 1 FROM idempotency i WHERE i.task_id = t.id)
            OR EXISTS (SELECT 1 FROM answers w WHERE w.task_id = t.id)
            OR EXISTS (SELECT 1 FROM assets a WHERE a.task_id = t.id AND (a.expires > :now
                OR (a.deleted IS NULL AND t.deleted + 3600000000 < :now - :grace))))""",
    ),
    Invariant(
        "I21",
        "a task is starred exactly while its metadata says so",
        """SELECT s.task_id FROM starred_tasks s LEFT JOIN task_metadata m ON m.task_id = s.task_id
            AND m.name = 'starred' AND m.value = 'true' AND m.account_id = s.account_id WHERE m.task_id IS NULL
        UNION ALL SELECT m.task_id FROM task_metadata m LEFT JOIN starred_tasks s ON s.task_id = m.task_id
        WHERE m.name = 'starred' AND m.value = 'true' AND s.task_id IS NULL
        UNION ALL SELECT m.task_id FROM task_metadata m JOIN tasks t ON t.id = m.task_id
        WHERE m.account_id <> t.account_id""",
    ),
    Invariant(
        "I19",
        "a closed account has no live key and no upload, and its tasks that were not sent are to be cancelled",
        """SELECT a.id AS account, k.id FROM accounts a JOIN api_keys k ON k.account_id = a.id
        WHERE a.closed IS NOT NULL AND k.disabled IS NULL
        UNION ALL SELECT a.id, f.id FROM accounts a JOIN files f ON f.account_id = a.id
        WHERE a.closed IS NOT NULL AND f.counted = 1
        UNION ALL SELECT a.id, t.id FROM accounts a JOIN tasks t ON t.account_id = a.id
        WHERE a.closed IS NOT NULL AND t.state IN ('queued', 'running') AND t.first_sent IS NULL
            AND t.cancel_requested IS NULL""",
    ),
)


MONEY_INVARIANTS = tuple(
    rule for rule in INVARIANTS if rule.id.partition(".")[0] in {"I1", "I2", "I3", "I4", "I5", "I6"}
)

# These can be checked often, however long the history is: none of them reads what is closed.
CHEAP_INVARIANTS = tuple(rule for rule in INVARIANTS if rule.id in {"I2.held", "I3", "I11"})


def find_violations(tx: Tx, grace_us: int) -> list[Violation]:
    """Check every invariant. `grace_us` is how late a deadline or an expiry may be acted on."""
    return [*_evaluate(tx, INVARIANTS, grace_us), *_find_edited_prices(tx)]


def find_money_violations(tx: Tx) -> list[Violation]:
    """Check the invariants about money: none of them depends on how long no process was serving."""
    return _evaluate(tx, MONEY_INVARIANTS, 0)


def find_cheap_violations(tx: Tx, grace_us: int) -> list[Violation]:
    """Check the invariants that cost little."""
    return _evaluate(tx, CHEAP_INVARIANTS, grace_us)


def _evaluate(tx: Tx, rules: tuple[Invariant, ...], grace_us: int) -> list[Violation]:
    results = ((rule, tx.fetch_all(rule.sql, {"grace": grace_us})) for rule in rules)
    return [Violation(rule.id, rule.description, rows[:MAX_ROWS_SHOWN]) for rule, rows in results if rows]


def _find_edited_prices(tx: Tx) -> list[Violation]:
    # I16 is checked here: the two engines have no hash function in common.
    rows = tx.fetch_all("SELECT version, hash, body FROM prices")
    edited = [row for row in rows if hashlib.sha256(row["body"].encode()).hexdigest() != row["hash"]]
    description = "the stored hash of every price version still matches"
    return [Violation("I16", description, edited[:MAX_ROWS_SHOWN])] if edited else []
