package sqlstore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"factotum/store/sqlstore"
	"factotum/store/storetest/pgtest"
)

func TestZZ(t *testing.T) {
	cpu := func() time.Duration {
		var r syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &r)
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	meas := func(name string, n int, f func()) {
		f()
		c, w := cpu(), time.Now()
		for range n {
			f()
		}
		fmt.Println(name, "cpu", (cpu()-c)/time.Duration(n), "wall", time.Since(w)/time.Duration(n))
	}
	open := func(dir string) {
		s, err := sqlstore.OpenSQLite(context.Background(), dir, sqlstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	meas("sqlite fresh", 20, func() { open(t.TempDir()) })
	was := t.TempDir()
	open(was)
	data, _ := os.ReadFile(filepath.Join(was, "calendar.db"))
	meas("sqlite copied", 20, func() {
		d := t.TempDir()
		os.WriteFile(filepath.Join(d, "calendar.db"), data, 0o600)
		open(d)
	})
	pg := func(dsn string) {
		s, err := sqlstore.OpenPostgres(context.Background(), dsn, sqlstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	tmpl := pgtest.Start(t)
	pg(tmpl)
	meas("pg create", 6, func() { pgtest.Start(t) })
	meas("pg create+open", 6, func() { pg(pgtest.Start(t)) })
	meas("pg clone", 6, func() { pgtest.Clone(t, tmpl) })
	meas("pg clone+open", 6, func() { pg(pgtest.Clone(t, tmpl)) })
}
