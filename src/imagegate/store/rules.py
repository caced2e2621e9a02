"""The invariants: what must always be true of the database, as statements that select what breaks it.

Every statement only reads; none selected means that the invariant holds. `IN_PIECE(column)` stands for a condition that
confines it to a piece of its part of the database: what lies between two keys. The column is the key of the table that
the part is named after, or one that refers to it: pieces leave no gap, so a row without its parent is in one of them.
"""

from __future__ import annotations

import functools
import re

import msgspec

from imagegate.domain.tasks import ALLOWED_STEPS
from imagegate.domain.time import US_PER_DAY


class Invariant(msgspec.Struct, frozen=True):
    """`statements`: what is asked of each part of the database. What SQL alone cannot tell has none."""

    id: str
    description: str
    statements: dict[str, str]


_IN_PIECE = re.compile(r"IN_PIECE\(([a-z_.]+)\)")
EVERYTHING = "TRUE"


@functools.cache
def confine(sql: str, condition: str) -> str:
    """The statement, for the rows that meet the condition, in which `{}` stands for the key."""
    return _IN_PIECE.sub(lambda key: condition.replace("{}", key[1]), sql)


_STEPS = ", ".join(
    f"('{before}', '{after}')" for before, after in sorted(ALLOWED_STEPS | {(s, s) for s, _ in ALLOWED_STEPS})
)


def _rule(id_: str, description: str, **statements: str) -> Invariant:
    return Invariant(id_, description, statements)


