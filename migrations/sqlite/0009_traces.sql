-- +goose Up

-- The journal of each owner: the steps of scheduling messages and the decisions
-- of the server, oldest first by id (calendar.Trace). Only the reason's code is
-- read by programs.
CREATE TABLE traces (
	owner      TEXT    NOT NULL,
	id         BIGINT  NOT NULL, -- rises
	at         BIGINT  NOT NULL,
	message    TEXT    NOT NULL, -- owner/change/seq of its delivery, '' for a decision about none
	method     TEXT    NOT NULL,
	uid        TEXT    NOT NULL,
	summary    TEXT    NOT NULL,
	sender     TEXT    NOT NULL,
	recipients TEXT    NOT NULL, -- a line each
	step       INTEGER NOT NULL,
	reason     TEXT    NOT NULL,
	status     TEXT    NOT NULL,
	detail     TEXT    NOT NULL,
	actor      TEXT    NOT NULL,
	via        TEXT    NOT NULL,
	PRIMARY KEY (owner, id)
);

CREATE INDEX traces_uid ON traces (owner, uid, id) WHERE uid <> '';
