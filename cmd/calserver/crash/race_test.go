package crash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"factotum/server/calendar"
	"factotum/server/service"
	"factotum/store/sqlstore"
)

// TestManyWritersOfOneVersion has a hundred clients change one event under
// the same If-Match, round after round: one of them wins each version, all
// others are told 412, and the winner's text is what is stored.
func TestManyWritersOfOneVersion(t *testing.T) {
	stores(t, func(t *testing.T, store string) {
		address := freeAddress(t)
		p := partProcess(t, "calserver", part{Store: store, HTTP: address})
		p.start(t)
		defer p.kill(t)
		newLoad(address).provision(t)
		const writers = 100
		clients := make([]*client, writers)
		for i := range clients {
			clients[i] = newClient(address, "user0")
		}
		a, err := clients[0].put("race.ics", event("race", "start", 0))
		if err != nil || a.status != http.StatusCreated {
			t.Fatalf("%v, status %d: %s", err, a.status, a.body)
		}
		seen := map[string]bool{a.etag: true}
		for round := range kills(20) {
			answers := make([]answer, writers)
			texts := make([]string, writers)
			var group sync.WaitGroup
			for i, c := range clients {
				texts[i] = event("race", fmt.Sprintf("round %d writer %d", round, i), 0)
				group.Go(func() {
					var err error
					if answers[i], err = c.put("race.ics", texts[i], "If-Match", a.etag); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			winner := -1
			for i, got := range answers {
				switch {
				case got.ok() && winner >= 0:
					t.Fatalf("round %d: both %d and %d have won", round, winner, i)
				case got.ok():
					winner = i
				case got.status != http.StatusPreconditionFailed:
					t.Errorf("round %d: status %d: %.200s", round, got.status, got.body)
				}
			}
			if winner < 0 {
				t.Fatalf("round %d: nobody has won", round)
			}
			if a, err = clients[0].get("race.ics"); err != nil || string(a.body) != texts[winner] || a.etag != answers[winner].etag {
				t.Fatalf("round %d: stored is not what writer %d wrote: %v, %s, want %s\n%s", round, winner, err, a.etag, answers[winner].etag, a.body)
			}
			if seen[a.etag] {
				t.Fatalf("round %d: ETag %s again", round, a.etag)
			}
			seen[a.etag] = true
		}
	})
}

// TestReadersSeeWholeTransactions imports a pair of objects again and again,
// while readers look at both in one request of every kind, other writers
// write, and SQLite's log is folded: no reader sees numbers that differ, or a
// number lower than one that it saw before.
func TestReadersSeeWholeTransactions(t *testing.T) {
	for name, cached := range map[string]bool{"Cached": true, "Uncached": false} {
		t.Run(name, func(t *testing.T) {
			stores(t, func(t *testing.T, where string) { wholeTransactions(t, where, cached) })
		})
	}
}

func wholeTransactions(t *testing.T, where string, cached bool) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	st, err := openStore(ctx, where)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	opt := service.Options{}
	if !cached {
		opt.CacheBytes = 1 // everything is read from the store
	}
	model := service.New(st, nil, opt)
	if err := providePair(ctx, model); err != nil {
		t.Fatal(err)
	}
	if err := importPair(ctx, model, 1); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	var reads atomic.Int64
	for name, read := range pairReaders(st, model) {
		group.Go(func() {
			last := 0
			for ctx.Err() == nil {
				n, err := read(ctx)
				switch {
				case ctx.Err() != nil || err != nil && errors.Is(err, calendar.Canceled):
				case err != nil:
					t.Errorf("%s: %v", name, err)
					return
				case n[0] != n[1] || n[0] < last:
					t.Errorf("%s: the pair has numbers %v after %d", name, n, last)
					return
				}
				last = n[0]
				reads.Add(1)
			}
		})
	}
	group.Go(func() { // another writer of the same calendar, into the same commits
		for i := 0; ctx.Err() == nil; i++ {
			model.PutObject(ctx, pairActor, calendar.PutRequest{Ref: calendar.Ref{Calendar: pairCalendar, Name: "other.ics"}, Data: []byte(event("other", fmt.Sprint(i), 0))})
		}
	})
	group.Go(func() {
		for ctx.Err() == nil {
			if err := st.Maintain(ctx); err != nil && ctx.Err() == nil {
				t.Errorf("maintain: %v", err)
				return
			}
		}
	})
	for n := range 3 * kills(10) {
		if err := importPair(ctx, model, n+2); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	group.Wait()
	t.Logf("%d reads", reads.Load())
}

// pairReaders are the ways to read both objects of the pair at once.
func pairReaders(st *sqlstore.Store, model *service.Service) map[string]func(context.Context) ([2]int, error) {
	of := func(numbers *[2]int) func(*calendar.Object) error {
		return func(o *calendar.Object) error {
			for i, name := range pairNames {
				if o.Name == name {
					numbers[i] = pairNumber(o.Data)
				}
			}
			return nil
		}
	}
	return map[string]func(context.Context) ([2]int, error){
		"transaction": func(ctx context.Context) (n [2]int, err error) {
			err = st.View(ctx, pairOwner, func(tx calendar.ReadTx) error {
				row, _, err := tx.Calendar(pairCalendar.Name())
				for i, name := range pairNames {
					if err != nil {
						return err
					}
					var o calendar.ObjectRow
					o, _, err = tx.Object(row.ID, name, true)
					n[i] = pairNumber(o.Data)
				}
				return err
			})
			return n, err
		},
		"multiget": func(ctx context.Context) ([2]int, error) { return readPair(ctx, model) },
		"query": func(ctx context.Context) (n [2]int, err error) {
			return n, model.Query(ctx, pairActor, calendar.QueryRequest{Calendar: pairCalendar}, of(&n))
		},
		"sync": func(ctx context.Context) (n [2]int, err error) {
			add := of(&n)
			_, err = model.Sync(ctx, pairActor, calendar.SyncRequest{Calendar: pairCalendar, Data: true}, func(item calendar.SyncItem) error {
				if item.Object == nil {
					return nil
				}
				return add(item.Object)
			})
			return n, err
		},
	}
}

// TestCleanShutdown ends a server in order: its database is one file then,
// which can be copied.
func TestCleanShutdown(t *testing.T) {
	store, address := t.TempDir(), freeAddress(t)
	p := partProcess(t, "calserver", part{Store: store, HTTP: address})
	p.start(t)
	defer p.kill(t)
	l := newLoad(address)
	l.provision(t)
	l.start()
	l.await(t, 200)
	l.finish()
	l.verify(t)
	p.stop(t)
	files, err := filepath.Glob(filepath.Join(store, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f, "-wal") || strings.HasSuffix(f, "-shm") {
			t.Errorf("%s is left", filepath.Base(f))
		}
	}
	moved := filepath.Join(t.TempDir(), "calendar.db")
	copyFile(t, filepath.Join(store, "calendar.db"), moved)
	check(t, moved)
	p = partProcess(t, "calserver", part{Store: moved, HTTP: address})
	p.start(t)
	defer p.kill(t)
	l.verify(t)
}
