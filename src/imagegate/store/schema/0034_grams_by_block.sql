-- oldest program: 0.3.0
-- The words of each block of tasks are their own: the list of a word that is in every prompt would be merged in one go,
-- however long it is. And each time some pages are merged, all is read that says what is deleted: so pieces are merged
-- when a tenth of them is. The index is made anew behind the tasks.
-- only sqlite
DROP TRIGGER task_search_deleted;
DELETE FROM task_search;
INSERT INTO TaskGrams (TaskGrams) VALUES ('delete-all');
CREATE TRIGGER task_search_deleted AFTER DELETE ON task_search BEGIN
    DELETE FROM TaskGrams WHERE rowid = OLD.number;
END;
INSERT INTO TaskGrams (TaskGrams, rank) VALUES ('deletemerge', 10);
UPDATE search_progress SET created = 0, task_id = '', back_to = NULL, checked_created = 0, checked_id = '',
    checked_number = 0;
