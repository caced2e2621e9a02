-- oldest program: 0.3.0
-- Since when an account is closed; NULL while it is open. A closed one has no live key, and what had not been sent for it
-- when it was closed is cancelled.
ALTER TABLE accounts ADD COLUMN closed MICROS;

-- The accounts whose unsent tasks are still to be ended are looked for again and again.
CREATE INDEX accounts_closed_with_work ON accounts (id) WHERE closed IS NOT NULL AND unfinished > 0;

-- What was done with one account, and acts of one kind, newest first.
CREATE INDEX audit_account ON audit (account_id, created, id);
CREATE INDEX audit_action ON audit (action, created, id);
