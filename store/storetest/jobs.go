package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"factotum/server/calendar"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// aJob has a value in every field.
func aJob(change int64, seq int) calendar.Job {
	return calendar.Job{
		JobID: calendar.JobID{Owner: anna, Change: change, Seq: seq}, Kind: "send", Key: "uid-1", Due: day.Add(time.Hour), Created: day,
		Attempts: 3, Parked: true, Err: "Der Empfänger schläft.", Payload: []byte{0, 1, 0xff},
	}
}

func wantJobs(t *testing.T, s calendar.Store, owner calendar.Owner, want ...calendar.Job) {
	t.Helper()
	view(t, s, owner, func(tx calendar.ReadTx) error {
		got, err := tx.Jobs()
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("jobs of %s: %s", owner, d)
		}
		for _, w := range want {
			if one, ok, err := tx.Job(w.Change, w.Seq); !ok || err != nil || !cmp.Equal(one, w, cmpopts.EquateEmpty()) {
				t.Errorf("job %v: %+v %v %v", w.JobID, one, ok, err)
			}
		}
		return err
	})
}

func testJobs(t *testing.T, s calendar.Store) {
	for range 12 {
		next(t, s, anna)
	}
	first, second, tenth := aJob(2, 0), aJob(2, 1), aJob(10, 0)
	plain := calendar.Job{JobID: calendar.JobID{Owner: anna, Change: 3}}
	update(t, s, anna, func(tx calendar.Tx) error {
		unowned := plain
		unowned.Owner = ""
		return errors.Join(tx.PutJob(tenth), tx.PutJob(second), tx.PutJob(unowned), tx.PutJob(first))
	})
	wantJobs(t, s, anna, first, second, plain, tenth)

	changed := second
	changed.Kind, changed.Key, changed.Due, changed.Created, changed.Attempts, changed.Parked = "tell", "", day, day.Add(1e9), 0, false
	changed.Err, changed.Payload = "", []byte("else")
	update(t, s, anna, func(tx calendar.Tx) error {
		if err := tx.PutJob(changed); err != nil {
			return err
		}
		if got, ok, err := tx.Job(2, 1); !ok || err != nil || !cmp.Equal(got, changed) {
			t.Errorf("in the transaction: %+v %v %v", got, ok, err)
		}
		return errors.Join(tx.DeleteJob(3, 0), tx.DeleteJob(3, 1), tx.DeleteJob(99, 0))
	})
	wantJobs(t, s, anna, first, changed, tenth)
	view(t, s, anna, func(tx calendar.ReadTx) error {
		if _, ok, err := tx.Job(3, 0); ok || err != nil {
			t.Errorf("a deleted job: %v %v", ok, err)
		}
		return nil
	})

	// Another owner has others.
	next(t, s, "bert")
	his := aJob(1, 0)
	his.Owner = "bert"
	update(t, s, "bert", func(tx calendar.Tx) error { return errors.Join(tx.PutJob(his), tx.DeleteJob(10, 0)) })
	wantJobs(t, s, anna, first, changed, tenth)
	wantJobs(t, s, "bert", his)
	err := s.Update(context.Background(), "bert", func(tx calendar.Tx) error { return tx.PutJob(first) })
	wantKind(t, "a job among those of another owner", err, calendar.Invalid)
}

// Jobs outlive the calendar that they are about: its deletion has jobs too.
func testJobsStay(t *testing.T, s calendar.Store) {
	makeCalendar(t, s, anna, 1, "calendar")
	change := put(t, s, anna, object(1, "a", "a", "a"))
	update(t, s, anna, func(tx calendar.Tx) error { return tx.PutJob(aJob(change, 0)) })
	remove(t, s, anna, 1, "a", day)
	update(t, s, anna, func(tx calendar.Tx) error {
		n, err := tx.NextChange()
		return errors.Join(err, tx.DeleteCalendar(1, n, day), tx.PutJob(aJob(n, 0)))
	})
	update(t, s, anna, func(tx calendar.Tx) error {
		_, err := tx.PurgeCalendars(time.Time{}, day.Add(time.Hour))
		return err
	})
	wantJobs(t, s, anna, aJob(change, 0), aJob(change+2, 0))
}

