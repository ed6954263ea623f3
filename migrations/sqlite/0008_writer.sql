-- +goose Up

-- Who wrote the object, or deleted what a tombstone stands for: WCAP tells it
-- (X-NSCP-TRIGGERED_BY). It is empty for what was written before.
ALTER TABLE objects ADD COLUMN writer TEXT NOT NULL DEFAULT '';
