-- +goose Up

-- Jobs in an ordinary table: WITHOUT ROWID drags the payload through the key, so
-- that whatever looks for a job reads all of the long ones beside it.
CREATE TABLE jobs_rows (
	owner    TEXT    NOT NULL,
	change   BIGINT  NOT NULL,
	seq      INTEGER NOT NULL, -- among those of the same change
	kind     TEXT    NOT NULL,
	key      TEXT    NOT NULL, -- those of one owner and key are done in order
	due      BIGINT  NOT NULL,
	created  BIGINT  NOT NULL,
	attempts INTEGER NOT NULL,
	parked   INTEGER NOT NULL, -- 1: given up
	err      TEXT    NOT NULL, -- of the last attempt
	payload  BLOB    NOT NULL, -- last: the walk at the start does not read it
	PRIMARY KEY (owner, change, seq)
);

INSERT INTO jobs_rows SELECT owner, change, seq, kind, key, due, created, attempts, parked, err, payload FROM jobs;

DROP TABLE jobs;

ALTER TABLE jobs_rows RENAME TO jobs;
