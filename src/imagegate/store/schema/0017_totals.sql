-- oldest program: 0.2.0
-- Totals that grow with all that was ever done are read from an index alone: milliseconds where the rows took seconds.

-- What an account was charged less refunds.
CREATE INDEX entries_used ON entries (account, kind, amount) WHERE kind IN ('charge', 'refund');

-- How many tasks have ended, for the metrics.
CREATE INDEX tasks_ended_state ON tasks (state) WHERE state IN ('completed', 'failed');
