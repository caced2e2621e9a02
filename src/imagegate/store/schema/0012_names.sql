-- Every table and column gets the field's name, a task that waits for a slot of its key says so in a column of its own,
-- and the state 'finalizing', which no version ever entered, ends. Rows and JSON bodies stay as they are.

ALTER TABLE accounts RENAME COLUMN hook_version TO webhook_secret_version;
ALTER TABLE accounts RENAME COLUMN hook_rotated TO webhook_secret_rotated;
ALTER TABLE accounts RENAME COLUMN files TO file_count;
ALTER TABLE api_keys RENAME COLUMN shown TO hint;
ALTER TABLE tasks RENAME COLUMN cancel_wished TO cancel_requested;
ALTER TABLE tasks RENAME COLUMN sent TO first_sent;
ALTER TABLE steps RENAME TO task_steps;
ALTER TABLE attempts RENAME COLUMN trouble TO failure_kind;
ALTER TABLE hook_hosts RENAME TO webhook_hosts;
ALTER TABLE webhook_hosts RENAME COLUMN parked TO suspended;
ALTER TABLE deliveries RENAME COLUMN tried TO round_attempts;
ALTER TABLE rates RENAME TO rate_buckets;
ALTER TABLE rate_buckets RENAME COLUMN whole_at TO full_at;
ALTER TABLE health RENAME TO route_health;
ALTER TABLE route_health RENAME COLUMN free_at TO full_at;
ALTER TABLE fetched RENAME TO fetch_budgets;
ALTER TABLE fetch_budgets RENAME COLUMN bytes TO fetched_bytes;
ALTER TABLE fetch_budgets RENAME COLUMN held TO reserved_bytes;
ALTER TABLE refunds RENAME COLUMN once TO idempotency_key;
ALTER TABLE sessions RENAME COLUMN seen TO last_used;

-- It was a lock and never the health of anything; the lock is now the database's own.
DELETE FROM route_health WHERE scope = 'sys:repeats';

-- The CHECK of tasks.state still allows the word: SQLite can change a CHECK only by building the table anew, and
-- dropping a table of millions of rows to which five others refer is a greater risk than a word that nothing writes.
UPDATE tasks SET state = 'running' WHERE state = 'finalizing';
UPDATE task_steps SET state = 'running' WHERE state = 'finalizing';

-- 1: another task of its key, which limits concurrent_tasks, has to end first. Such a task used to be due 2^61 later.
ALTER TABLE tasks ADD COLUMN waiting_for_slot COUNT NOT NULL DEFAULT 0 CHECK (waiting_for_slot IN (0, 1));
UPDATE tasks SET waiting_for_slot = 1, due = due - 2305843009213693952
WHERE state IN ('queued', 'running') AND due >= 2305843009213693952;

DROP INDEX tasks_due;
DROP INDEX tasks_leased;
DROP INDEX tasks_deadline;
DROP INDEX tasks_of_key;
DROP INDEX api_keys_taking_turns;
CREATE INDEX tasks_due ON tasks (account_id, due) WHERE state = 'queued' AND waiting_for_slot = 0;
CREATE INDEX tasks_leased ON tasks (lease_until) WHERE state = 'running';
CREATE INDEX tasks_deadline ON tasks (deadline) WHERE state IN ('queued', 'running');
CREATE INDEX tasks_of_key ON tasks (key_id, waiting_for_slot, due) WHERE state IN ('queued', 'running');
CREATE INDEX api_keys_with_slots ON api_keys (account_id) WHERE concurrent_tasks IS NOT NULL;
