package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/worker"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

var bg = context.Background()

// commit stores jobs, each with a change of its own, and tells the worker.
func commit(t testing.TB, s calendar.Store, w *worker.Worker, owner calendar.Owner, jobs ...calendar.Job) (out []calendar.Job) {
	t.Helper()
	err := s.Update(bg, owner, func(tx calendar.Tx) error {
		out = slices.Clone(jobs)
		for i := range out {
			change, err := tx.NextChange()
			if err != nil {
				return err
			}
			out[i].JobID = calendar.JobID{Owner: owner, Change: change}
			if out[i].Created.IsZero() {
				out[i].Created = time.Now()
			}
			if err := tx.PutJob(out[i]); err != nil {
				return err
			}
		}
		tx.OnCommit(func() { w.Add(out...) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func stored(t testing.TB, s calendar.Store) []calendar.Job {
	t.Helper()
	jobs, err := s.Jobs(bg, calendar.JobID{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

func start(t testing.TB, w *worker.Worker) {
	t.Helper()
	if err := w.Start(bg); err != nil {
		t.Fatal(err)
	}
}

// sleep lets time pass, and all that happens then come to rest.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func stop(t testing.TB, w *worker.Worker) {
	t.Helper()
	if err := w.Stop(bg); err != nil {
		t.Error(err)
	}
}

// The pauses double up to the longest, and then the job is parked with what
// was wrong.
func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := calendartest.NewStore()
		w := worker.New(s, worker.Options{Attempts: 6, First: 10 * time.Second, Max: time.Minute, Jitter: func() float64 { return 0 }})
		var at []time.Time
		w.Handle("k", worker.Kind{Run: func(_ context.Context, j calendar.Job) error {
			at = append(at, time.Now())
			return fmt.Errorf("no.\n%d\x00\xff", j.Attempts)
		}})
		start(t, w)
		begin := time.Now()
		commit(t, s, w, "anna", calendar.Job{Kind: "k", Due: begin.Add(time.Second)})
		sleep(time.Hour)
		var pauses []float64
		for _, when := range at {
			pauses = append(pauses, when.Sub(begin).Seconds())
			begin = when
		}
		if want := []float64{1, 5, 10, 20, 30, 30}; !slices.Equal(pauses, want) { // half of each: nothing at random
			t.Errorf("pauses %v, want %v", pauses, want)
		}
		jobs := stored(t, s)
		if len(jobs) != 1 || !jobs[0].Parked || jobs[0].Attempts != 6 || jobs[0].Err != "no. 5 \uFFFD" {
			t.Errorf("at the end: %+v", jobs)
		}
		if st := w.Stats(); st.Parked != 1 || st.Pending != 0 || st.Kinds[0].Failed != 6 || st.Kinds[0].Parked != 1 {
			t.Errorf("%+v", st)
		}
		stop(t, w)
	})
}

func TestVerdicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := calendartest.NewStore()
		var logged bytes.Buffer
		w := worker.New(s, worker.Options{Attempts: 3, Log: slog.New(slog.NewTextHandler(&logged, nil))})
		var later time.Time
		w.Handle("permanent", worker.Kind{Run: func(context.Context, calendar.Job) error {
			return fmt.Errorf("wrapped: %w", worker.Permanent(errors.New("no such person")))
		}})
		w.Handle("later", worker.Kind{Run: func(_ context.Context, j calendar.Job) error {
			if later = time.Now(); j.Attempts == 0 {
				return worker.Again(j.Created.Add(7*time.Hour), []byte("tried"), errors.New("come back at seven"))
			}
			if string(j.Payload) != "tried" {
				t.Errorf("what was noted is %q", j.Payload)
			}
			return nil
		}})
		w.Handle("panics", worker.Kind{Attempts: 1, Run: func(context.Context, calendar.Job) error { panic("oh") }})
		w.Handle("hangs", worker.Kind{Attempts: 1, Timeout: time.Minute, Run: func(ctx context.Context, _ calendar.Job) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		start(t, w)
		begin := time.Now()
		commit(t, s, w, "anna", calendar.Job{Kind: "permanent"}, calendar.Job{Kind: "later"}, calendar.Job{Kind: "panics"}, calendar.Job{Kind: "hangs"},
			calendar.Job{Kind: "strange"}, calendar.Job{Kind: "strange"})
		sleep(24 * time.Hour)
		if later.Sub(begin) != 7*time.Hour {
			t.Errorf("a job that was to run at seven ran at %v", later)
		}
		errs := map[string]string{}
		for _, j := range stored(t, s) {
			if !j.Parked {
				t.Errorf("not parked: %+v", j)
			}
			errs[j.Kind] = j.Err
		}
		want := map[string]string{"permanent": "wrapped: no such person", "panics": "panic: oh", "hangs": "context deadline exceeded",
			"strange": `no handler for jobs of kind "strange" in this release`}
		if fmt.Sprint(errs) != fmt.Sprint(want) {
			t.Errorf("errors %v, want %v", errs, want)
		}
		stop(t, w)
		for what, n := range map[string]int{"unknown kind": 1, "worker_test.go": 1, "given up": 4} {
			if got := strings.Count(logged.String(), what); got < n || what == "unknown kind" && got != n {
				t.Errorf("%q is logged %d times, want %d:\n%s", what, got, n, &logged)
			}
		}
	})
}

// Owners take turns: one with few jobs does not wait for another's thousand.
func TestFairness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := calendartest.NewStore()
		w := worker.New(s, worker.Options{Concurrency: 4, PerOwner: 2})
		var mu sync.Mutex
		var order []calendar.Owner
		most, now := 0, map[calendar.Owner]int{}
		w.Handle("k", worker.Kind{Run: func(_ context.Context, j calendar.Job) error {
			mu.Lock()
			order = append(order, j.Owner)
			now[j.Owner]++
			most = max(most, now[j.Owner])
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			now[j.Owner]--
			mu.Unlock()
			return nil
		}})
		start(t, w)
		commit(t, s, w, "anna", slices.Repeat([]calendar.Job{{Kind: "k"}}, 1000)...)
		sleep(10*time.Second + time.Millisecond)
		mu.Lock()
		mark := len(order)
		mu.Unlock()
		if mark != 22 || most != 2 {
			t.Errorf("alone, anna had %d jobs done, %d at once", mark, most)
		}
		commit(t, s, w, "bert", calendar.Job{Kind: "k"}, calendar.Job{Kind: "k"})
		commit(t, s, w, "carl", calendar.Job{Kind: "k"})
		commit(t, s, w, "dora", calendar.Job{Kind: "k"})
		sleep(2 * time.Second)
		mu.Lock()
		for _, o := range []calendar.Owner{"bert", "carl", "dora"} {
			if !slices.Contains(order[mark:], o) {
				t.Errorf("%s waits for anna: %v", o, order[mark:])
			}
		}
		mu.Unlock()
		sleep(time.Hour)
		if len(stored(t, s)) != 0 || len(order) != 1004 {
			t.Errorf("%d done, %d left", len(order), len(stored(t, s)))
		}
		stop(t, w)
	})
}

