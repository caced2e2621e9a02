-- What an operator gave back: the whole charge of a task, once. A refund outlives its task, as its two entries do.
-- `once` is the caller's key for it, so that a repeat finds what the first try did.
CREATE TABLE refunds (
    task_id ID NOT NULL PRIMARY KEY,
    id ID NOT NULL UNIQUE,
    account_id ID NOT NULL REFERENCES accounts (id),
    amount NANOS NOT NULL CHECK (amount > 0),
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    once TEXT NOT NULL UNIQUE,
    commit_id ID NOT NULL,
    created MICROS NOT NULL
) STRICT;
