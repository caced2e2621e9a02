-- Uploads. `files` counts the files that an account keeps, so that one statement can bound them.
ALTER TABLE accounts ADD COLUMN files COUNT NOT NULL DEFAULT 0 CHECK (files >= 0);

-- The bytes are an asset of kind 'upload'. `given_name` is set where the sender named the file: such a file replaces
-- an older one of its path and name. `counted` is 1 until the file is removed or found expired.
CREATE TABLE files (
    id ID NOT NULL PRIMARY KEY,
    account_id ID NOT NULL REFERENCES accounts (id),
    asset_id ID NOT NULL UNIQUE REFERENCES assets (id),
    secret TEXT NOT NULL UNIQUE,
    file_name TEXT NOT NULL,
    original_name TEXT NOT NULL,
    given_name TEXT,
    upload_path TEXT NOT NULL,
    counted COUNT NOT NULL DEFAULT 1 CHECK (counted IN (0, 1)),
    created MICROS NOT NULL,
    expires MICROS NOT NULL,
    removed MICROS
) STRICT;

CREATE INDEX files_counted ON files (account_id, expires) WHERE counted = 1;
CREATE UNIQUE INDEX files_given ON files (account_id, upload_path, given_name) WHERE counted = 1;
CREATE INDEX files_newest ON files (account_id, created, id);
