-- Keys that work from some addresses only, and keys that are gone from every list. NULL means any address.
ALTER TABLE api_keys ADD COLUMN ips JSON;
ALTER TABLE api_keys ADD COLUMN deleted MICROS;

-- Hold and release lines of an account's statement, newest first.
CREATE INDEX holds_created ON holds (account_id, created, task_id);
CREATE INDEX holds_closed ON holds (account_id, closed, task_id);
