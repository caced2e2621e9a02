-- A task that waits for a route says since when and why; the sweep and the end of a break find such tasks by the index.
ALTER TABLE tasks ADD COLUMN waiting_since MICROS;
ALTER TABLE tasks ADD COLUMN waiting_reason TEXT;
CREATE INDEX tasks_waiting ON tasks (due) WHERE state = 'queued' AND waiting_since IS NOT NULL;

-- 1: a call had been sent by then. NULL in rows of earlier versions, where every claimed task counted as sent.
ALTER TABLE task_steps ADD COLUMN sent COUNT;
