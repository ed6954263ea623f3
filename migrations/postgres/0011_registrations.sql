-- +goose Up

-- Who is told of what changes in a home: addresses of push services, and of
-- webhooks (calendar.RegistrationRow). They are kept with the calendars that they
-- are about, so that what follows from a change is stored with it.
CREATE TABLE registrations (
	owner   TEXT COLLATE "C" NOT NULL,
	id      TEXT COLLATE "C" NOT NULL, -- drawn at random
	kind    TEXT             NOT NULL,
	cal     BIGINT           NOT NULL, -- the id of a calendar, 0: the whole home
	expires BIGINT           NOT NULL, -- 0: never
	detail  TEXT             NOT NULL, -- the rest, as JSON
	PRIMARY KEY (owner, id)
);

-- Which kinds of registrations a home has, as bits: a write where there are none
-- reads no more than this row, which it reads anyway.
ALTER TABLE owners ADD COLUMN registered INTEGER NOT NULL DEFAULT 0;