// What takes long at a place outside has room of its own: it holds up neither what is
// for other places nor the rest.
// However many parties are slow, and whatever they have to do, the others wait for
// them no longer than it takes to notice.
func TestSlowParties(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := calendartest.NewStore()
		w := worker.New(s, worker.Options{})
		var mu sync.Mutex
		done, fast := map[string]int{}, time.Time{}
		w.Handle("far", worker.Kind{Pool: &worker.Pool{Concurrency: 4, Each: 4, Patience: time.Second / 4, Slow: 20, Party: func(key string) string { return key[:5] }},
			Run: func(_ context.Context, j calendar.Job) error {
				d := 10 * time.Millisecond
				if strings.HasPrefix(j.Key, "slow") {
					d = time.Minute
				}
				time.Sleep(d)
				mu.Lock()
				defer mu.Unlock()
				if done[j.Key[:4]]++; j.Key[:4] == "fast" {
					fast = time.Now()
				}
				return nil
			}})
		start(t, w)
		for round, want := range []time.Duration{3 * time.Second, 0} { // then they are known
			mu.Lock()
			clear(done)
			mu.Unlock()
			var jobs []calendar.Job
			for n := range 400 {
				kind := "fast"
				if n%8 == 0 { // of 5 parties
					kind = "slow"
				}
				jobs = append(jobs, calendar.Job{Kind: "far", Key: fmt.Sprint(kind, n/8%5, " ", n)})
			}
			began := time.Now()
			commit(t, s, w, "anna", jobs...)
			sleep(10 * time.Second)
			mu.Lock()
			// 350 times 10 ms at 4 places take 0.9 s, and 20 slow ones hold one for a quarter each.
			if took := fast.Sub(began); done["fast"] != 350 || took > want+900*time.Millisecond || done["slow"] != 0 {
				t.Errorf("round %d: %v after %v", round, done, took)
			}
			mu.Unlock()
			if st := w.Stats(); st.Running != 20 || st.Due != 30 {
				t.Errorf("%+v", st)
			}
			sleep(115 * time.Second) // twice all had their share
			if st := w.Stats(); round == 0 && (st.Due != 0 || st.Running != 10) {
				t.Errorf("%+v", st)
			}
			if sleep(35 * time.Second); round > 0 { // the last but a few
				sleep(time.Hour)
			}
		}
		stop(t, w)
	})
}

