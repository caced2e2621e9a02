-- Who is signed in at the page. Only the hash of a session's id is kept; ended sessions are forgotten by the sweep.
CREATE TABLE sessions (
    digest TEXT NOT NULL PRIMARY KEY,
    account_id ID NOT NULL REFERENCES accounts (id),
    key_id ID NOT NULL REFERENCES api_keys (id),
    created MICROS NOT NULL,
    seen MICROS NOT NULL,
    expires MICROS NOT NULL
) STRICT;

CREATE INDEX sessions_of_key ON sessions (account_id, key_id);
CREATE INDEX sessions_ended ON sessions (seen);
