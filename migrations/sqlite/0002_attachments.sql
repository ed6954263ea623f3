-- +goose Up

-- Files that clients sent along with events and tasks, each with the object
-- that refers to it. A copy of an object has copies of its files: they are few.
--
-- An ordinary table, since WITHOUT ROWID would drag the data through the key.
CREATE TABLE attachments (
	owner       TEXT   NOT NULL,
	cal         BIGINT NOT NULL,
	name        TEXT   NOT NULL, -- of the object
	id          TEXT   NOT NULL,
	clientid    TEXT   NOT NULL,
	file        TEXT   NOT NULL,
	contenttype TEXT   NOT NULL,
	size        BIGINT NOT NULL,
	created     BIGINT NOT NULL,
	data        BLOB   NOT NULL,
	PRIMARY KEY (owner, cal, name, id)
);

-- The address of a file has the owner and the id only; and the size, for the
-- sum that the quota asks for.
CREATE INDEX attachments_id ON attachments (owner, id, size);
