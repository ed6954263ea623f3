package sqlstore

import (
	"context"
	"time"
)

// ZoneData is a release of the zone database that the store was used with.
type ZoneData struct {
	ID, Version string
	Used        time.Time // since when, the last time
	Followed    time.Time // when the time index had followed it; zero: not yet
	Repaired    time.Time // when the repair of all homes was done; zero: not yet
	Rules       []byte
}

const (
	sqlZoneData    = `SELECT id, version, used, followed, repaired, rules FROM zone_data ORDER BY used, id`
	sqlPutZoneData = `INSERT INTO zone_data (id, version, used, followed, repaired, rules) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET version = excluded.version, used = excluded.used, followed = excluded.followed, repaired = excluded.repaired`
)

// ZoneData lists the releases, the one in use last.
func (s *Store) ZoneData(ctx context.Context) (list []ZoneData, err error) {
	err = s.engine.read(ctx, func(c conn) error {
		list = list[:0]
		var z ZoneData
		var used, followed, repaired int64
		var rules []byte
		err := c.query(sqlZoneData, nil, func(r scanner) error {
			if err := r.scan(&z.ID, &z.Version, &used, &followed, &repaired, &rules); err != nil {
				return err
			}
			z.Used, z.Followed, z.Repaired, z.Rules = fromMicros(used), fromMicros(followed), fromMicros(repaired), append([]byte(nil), rules...)
			list = append(list, z)
			return nil
		})
		return wrap("list the rules of zones", err)
	})
	return list, err
}

// PutZoneData adds a release, or changes what is noted of it.
func (s *Store) PutZoneData(ctx context.Context, z ZoneData) error {
	return s.engine.write(ctx, func(c conn) error {
		return wrap("keep the rules of zones", c.exec(sqlPutZoneData, z.ID, z.Version, micros(z.Used), micros(z.Followed), micros(z.Repaired), z.Rules))
	})
}
