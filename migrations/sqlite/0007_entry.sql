-- +goose Up

-- Whose home it is: what the directory calls that very entry (entryUUID and
-- its like, see factotum.directory.identity). Who is given the name of somebody
-- who was deleted has another one, and does not come into his calendars. It is
-- empty until the owner comes for the first time.
ALTER TABLE owners ADD COLUMN entry TEXT NOT NULL DEFAULT '';
