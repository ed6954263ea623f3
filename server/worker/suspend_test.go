package worker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/worker"
)

// Of an owner who is suspended nothing runs, and nothing is lost: neither what was ready
// or planned, nor what is parked, nor the order in a line. Others go on.
func TestSuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := calendartest.NewStore()
		w := worker.New(s, worker.Options{})
		var mu sync.Mutex
		var ran []string
		slow := make(chan struct{})
		w.Handle("k", worker.Kind{Blocks: true, Run: func(_ context.Context, j calendar.Job) error {
			if string(j.Payload) == "slow" {
				<-slow
			}
			if string(j.Payload) == "bad" {
				return worker.Permanent(errors.New("no"))
			}
			mu.Lock()
			defer mu.Unlock()
			ran = append(ran, fmt.Sprint(j.Owner, " ", string(j.Payload)))
			return nil
		}})
		start(t, w)
		commit(t, s, w, "anna", calendar.Job{Kind: "k", Key: "a", Payload: []byte("slow")}, calendar.Job{Kind: "k", Key: "a", Payload: []byte("next")},
			calendar.Job{Kind: "k", Key: "b", Payload: []byte("bad")}, calendar.Job{Kind: "k", Key: "b", Payload: []byte("blocked")},
			calendar.Job{Kind: "k", Payload: []byte("planned"), Due: time.Now().Add(time.Minute)})
		sleep(time.Second)

		short, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		if err := w.Suspend(short, "anna"); !errors.Is(err, calendar.Unavailable) {
			t.Errorf("with a job that runs: %v", err)
		}
		close(slow)
		sleep(0)
		if err := w.Suspend(bg, "anna"); err != nil {
			t.Fatal(err)
		}
		before := slices.Clone(ran)
		commit(t, s, w, "anna", calendar.Job{Kind: "k", Payload: []byte("new")})
		commit(t, s, w, "ben", calendar.Job{Kind: "k", Payload: []byte("x")})
		w.Doubt("anna") // which ends by itself, and begins nothing
		sleep(2 * time.Minute)
		if got := ran[len(before):]; !slices.Equal(got, []string{"ben x"}) {
			t.Errorf("meanwhile ran %q", got)
		}
		if err := w.Resume(bg, "anna"); err != nil {
			t.Fatal(err)
		}
		sleep(time.Second)
		got := slices.Sorted(slices.Values(ran))
		if want := []string{"anna new", "anna next", "anna planned", "anna slow", "ben x"}; !slices.Equal(got, want) {
			t.Errorf("in the end ran %q", got)
		}
		if st := w.Stats(); st.Pending+st.Parked != 2 {
			t.Errorf("left: %+v", st)
		}
		stop(t, w)
	})
}

// What leaves with a home is forgotten, and known where it comes to.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := calendartest.NewStore()
		open := func() (*worker.Worker, *atomic.Int64) {
			w, n := worker.New(s, worker.Options{}), new(atomic.Int64)
			w.Handle("k", worker.Kind{Run: func(_ context.Context, j calendar.Job) error {
				if string(j.Payload) == "bad" {
					return worker.Permanent(errors.New("no"))
				}
				n.Add(1)
				return nil
			}})
			w.Handle("blocks", worker.Kind{Blocks: true, Run: func(context.Context, calendar.Job) error { return worker.Permanent(errors.New("no")) }})
			return w, n
		}
		w, n := open()
		start(t, w)
		for _, owner := range []calendar.Owner{"anna", "ben"} {
			var jobs []calendar.Job
			for i := range 20 {
				jobs = append(jobs, calendar.Job{Kind: "k", Key: fmt.Sprint(i % 3), Due: time.Now().Add(time.Hour)})
			}
			commit(t, s, w, owner, append(jobs, calendar.Job{Kind: "k", Payload: []byte("bad")}, calendar.Job{Kind: "blocks", Key: "z"}, calendar.Job{Kind: "blocks", Key: "z"})...)
		}
		sleep(time.Minute)
		if st := w.Stats(); st.Parked != 4 {
			t.Fatalf("before: %+v", st)
		}
		if err := w.Suspend(bg, "anna"); err != nil {
			t.Fatal(err)
		}
		w.Forget("anna", 2)
		if st := w.Stats(); st.Parked != 2 || st.Pending != 21 {
			t.Errorf("afterwards: %+v", st)
		}
		sleep(2 * time.Hour)
		if n.Load() != 20 {
			t.Errorf("%d jobs ran", n.Load())
		}
		if err := w.Resume(bg, "anna"); err != nil { // it is back
			t.Fatal(err)
		}
		sleep(time.Minute)
		if st := w.Stats(); n.Load() != 40 || st.Parked != 4 || st.Pending != 2 {
			t.Errorf("in the end: %d %+v", n.Load(), st)
		}
		stop(t, w)
	})
}
