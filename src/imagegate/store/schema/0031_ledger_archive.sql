-- oldest program: 0.3.0
-- Months of the ledger whose lines are in a file: the row is written when the file is whole and on disk, before the
-- first of its lines is deleted. `completed` is when opening lines stood for all of them. Days count from 1970.
CREATE TABLE ledger_archives (
    month TEXT NOT NULL PRIMARY KEY,
    first_day COUNT NOT NULL,
    last_day COUNT NOT NULL,
    lines COUNT NOT NULL,
    bytes COUNT NOT NULL,
    sha256 TEXT NOT NULL,
    file TEXT NOT NULL,
    commit_id ID NOT NULL,
    created MICROS NOT NULL,
    completed MICROS
) STRICT;
