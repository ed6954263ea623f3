-- +goose Up

-- The rules of time zones that the store was used with, each release once, so that
-- the events can be found that meant another hour by an older one. docs/time-zones.md.
CREATE TABLE zone_data (
	id       TEXT   NOT NULL, -- a digest of all rules
	version  TEXT   NOT NULL, -- of the zone database, "" if it does not say
	used     BIGINT NOT NULL, -- since when, the last time
	followed BIGINT NOT NULL, -- when the time index had followed, 0: not yet
	repaired BIGINT NOT NULL, -- when csdst had gone through all homes, 0: not yet
	rules    BLOB   NOT NULL, -- recur.Rules
	PRIMARY KEY (id)
);

-- +goose Down
DROP TABLE zone_data;
