-- +goose Up

-- What writes have replaced and deleted (calendar.HistoryRow): a row for each
-- version that came to its end, which needs no other row. A calendar that was
-- deleted has one of its own, with its properties as JSON, and one for each object
-- and file that went with it. The order is that of change and seq; at never goes
-- backwards in it. size is what the row counts for in owners.history.
CREATE TABLE history (
	owner       TEXT    NOT NULL,
	change      BIGINT  NOT NULL, -- that ended it
	seq         BIGINT  NOT NULL, -- of the rows of one change
	at          BIGINT  NOT NULL,
	ending      INTEGER NOT NULL,
	actor       TEXT    NOT NULL, -- who ended it
	how         TEXT    NOT NULL, -- by what: protocol, change that it undoes, client
	cal         BIGINT  NOT NULL,
	calname     TEXT    NOT NULL,
	dest        TEXT    NOT NULL, -- where it was moved to
	name        TEXT    NOT NULL, -- '' for the calendar itself
	uid         TEXT    NOT NULL, -- of a file its id
	component   TEXT    NOT NULL,
	since       BIGINT  NOT NULL, -- the change that made the version
	version     BIGINT  NOT NULL, -- its number in ETags
	created     BIGINT  NOT NULL,
	modified    BIGINT  NOT NULL,
	private     INTEGER NOT NULL,
	contenttype TEXT    NOT NULL,
	writer      TEXT    NOT NULL,
	origin      TEXT    NOT NULL, -- how it was made, as in how
	size        BIGINT  NOT NULL,
	props       TEXT    NOT NULL, -- dead properties as JSON, '' for none
	data        BLOB    NOT NULL,
	PRIMARY KEY (owner, change, seq)
);

-- What happened to one UID, and where the file with an id is.
CREATE INDEX history_uid ON history (owner, uid, change, seq) WHERE uid <> '';

-- What happened in one calendar; with the name, so that an object is found
-- without reading the rows of others. The condition is always true, and only
-- those questions state it: others are not to take this index for their own.
CREATE INDEX history_cal ON history (owner, cal, change, seq, name) WHERE cal <> 0;

-- Calendars that were deleted, and nothing else.
CREATE INDEX history_gone ON history (owner, change) WHERE name = '';

-- The sum of size over the rows, the time of the last one, and from when on
-- nothing is missing: 0 is from the beginning, and homes of earlier releases had a
-- life before.
ALTER TABLE owners ADD COLUMN history BIGINT NOT NULL DEFAULT 0;
ALTER TABLE owners ADD COLUMN historyat BIGINT NOT NULL DEFAULT 0;
ALTER TABLE owners ADD COLUMN historyfrom BIGINT NOT NULL DEFAULT 0;
UPDATE owners SET historyfrom = 1000000 * cast(strftime('%s', 'now') AS INTEGER);

-- The change that made an object's text, and by what protocol and client: change
-- rises too when the server notes what became of messages.
ALTER TABLE objects ADD COLUMN since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE objects ADD COLUMN origin TEXT NOT NULL DEFAULT '';

-- +goose Down
DROP TABLE history;
ALTER TABLE owners DROP COLUMN history;
ALTER TABLE owners DROP COLUMN historyat;
ALTER TABLE owners DROP COLUMN historyfrom;
ALTER TABLE objects DROP COLUMN since;
ALTER TABLE objects DROP COLUMN origin;