func TestPools(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := calendartest.NewStore()
		w := worker.New(s, worker.Options{Concurrency: 2, PerOwner: 2})
		var mu sync.Mutex
		done := map[string]int{}
		takes := func(d time.Duration) worker.Handler {
			return func(_ context.Context, j calendar.Job) error {
				if strings.HasPrefix(j.Key, "slow") {
					time.Sleep(d)
				}
				mu.Lock()
				defer mu.Unlock()
				done[j.Kind+" "+j.Key[:4]]++
				return nil
			}
		}
		w.Handle("near", worker.Kind{Run: takes(0)})
		w.Handle("far", worker.Kind{Run: takes(time.Minute), Pool: &worker.Pool{Concurrency: 5, Each: 3, Party: func(key string) string { return key[:4] }}})
		start(t, w)
		var jobs []calendar.Job
		for n := range 100 {
			jobs = append(jobs, calendar.Job{Kind: "far", Key: fmt.Sprint("slow", n)})
		}
		commit(t, s, w, "anna", jobs...)
		for n := range 100 {
			jobs[n].Key = fmt.Sprint("fast", n)
		}
		commit(t, s, w, "anna", jobs...)
		for n := range 100 {
			jobs[n].Kind = "near"
		}
		commit(t, s, w, "anna", jobs...)
		sleep(time.Second)
		mu.Lock()
		if done["far fast"] != 100 || done["near fast"] != 100 || done["far slow"] != 0 {
			t.Errorf("after a second: %v", done)
		}
		mu.Unlock()
		if st := w.Stats(); st.Running != 3 || st.Due != 97 {
			t.Errorf("%+v", st)
		}
		began := time.Now()
		w.Pace(bg) // which is about what is near
		if d := time.Since(began); d != 0 {
			t.Errorf("writers are held back for %v", d)
		}
		sleep(10*time.Minute - time.Second + time.Millisecond)
		mu.Lock()
		if done["far slow"] != 30 {
			t.Errorf("after ten minutes: %v", done)
		}
		mu.Unlock()
		sleep(time.Hour)
		if n := len(stored(t, s)); n != 0 {
			t.Errorf("%d are left", n)
		}
		stop(t, w)
	})
}

// A job that is parked holds up those behind it where its kind says so.
func TestBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := calendartest.NewStore()
		bad := true
		var mu sync.Mutex
		var ran []string
		open := func() *worker.Worker {
			w := worker.New(s, worker.Options{})
			run := func(_ context.Context, j calendar.Job) error {
				mu.Lock()
				defer mu.Unlock()
				ran = append(ran, string(j.Payload))
				if bad && strings.HasPrefix(string(j.Payload), "bad") {
					return worker.Permanent(errors.New("bad"))
				}
				return nil
			}
			w.Handle("lax", worker.Kind{Run: run})
			w.Handle("strict", worker.Kind{Run: run, Blocks: true})
			start(t, w)
			return w
		}
		w := open()
		commit(t, s, w, "anna",
			calendar.Job{Kind: "lax", Key: "1", Payload: []byte("bad lax")}, calendar.Job{Kind: "lax", Key: "1", Payload: []byte("after lax")},
			calendar.Job{Kind: "strict", Key: "2", Payload: []byte("bad strict")}, calendar.Job{Kind: "lax", Key: "2", Payload: []byte("after strict")})
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			if slices.Sort(ran); !slices.Equal(ran, want) {
				t.Errorf("ran %q, want %q", ran, want)
			}
			ran = nil
		}
		expect("after lax", "bad lax", "bad strict")
		if st := w.Stats(); st.Parked != 2 || st.Pending != 1 {
			t.Errorf("%+v", st)
		}
		stop(t, w)
		w = open()
		expect()
		if st := w.Stats(); st.Parked != 2 || st.Pending != 1 {
			t.Errorf("after a new start: %+v", st)
		}
		bad = false
		if out, err := w.Retry(bg, worker.Filter{Owner: "anna", Kinds: []string{"strict"}}); out.Done != 1 || err != nil {
			t.Errorf("Retry: %+v %v", out, err)
		}
		expect("after strict", "bad strict")
		if out, err := w.Retry(bg, worker.Filter{Parked: true}); out.Done != 1 || err != nil {
			t.Errorf("Retry: %+v %v", out, err)
		}
		expect("bad lax")
		if st := w.Stats(); st.Parked != 0 || st.Pending != 0 {
			t.Errorf("at the end: %+v", st)
		}
		stop(t, w)
	})
}

