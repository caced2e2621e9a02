-- Ledger lines outlive their tasks: what a charge was for stands in the line itself. Lines from before this file are
-- given what their tasks say; from here on no statement changes a line again.
ALTER TABLE entries ADD COLUMN model TEXT;
ALTER TABLE entries ADD COLUMN key_id ID;
ALTER TABLE entries ADD COLUMN price_version TEXT;
ALTER TABLE entries ADD COLUMN images COUNT;

UPDATE entries SET
    model = (SELECT t.model FROM tasks t WHERE t.id = entries.task_id),
    key_id = (SELECT t.key_id FROM tasks t WHERE t.id = entries.task_id),
    price_version = (SELECT t.price_version FROM tasks t WHERE t.id = entries.task_id),
    images = (SELECT COUNT(*) FROM assets a WHERE a.task_id = entries.task_id AND a.kind = 'result')
WHERE task_id IS NOT NULL;

-- What the purge looks for.
CREATE INDEX idempotency_task ON idempotency (task_id);
CREATE INDEX files_old ON files (expires);
CREATE INDEX deliveries_alone ON deliveries (closed) WHERE task_id IS NULL;
