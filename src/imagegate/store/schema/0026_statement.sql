-- oldest program: 0.3.0
-- Statements: lines of rare kinds are found without passing the charges between them, and what was held at a line of the
-- past is the sum of few holds.
CREATE INDEX entries_rare ON entries (account, kind, created, id) WHERE kind IN ('grant', 'adjustment', 'refund');

DROP INDEX holds_open;
CREATE INDEX holds_open ON holds (account_id, created, task_id, amount) WHERE state = 'open';

-- Holds that lasted longer than 10 minutes, 2 hours, a day; and those that a clock set back closed before it made them.
CREATE INDEX holds_over_10_minutes ON holds (account_id, closed, created, task_id, amount)
WHERE closed - created > 600000000;
CREATE INDEX holds_over_2_hours ON holds (account_id, closed, created, task_id, amount)
WHERE closed - created > 7200000000;
CREATE INDEX holds_over_a_day ON holds (account_id, closed, created, task_id, amount)
WHERE closed - created > 86400000000;
CREATE INDEX holds_backwards ON holds (account_id, created, closed, task_id, amount) WHERE closed < created;