INVARIANTS = (
    _rule(
        "I1",
        "every ref of the ledger sums to zero",
        entries="""SELECT ref, CAST(SUM(amount) AS BIGINT) AS total FROM entries
        WHERE IN_PIECE(ref) GROUP BY ref HAVING SUM(amount) <> 0""",
    ),
    _rule(
        "I2.posted",
        "posted is the sum of the account's entries",
        # The sum of closed days and what came since; where it is not that, all entries tell, whatever those sums say.
        accounts=f"""SELECT a.id, a.posted, (SELECT CAST(COALESCE(SUM(e.amount), 0) AS BIGINT) FROM entries e
            WHERE e.account = a.id) AS entries FROM accounts a
        WHERE IN_PIECE(a.id) AND a.posted <> COALESCE((SELECT b.balance FROM daily_balances b
                WHERE b.account = a.id AND b.day <= (SELECT MAX(day) FROM closed_days)
                ORDER BY b.day DESC LIMIT 1), 0)
            + COALESCE((SELECT SUM(e.amount) FROM entries e WHERE e.account = a.id AND e.created >=
                (SELECT (COALESCE(MAX(day), -1) + 1) * {US_PER_DAY} FROM closed_days)), 0)
        AND a.posted <> COALESCE((SELECT SUM(e.amount) FROM entries e WHERE e.account = a.id), 0)""",
    ),
    _rule(
        "I2.held",
        "held is the sum of the account's open holds, and unfinished is their number",
        accounts="""SELECT a.id, a.held, a.unfinished, CAST(COALESCE(SUM(h.amount), 0) AS BIGINT) AS open_holds,
            COUNT(h.task_id) AS number FROM accounts a
        LEFT JOIN holds h ON h.account_id = a.id AND h.state = 'open'
        WHERE IN_PIECE(a.id) GROUP BY a.id, a.held, a.unfinished
        HAVING a.held <> COALESCE(SUM(h.amount), 0) OR a.unfinished <> COUNT(h.task_id)""",
    ),
    _rule(
        "I2.key",
        "what a key holds and spent is the sum of its holds, less refunds",
        unfinished="""SELECT k.id, k.held, CAST(COALESCE(o.held, 0) AS BIGINT) AS open_holds FROM api_keys k LEFT JOIN
            (SELECT key_id, SUM(amount) AS held FROM holds WHERE state = 'open' GROUP BY key_id) o
            ON o.key_id = k.id
        WHERE k.held <> COALESCE(o.held, 0)""",
    ),
    _rule(
        "I3",
        "no account holds less than nothing or owes more than its credit line",
        accounts="""SELECT id, posted, held FROM accounts
        WHERE IN_PIECE(id) AND (held < 0 OR posted - held + credit_line < 0)""",
    ),
    _rule(
        "I4",
        "a task has one hold, open exactly while the task is unfinished",
        tasks="""SELECT t.id, t.state, h.state AS hold FROM tasks t LEFT JOIN holds h ON h.task_id = t.id
        WHERE IN_PIECE(t.id) AND (h.task_id IS NULL OR h.amount <> t.hold
            OR (t.state = 'completed') <> (h.state = 'settled')
            OR (t.state = 'failed') <> (h.state = 'released'))""",
    ),
    _rule(
        "I5",
        "0 <= charge <= hold, the same in task, hold and ledger; a failed task costs nothing",
        tasks="""SELECT t.id, t.charge, t.hold, h.charge AS hold_charge FROM tasks t JOIN holds h ON h.task_id = t.id
        LEFT JOIN entries e ON e.ref = 'settle:' || t.id AND e.account = t.account_id
        WHERE IN_PIECE(t.id) AND t.state IN ('completed', 'failed')
            AND (t.charge IS NULL OR t.charge < 0 OR t.charge > t.hold
            OR t.charge <> h.charge OR t.charge <> -COALESCE(e.amount, 0)
            OR (t.state = 'failed' AND t.charge <> 0))""",
    ),
    _rule(
        "I6.settled",
        "a completed task has its settle lines, and no other task has",
        tasks="""SELECT t.id, t.state, COUNT(e.id) AS lines FROM tasks t
        LEFT JOIN entries e ON e.ref = 'settle:' || t.id
        WHERE IN_PIECE(t.id) GROUP BY t.id, t.state
        HAVING (t.state = 'completed' AND COUNT(e.id) NOT IN (2, 3))
            OR (t.state <> 'completed' AND COUNT(e.id) <> 0)""",
    ),
    _rule(
        "I6.accounts",
        "a settlement moves money between the customer, revenue and overrun only",
        tasks="""SELECT e.ref, e.account FROM tasks t JOIN entries e ON e.ref = 'settle:' || t.id
        WHERE IN_PIECE(t.id) AND e.account NOT IN (t.account_id, 'sys:revenue', 'sys:overrun')""",
    ),
    _rule(
        "I6.refunds",
        "a refund gives the task's whole charge from revenue back to its account, once",
        refunds="""SELECT r.task_id, r.amount, e.amount AS entry, s.amount AS charged FROM refunds r
        LEFT JOIN entries e ON e.ref = 'refund:' || r.task_id AND e.account = r.account_id
        LEFT JOIN entries s ON s.ref = 'settle:' || r.task_id AND s.account = r.account_id
        WHERE IN_PIECE(r.task_id) AND (e.id IS NULL OR s.id IS NULL OR r.amount <> e.amount
            OR r.amount <> -s.amount OR e.kind <> 'refund' OR e.commit_id <> r.commit_id)""",
        entries="""SELECT e.task_id, e.amount, e.amount AS entry, NULL AS charged FROM entries e
        LEFT JOIN refunds r ON r.task_id = substr(e.ref, 8)
        WHERE IN_PIECE(e.ref) AND e.kind = 'refund'
            AND (r.task_id IS NULL OR e.account NOT IN (r.account_id, 'sys:revenue'))""",
    ),
    _rule(
        "I7.claims",
        "claims are numbered without gaps",
        tasks="""SELECT t.id, t.claim_no, COUNT(DISTINCT s.claim_no) AS claims FROM tasks t
        LEFT JOIN task_steps s ON s.task_id = t.id AND s.claim_no > 0
        WHERE IN_PIECE(t.id) GROUP BY t.id, t.claim_no HAVING t.claim_no <> COUNT(DISTINCT s.claim_no)""",
    ),
    _rule(
        "I7.attempts",
        "an attempt belongs to a claim of its task, and none is open on a finished task",
        tasks="""SELECT a.id, a.outcome, t.state FROM attempts a JOIN tasks t ON t.id = a.task_id
        WHERE IN_PIECE(a.task_id) AND (a.claim_no NOT BETWEEN 1 AND t.claim_no
            OR (a.outcome = 'sending' AND t.state IN ('completed', 'failed')))""",
    ),
    _rule(
        "I8",
        "a completed task, its charge and its results are one commit",
        tasks="""SELECT t.id FROM tasks t
        LEFT JOIN entries e ON e.ref = 'settle:' || t.id AND e.account = t.account_id
        LEFT JOIN assets a ON a.task_id = t.id AND a.kind = 'result'
        WHERE IN_PIECE(t.id) AND t.state = 'completed' GROUP BY t.id, t.commit_id
        HAVING COUNT(a.id) = 0 OR MIN(e.commit_id) <> t.commit_id OR MIN(a.commit_id) <> t.commit_id
            OR MAX(a.commit_id) <> t.commit_id""",
    ),
    _rule(
        "I9",
        "every stored step is an allowed one, and nothing follows the end",
        tasks=f"""SELECT before.task_id, before.state, after.state AS next FROM task_steps before
        JOIN task_steps after ON after.task_id = before.task_id AND after.seq = before.seq + 1
        WHERE IN_PIECE(before.task_id)
            AND ((before.state, after.state) NOT IN (VALUES {_STEPS}) OR before.progress > after.progress)""",
    ),
    _rule(
        "I10.one",
        "a task that ended and names a callback has one webhook, of the same commit; no other has one",
        tasks="""SELECT t.id, t.state, d.id AS delivery FROM tasks t LEFT JOIN deliveries d ON d.task_id = t.id
        WHERE IN_PIECE(t.id) AND ((d.id IS NOT NULL) <>
                (t.callback_url IS NOT NULL AND t.state IN ('completed', 'failed'))
            OR d.commit_id <> t.commit_id)""",
    ),
    _rule(
        "I10.attempts",
        "attempts follow the settlement and each other in their time, and none follows success",
        deliveries="""SELECT a.delivery_id, a.number FROM delivery_attempts a JOIN deliveries d ON d.id = a.delivery_id
        LEFT JOIN tasks t ON t.id = d.task_id
        LEFT JOIN delivery_attempts p ON p.delivery_id = a.delivery_id AND p.number = a.number - 1
        WHERE IN_PIECE(a.delivery_id)
            AND (a.started < a.not_before OR a.not_before < COALESCE(t.ended, d.created)
            OR (a.number > 1 AND (p.ended IS NULL OR a.not_before < p.ended))
            OR (a.round = p.round AND (p.status BETWEEN 200 AND 299 OR p.status = 410)))""",
    ),
    _rule(
        "I10.closed",
        "a delivery is what its attempts say; unsent and closed is only one whose host was down",
        deliveries="""SELECT d.id, d.state, d.reason FROM deliveries d
        LEFT JOIN delivery_attempts a ON a.delivery_id = d.id AND a.number = d.number
        WHERE IN_PIECE(d.id)
            AND (d.number <> (SELECT COUNT(*) FROM delivery_attempts n WHERE n.delivery_id = d.id)
            OR d.round_attempts <>
                (SELECT COUNT(*) FROM delivery_attempts n WHERE n.delivery_id = d.id AND n.round = d.round)
            OR (d.state = 'delivered') <> (COALESCE(a.status, 0) BETWEEN 200 AND 299 AND d.round_attempts > 0)
            OR (d.state = 'exhausted' AND d.round_attempts = 0 AND d.reason <> 'host_down')
            OR (d.owner IS NOT NULL) <> (a.number IS NOT NULL AND a.ended IS NULL))""",
    ),
    _rule(
        "I11",
        "no unfinished task long past its deadline",
        unfinished="""SELECT id, state, deadline FROM tasks WHERE state IN ('queued', 'running')
        AND deadline + :grace < :now""",
    ),
    _rule(
        "I11.slots",
        "a task waits for a slot only where its key limits concurrent tasks",
        unfinished="""SELECT t.id, t.due FROM tasks t JOIN api_keys k ON k.id = t.key_id
        WHERE t.state IN ('queued', 'running') AND k.concurrent_tasks IS NULL
            AND t.waiting_for_slot = 1""",
    ),
    _rule(
        "I12.files",
        "the number of an account's files is that of its counted rows",
        accounts="""SELECT a.id, a.file_count, COUNT(f.id) AS number FROM accounts a
        LEFT JOIN files f ON f.account_id = a.id AND f.counted = 1
        WHERE IN_PIECE(a.id) GROUP BY a.id, a.file_count HAVING a.file_count <> COUNT(f.id)""",
    ),
    _rule(
        "I13",
        "results expire when their task says, and are deleted within the hour or when their thumbnail is drawn",
        assets="""SELECT a.id, a.expires, a.deleted FROM assets a JOIN tasks t ON t.id = a.task_id
        WHERE IN_PIECE(a.id) AND a.kind = 'result' AND (a.expires <> t.results_expire
            OR (a.deleted IS NULL AND a.thumbnail_due IS NULL AND a.expires + 3600000000 < :now - :grace))""",
    ),
    _rule(
        "I13.thumbnails",
        "a thumbnail is the only one of its result, expires when the task says, never while that is starred, and is"
        " deleted in time",
        assets="""SELECT a.task_id, a.position, t.thumbnail_expires, a.expires, a.deleted FROM assets a
        LEFT JOIN tasks t ON t.id = a.task_id
        LEFT JOIN assets r ON r.task_id = a.task_id AND r.kind = 'result' AND r.position = a.position
        LEFT JOIN starred_tasks s ON s.task_id = a.task_id AND s.since < t.thumbnail_expires
        WHERE IN_PIECE(a.id) AND a.kind = 'thumbnail'
            AND (t.thumbnail_expires IS NULL OR a.expires < t.thumbnail_expires
            OR (a.expires = 4611686018427387904) <> (s.task_id IS NOT NULL)
            OR (a.expires > t.thumbnail_expires AND a.expires > :now AND s.task_id IS NULL)
            OR r.id IS NULL OR r.thumbnail_due IS NOT NULL
            OR (a.deleted IS NULL AND a.expires + 3600000000 < :now - :grace)
            OR EXISTS (SELECT 1 FROM assets o WHERE o.task_id = a.task_id AND o.kind = 'thumbnail'
                AND o.position = a.position AND o.id <> a.id))""",
    ),
    _rule(
        "I13.undrawn",
        "only a result whose bytes are there waits for its thumbnail",
        assets="""SELECT a.id, a.kind, a.deleted FROM assets a LEFT JOIN tasks t ON t.id = a.task_id
        WHERE IN_PIECE(a.id) AND a.thumbnail_due IS NOT NULL
            AND (a.kind <> 'result' OR a.deleted IS NOT NULL OR t.thumbnail_expires IS NULL)""",
    ),
    _rule(
        "I13.files",
        "an upload's bytes end with its link, and are deleted within the hour",
        files="""SELECT f.id, a.expires, a.deleted FROM files f JOIN assets a ON a.id = f.asset_id
        WHERE IN_PIECE(f.id) AND (a.kind <> 'upload' OR a.expires <> COALESCE(f.removed, f.expires)
            OR (f.removed IS NOT NULL AND (f.counted = 1 OR f.removed > f.expires))
            OR (a.deleted IS NOT NULL AND a.deleted + :grace < COALESCE(f.removed, f.expires))
            OR (a.deleted IS NULL AND a.expires + 3600000000 < :now - :grace))""",
    ),
    _rule(
        "I14",
        "an Idempotency-Key points to a task of its account",
        tasks="""SELECT i.account_id, i.key FROM idempotency i
        LEFT JOIN tasks t ON t.id = i.task_id AND t.account_id = i.account_id
        WHERE IN_PIECE(i.task_id) AND t.id IS NULL""",
    ),
    _rule(
        "I15",
        "everything of a task belongs to the task's account",
        tasks="""SELECT t.id FROM tasks t JOIN api_keys k ON k.id = t.key_id
        WHERE IN_PIECE(t.id) AND k.account_id <> t.account_id
        UNION ALL SELECT h.task_id FROM holds h JOIN tasks t ON t.id = h.task_id
        WHERE IN_PIECE(h.task_id) AND h.account_id <> t.account_id
        UNION ALL SELECT a.id FROM attempts a JOIN tasks t ON t.id = a.task_id
        WHERE IN_PIECE(a.task_id) AND a.account_id <> t.account_id
        UNION ALL SELECT d.id FROM deliveries d JOIN tasks t ON t.id = d.task_id
        WHERE IN_PIECE(d.task_id) AND d.account_id <> t.account_id""",
        assets="""SELECT a.id FROM assets a JOIN tasks t ON t.id = a.task_id
        WHERE IN_PIECE(a.id) AND a.account_id <> t.account_id""",
        deliveries="""SELECT a.delivery_id AS id FROM delivery_attempts a JOIN deliveries d ON d.id = a.delivery_id
        WHERE IN_PIECE(a.delivery_id) AND a.account_id <> d.account_id""",
    ),
    _rule(
        "I15.files",
        "a file and its bytes belong to one account, and every upload has its file",
        assets="""SELECT a.id FROM assets a LEFT JOIN files f ON f.asset_id = a.id
        WHERE IN_PIECE(a.id) AND a.kind = 'upload' AND (f.id IS NULL OR f.account_id <> a.account_id)""",
        files="""SELECT f.id FROM files f JOIN assets a ON a.id = f.asset_id
        WHERE IN_PIECE(f.id) AND f.account_id <> a.account_id""",
    ),
    _rule("I16", "the stored hash of every price version still matches"),
    _rule(
        "I20",
        "of a deleted task nothing is left but what it cost: it has ended, and its bytes are deleted within the hour",
        tasks="""SELECT t.id, t.state FROM tasks t WHERE IN_PIECE(t.id) AND t.deleted IS NOT NULL
            AND (t.state NOT IN ('completed', 'failed')
            OR t.callback_url IS NOT NULL OR t.order_body NOT LIKE '%"prompt":""%'
            OR EXISTS (SELECT 1 FROM task_metadata m WHERE m.task_id = t.id)
            OR EXISTS (SELECT 1 FROM starred_tasks s WHERE s.task_id = t.id)
            OR EXISTS (SELECT 1 FROM deliveries d WHERE d.task_id = t.id)
            OR EXISTS (SELECT 1 FROM idempotency i WHERE i.task_id = t.id)
            OR EXISTS (SELECT 1 FROM answers w WHERE w.task_id = t.id)
            OR EXISTS (SELECT 1 FROM assets a WHERE a.task_id = t.id AND (a.expires > :now
                OR (a.deleted IS NULL AND t.deleted + 3600000000 < :now - :grace))))""",
    ),
    _rule(
        "I21",
        "a task is starred exactly while its metadata says so",
        tasks="""SELECT s.task_id FROM starred_tasks s LEFT JOIN task_metadata m ON m.task_id = s.task_id
            AND m.name = 'starred' AND m.value = 'true' AND m.account_id = s.account_id
        WHERE IN_PIECE(s.task_id) AND m.task_id IS NULL
        UNION ALL SELECT m.task_id FROM task_metadata m LEFT JOIN starred_tasks s ON s.task_id = m.task_id
        WHERE IN_PIECE(m.task_id) AND m.name = 'starred' AND m.value = 'true' AND s.task_id IS NULL
        UNION ALL SELECT m.task_id FROM task_metadata m JOIN tasks t ON t.id = m.task_id
        WHERE IN_PIECE(m.task_id) AND m.account_id <> t.account_id""",
    ),
    _rule(
        "I19",
        "a closed account has no live key and no upload, and its tasks that were not sent are to be cancelled",
        accounts="""SELECT a.id AS account, k.id FROM accounts a JOIN api_keys k ON k.account_id = a.id
        WHERE IN_PIECE(a.id) AND a.closed IS NOT NULL AND k.disabled IS NULL
        UNION ALL SELECT a.id, f.id FROM accounts a JOIN files f ON f.account_id = a.id
        WHERE IN_PIECE(a.id) AND a.closed IS NOT NULL AND f.counted = 1""",
        unfinished="""SELECT a.id AS account, t.id FROM tasks t JOIN accounts a ON a.id = t.account_id
        WHERE a.closed IS NOT NULL AND t.state IN ('queued', 'running') AND t.first_sent IS NULL
            AND t.cancel_requested IS NULL""",
    ),
    _rule("I22", "the sums of closed days are those of their entries"),
)

MONEY_INVARIANTS = tuple(
    rule for rule in INVARIANTS if rule.id.partition(".")[0] in {"I1", "I2", "I3", "I4", "I5", "I6"}
)

# What is checked beside serving after an unclean stop: nothing that depends on how long no process was serving.
BOOK_INVARIANTS = (*MONEY_INVARIANTS, *(rule for rule in INVARIANTS if rule.id == "I22"))

# These can be checked often, however long the history is: none of them reads what is closed.
CHEAP_INVARIANTS = tuple(rule for rule in INVARIANTS if rule.id in {"I2.held", "I3", "I11"})
