-- +goose Up

-- Every table leads with the owner: a home is read and written by its owner's
-- key alone, so the same shape shards (see postgres/). Times are microseconds
-- since 1970 in UTC, 0 for "none"; occurrences count seconds.
--
-- WITHOUT ROWID where rows are small and always found by the whole key: the
-- row lies in the key's own tree, so that one descent finds it.

-- One row for each home. change is the counter that ETag, CTag and sync-token
-- are spelled from; tombstones of calendars up to purged are gone. bytes and
-- objects are sums over the live objects, kept by every write so that quota and
-- statistics never count rows.
CREATE TABLE owners (
	owner   TEXT    NOT NULL,
	change  BIGINT  NOT NULL,
	created BIGINT  NOT NULL,
	purged  BIGINT  NOT NULL,
	bytes   BIGINT  NOT NULL,
	objects BIGINT  NOT NULL,
	PRIMARY KEY (owner)
) WITHOUT ROWID;

-- A calendar and, with deleted > 0, its tombstone for the sync of the home.
-- The key is the incarnation: a calendar made again under an old name is
-- another row. The numbers that each write stamps come first, long texts
-- last, so that a stamp rewrites the head of the row in place.
CREATE TABLE calendars (
	owner       TEXT    NOT NULL,
	id          BIGINT  NOT NULL,
	change      BIGINT  NOT NULL,
	modified    BIGINT  NOT NULL,
	metachange  BIGINT  NOT NULL,
	purged      BIGINT  NOT NULL,
	deleted     BIGINT  NOT NULL,
	created     BIGINT  NOT NULL,
	flags       INTEGER NOT NULL, -- 1 plain collection, 2 transparent, 4 no double booking
	name        TEXT    NOT NULL,
	displayname TEXT    NOT NULL,
	color       TEXT    NOT NULL,
	sortorder   TEXT    NOT NULL,
	tzid        TEXT    NOT NULL,
	components  TEXT    NOT NULL,
	charset     TEXT    NOT NULL,
	language    TEXT    NOT NULL,
	coowners    TEXT    NOT NULL,
	acl         TEXT    NOT NULL,
	categories  TEXT    NOT NULL,
	description TEXT    NOT NULL,
	timezone    TEXT    NOT NULL,
	PRIMARY KEY (owner, id)
) WITHOUT ROWID;

-- A name belongs to one living calendar; every request finds its calendar here.
CREATE UNIQUE INDEX calendars_name ON calendars (owner, name) WHERE deleted = 0;

-- Calendars deleted since a change number (sync of the home). Tombstones only:
-- living calendars cost it nothing.
CREATE INDEX calendars_gone ON calendars (owner, change) WHERE deleted > 0;

-- What is known of an object without its text, in the order in which PROPFIND
-- lists it. With deleted > 0 it is a tombstone, which keeps uid, component and
-- body. body is the key of its text in bodies. occ is the packed list of its
-- occurrences, from which the keys of its rows there follow, runs their number.
CREATE TABLE objects (
	owner       TEXT    NOT NULL,
	cal         BIGINT  NOT NULL,
	name        TEXT    NOT NULL,
	change      BIGINT  NOT NULL,
	scheduletag BIGINT  NOT NULL,
	created     BIGINT  NOT NULL,
	modified    BIGINT  NOT NULL,
	deleted     BIGINT  NOT NULL,
	body        BIGINT  NOT NULL,
	size        BIGINT  NOT NULL,
	occhash     BIGINT  NOT NULL,
	private     INTEGER NOT NULL,
	uid         TEXT    NOT NULL,
	component   TEXT    NOT NULL,
	contenttype TEXT    NOT NULL,
	runs        INTEGER NOT NULL,
	occ         BLOB    NOT NULL,
	PRIMARY KEY (owner, cal, name)
) WITHOUT ROWID;

-- One living object for a UID in a calendar (RFC 4791 §4.1); iTIP and WCAP
-- find objects by UID. Files of plain collections have none.
CREATE UNIQUE INDEX objects_uid ON objects (owner, cal, uid) WHERE deleted = 0 AND uid <> '';

-- sync-collection (RFC 6578) and WCAP's fetch of what changed walk from a
-- change number upwards: their cost follows the changes, not the calendar. The
-- condition is always true and only those queries state it: a planner without
-- statistics must not take this index for its prefix when it looks for a name.
CREATE INDEX objects_change ON objects (owner, cal, change) WHERE change > 0;

-- The purge finds old tombstones without reading living objects.
CREATE INDEX objects_gone ON objects (owner, cal, deleted) WHERE deleted > 0;

-- The texts, octet for octet as they came. Apart from objects, so that a walk
-- over metadata reads no text. Ids are made by the application in rising
-- order and are SQLite's own row numbers: a new text is appended to the last
-- page instead of being placed by name among all others.
CREATE TABLE bodies (
	id    INTEGER PRIMARY KEY,
	owner TEXT NOT NULL,
	data  BLOB NOT NULL
);

-- The time index: a row (a run) for the instances of an object that lie close
-- together, packed in more unless it is a single one, and one (a tail) for the
-- open rest of a series. It can be rebuilt from the texts at any time.
--
-- A b-tree cannot search for overlaps, but it can when durations are bounded:
-- what overlaps [from,to) and lasts no longer than d starts in [from-d,to). So
-- rows are kept in classes: cls 0 up to 25 hours (a day of the autumn change),
-- 1 up to 100 days, 2 longer ones and tails. A range is three scans of the key;
-- only the few rows of class 2 are read from the beginning. There is no index
-- by name, which would double the cost of a write: objects.occ knows the keys.
CREATE TABLE occurrences (
	owner    TEXT    NOT NULL,
	cal      BIGINT  NOT NULL,
	cls      INTEGER NOT NULL,
	start_at BIGINT  NOT NULL,
	name     TEXT    NOT NULL,
	seq      INTEGER NOT NULL,
	end_at   BIGINT  NOT NULL,
	flags    INTEGER NOT NULL,
	more     BLOB    NOT NULL,
	PRIMARY KEY (owner, cal, cls, start_at, name, seq)
) WITHOUT ROWID;

-- Dead properties (RFC 4918 §4.1) of a calendar (name '') or an object.
CREATE TABLE props (
	owner TEXT   NOT NULL,
	cal   BIGINT NOT NULL,
	name  TEXT   NOT NULL,
	space TEXT   NOT NULL,
	local TEXT   NOT NULL,
	value TEXT   NOT NULL,
	PRIMARY KEY (owner, cal, name, space, local)
) WITHOUT ROWID;

-- Preferences of the owner as a user.
CREATE TABLE prefs (
	owner TEXT NOT NULL,
	name  TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (owner, name)
) WITHOUT ROWID;

-- Outcomes of writes that carried a request token, for their repetition. The
-- table stays small (an hour's worth), so the purge may read all of it.
CREATE TABLE tokens (
	owner  TEXT   NOT NULL,
	token  TEXT   NOT NULL,
	made   BIGINT NOT NULL,
	result BLOB   NOT NULL,
	PRIMARY KEY (owner, token)
) WITHOUT ROWID;