// A walk over all owners, in pages of any size, finds each job once, by id.
func testJobWalk(t *testing.T, s calendar.Store) {
	var want []calendar.Job
	for _, owner := range []calendar.Owner{"a", "a/b", "anna", "b", "Z", "ä"} {
		for range 4 {
			next(t, s, owner)
		}
		update(t, s, owner, func(tx calendar.Tx) error {
			for change := int64(4); change > 0; change-- {
				for seq := range int(change) {
					j := aJob(change, seq)
					j.Owner = owner
					if err := tx.PutJob(j); err != nil {
						return err
					}
					j.Payload = nil
					want = append(want, j)
				}
			}
			return nil
		})
	}
	slices.SortFunc(want, func(a, b calendar.Job) int { return a.JobID.Compare(b.JobID) })
	for _, limit := range []int{0, 1, 3, 10, len(want), 1000} {
		var got []calendar.Job
		for after := (calendar.JobID{}); ; {
			page, err := s.Jobs(context.Background(), after, limit)
			if err != nil {
				t.Fatalf("Jobs: %v", err)
			}
			if limit > 0 && len(page) > limit {
				t.Errorf("%d jobs in a page of %d", len(page), limit)
			}
			if len(page) == 0 {
				break
			}
			got, after = append(got, page...), page[len(page)-1].JobID
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("in pages of %d: %s", limit, d)
		}
	}
}

// An object and the job that follows from it are stored together or not at all:
// alone, among others in one commit, and when fn has to run again.
func testJobsCommit(t *testing.T, s calendar.Store) {
	makeCalendar(t, s, anna, 1, "calendar")
	write := func(tx calendar.Tx, name string, jobFirst bool) error {
		row := object(1, name, name, name)
		var err error
		if row.Change, err = tx.NextChange(); err != nil {
			return err
		}
		steps := []func() error{func() error { return tx.PutObject(row) }, func() error { return tx.PutJob(aJob(row.Change, 0)) }}
		if jobFirst {
			slices.Reverse(steps)
		}
		return errors.Join(steps[0](), steps[1]())
	}
	outcomes := map[string]func() error{
		"fails":  func() error { return errBoom },
		"panics": func() error { panic(errBoom) },
		"stays":  func() error { return nil },
	}
	running, release := make(chan struct{}), make(chan struct{})
	go s.Update(context.Background(), anna, func(calendar.Tx) error { // holds the writer until the others wait
		close(running)
		<-release
		return nil
	})
	<-running
	type outcome struct {
		name string
		err  error
	}
	const each = 10
	done := make(chan outcome)
	told := make(chan int64, 1000)
	for i := range each {
		for how, end := range outcomes {
			name := fmt.Sprint(how, i)
			go func() {
				err := s.Update(context.Background(), anna, func(tx calendar.Tx) error {
					err := write(tx, name, i%2 == 0)
					h, _, _ := tx.Home()
					tx.OnCommit(func() { told <- h.Change })
					return errors.Join(err, end())
				})
				done <- outcome{name, err}
			}()
		}
	}
	close(release)
	stored := map[string]bool{}
	for range each * len(outcomes) {
		o := <-done
		stored[o.name] = o.err == nil
	}
	close(told)
	view(t, s, anna, func(tx calendar.ReadTx) error {
		jobs, err := tx.Jobs()
		if err != nil {
			return err
		}
		byChange := map[int64]bool{}
		for _, j := range jobs {
			byChange[j.Change] = true
		}
		if len(jobs) != each || len(byChange) != each || len(told) != each {
			t.Errorf("%d jobs of %d changes, %d of which were told; want %d", len(jobs), len(byChange), len(told), each)
		}
		for change := range told {
			if !byChange[change] {
				t.Errorf("no job of change %d, which was told", change)
			}
		}
		for name, want := range stored {
			row, ok, err := tx.Object(1, name, false)
			if err != nil || ok != want || ok && !byChange[row.Change] {
				t.Errorf("%s: object %v, want %v, its job %v, %v", name, ok, want, byChange[row.Change], err)
			}
		}
		return nil
	})
}
