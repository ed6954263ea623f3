package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"factotum/notify/queue"
	"factotum/server/worker"
)

// diagnose is csqueue diagnose: 1 if somebody has to do something.
func (t *tool) diagnose(ctx context.Context, table jobTable) error {
	f, err := table.facts(ctx)
	if err != nil {
		return err
	}
	return t.tellDiagnosis(queue.Diagnose(f))
}

func (t *tool) tellDiagnosis(d queue.Diagnosis) error {
	if t.json {
		if err := t.print(d); err != nil {
			return err
		}
	} else {
		t.say("%s", d.Says)
		for i := range d.Findings {
			t.finding(&d.Findings[i])
		}
	}
	if d.Problem {
		return exitError(exitFailed)
	}
	return nil
}

// causeNames are how people are told of the four.
var causeNames = map[queue.Cause]string{queue.Capacity: "we cannot keep up", queue.Elsewhere: "destinations", queue.Ours: "our own software", queue.Configuration: "configuration"}

func (t *tool) finding(f *queue.Finding) {
	t.say("")
	head := "Cause: " + causeNames[f.Cause]
	if f.State != "" {
		head += " (" + string(f.State) + ")"
	}
	t.line(head)
	t.line("  " + f.Says)
	for _, e := range f.Evidence {
		t.line("  - " + e)
	}
	for _, do := range f.Do {
		t.line("  > " + do)
	}
}

// topEvery is how often top looks.
const topEvery = 2 * time.Second

// top is csqueue top: destinations, servers that fail, and what is in the way, again
// and again on a terminal, once elsewhere.
func (t *tool) top(ctx context.Context, table jobTable, filter worker.Filter) error {
	screen := t.std.out
	live := isTerminal(screen) && !t.json
	defer func() { t.std.out = screen }()
	for {
		var page strings.Builder
		t.std.out = &page
		if err := t.topOnce(ctx, table, filter); err != nil {
			return err
		}
		if live {
			fmt.Fprint(screen, "\x1b[H\x1b[2J")
		}
		if _, err := io.WriteString(screen, page.String()); err != nil || !live {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(topEvery):
		}
	}
}

func (t *tool) topOnce(ctx context.Context, table jobTable, filter worker.Filter) error {
	f, err := table.facts(ctx)
	if err != nil {
		return err
	}
	all := destinations{}
	err = eachJob(ctx, table, filter, false, func(j *jobInfo) error {
		m := describeMail(j)
		all.add(&m)
		return nil
	})
	if err != nil {
		return err
	}
	d, list := queue.Diagnose(f), all.sorted()
	if t.json {
		return t.print(map[string]any{"says": d.Says, "problem": d.Problem, "findings": d.Findings, "active": f.Active, "connections": f.Connections, "hosts": append([]queue.Host{}, f.Hosts...), "destinations": list})
	}
	host, _ := os.Hostname()
	t.say("%s  %s  %d of %d connections in use", host, f.Now.Format(time.TimeOnly), f.Active, f.Connections)
	t.say("%s", d.Says)
	for i := range d.Findings {
		t.line("  " + causeNames[d.Findings[i].Cause] + ": " + d.Findings[i].Says)
	}
	for _, h := range f.Hosts {
		t.row(h.Name, fmt.Sprintf("%d failures", h.Failures), string(h.Step)+": "+h.Cause)
	}
	t.say("")
	for _, e := range list[:min(len(list), topRows)] {
		t.row(e.words(f.Now)...)
	}
	return nil
}

// topRows is how many destinations fit.
const topRows = 20
