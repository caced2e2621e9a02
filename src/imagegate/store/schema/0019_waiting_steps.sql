-- oldest program: 0.2.0
-- Why the task waited for a route after this step, and until when: events say it as queries do.
ALTER TABLE task_steps ADD COLUMN waiting_reason TEXT;
ALTER TABLE task_steps ADD COLUMN waiting_until MICROS;
