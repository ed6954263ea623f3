package main

import (
	"net/http"
	"slices"
	"time"
)

// counter is one of Sun's counters. admin.md §7. All of them are read from the
// metrics of the process, so that both say the same.
type counter struct {
	Object string `json:"object"`          // before the dot: httpstat
	About  string `json:"about,omitempty"` // of which disk, service, where there are several
	Name   string `json:"name"`
	Type   string `json:"type"` // GAUGE, COUNTER, TIME, STRING

	Value float64    `json:"value"` // of a TIME: seconds since 1970, 0 is never
	Text  string     `json:"text,omitempty"`
	Time  *time.Time `json:"time,omitempty"`

	Means string `json:"means"`
}

// The types of counter.conf.
const (
	typeGauge   = "GAUGE"
	typeCounter = "COUNTER"
	typeTime    = "TIME"
	typeString  = "STRING"
)

// sample is a value of a metric.
type sample struct {
	labels map[string]string
	value  float64
	n      uint64 // observations of a histogram, whose sum is the value
}

// samples are the values of all metrics by name.
type samples map[string][]sample

// gather reads the metrics of the process.
func (m *metrics) gather() (samples, error) {
	families, err := m.reg.Gather()
	if err != nil {
		return nil, err
	}
	out := samples{}
	for _, f := range families {
		for _, v := range f.GetMetric() {
			s := sample{labels: map[string]string{}}
			for _, l := range v.GetLabel() {
				s.labels[l.GetName()] = l.GetValue()
			}
			switch {
			case v.GetHistogram() != nil:
				s.value, s.n = v.GetHistogram().GetSampleSum(), v.GetHistogram().GetSampleCount()
			case v.GetCounter() != nil:
				s.value = v.GetCounter().GetValue()
			default:
				s.value = v.GetGauge().GetValue()
			}
			out[f.GetName()] = append(out[f.GetName()], s)
		}
	}
	return out, nil
}

// sum adds the values with a label ("" is all of them).
func (s samples) sum(metric, label, value string) (sum float64) {
	for _, v := range s[metric] {
		if label == "" || v.labels[label] == value {
			sum += v.value
		}
	}
	return sum
}

// has reports whether the process has a metric at all: what it does not serve
// it does not count.
func (s samples) has(metric string) bool { return len(s[metric]) > 0 }

