package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/archive"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// logged is a write of an object, as the one client that writes it knows it.
type logged struct {
	text        string // "" = deleted
	sent, acked time.Time
}

// chronicler is a client that writes down all that it did, and when.
type chronicler struct {
	*client
	rng     *rand.Rand
	objects map[string][]logged
	n       int
}

// step writes one object, whatever it is.
func (c *chronicler) step() (acked bool) {
	name := fmt.Sprintf("%s-%d.ics", c.user, c.rng.IntN(5))
	w := logged{}
	c.n++
	if c.rng.IntN(5) > 0 {
		w.text = event(c.user+name, fmt.Sprintf("step %d", c.n), c.rng.IntN(3000))
	}
	w.sent = time.Now()
	var a answer
	var err error
	if w.text == "" {
		a, err = c.do("DELETE", c.collection()+name, "")
	} else {
		a, err = c.put(name, w.text)
	}
	if err == nil && a.status >= 400 && a.status < 500 {
		return false // there was none
	}
	if acked = err == nil && a.ok(); acked {
		w.acked = time.Now()
	}
	c.objects[name] = append(c.objects[name], w)
	return acked
}

// could tells which texts an object may have had at a moment.
func could(log []logged, at time.Time) (texts []string) {
	texts = []string{""}
	for _, w := range log {
		switch {
		case w.sent.After(at):
		case !w.acked.IsZero() && !w.acked.After(at):
			texts = []string{w.text}
		default:
			texts = append(texts, w.text)
		}
	}
	return texts
}

// TestBackupOfAnyMoment writes while the server is killed, and while it takes snapshots,
// and restores what was at random moments: it is what was acknowledged.
func TestBackupOfAnyMoment(t *testing.T) {
	t.Parallel()
	moments, times := 12, 3
	if os.Getenv("FACTOTUM_LONG") != "" {
		moments, times = 1000, 100
	}
	databases(t, func(t *testing.T, lines []string, _ func(string) string) {
		address := freeAddress(t)
		_, conf := install(t, "localhost", append(append(setting("service.http", address), lines...), `caldb.berkeleydb.archive.path = "../archive"`,
			`factotum.history.homebytes = "1048576"`, `caldb.berkeleydb.archive.interval = "3"`, `caldb.berkeleydb.archive.maxdays = "100000"`, `caldb.berkeleydb.archive.mindays = "100000"`)...)
		root := filepath.Join(filepath.Dir(conf), "archive")
		p := program(t, "serve", conf, func() error { return httpReady(address) })
		p.start(t)
		defer p.kill(t)
		defer func() {
			if t.Failed() {
				t.Logf("%s", p.out.tail())
			}
		}()
		var first time.Time
		eventually(t, "a snapshot", func() error {
			list, err := archive.Periods(root)
			if err != nil || len(list) == 0 || list[0].Ended.IsZero() {
				return fmt.Errorf("none yet: %v", err)
			}
			first = list[0].Ended
			return nil
		})
		stop := make(chan struct{})
		var group sync.WaitGroup
		var clients []*chronicler
		for n := range loadUsers {
			c := &chronicler{client: newClient(address, fmt.Sprintf("user%d", n)), rng: rand.New(rand.NewPCG(uint64(n), 1)), objects: map[string][]logged{}}
			clients = append(clients, c)
			group.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if !c.step() {
						time.Sleep(5 * time.Millisecond)
					}
				}
			})
		}
		for range times {
			time.Sleep(time.Duration(200+rand.IntN(1500)) * time.Millisecond)
			p.kill(t)
			p.start(t)
		}
		time.Sleep(300 * time.Millisecond)
		close(stop)
		group.Wait()
		last := time.Now()
		time.Sleep(1100 * time.Millisecond)
		p.stop(t) // which writes up to which moment the log is whole
		for i := range moments {
			at, of := first.Add(time.Duration(rand.Int64N(int64(last.Sub(first))))), clients
			opt := archive.RestoreOptions{At: at}
			if i%8 != 0 { // one of them alone, which is faster
				n := rand.IntN(len(clients))
				of, opt.Owner = clients[n:n+1], calendar.Owner(clients[n].user)
			}
			to := fresh.SQLite(t, sqlstore.Options{Relaxed: true})
			if _, err := archive.Restore(context.Background(), root, to, opt); err != nil {
				t.Fatalf("at %s: %v", at, err)
			}
			for _, c := range of {
				c.compare(t, to, at)
			}
			to.Close()
			if t.Failed() {
				return
			}
			if i%100 == 99 {
				t.Logf("%d moments are what they were", i+1)
			}
		}
	})
}

// compare compares what was restored with the chronicle.
func (c *chronicler) compare(t testing.TB, s calendar.Store, at time.Time) {
	t.Helper()
	err := s.View(context.Background(), calendar.Owner(c.user), func(tx calendar.ReadTx) error {
		row, _, err := tx.Calendar("calendar")
		if err != nil {
			return err
		}
		for name, log := range c.objects {
			o, _, err := tx.Object(row.ID, name, true)
			if err != nil {
				return err
			}
			if texts := could(log, at); !slices.Contains(texts, string(o.Data)) {
				t.Errorf("%s of %s at %s is not one of %d that it could be: %.300q", name, c.user, at, len(texts), o.Data)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
