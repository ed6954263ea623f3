package sqlstore_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"factotum/migrations"
)

// BenchmarkMigrate is how fast migrations 5 and 6 go through what is there, texts and
// rows: "calserver upgrade check" reckons with less than that (cmd/internal/upgrade).
func BenchmarkMigrate(b *testing.B) {
	const n = 50_000
	for b.Loop() {
		b.StopTimer()
		db, err := sql.Open("sqlite3", "file:"+filepath.Join(b.TempDir(), "calendar.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
		if err != nil {
			b.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		if _, err := migrations.UpTo(b.Context(), migrations.SQLite, db, 4, nil); err != nil {
			b.Fatal(err)
		}
		tx, err := db.Begin()
		if err != nil {
			b.Fatal(err)
		}
		text := fmt.Appendf(nil, "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nCLASS:PRIVATE\r\nDESCRIPTION:%0900d\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", 0)
		for _, q := range []string{
			"INSERT INTO bodies (id, owner, data) SELECT x, 'anna', $2 FROM n",
			`INSERT INTO objects (owner, cal, name, change, scheduletag, created, modified, deleted, body, size, occhash, private, uid, component, contenttype, runs, occ)
SELECT 'anna', 1, 'o' || x, x, 0, 0, 0, 0, x, length($2), 0, 0, 'u' || x, 'VEVENT', '', 0, x'' FROM n`,
		} {
			if _, err := tx.Exec("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x < $1) "+q, n, text); err != nil {
				b.Fatalf("%s: %v", q, err)
			}
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if _, err := migrations.UpTo(b.Context(), migrations.SQLite, db, 6, nil); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		db.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
}
