-- oldest program: 0.3.0
-- What PostgreSQL knows of the states of tasks is older than a backlog: it takes the queue for empty and any index with
-- 'queued' in its condition for as good, and then sorts the whole backlog for each claim and each page of a list. No
-- other index has this form.
-- only postgres
CREATE INDEX tasks_claimable ON tasks (account_id, due) WHERE (state || '') = 'queued' AND waiting_for_slot = 0;
DROP INDEX tasks_due;
DROP INDEX tasks_unfinished;
CREATE INDEX tasks_unfinished ON tasks (account_id, created, id)
    WHERE (state || '') IN ('queued', 'running') AND deleted IS NULL;
