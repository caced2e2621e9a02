-- A small picture of a task's first result outlives the result. NULL: the task has none.
ALTER TABLE tasks ADD COLUMN thumbnail_expires MICROS;
