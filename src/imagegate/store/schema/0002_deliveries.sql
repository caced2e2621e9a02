-- Webhooks and cancelling. A task submitted before this file was promised no webhook: its callback_url stays NULL.

ALTER TABLE tasks ADD COLUMN callback_url TEXT;
ALTER TABLE tasks ADD COLUMN sent MICROS;
ALTER TABLE tasks ADD COLUMN cancel_wished MICROS;

UPDATE tasks SET sent = (SELECT MIN(started) FROM attempts WHERE attempts.task_id = tasks.id);

ALTER TABLE accounts ADD COLUMN hook_version COUNT NOT NULL DEFAULT 1;
ALTER TABLE accounts ADD COLUMN hook_rotated MICROS;

-- One row per receiver: how it has answered lately. Locking it is what makes the limit per host hold.
CREATE TABLE hook_hosts (
    host TEXT NOT NULL PRIMARY KEY,
    failures COUNT NOT NULL DEFAULT 0 CHECK (failures >= 0),
    parked MICROS
) STRICT;

-- One webhook. The id is the webhook-id; `body` is what is sent, byte for byte, and no statement changes it.
-- `round` counts replays by hand, `tried` the attempts of this round, `number` all attempts.
CREATE TABLE deliveries (
    id ID NOT NULL PRIMARY KEY,
    account_id ID NOT NULL REFERENCES accounts (id),
    task_id ID UNIQUE REFERENCES tasks (id),
    url TEXT NOT NULL,
    host TEXT NOT NULL REFERENCES hook_hosts (host),
    body TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'exhausted')),
    reason TEXT,
    round COUNT NOT NULL DEFAULT 0,
    tried COUNT NOT NULL DEFAULT 0,
    number COUNT NOT NULL DEFAULT 0,
    due MICROS NOT NULL,
    owner TEXT,
    lease_until MICROS,
    created MICROS NOT NULL,
    closed MICROS,
    commit_id ID NOT NULL,
    CHECK ((state = 'waiting') = (closed IS NULL))
) STRICT;

CREATE INDEX deliveries_due ON deliveries (host, due) WHERE state = 'waiting' AND owner IS NULL;
CREATE INDEX deliveries_leased ON deliveries (host, lease_until) WHERE owner IS NOT NULL;
CREATE INDEX deliveries_newest ON deliveries (account_id, created, id);

-- Written when an attempt is claimed, before it is made; `ended` is NULL until its answer is known.
CREATE TABLE delivery_attempts (
    delivery_id ID NOT NULL REFERENCES deliveries (id),
    number COUNT NOT NULL,
    account_id ID NOT NULL REFERENCES accounts (id),
    round COUNT NOT NULL,
    not_before MICROS NOT NULL,
    started MICROS NOT NULL,
    ended MICROS,
    duration_ms COUNT,
    status COUNT,
    error TEXT,
    retry_after TEXT,
    excerpt TEXT,
    PRIMARY KEY (delivery_id, number)
) STRICT;
