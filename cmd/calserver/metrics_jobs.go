package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"factotum/server/worker"
)

// jobMetrics shows what a worker has to do and has done.
type jobMetrics struct {
	w                                     *worker.Worker
	pending, due, running, parked, oldest *prometheus.Desc
	outcomes, last                        *prometheus.Desc
}

// jobs shows the numbers of a worker until the returned function is called.
func (m *metrics) jobs(w *worker.Worker) (remove func()) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("factotum_jobs_"+name, help, labels, nil)
	}
	c := &jobMetrics{
		w:        w,
		pending:  desc("pending", "Jobs that are still to be done, without those given up."),
		due:      desc("due", "Jobs whose time has come, and that wait for room only."),
		running:  desc("running", "Jobs that run."),
		parked:   desc("parked", "Jobs that were given up and wait for an administrator."),
		oldest:   desc("oldest_due_seconds", "How long the oldest of the due jobs has been due."),
		last:     desc("last_timestamp_seconds", "When a job was done last, and when the queue was looked at.", "event"),
		outcomes: desc("outcomes_total", "What became of jobs: done, failed (an attempt), parked (given up).", "kind", "outcome"),
	}
	m.reg.MustRegister(c)
	return func() { m.reg.Unregister(c) }
}

// Describe implements prometheus.Collector.
func (c *jobMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.pending, c.due, c.running, c.parked, c.oldest, c.outcomes, c.last} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *jobMetrics) Collect(ch chan<- prometheus.Metric) {
	st := c.w.Stats()
	for _, g := range []struct {
		desc  *prometheus.Desc
		value float64
	}{
		{c.pending, float64(st.Pending)}, {c.due, float64(st.Due)}, {c.running, float64(st.Running)}, {c.parked, float64(st.Parked)},
		{c.oldest, st.Oldest.Seconds()},
	} {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value)
	}
	ch <- prometheus.MustNewConstMetric(c.last, prometheus.GaugeValue, stamp(st.Ended), "done")
	ch <- prometheus.MustNewConstMetric(c.last, prometheus.GaugeValue, stamp(st.Woke), "woke")
	for _, k := range st.Kinds {
		for outcome, n := range map[string]uint64{"done": k.Done, "failed": k.Failed, "parked": k.Parked} {
			ch <- prometheus.MustNewConstMetric(c.outcomes, prometheus.CounterValue, float64(n), k.Kind, outcome)
		}
	}
}