// What is planned keeps its time when failed ones are tried again, and what
// runs is left alone.
func TestCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := calendartest.NewStore()
		w := worker.New(s, worker.Options{Attempts: 2})
		var mu sync.Mutex
		ran := map[string]int{}
		w.Handle("k", worker.Kind{Run: func(_ context.Context, j calendar.Job) error {
			mu.Lock()
			ran[string(j.Payload)]++
			mu.Unlock()
			if string(j.Payload) == "long" {
				time.Sleep(time.Hour)
				return nil
			}
			return errors.New("no")
		}})
		start(t, w)
		jobs := commit(t, s, w, "anna", calendar.Job{Kind: "k", Payload: []byte("planned"), Due: time.Now().Add(100 * time.Hour)},
			calendar.Job{Kind: "k", Payload: []byte("long")}, calendar.Job{Kind: "k", Payload: []byte("fails")})
		synctest.Wait()
		if out, err := w.Retry(bg, worker.Filter{}); out != (worker.Outcome{Done: 1, Busy: 1}) || err != nil {
			t.Errorf("Retry: %+v %v", out, err)
		}
		synctest.Wait()
		if ran["fails"] != 2 || ran["planned"] != 0 {
			t.Errorf("ran %v", ran)
		}
		if out, err := w.Drop(bg, worker.Filter{IDs: []calendar.JobID{jobs[0].JobID, jobs[1].JobID, {Owner: "nobody", Change: 1}}}); out != (worker.Outcome{Done: 1, Busy: 1}) || err != nil {
			t.Errorf("Drop: %+v %v", out, err)
		}
		if left := stored(t, s); len(left) != 2 || left[0].Change != jobs[1].Change || left[1].Change != jobs[2].Change {
			t.Errorf("left: %+v", left)
		}
		list, err := worker.List(bg, s, worker.Filter{Owner: "anna", Kinds: []string{"k"}}, calendar.JobID{}, 1)
		if len(list) != 1 || err != nil || list[0].JobID != jobs[1].JobID {
			t.Errorf("List: %+v %v", list, err)
		}
		list, err = worker.List(bg, s, worker.Filter{Owner: "anna", Kinds: []string{"k"}}, list[0].JobID, 5)
		if len(list) != 1 || err != nil || list[0].JobID != jobs[2].JobID {
			t.Errorf("List: %+v %v", list, err)
		}
		sleep(200 * time.Hour)
		if ran["planned"] != 0 || len(stored(t, s)) != 1 {
			t.Errorf("at the end: ran %v, left %+v", ran, stored(t, s))
		}
		stop(t, w)

		// A worker that does not run works on the table alone.
		idle := worker.New(s, worker.Options{})
		if out, err := idle.Retry(bg, worker.Filter{}); out.Done != 1 || err != nil || stored(t, s)[0].Parked {
			t.Errorf("Retry while stopped: %+v %v %+v", out, err, stored(t, s))
		}
		if out, err := idle.Drop(bg, worker.Filter{Owner: "anna"}); out.Done != 1 || err != nil || len(stored(t, s)) != 0 {
			t.Errorf("Drop while stopped: %+v %v %+v", out, err, stored(t, s))
		}
	})
}