// sunCounters are the counters that the process has.
func sunCounters(s samples, started time.Time) (list []counter) {
	object, about := "", ""
	add := func(name, kind string, value float64, means string) {
		c := counter{Object: object, About: about, Name: name, Type: kind, Value: value, Means: means}
		if kind == typeTime && value > 0 {
			at := time.UnixMilli(int64(value * 1000)).UTC()
			c.Time = &at
		}
		list = append(list, c)
	}
	for _, v := range s["factotum_watch_raised"] {
		of := func(metric, label, value string) float64 {
			for _, w := range s[metric] {
				if w.labels["alarm"] == v.labels["alarm"] && w.labels["about"] == v.labels["about"] && (label == "" || w.labels[label] == value) {
					return w.value
				}
			}
			return 0
		}
		object, about = "alarm", v.labels["alarm"]+" "+v.labels["about"]
		add("high", typeGauge, of("factotum_watch_percent", "value", "high"), "highest monitored value")
		add("low", typeGauge, of("factotum_watch_percent", "value", "low"), "lowest monitored value")
		add("current", typeGauge, of("factotum_watch_percent", "value", "current"), "present monitored value")
		add("warningstate", typeGauge, v.value, "1 warning, 0 none")
		add("countoverthreshold", typeCounter, of("factotum_watch_crossings_total", "", ""), "threshold crossings")
		add("countwarningsent", typeCounter, of("factotum_watch_mails_total", "", ""), "warnings sent")
		add("timelastset", typeTime, of("factotum_watch_timestamp_seconds", "event", "set"), "when the value was set last")
		add("timelastwarning", typeTime, of("factotum_watch_timestamp_seconds", "event", "mailed"), "last warning")
		add("timereset", typeTime, of("factotum_watch_timestamp_seconds", "event", "reset"), "last reset")
		add("timestatechanged", typeTime, of("factotum_watch_timestamp_seconds", "event", "changed"), "last change of the warning state")
	}
	if s.has("factotum_http_connections") {
		about = ""
		object = "authstat"
		add("numGoodLogins", typeCounter, s.sum("factotum_logins_total", "outcome", "ok"), "successful log-ins")
		add("numFailedLogins", typeCounter, s.sum("factotum_logins_total", "outcome", "failed")+s.sum("factotum_logins_total", "outcome", "waiting"), "failed log-ins")
		add("lastLoginTime", typeTime, s.sum("factotum_login_last_timestamp_seconds", "", ""), "last successful log-in")
		object = "httpstat"
		requests := samples{"all": s["factotum_http_request_seconds"]}
		average, n := 0.0, uint64(0)
		for _, v := range requests["all"] {
			n += v.n
		}
		if n > 0 {
			average = requests.sum("all", "", "") / float64(n) * 1000
		}
		add("avgConnectionTime", typeGauge, average, "average response time, ms")
		add("currentStartTime", typeTime, stamp(started), "server start")
		add("lastConnectionTime", typeTime, s.sum("factotum_http_last_connection_timestamp_seconds", "", ""), "last new connection")
		add("maxConnections", typeCounter, s.sum("factotum_http_connections_most", "", ""), "most concurrent connections")
		add("maxSessions", typeCounter, s.sum("factotum_wcap_sessions_most", "", ""), "most WCAP sessions")
		add("numConnections", typeCounter, s.sum("factotum_http_connections_total", "outcome", "taken"), "connections in total")
		add("numCurrentConnections", typeGauge, s.sum("factotum_http_connections", "", ""), "active connections")
		add("numCurrentSessions", typeGauge, s.sum("factotum_wcap_sessions", "", ""), "WCAP sessions")
		add("numFailedConnections", typeCounter, s.sum("factotum_http_connections_total", "outcome", "refused"), "failed connections")
		add("numGoodLogins", typeCounter, s.sum("factotum_logins_total", "outcome", "ok"), "successful log-ins of this HTTP server")
		add("numFailedLogins", typeCounter, s.sum("factotum_logins_total", "outcome", "failed")+s.sum("factotum_logins_total", "outcome", "waiting"), "failed log-ins")
		object = "sessstat"
		add("maxSessions", typeCounter, s.sum("factotum_wcap_sessions_most", "", ""), "most WCAP sessions")
		add("numSessions", typeGauge, s.sum("factotum_wcap_sessions", "", ""), "WCAP sessions")
		object = "wcapstat"
		add("numRequests", typeCounter, s.sum("factotum_http_requests_total", "route", "wcap"), "WCAP requests")
	}
	if s.has("factotum_jobs_pending") { // this process has the store
		object, about = "dbstat", ""
		add("numReads", typeCounter, s.sum("factotum_store_reads_total", "", ""), "database reads")
		add("numWrites", typeCounter, s.sum("factotum_store_commits_total", "outcome", "ok"), "database writes")
		add("numDeletes", typeCounter, s.sum("factotum_store_deletes_total", "", ""), "objects deleted")
		add("lastReadTime", typeTime, s.sum("factotum_store_last_timestamp_seconds", "op", "read"), "last read")
		add("lastWriteTime", typeTime, s.sum("factotum_store_last_timestamp_seconds", "op", "write"), "last write")
		add("lastDeleteTime", typeTime, s.sum("factotum_store_last_timestamp_seconds", "op", "delete"), "last deletion")
		object = "gsestat"
		add("lastJobProcessedTime", typeTime, s.sum("factotum_jobs_last_timestamp_seconds", "event", "done"), "last job done")
		add("lastWakeUpTime", typeTime, s.sum("factotum_jobs_last_timestamp_seconds", "event", "woke"), "when the queue was looked at last")
		add("numActiveWorkerThreads", typeGauge, s.sum("factotum_jobs_running", "", ""), "jobs that run")
		add("numJobsProcessed", typeCounter, s.sum("factotum_jobs_outcomes_total", "outcome", "done"), "jobs done")
	}
	for _, v := range s["factotum_disk_size_bytes"] {
		path := v.labels["path"]
		object, about = "diskusage", path
		free := s.sum("factotum_disk_free_bytes", "path", path)
		add("availSpace", typeGauge, free, "octets that are free")
		add("totalSpace", typeGauge, v.value, "octets of the disk")
		add("percentAvail", typeGauge, float64(int(free*100/max(v.value, 1))), "percent available")
		add("lastStatTime", typeTime, s.sum("factotum_health_timestamp_seconds", "", ""), "last check")
		add("calPartitionPath", typeString, 0, "path")
		list[len(list)-1].Text = path
	}
	for _, v := range s["factotum_service_response_seconds"] {
		object, about = "serverresponse", v.labels["service"]
		add("lastStatTime", typeTime, s.sum("factotum_service_response_timestamp_seconds", "service", about), "last check")
		add("responseTime", typeGauge, v.value*1000, "response time, ms")
	}
	return list
}

// counters answers with the counters of the process.
func (a *adminServer) counters(w http.ResponseWriter, _ *http.Request) {
	s, err := a.p.metrics.gather()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answerJSON(w, sunCounters(s, a.p.started))
}

// joinCounters puts together the counters of the processes of a host: what two of
// them have, such as a disk, is there once.
func joinCounters(lists ...[]counter) (all []counter) {
	for _, list := range lists {
		for _, c := range list {
			if !slices.ContainsFunc(all, func(o counter) bool { return o.Object == c.Object && o.About == c.About && o.Name == c.Name }) {
				all = append(all, c)
			}
		}
	}
	return all
}
