-- oldest program: 0.3.0
-- A piece of SQLite's index of which a tenth was deleted would be written anew within a commit that deletes, some 200 ms
-- of it. The program merges pieces by itself, a few pages at a time.
-- only sqlite
INSERT INTO TaskGrams (TaskGrams, rank) VALUES ('automerge', 0);
INSERT INTO TaskGrams (TaskGrams, rank) VALUES ('deletemerge', 30);
