package main

import (
	"cmp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"factotum/notify/operator"
)

// watched counts what the process watches for the administrator: Sun's counters
// of alarms. admin.md §7.
type watched struct {
	mu   sync.Mutex
	list map[watchName]*watchStat
	took map[string]time.Duration // by service: its last answer
	at   map[string]time.Time     // and when that was
	mail *operator.Mailer
	from time.Time
}

type watchName struct{ alarm, about string } // disk or response, and of which

// watchStat is one value that is watched, in percent.
type watchStat struct {
	what               string // as its mails call it
	high, low, current int
	raised             bool
	crossed            int
	set, changed       time.Time
}

func newWatched(mail *operator.Mailer) *watched {
	return &watched{list: map[watchName]*watchStat{}, took: map[string]time.Duration{}, at: map[string]time.Time{}, mail: mail, from: time.Now()}
}

// note keeps a value that was looked at.
func (w *watched) note(alarm string, a *operator.Alarm, raised bool) {
	n, err := strconv.Atoi(a.Value)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.list[watchName{alarm, a.About}]
	if s == nil {
		s = &watchStat{what: a.What, high: n, low: n, changed: w.from}
		w.list[watchName{alarm, a.About}] = s
	}
	s.high, s.low, s.current, s.set = max(s.high, n), min(s.low, n), n, time.Now()
	if s.raised != raised {
		s.raised, s.changed = raised, s.set
		if raised {
			s.crossed++
		}
	}
}

// answered keeps how long a service took.
func (w *watched) answered(service string, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.took[service], w.at[service] = took, time.Now()
}

var (
	descWatched = prometheus.NewDesc("factotum_watch_percent", "What is watched for the administrator, in percent: now, and the highest and lowest since the start.",
		[]string{"alarm", "about", "value"}, nil)
	descWatchRaised   = prometheus.NewDesc("factotum_watch_raised", "1 while it is beyond its threshold.", []string{"alarm", "about"}, nil)
	descWatchCrossed  = prometheus.NewDesc("factotum_watch_crossings_total", "How often it went beyond.", []string{"alarm", "about"}, nil)
	descWatchMails    = prometheus.NewDesc("factotum_watch_mails_total", "Mails to the administrator about it.", []string{"alarm", "about"}, nil)
	descWatchTime     = prometheus.NewDesc("factotum_watch_timestamp_seconds", "When it was looked at, mailed about, and changed its state last, and since when it is counted.", []string{"alarm", "about", "event"}, nil)
	descServiceTook   = prometheus.NewDesc("factotum_service_response_seconds", "How long a service took for its last answer.", []string{"service"}, nil)
	descServiceLooked = prometheus.NewDesc("factotum_service_response_timestamp_seconds", "When it was asked.", []string{"service"}, nil)
)

// Describe implements prometheus.Collector.
func (w *watched) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descWatched, descWatchRaised, descWatchCrossed, descWatchMails, descWatchTime, descServiceTook, descServiceLooked} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (w *watched) Collect(ch chan<- prometheus.Metric) {
	w.mu.Lock()
	defer w.mu.Unlock()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, k := range sortedNames(w.list) {
		s := w.list[k]
		gauge(descWatched, float64(s.high), k.alarm, k.about, "high")
		gauge(descWatched, float64(s.low), k.alarm, k.about, "low")
		gauge(descWatched, float64(s.current), k.alarm, k.about, "current")
		raised := 0.0
		if s.raised {
			raised = 1
		}
		gauge(descWatchRaised, raised, k.alarm, k.about)
		mails, last := w.mail.Told(s.what, k.about)
		ch <- prometheus.MustNewConstMetric(descWatchCrossed, prometheus.CounterValue, float64(s.crossed), k.alarm, k.about)
		ch <- prometheus.MustNewConstMetric(descWatchMails, prometheus.CounterValue, float64(mails), k.alarm, k.about)
		for event, at := range map[string]time.Time{"set": s.set, "changed": s.changed, "reset": w.from, "mailed": last} {
			gauge(descWatchTime, stamp(at), k.alarm, k.about, event)
		}
	}
	for service, took := range w.took {
		gauge(descServiceTook, took.Seconds(), service)
		gauge(descServiceLooked, stamp(w.at[service]), service)
	}
}

func sortedNames(list map[watchName]*watchStat) (names []watchName) {
	for k := range list {
		names = append(names, k)
	}
	slices.SortFunc(names, func(a, b watchName) int { return cmp.Or(cmp.Compare(a.alarm, b.alarm), cmp.Compare(a.about, b.about)) })
	return names
}

// stamp is a time for Prometheus; 0 is never.
func stamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
