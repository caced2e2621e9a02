-- oldest program: 0.3.0
-- Which tasks can have a word in their prompt: an index of all groups of letters, made from the tasks behind their back
-- (search_index.py). Everything here can be made anew, and no copy of the database has it.

-- Tasks are numbered in the order of their lists: 2^40 numbers for each account.
CREATE TABLE search_accounts (
    account_id ID NOT NULL PRIMARY KEY REFERENCES accounts (id),
    number COUNT NOT NULL UNIQUE
) STRICT;

-- Programs of before this file delete tasks without knowing of it, so the row goes with its task by itself.
CREATE TABLE task_search (
    number COUNT NOT NULL PRIMARY KEY,
    task_id ID NOT NULL UNIQUE REFERENCES tasks (id) ON DELETE CASCADE
) STRICT;

-- The one row says how far the index goes: it has every task up to the position (created, task_id). Where one was missed
-- it is taken back to `back_to` first. The other columns are where the next look for such tasks begins, and for rows of
-- deleted ones.
CREATE TABLE search_progress (
    id COUNT NOT NULL PRIMARY KEY CHECK (id = 1),
    created MICROS NOT NULL,
    task_id TEXT NOT NULL,
    back_to MICROS,
    checked_created MICROS NOT NULL,
    checked_id TEXT NOT NULL,
    checked_number COUNT NOT NULL
) STRICT;

INSERT INTO search_progress VALUES (1, 0, '', NULL, 0, '', 0);

-- The capital letters keep programs up to 0.6.0 from reading its tables, which have no rowid, after a crash.
-- only sqlite
CREATE VIRTUAL TABLE TaskGrams USING fts5 (
    grams, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);
CREATE TRIGGER task_search_deleted AFTER DELETE ON task_search BEGIN
    DELETE FROM TaskGrams WHERE rowid = OLD.number;
END;
-- only postgres
CREATE TABLE TaskGrams (
    number BIGINT NOT NULL PRIMARY KEY REFERENCES task_search (number) ON DELETE CASCADE,
    grams INTEGER[] NOT NULL
);
-- Without a list of what is still to be sorted in, which every search would have to read through.
CREATE INDEX task_grams ON TaskGrams USING gin (grams) WITH (fastupdate = off);
