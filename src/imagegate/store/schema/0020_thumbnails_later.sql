-- oldest program: 0.2.0
-- Thumbnails are drawn after their task has ended. On a result: when its thumbnail may next be tried in the background,
-- which a try under way puts off; NULL where it is drawn, has failed for good, or was never wanted. Until it is NULL the
-- bytes stay. Results from before this file have what they have.
ALTER TABLE assets ADD COLUMN thumbnail_due MICROS;
ALTER TABLE assets ADD COLUMN thumbnail_tries COUNT NOT NULL DEFAULT 0;

-- What may be deleted is found without passing what waits for its thumbnail, however many rows that are.
DROP INDEX assets_expiring;
CREATE INDEX assets_expiring ON assets (expires) WHERE deleted IS NULL AND thumbnail_due IS NULL;
CREATE INDEX assets_without_thumbnail ON assets (expires) WHERE thumbnail_due IS NOT NULL;
