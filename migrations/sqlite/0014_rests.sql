-- +goose Up

-- What was deleted at once and is much: nobody sees its rows any more, and they go in
-- pieces. A row is there until the last of them has gone.
CREATE TABLE rests (
	owner   TEXT    NOT NULL,
	cal     BIGINT  NOT NULL, -- of a calendar, 0: of the history, or of all of the home
	change  BIGINT  NOT NULL, -- that deleted the calendar; up to which tombstones or the history go; 0: all of the home
	keeps   INTEGER NOT NULL, -- 1: objects and files go to the history, with what follows; 2: tombstones go, from seq to at
	seq     BIGINT  NOT NULL, -- of the last version there
	at      BIGINT  NOT NULL,
	actor   TEXT    NOT NULL,
	how     TEXT    NOT NULL,
	calname TEXT    NOT NULL, -- with tombstones the last name that was looked at
	PRIMARY KEY (owner, cal, change)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE rests;
