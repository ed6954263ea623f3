package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"factotum/protocol/front"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/worker"
)

// silent is a backend whose methods answer nothing.
type silent struct{ calendar.Backend }

func (silent) Home(context.Context, calendar.Actor, calendar.HomeRequest) (calendar.Home, error) {
	return calendar.Home{}, nil
}

func (silent) Calendar(context.Context, calendar.Actor, calendar.ID) (calendar.Calendar, error) {
	return calendar.Calendar{}, &calendar.Error{Kind: calendar.NoCalendar}
}

func TestMetrics(t *testing.T) {
	m := newMetrics("calserver")
	be := countBackend(silent{}, "http", m)
	be.Home(t.Context(), calendar.Actor{}, calendar.HomeRequest{})
	be.Calendar(t.Context(), calendar.Actor{}, "nobody")
	m.seen(front.Seen{Method: "PUT", Route: "dav", Status: 201, Bytes: 7})
	m.login(nil)
	m.login(&calendar.Error{Kind: calendar.LoginFailed})
	remove := m.gauge("factotum_cache_bytes", "help", func() float64 { return 5 })
	w := httptest.NewRecorder()
	m.handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`factotum_backend_calls_total{kind="ok",op="home",via="http"} 1`,
		`factotum_backend_calls_total{kind="no-calendar",op="calendar",via="http"} 1`,
		`factotum_http_requests_total{class="2xx",method="PUT",route="dav"} 1`,
		`factotum_http_response_bytes_total{route="dav"} 7`,
		`factotum_logins_total{outcome="failed"} 1`, `factotum_logins_total{outcome="ok"} 1`,
		`factotum_cache_bytes 5`, `go_goroutines`, `process_resident_memory_bytes`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	if strings.Contains(w.Body.String(), "nobody") {
		t.Error("the metrics have a name of a calendar")
	}
	remove()
	m.gauge("factotum_cache_bytes", "help", func() float64 { return 6 }) // a role that starts again
}

// What a worker has to do and has done is shown while it is there.
func TestJobMetrics(t *testing.T) {
	m := newMetrics("csstored")
	st := calendartest.NewStore()
	ids := calendar.JobID{Owner: "anna", Change: 1}
	err := st.Update(t.Context(), "anna", func(tx calendar.Tx) error {
		return errors.Join(
			tx.PutJob(calendar.Job{JobID: ids, Kind: "test", Due: time.Now().Add(time.Hour)}),
			tx.PutJob(calendar.Job{JobID: calendar.JobID{Change: 2}, Kind: "test", Parked: true}))
	})
	if err != nil {
		t.Fatal(err)
	}
	w := worker.New(st, worker.Options{})
	w.Handle("test", worker.Kind{Run: func(context.Context, calendar.Job) error { return nil }})
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer w.Stop(context.Background())
	remove := m.jobs(w)
	shown := func() string {
		rec := httptest.NewRecorder()
		m.handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
		return rec.Body.String()
	}
	for _, want := range []string{"factotum_jobs_pending 1", "factotum_jobs_due 0", "factotum_jobs_running 0", "factotum_jobs_parked 1",
		"factotum_jobs_oldest_due_seconds 0", `factotum_jobs_outcomes_total{kind="test",outcome="done"} 0`} {
		if !strings.Contains(shown(), want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	remove()
	if strings.Contains(shown(), "factotum_jobs") {
		t.Error("the numbers of a worker that is gone are still shown")
	}
	m.jobs(w)()
}
