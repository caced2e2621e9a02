-- What a route is doing: the same for every process that works on this database.
CREATE TABLE health (
    scope TEXT NOT NULL PRIMARY KEY,
    body JSON NOT NULL,
    free_at MICROS NOT NULL DEFAULT 0
) STRICT;

ALTER TABLE attempts ADD COLUMN upstream TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN images COUNT NOT NULL DEFAULT 1;
ALTER TABLE attempts ADD COLUMN cost NANOS NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN ref TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN request_id TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN considered TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN trouble TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN duplicate COUNT NOT NULL DEFAULT 0;

CREATE INDEX attempts_sending ON attempts (upstream) WHERE outcome = 'sending';
CREATE INDEX attempts_ended ON attempts (ended) WHERE ended IS NOT NULL;
CREATE INDEX attempts_duplicate ON attempts (ended) WHERE duplicate = 1;
