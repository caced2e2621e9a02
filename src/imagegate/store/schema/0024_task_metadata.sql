-- oldest program: 0.3.0
-- What an account notes on its tasks: one row for each key, so that the row of an ended task stays as it is. Programs of
-- before this file purge tasks without knowing of it, so the rows go with their task by themselves.
CREATE TABLE task_metadata (
    task_id ID NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    account_id ID NOT NULL REFERENCES accounts (id),
    PRIMARY KEY (task_id, name)
) STRICT;

CREATE INDEX task_metadata_value ON task_metadata (account_id, name, value, task_id);

-- The tasks whose metadata says starred: "true". They are not purged, and thumbnails that had not ended at `since` end at
-- 2^62: never.
CREATE TABLE starred_tasks (
    task_id ID NOT NULL PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
    account_id ID NOT NULL REFERENCES accounts (id),
    since MICROS NOT NULL
) STRICT;

CREATE INDEX starred_tasks_account ON starred_tasks (account_id);

-- When its account deleted an ended task: nothing shows it any more, its order has no words left and its bytes have
-- expired. The row stays until the purge, for what the task cost.
ALTER TABLE tasks ADD COLUMN deleted MICROS;

-- The tasks of all accounts, newest first, for operators.
CREATE INDEX tasks_newest_of_all ON tasks (created, id);
