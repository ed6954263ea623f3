-- +goose Up

-- What is still to be done because of a change: each row is written in the
-- change's transaction, and deleted in another one when it is done; parked ones
-- were given up and wait for an administrator. The daemon that owns the store
-- reads the table once, at its start, and knows from then on what is due and
-- when. So there is no index by due, which every write would have to pay for,
-- and the table is as long as what is pending. The payload comes last: the
-- walk at the start does not read it.
CREATE TABLE jobs (
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
	payload  BLOB    NOT NULL,
	PRIMARY KEY (owner, change, seq)
) WITHOUT ROWID;
