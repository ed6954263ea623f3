package main

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"factotum/protocol/front"
	"factotum/server/calendar"
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
