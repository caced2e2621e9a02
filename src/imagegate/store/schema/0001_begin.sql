-- Type words (ID NANOS MICROS COUNT TEXT JSON) are translated by engines.py for each engine.

CREATE TABLE accounts (
    id ID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    posted NANOS NOT NULL DEFAULT 0,
    held NANOS NOT NULL DEFAULT 0,
    credit_line NANOS NOT NULL DEFAULT 0,
    unfinished COUNT NOT NULL DEFAULT 0,
    created MICROS NOT NULL,
    CHECK (held >= 0 AND credit_line >= 0 AND unfinished >= 0 AND posted - held + credit_line >= 0)
) STRICT;

CREATE INDEX accounts_with_work ON accounts (id) WHERE unfinished > 0;

CREATE TABLE api_keys (
    id ID NOT NULL PRIMARY KEY,
    account_id ID NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    shown TEXT NOT NULL,
    scopes JSON NOT NULL,
    models JSON,
    cap NANOS,
    spent NANOS NOT NULL DEFAULT 0,
    held NANOS NOT NULL DEFAULT 0,
    daily_cap NANOS,
    day COUNT NOT NULL DEFAULT 0,
    day_spent NANOS NOT NULL DEFAULT 0,
    created MICROS NOT NULL,
    expires MICROS,
    disabled MICROS,
    CHECK (held >= 0 AND spent >= 0 AND day_spent >= 0)
) STRICT;

CREATE INDEX api_keys_account ON api_keys (account_id);

-- Append-only: no statement of this program changes or deletes an entry. Every ref sums to zero.
CREATE TABLE entries (
    id ID NOT NULL PRIMARY KEY,
    ref TEXT NOT NULL,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount NANOS NOT NULL,
    task_id ID,
    actor TEXT NOT NULL,
    commit_id ID NOT NULL,
    created MICROS NOT NULL,
    UNIQUE (ref, account)
) STRICT;

CREATE INDEX entries_account ON entries (account, created, id);

CREATE TABLE prices (
    version TEXT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL,
    body JSON NOT NULL,
    created MICROS NOT NULL
) STRICT;

CREATE TABLE tasks (
    id ID NOT NULL PRIMARY KEY,
    account_id ID NOT NULL REFERENCES accounts (id),
    key_id ID NOT NULL REFERENCES api_keys (id),
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'finalizing', 'completed', 'failed')),
    claim_no COUNT NOT NULL DEFAULT 0,
    crashes COUNT NOT NULL DEFAULT 0,
    seq COUNT NOT NULL DEFAULT 1,
    progress COUNT NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    model TEXT NOT NULL,
    order_body JSON NOT NULL,
    billing_rule TEXT NOT NULL,
    price_version TEXT NOT NULL REFERENCES prices (version),
    hold NANOS NOT NULL,
    due MICROS NOT NULL,
    created MICROS NOT NULL,
    deadline MICROS NOT NULL,
    started MICROS,
    ended MICROS,
    owner TEXT,
    lease_until MICROS,
    charge NANOS,
    usage_body JSON,
    usage_source TEXT,
    engine TEXT,
    results JSON,
    error JSON,
    results_expire MICROS,
    commit_id ID
) STRICT;

CREATE INDEX tasks_due ON tasks (account_id, due) WHERE state = 'queued';
CREATE INDEX tasks_leased ON tasks (lease_until) WHERE state IN ('running', 'finalizing');
CREATE INDEX tasks_deadline ON tasks (deadline) WHERE state IN ('queued', 'running', 'finalizing');
CREATE INDEX tasks_newest ON tasks (account_id, created, id);
CREATE INDEX tasks_old ON tasks (ended) WHERE state IN ('completed', 'failed');

CREATE TABLE holds (
    task_id ID NOT NULL PRIMARY KEY REFERENCES tasks (id),
    account_id ID NOT NULL REFERENCES accounts (id),
    key_id ID NOT NULL REFERENCES api_keys (id),
    amount NANOS NOT NULL CHECK (amount >= 0),
    day COUNT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'settled', 'released')),
    charge NANOS NOT NULL DEFAULT 0,
    created MICROS NOT NULL,
    closed MICROS,
    CHECK (charge >= 0 AND charge <= amount AND (state = 'settled' OR charge = 0))
) STRICT;

CREATE INDEX holds_open ON holds (account_id) WHERE state = 'open';

-- Every stored change of state or progress, numbered per task: the history and the event stream.
CREATE TABLE steps (
    task_id ID NOT NULL REFERENCES tasks (id),
    seq COUNT NOT NULL,
    claim_no COUNT NOT NULL,
    state TEXT NOT NULL,
    progress COUNT NOT NULL,
    at MICROS NOT NULL,
    PRIMARY KEY (task_id, seq)
) STRICT;

CREATE TABLE attempts (
    id ID NOT NULL PRIMARY KEY,
    task_id ID NOT NULL REFERENCES tasks (id),
    account_id ID NOT NULL REFERENCES accounts (id),
    claim_no COUNT NOT NULL,
    route TEXT NOT NULL,
    owner TEXT NOT NULL,
    outcome TEXT NOT NULL,
    started MICROS NOT NULL,
    ended MICROS,
    detail TEXT
) STRICT;

CREATE INDEX attempts_task ON attempts (task_id);

CREATE TABLE assets (
    id ID NOT NULL PRIMARY KEY,
    account_id ID NOT NULL REFERENCES accounts (id),
    task_id ID REFERENCES tasks (id),
    kind TEXT NOT NULL,
    position COUNT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    media_type TEXT NOT NULL,
    bytes COUNT NOT NULL,
    width COUNT NOT NULL,
    height COUNT NOT NULL,
    sha256 TEXT NOT NULL,
    created MICROS NOT NULL,
    expires MICROS NOT NULL,
    deleted MICROS,
    commit_id ID
) STRICT;

CREATE INDEX assets_task ON assets (task_id, kind, position);
CREATE INDEX assets_expiring ON assets (expires) WHERE deleted IS NULL;

CREATE TABLE idempotency (
    account_id ID NOT NULL REFERENCES accounts (id),
    endpoint TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    task_id ID NOT NULL,
    expires MICROS NOT NULL,
    PRIMARY KEY (account_id, endpoint, key)
) STRICT;

CREATE INDEX idempotency_expiring ON idempotency (expires);
