-- Limits of a key: requests per minute, tasks that are carried out side by side, nanos held at a time. NULL: no limit.
ALTER TABLE api_keys ADD COLUMN rate_per_minute COUNT CHECK (rate_per_minute > 0);
ALTER TABLE api_keys ADD COLUMN concurrent_tasks COUNT CHECK (concurrent_tasks > 0);
ALTER TABLE api_keys ADD COLUMN in_flight_cap NANOS CHECK (in_flight_cap >= 0);

CREATE INDEX api_keys_taking_turns ON api_keys (account_id) WHERE concurrent_tasks IS NOT NULL;
CREATE INDEX tasks_of_key ON tasks (key_id, due) WHERE state IN ('queued', 'running', 'finalizing');

-- When each bucket of requests is whole again. Only engines that several processes share use it.
CREATE TABLE rates (
    bucket TEXT NOT NULL PRIMARY KEY,
    whole_at MICROS NOT NULL
) STRICT;
