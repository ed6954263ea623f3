package main

import (
	"context"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"factotum/protocol/front"
	"factotum/server/calendar"
)

// metrics are the process's numbers for Prometheus. Labels are few words each:
// never names of users or calendars.
type metrics struct {
	reg      *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	sent     *prometheus.CounterVec
	logins   *prometheus.CounterVec
	calls    *prometheus.CounterVec
	callTime *prometheus.HistogramVec
	commits  *prometheus.CounterVec
	commit   prometheus.Histogram
	reads    prometheus.Counter
	deletes  prometheus.Counter
	last     *prometheus.GaugeVec // when the store was last read, written, and something deleted
	atRead   prometheus.Gauge     // of last
	atWrite  prometheus.Gauge
	loggedIn prometheus.Gauge // when somebody was let in last
	busy     atomic.Int64     // requests and calls so far
	pace     pace             // of writes
}

func newMetrics(program string) *metrics {
	m := &metrics{
		reg: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "factotum_http_requests_total",
			Help: "HTTP requests answered."}, []string{"route", "method", "class"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "factotum_http_request_seconds",
			Help: "Time from a request's header to the end of its answer.", Buckets: prometheus.ExponentialBuckets(0.00025, 4, 9)}, []string{"route", "method"}),
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "factotum_http_response_bytes_total",
			Help: "Octets of answers."}, []string{"route"}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "factotum_logins_total",
			Help: "Log-ins asked for, by outcome: ok, failed, waiting (refused because of failures before), error."}, []string{"outcome"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "factotum_backend_calls_total",
			Help: "Calls of the calendar model, here or over DWP, by their outcome's kind."}, []string{"via", "op", "kind"}),
		callTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "factotum_backend_call_seconds",
			Help: "Time of those calls.", Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9)}, []string{"via", "op"}),
		commits: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "factotum_store_commits_total",
			Help: "Write transactions of the store, by outcome: ok, refused."}, []string{"outcome"}),
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "factotum_store_commit_seconds",
			Help: "Time until a write is durable.", Buckets: prometheus.ExponentialBuckets(0.0002, 3, 9)}),
		reads:   prometheus.NewCounter(prometheus.CounterOpts{Name: "factotum_store_reads_total", Help: "Read transactions of the store."}),
		deletes: prometheus.NewCounter(prometheus.CounterOpts{Name: "factotum_store_deletes_total", Help: "Objects that were deleted."}),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "factotum_store_last_timestamp_seconds",
			Help: "When the store was last read, written, and something deleted there, in seconds since 1970."}, []string{"op"}),
		loggedIn: prometheus.NewGauge(prometheus.GaugeOpts{Name: "factotum_login_last_timestamp_seconds", Help: "When somebody was let in last, in seconds since 1970."}),
	}
	for _, outcome := range []string{"ok", "failed", "waiting", "error"} { // there from the start, or the first is no increase
		m.logins.WithLabelValues(outcome)
	}
	for _, outcome := range []string{"ok", "refused"} {
		m.commits.WithLabelValues(outcome)
	}
	m.atRead, m.atWrite = m.last.WithLabelValues("read"), m.last.WithLabelValues("write")
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "factotum_build_info", Help: "1, with the release as a label.",
		ConstLabels: prometheus.Labels{"version": versionString(), "program": program}})
	build.Set(1)
	m.reg.MustRegister(m.requests, m.duration, m.sent, m.logins, m.calls, m.callTime, m.commits, m.commit, m.reads, m.deletes, m.last, m.loggedIn, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// gauge shows a number that is asked for when it is scraped, until the
// returned function is called.
func (m *metrics) gauge(name, help string, value func() float64) (remove func()) {
	g := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	m.reg.MustRegister(g)
	return func() { m.reg.Unregister(g) }
}

// seen counts an HTTP request.
func (m *metrics) seen(s front.Seen) {
	m.busy.Add(1)
	m.requests.WithLabelValues(s.Route, s.Method, strconv.Itoa(s.Status/100)+"xx").Inc()
	m.duration.WithLabelValues(s.Route, s.Method).Observe(s.Took.Seconds())
	m.sent.WithLabelValues(s.Route).Add(float64(s.Bytes))
}

// login counts a log-in.
func (m *metrics) login(err error) {
	outcome := "ok"
	if err != nil {
		switch calendar.KindOf(err) {
		case calendar.LoginFailed:
			outcome = "failed"
		case calendar.MustWait:
			outcome = "waiting"
		default:
			outcome = "error"
		}
	}
	m.logins.WithLabelValues(outcome).Inc()
	if err == nil {
		m.loggedIn.SetToCurrentTime()
	}
}

// deleted counts deletions among changes that are committed, and hands them on.
func (m *metrics) deleted(next func([]*calendar.Change)) func([]*calendar.Change) {
	return func(changes []*calendar.Change) {
		for _, ch := range changes {
			if ch.Kind == calendar.ObjectDeleted {
				m.deletes.Inc()
				m.last.WithLabelValues("delete").SetToCurrentTime()
			}
		}
		if next != nil {
			next(changes)
		}
	}
}

// countedStore counts commits.
type countedStore struct {
	calendar.Store
	m      *metrics
	health *health
}

// View implements calendar.Store.
func (s countedStore) View(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	err := s.Store.View(ctx, owner, fn)
	s.m.reads.Inc()
	s.m.atRead.SetToCurrentTime()
	s.health.used(err)
	return err
}

// Check implements calendar.Store.
func (s countedStore) Check(ctx context.Context) error {
	err := s.Store.Check(ctx)
	s.health.used(err)
	return err
}

// Update implements calendar.Store.
func (s countedStore) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	start := time.Now()
	err := s.Store.Update(ctx, owner, fn)
	s.health.wrote(err)
	if err != nil {
		s.m.commits.WithLabelValues("refused").Inc()
		return err
	}
	s.m.commits.WithLabelValues("ok").Inc()
	s.m.atWrite.SetToCurrentTime()
	took := time.Since(start)
	s.m.commit.Observe(took.Seconds())
	s.m.pace.took(took, start.Add(took))
	return nil
}