// Who waits for another attempt has it at once; the pauses go on where they were,
// and what was given up, or is planned, stays as it is.
func TestHasten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := calendartest.NewStore()
		w := worker.New(s, worker.Options{First: time.Second, Max: time.Hour, Jitter: func() float64 { return 0 }})
		var at []time.Duration
		begin := time.Now()
		w.Handle("k", worker.Kind{First: time.Minute, Attempts: 4, Run: func(context.Context, calendar.Job) error {
			at = append(at, time.Since(begin))
			return errors.New("no")
		}})
		start(t, w)
		commit(t, s, w, "anna", calendar.Job{Kind: "k"}, calendar.Job{Kind: "k", Due: begin.Add(100 * time.Hour)})
		sleep(10 * time.Second)
		if out, err := w.Hasten(bg, worker.Filter{}); out.Done != 1 || err != nil {
			t.Errorf("Hasten: %+v %v", out, err)
		}
		sleep(10 * time.Hour)
		if want := []time.Duration{0, 10 * time.Second, 70 * time.Second, 190 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("tried at %v, want %v", at, want)
		}
		if out, err := w.Hasten(bg, worker.Filter{}); out.Done != 0 || err != nil || len(stored(t, s)) != 2 {
			t.Errorf("what was given up: %+v %v", out, err)
		}
		stop(t, w)
	})
}

// A job that was done is planned no more, though the store has not yet let it be
// deleted: what counts on it would not be done.
func TestDoneIsNotPlanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &faulty{Store: calendartest.NewStore()}
		w := worker.New(s, worker.Options{})
		ran := 0
		w.Handle("k", worker.Kind{Run: func(context.Context, calendar.Job) error {
			ran++
			s.fail([]failure{failsBefore})
			return nil
		}})
		start(t, w)
		commit(t, s, w, "anna", calendar.Job{Kind: "k", Key: "u", Due: time.Now().Add(time.Second)})
		if !w.Planned("anna", "u", time.Now()) {
			t.Error("it is not planned")
		}
		sleep(time.Second)
		if ran != 1 || len(stored(t, s)) != 1 {
			t.Fatalf("it ran %d times, and the store has %v", ran, stored(t, s))
		}
		if w.Planned("anna", "u", time.Now()) || w.Planned("anna", "u", time.Time{}) {
			t.Error("it is planned still")
		}
		sleep(time.Minute)
		if ran != 1 || len(stored(t, s)) != 0 {
			t.Errorf("it ran %d times, and the store has %v", ran, stored(t, s))
		}
		stop(t, w)
	})
}

// Each part of a filter leaves out what it does not mean, and what is dropped is
// told of in the same transaction.
func TestFilter(t *testing.T) {
	s := calendartest.NewStore()
	at := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	var dropped []string
	w := worker.New(s, worker.Options{Dropped: func(_ calendar.Tx, j calendar.Job) error {
		if string(j.Payload) == "stays" {
			return errors.New("not noted")
		}
		dropped = append(dropped, string(j.Payload))
		return nil
	}})
	commit(t, s, w, "anna",
		calendar.Job{Kind: "a", Key: calendar.PostKey("u", ""), Created: at, Payload: []byte("first")},
		calendar.Job{Kind: "b", Key: calendar.PostKey("u", "@host"), Created: at.Add(time.Hour), Payload: []byte("second")},
		calendar.Job{Kind: "c", Key: calendar.PostKey("uu", ""), Created: at.Add(2 * time.Hour), Payload: []byte("stays")})
	for _, c := range []struct {
		f    worker.Filter
		want string
	}{
		{worker.Filter{}, "a b c"},
		{worker.Filter{Kinds: []string{"a", "c"}}, "a c"},
		{worker.Filter{UID: "u"}, "a b"},
		{worker.Filter{UID: "u\x1f@host"}, ""},
		{worker.Filter{Lanes: []string{"@other", "@host"}}, "b"},
		{worker.Filter{From: at.Add(time.Hour)}, "b c"},
		{worker.Filter{To: at.Add(time.Hour)}, "a"},
		{worker.Filter{From: at, To: at.Add(time.Second), Owner: "bert"}, ""},
	} {
		list, err := worker.List(bg, s, c.f, calendar.JobID{}, 9)
		var got []string
		for i := range list {
			got = append(got, list[i].Kind)
		}
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%+v chooses %q, want %q: %v", c.f, got, c.want, err)
		}
	}
	if out, err := w.Drop(bg, worker.Filter{UID: "u"}); out.Done != 2 || err != nil || !slices.Equal(dropped, []string{"first", "second"}) {
		t.Errorf("Drop: %+v %v, told of %q", out, err, dropped)
	}
	if _, err := w.Drop(bg, worker.Filter{}); err == nil || len(stored(t, s)) != 1 {
		t.Errorf("one that cannot be noted is dropped: %v", err)
	}
}

