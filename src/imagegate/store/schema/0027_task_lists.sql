-- oldest program: 0.3.0
-- Lists of tasks: one index for each kind of list, newest first, without the tasks that their account deleted. SQLite is
-- told by name which one to take. What is not in an index is tested on a bounded number of candidates.
CREATE INDEX tasks_listed ON tasks (account_id, created, id) WHERE deleted IS NULL;
DROP INDEX tasks_newest;

CREATE INDEX tasks_listed_of_all ON tasks (created, id) WHERE deleted IS NULL;
DROP INDEX tasks_newest_of_all;

CREATE INDEX tasks_by_model ON tasks (account_id, model, created, id) WHERE deleted IS NULL;

CREATE INDEX tasks_unfinished ON tasks (account_id, created, id)
    WHERE state IN ('queued', 'running') AND deleted IS NULL;
CREATE INDEX tasks_completed ON tasks (account_id, created, id) WHERE state = 'completed' AND deleted IS NULL;
CREATE INDEX tasks_failed ON tasks (account_id, created, id)
    WHERE state = 'failed' AND substr(error, 1, 27) <> '{"code":"request_cancelled"' AND deleted IS NULL;
CREATE INDEX tasks_cancelled ON tasks (account_id, created, id)
    WHERE state = 'failed' AND substr(error, 1, 27) = '{"code":"request_cancelled"' AND deleted IS NULL;

-- The failed and cancelled tasks of all accounts, for operators: few among many, and what they look for.
CREATE INDEX tasks_failed_of_all ON tasks (created, id) WHERE state = 'failed' AND deleted IS NULL;
