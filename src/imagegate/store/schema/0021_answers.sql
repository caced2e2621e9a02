-- oldest program: 0.2.0
-- Answers that are owed on the OpenAI surface: one for each task that was submitted there without an Idempotency-Key, in
-- the same commit. A request whose answer was lost comes again, and finds its task by the fingerprint. `joined` has a bit
-- for each retry count that has joined the task, `joins` numbers the joins. A connection to the process `owner` waits for
-- the answer; several processes believe each other until `live_until`, which is renewed. `ended` is when the answer was
-- written or broke off. No foreign key: rows are purged by their age, and programs of before this file purge tasks.
CREATE TABLE answers (
    task_id ID NOT NULL PRIMARY KEY,
    key_id ID NOT NULL,
    fingerprint TEXT NOT NULL,
    created MICROS NOT NULL,
    owner TEXT NOT NULL,
    live_until MICROS NOT NULL,
    joins COUNT NOT NULL DEFAULT 0,
    joined COUNT NOT NULL DEFAULT 0,
    ended MICROS,
    delivered COUNT NOT NULL DEFAULT 0
) STRICT;

-- Delivered ones are looked at only by requests that say that they are a repeat.
CREATE INDEX answers_of_request ON answers (key_id, fingerprint, delivered, created);
CREATE INDEX answers_by_age ON answers (created);