// Stop waits for what runs; what it cuts short is no failure and runs again.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := calendartest.NewStore()
		done, cut := 0, 0
		open := func() *worker.Worker {
			w := worker.New(s, worker.Options{Attempts: 1})
			w.Handle("k", worker.Kind{Run: func(ctx context.Context, _ calendar.Job) error {
				select {
				case <-ctx.Done():
					cut++
					return errors.New("cut")
				case <-time.After(time.Minute):
					done++
					return nil
				}
			}})
			w.Handle("deaf", worker.Kind{Run: func(context.Context, calendar.Job) error {
				time.Sleep(time.Hour)
				return nil
			}})
			start(t, w)
			return w
		}
		w := open()
		commit(t, s, w, "anna", calendar.Job{Kind: "k"})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(bg, 10*time.Second)
		defer cancel()
		begin := time.Now()
		if err := w.Stop(ctx); err != nil || time.Since(begin) != 10*time.Second || cut != 1 || done != 0 {
			t.Errorf("Stop: %v after %v, %d cut, %d done", err, time.Since(begin), cut, done)
		}
		if j := stored(t, s); len(j) != 1 || j[0].Attempts != 0 || j[0].Err != "" {
			t.Errorf("the job that was cut: %+v", j)
		}
		w.Add(stored(t, s)...) // too late, and not missed
		w = open()
		synctest.Wait()
		begin = time.Now()
		stop(t, w)
		if time.Since(begin) != time.Minute || done != 1 || len(stored(t, s)) != 0 {
			t.Errorf("the second Stop took %v, %d done, left %+v", time.Since(begin), done, stored(t, s))
		}
		w = open()
		commit(t, s, w, "anna", calendar.Job{Kind: "deaf"})
		synctest.Wait()
		ctx, cancel = context.WithCancel(bg)
		cancel()
		if err := w.Stop(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Stop of a deaf job: %v", err)
		}
		sleep(2 * time.Hour)
	})
}

// diary is what jobs note of themselves.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

// A job that is stored anew while it runs runs again as it is then.
func TestReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := calendartest.NewStore()
		w := worker.New(s, worker.Options{})
		var ran diary
		w.Handle("k", worker.Kind{Run: func(_ context.Context, j calendar.Job) error {
			ran.note(string(j.Payload))
			time.Sleep(time.Minute)
			return nil
		}})
		start(t, w)
		jobs := commit(t, s, w, "anna", calendar.Job{Kind: "k", Payload: []byte("old")})
		sleep(time.Second)
		jobs[0].Payload, jobs[0].Due = []byte("new"), time.Now().Add(time.Hour)
		if err := s.Update(bg, "anna", func(tx calendar.Tx) error { return tx.PutJob(jobs[0]) }); err != nil {
			t.Fatal(err)
		}
		sleep(59 * time.Minute)
		if len(ran.all()) != 1 || len(stored(t, s)) != 1 {
			t.Errorf("ran %v, left %+v", ran.all(), stored(t, s))
		}
		sleep(time.Hour)
		if !slices.Equal(ran.all(), []string{"old", "new"}) || len(stored(t, s)) != 0 {
			t.Errorf("ran %v, left %+v", ran.all(), stored(t, s))
		}
		stop(t, w)
	})
}

// One that was parked and is tried again while a later one of its key runs
// waits for that, and comes before those behind it.
func TestLateComer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := calendartest.NewStore()
		w := worker.New(s, worker.Options{Jitter: func() float64 { return 0 }})
		var ran diary
		bad := true
		w.Handle("k", worker.Kind{Run: func(_ context.Context, j calendar.Job) error {
			name := string(j.Payload)
			ran.note(name)
			if name == "first" && bad {
				return worker.Permanent(errors.New("bad"))
			}
			time.Sleep(time.Minute)
			if name == "second" && j.Attempts < 2 {
				return errors.New("not yet")
			}
			return nil
		}})
		start(t, w)
		jobs := commit(t, s, w, "anna", calendar.Job{Kind: "k", Key: "a", Payload: []byte("first")}, calendar.Job{Kind: "k", Key: "a", Payload: []byte("second")},
			calendar.Job{Kind: "k", Key: "a", Payload: []byte("third")})
		sleep(time.Second) // the second runs
		bad = false
		if out, err := w.Retry(bg, worker.Filter{Parked: true}); out.Done != 1 || err != nil {
			t.Errorf("Retry: %+v %v", out, err)
		}
		w.Add(jobs[0]) // which is known
		sleep(time.Hour)
		if want := []string{"first", "second", "first", "second", "second", "third"}; !slices.Equal(ran.all(), want) || len(stored(t, s)) != 0 {
			t.Errorf("ran %v, want %v; left %+v", ran.all(), want, stored(t, s))
		}
		stop(t, w)
	})
}

func TestOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := calendartest.NewStore()
		w := worker.New(s, worker.Options{Concurrency: 1})
		w.Handle("k", worker.Kind{Run: func(context.Context, calendar.Job) error { time.Sleep(time.Minute); return nil }})
		start(t, w)
		commit(t, s, w, "anna", calendar.Job{Kind: "k"})
		synctest.Wait()
		commit(t, s, w, "bert", calendar.Job{Kind: "k"}, calendar.Job{Kind: "k", Due: time.Now().Add(10 * time.Second)}, calendar.Job{Kind: "k", Due: time.Now().Add(20 * time.Second)},
			calendar.Job{Kind: "k", Due: time.Now().Add(2 * time.Hour)})
		sleep(30 * time.Second)
		if st := w.Stats(); st.Pending != 5 || st.Running != 1 || st.Due != 3 || st.Oldest != 30*time.Second {
			t.Errorf("due at once counts from when it was made: %+v", st)
		}
		sleep(time.Minute)
		if st := w.Stats(); st.Pending != 4 || st.Running != 1 || st.Due != 2 || st.Oldest != 80*time.Second {
			t.Errorf("%+v", st)
		}
		sleep(3 * time.Hour)
		if st := w.Stats(); st.Pending != 0 || st.Running != 0 || st.Due != 0 || st.Oldest != 0 || st.Kinds[0].Done != 5 {
			t.Errorf("at the end: %+v", st)
		}
		stop(t, w)
	})
}

// A test kind from end to end on SQLite: jobs of writes, some of which fail,
// done over several lives of the daemon, each once.
func TestSQLite(t *testing.T) {
	dir := fresh.Dir(t)
	var mu sync.Mutex
	did := map[string]int{}
	order := map[string]int{} // by owner and key, the last number
	wrote := 0
	for life := range 4 {
		s, err := sqlstore.OpenSQLite(bg, dir, sqlstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		w := worker.New(s, worker.Options{First: 4 * time.Millisecond, Max: 20 * time.Millisecond})
		w.Handle("test", worker.Kind{Run: func(_ context.Context, j calendar.Job) error {
			mu.Lock()
			defer mu.Unlock()
			if j.Change%5 == 0 && j.Attempts < 2 {
				return errors.New("not yet")
			}
			did[string(j.Payload)]++
			line := string(j.Owner) + j.Key
			if int(j.Change) <= order[line] {
				t.Errorf("%v after change %d", j.JobID, order[line])
			}
			order[line] = int(j.Change)
			return nil
		}})
		start(t, w)
		var writers sync.WaitGroup
		for i := range 4 {
			owner := calendar.Owner(fmt.Sprint("owner", i%2))
			writers.Go(func() {
				for n := range 50 {
					commit(t, s, w, owner, calendar.Job{Kind: "test", Key: fmt.Sprint(n % 3), Payload: fmt.Append(nil, life, " ", i, " ", n), Due: time.Now()})
				}
			})
		}
		writers.Wait()
		wrote += 200
		if life == 3 {
			for deadline := time.Now().Add(time.Minute); len(stored(t, s)) > 0 && time.Now().Before(deadline); {
				time.Sleep(10 * time.Millisecond)
			}
		}
		stop(t, w)
		left := len(stored(t, s))
		mu.Lock()
		if len(did)+left != wrote {
			t.Errorf("life %d: %d written, %d done, %d left", life, wrote, len(did), left)
		}
		mu.Unlock()
		if err := s.Check(bg); err != nil {
			t.Error(err)
		}
		s.Close()
	}
	if len(did) != wrote {
		t.Errorf("%d written, %d done", wrote, len(did))
	}
	for what, n := range did {
		if n != 1 {
			t.Errorf("%s was done %d times", what, n)
		}
	}
}

// What a pending job costs in memory: the package comment says so.
func TestMemory(t *testing.T) {
	const n, budget = 100_000, 150
	w := worker.New(calendartest.NewStore(), worker.Options{})
	w.Handle("k", worker.Kind{Run: func(context.Context, calendar.Job) error { return nil }})
	start(t, w)
	defer stop(t, w)
	due := time.Now().Add(time.Hour)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range n {
		id := calendar.JobID{Owner: calendar.Owner(fmt.Sprintf("owner%d@example.com", i/100)), Change: int64(i)}
		w.Add(calendar.Job{JobID: id, Kind: "k", Key: fmt.Sprintf("%d-a-long-uid@host.example.com", i), Due: due.Add(time.Duration(i*7919%n) * time.Second)})
	}
	each := int(heap()-before) / n
	if st := w.Stats(); each > budget || st.Pending != n {
		t.Errorf("%d octets for each of %d jobs, more than %d", each, st.Pending, budget)
	}
	t.Logf("%d octets each", each)
}

// counting is a store whose write transactions are counted.
type counting struct {
	calendar.Store
	updates int
}

func (c *counting) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	c.updates++
	return c.Store.Update(ctx, owner, fn)
}

