package worker_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/worker"
	"factotum/store/sqlstore"
	"factotum/store/storetest/pgtest"
)

// The crash test runs this binary again as a daemon that writes objects with
// jobs, tells of each acknowledged write on its standard output, does the jobs,
// which note in a file that they were done, and is killed at any moment.
const crashEnv = "WORKER_CRASH_CHILD" // where the notes go, then "sqlite PATH" or "postgres DSN"

func TestMain(m *testing.M) {
	if how := os.Getenv(crashEnv); how != "" {
		fmt.Fprintln(os.Stderr, crashChild(how))
		os.Exit(1) // it is killed before it comes here
	}
	os.Exit(m.Run())
}

func crashOpen(how string) (*sqlstore.Store, error) {
	engine, where, _ := strings.Cut(how, " ")
	if engine == "postgres" {
		return sqlstore.OpenPostgres(bg, where, sqlstore.Options{})
	}
	return sqlstore.OpenSQLite(bg, where, sqlstore.Options{})
}

// crashWorker does jobs of kind "note", every third of which fails at first.
func crashWorker(s calendar.Store, notes string) *worker.Worker {
	w := worker.New(s, worker.Options{First: time.Millisecond, Max: 5 * time.Millisecond})
	w.Handle("note", worker.Kind{Run: func(_ context.Context, j calendar.Job) error {
		if j.Change%3 == 0 && j.Attempts == 0 {
			return errors.New("not yet")
		}
		f, err := os.OpenFile(notes, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = fmt.Fprintln(f, j.Owner, j.Key, j.Change, string(j.Payload))
		return err
	}})
	return w
}

func crashChild(how string) error {
	notes, how, _ := strings.Cut(how, " ")
	s, err := crashOpen(how)
	if err != nil {
		return err
	}
	w := crashWorker(s, notes)
	if err := w.Start(bg); err != nil {
		return err
	}
	run := rand.Uint32()
	var wg sync.WaitGroup
	for i := range 8 {
		owner := calendar.Owner(fmt.Sprint("owner", i%3))
		wg.Go(func() {
			for n := 0; err == nil; n++ {
				name := fmt.Sprintf("%x-%d-%d", run, i, n)
				err := s.Update(bg, owner, func(tx calendar.Tx) error {
					change, err := tx.NextChange()
					if err != nil {
						return err
					}
					if _, ok, err := tx.Calendar("calendar"); err != nil {
						return err
					} else if !ok {
						if err := tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "calendar"}); err != nil {
							return err
						}
					}
					job := calendar.Job{JobID: calendar.JobID{Owner: owner, Change: change}, Kind: "note", Key: fmt.Sprint(n % 4), Payload: []byte(name)}
					tx.OnCommit(func() { w.Add(job) })
					return errors.Join(tx.PutObject(calendar.ObjectRow{Cal: 1, Name: name, UID: name, Change: change, Data: []byte(name)}), tx.PutJob(job))
				})
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				fmt.Fprintf(os.Stdout, "%s %s\n", owner, name) // whole, or not there
			}
		})
	}
	wg.Wait()
	return nil
}

// testCrash: after a life that ends without any kill every object has been
// noted, whether its write was acknowledged or not, and nothing else has, and
// the first notes of one owner and key are in order.
func testCrash(t *testing.T, how string) {
	notes := filepath.Join(t.TempDir(), "notes")
	rounds := 5
	if os.Getenv("FACTOTUM_LONG") == "1" {
		rounds = 50
	}
	var acked []string
	for range rounds {
		acked = append(acked, crashRound(t, notes+" "+how, 20+rand.IntN(200))...)
	}
	s, err := crashOpen(how)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := crashWorker(s, notes)
	start(t, w)
	for deadline := time.Now().Add(time.Minute); w.Stats().Pending > 0 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	stop(t, w)
	if left := stored(t, s); len(left) > 0 {
		t.Errorf("%d jobs are left, such as %+v", len(left), left[0])
	}
	noted, twice := crashNotes(t, notes)
	for _, a := range acked {
		if !noted[a] {
			t.Errorf("%s was acknowledged, and its job is not done", a)
		}
	}
	objects := 0
	for i := range 3 {
		owner := fmt.Sprint("owner", i)
		err := s.View(bg, calendar.Owner(owner), func(tx calendar.ReadTx) error {
			return tx.Objects(1, "", false, func(o *calendar.ObjectRow) error {
				if objects++; !noted[owner+" "+o.Name] {
					t.Errorf("%s has no job", o.Name)
				}
				return nil
			})
		})
		if err != nil {
			t.Error(err)
		}
	}
	if objects != len(noted) {
		t.Errorf("%d objects, jobs of %d", objects, len(noted))
	}
	if err := s.Check(bg); err != nil {
		t.Error(err)
	}
	t.Logf("%d writes, %d of them acknowledged, over %d crashes; %d jobs ran again", objects, len(acked), rounds, twice)
}

// crashNotes reads what was noted, and sees to its order.
func crashNotes(t *testing.T, file string) (noted map[string]bool, twice int) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	noted = map[string]bool{}
	last := map[string]int64{}
	for line := range bytes.Lines(text) {
		var owner, key, name string
		var change int64
		if _, err := fmt.Sscan(string(line), &owner, &key, &change, &name); err != nil {
			t.Fatalf("a note says %q: %v", line, err)
		}
		if noted[owner+" "+name] {
			twice++
			continue
		}
		noted[owner+" "+name] = true
		if change < last[owner+" "+key] {
			t.Errorf("%s was noted after change %d: %s", name, last[owner+" "+key], line)
		}
		last[owner+" "+key] = change
	}
	return noted, twice
}

// crashRound lets a child write until it has acknowledged so many writes, and
// kills it.
func crashRound(t *testing.T, how string, want int) (acked []string) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), crashEnv+"="+how)
	var errs strings.Builder
	child.Stderr = &errs
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if err == io.EOF {
			break
		}
		if acked = append(acked, strings.TrimSpace(line)); len(acked) == want {
			child.Process.Kill()
		}
	}
	child.Wait()
	if len(acked) < want {
		t.Fatalf("the child ended after %d of %d writes: %s", len(acked), want, errs.String())
	}
	return acked
}

func TestSQLiteCrash(t *testing.T)   { testCrash(t, "sqlite "+t.TempDir()) }
func TestPostgresCrash(t *testing.T) { testCrash(t, "postgres "+pgtest.Start(t)) }
