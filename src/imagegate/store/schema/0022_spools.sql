-- oldest program: 0.3.0
-- A spool belongs to the processes that see its folder. `spool` is the id of the folder that holds what a call delivered,
-- NULL where that can be had again for nothing; `spooled` says that it does. A task whose worker is gone waits for a
-- process with that spool until `spool_wait`; then what it bought counts as of unknown outcome.
ALTER TABLE attempts ADD COLUMN spool ID;
ALTER TABLE attempts ADD COLUMN spooled COUNT NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN spool_wait MICROS;