// A job that its handler has deleted takes the worker no transaction; one whose
// handler fails is stored as any other.
func TestHandlerDeletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &counting{Store: calendartest.NewStore()}
		w := worker.New(s, worker.Options{})
		w.Handle("k", worker.Kind{Deletes: true, Run: func(ctx context.Context, j calendar.Job) error {
			if j.Attempts == 0 {
				return errors.New("not yet")
			}
			return s.Update(ctx, j.Owner, func(tx calendar.Tx) error { return tx.DeleteJob(j.Change, j.Seq) })
		}})
		start(t, w)
		commit(t, s, w, "anna", calendar.Job{Kind: "k", Due: time.Now()})
		sleep(time.Hour)
		if jobs := stored(t, s); len(jobs) != 0 || s.updates != 3 {
			t.Errorf("%d write transactions instead of those that stored, kept and deleted it; left are %+v", s.updates, jobs)
		}
		if st := w.Stats(); st.Pending != 0 || st.Kinds[0].Done != 1 || st.Kinds[0].Failed != 1 {
			t.Errorf("%+v", st)
		}
		stop(t, w)
	})
}

// TestStoredAgain: a handler that stores its job with another Due instead of deleting
// it is called again then; one that is deleted by somebody else is forgotten at once,
// and a clock that is set forward is noticed within a second.
func TestStoredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := calendartest.NewStore()
		var jump atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }
		w := worker.New(s, worker.Options{Now: now})
		var ran []time.Duration
		begin := time.Now()
		w.Handle("clock", worker.Kind{Deletes: true, Run: func(_ context.Context, j calendar.Job) error {
			ran = append(ran, time.Since(begin))
			return s.Update(bg, j.Owner, func(tx calendar.Tx) error {
				if len(ran) == 3 {
					return tx.DeleteJob(j.Change, j.Seq)
				}
				j.Due = j.Due.Add(time.Hour)
				tx.OnCommit(func() { w.Add(j) })
				return tx.PutJob(j)
			})
		}})
		start(t, w)
		commit(t, s, w, "anna", calendar.Job{Kind: "clock", Due: begin.Add(time.Minute)})
		far := commit(t, s, w, "anna", calendar.Job{Kind: "clock", Due: begin.Add(time.Hour * 1000)})
		sleep(62 * time.Minute)
		jump.Store(int64(time.Hour))
		sleep(time.Minute)
		jump.Store(0)
		if want := []time.Duration{time.Minute, time.Hour + time.Minute, 62*time.Minute + time.Second}; !slices.Equal(ran, want) {
			t.Errorf("ran after %v, want %v", ran, want)
		}
		if n := w.Stats().Pending; n != 1 {
			t.Errorf("%d are pending", n)
		}
		w.Gone(far[0].JobID, calendar.JobID{Owner: "anna", Change: 99}, calendar.JobID{Owner: "ben"})
		if n := w.Stats().Pending; n != 0 {
			t.Errorf("%d are pending", n)
		}
		stop(t, w)
	})
}
