-- oldest program: 0.2.0
-- From here on each migration says in its first line which program is the oldest that may work on the database after
-- it. Migrations without such a line are known to every program that reads this column.
ALTER TABLE migrations ADD COLUMN oldest_program TEXT NOT NULL DEFAULT '';

-- What belongs to the whole installation, by name. 'secret_check' is derived from the secret and tells it from others.
CREATE TABLE installation (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    created MICROS NOT NULL
) STRICT;
