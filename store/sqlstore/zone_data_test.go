package sqlstore_test

import (
	"bytes"
	"testing"
	"time"

	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// The rules of zones are listed in the order in which they came to be used, each once.
func TestZoneData(t *testing.T) {
	test := func(t *testing.T, s *sqlstore.Store) {
		at := func(n int64) time.Time { return time.Unix(n, 0).UTC() }
		put := func(z sqlstore.ZoneData) {
			t.Helper()
			if err := s.PutZoneData(t.Context(), z); err != nil {
				t.Fatal(err)
			}
		}
		put(sqlstore.ZoneData{ID: "b", Version: "2022e", Used: at(10), Followed: at(11), Repaired: at(12), Rules: []byte{0, 1, 2, 255}})
		put(sqlstore.ZoneData{ID: "a", Used: at(20), Rules: []byte("new")})
		list, err := s.ZoneData(t.Context())
		if err != nil || len(list) != 2 {
			t.Fatal(list, err)
		}
		if b := list[0]; b.ID != "b" || b.Version != "2022e" || !b.Used.Equal(at(10)) || !b.Followed.Equal(at(11)) || !b.Repaired.Equal(at(12)) || !bytes.Equal(b.Rules, []byte{0, 1, 2, 255}) {
			t.Errorf("%+v", b)
		}
		if a := list[1]; a.ID != "a" || !a.Followed.IsZero() || !a.Repaired.IsZero() || string(a.Rules) != "new" {
			t.Errorf("%+v", a)
		}
		put(sqlstore.ZoneData{ID: "b", Version: "2022e", Used: at(30), Rules: list[0].Rules}) // back to it
		if list, err = s.ZoneData(t.Context()); err != nil || len(list) != 2 || list[1].ID != "b" || !list[1].Followed.IsZero() {
			t.Errorf("%+v, %v", list, err)
		}
	}
	t.Run("SQLite", func(t *testing.T) { test(t, fresh.SQLite(t, sqlstore.Options{})) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, fresh.Postgres(t, sqlstore.Options{})) })
}
