package standby

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/archive"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// direct asks the other host without a network.
type direct struct{ to calendar.Twin }

func (d *direct) Standby(ctx context.Context, req calendar.StandbyRequest) (calendar.StandbyAnswer, error) {
	return d.to.Standby(ctx, req)
}

// BenchmarkPut stores objects of a kilobyte, each writer in a home of his own: without a standby, with one that gets them later, and with one that has them first. Its database is
// in memory, since two files that are synced in turn on one disk cost each other more than two disks do.
func BenchmarkPut(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		for _, how := range []string{"none", "later", "first"} {
			b.Run(fmt.Sprintf("writers=%d/standby=%s", writers, how), func(b *testing.B) { benchPut(b, writers, how) })
		}
	}
}

func benchPut(b *testing.B, writers int, how string) {
	ctx, end := context.WithCancel(b.Context())
	defer end()
	open := func(dir string) (string, *sqlstore.Store) {
		s, err := sqlstore.OpenSQLite(ctx, dir, sqlstore.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		return dir, s
	}
	dir, store := open(fresh.Dir(b))
	keeper, err := archive.Open(ctx, store, archive.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(keeper.Close)
	if how != "none" {
		memory, err := os.MkdirTemp("/dev/shm", "standby")
		if err != nil {
			b.Skip("the standby needs a file system in memory: ", err)
		}
		b.Cleanup(func() { os.RemoveAll(memory) })
		other, copied := open(memory)
		d := &direct{NewPassive(State{Epoch: 1}, Options{Host: "b", Peer: "a", Dir: other, Store: copied, Over: func(error) {}})}
		a := NewActive(State{Epoch: 1, Active: true}, Options{Host: "a", Peer: "b", Dir: dir, Store: store, Sync: how == "first", Over: func(error) {}, Dial: func() (calendar.Twin, error) { return d, nil }})
		store.BeforeCommit(a.Before)
		keeper.Ships()
		done := make(chan struct{})
		go func() { defer close(done); a.Run(ctx) }()
		defer func() { end(); <-done }()
		for st := a.Status(); !st.Ready(); st = a.Status() {
			time.Sleep(10 * time.Millisecond)
		}
	}
	data := bytes.Repeat([]byte("x"), 1<<10)
	var n atomic.Int64
	b.SetParallelism(writers) // of GOMAXPROCS each: more wait than there are
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		owner := calendar.Owner(fmt.Sprint("o", n.Add(1)))
		for i := 0; pb.Next(); i++ {
			err := keeper.Store().Update(ctx, owner, func(tx calendar.Tx) error {
				change, err := tx.NextChange()
				if err != nil {
					return err
				}
				if i == 0 {
					if err := tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "c", Change: change}); err != nil {
						return err
					}
				}
				name := fmt.Sprint(i)
				return tx.PutIndexed(calendar.ObjectRow{Cal: 1, Name: name, UID: name, Component: "VEVENT", Change: change, Data: data, Size: len(data)}, nil)
			})
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}
