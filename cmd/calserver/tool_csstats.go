package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/server/config"
)

func init() {
	register("csstats", "show the counters of the server", runCsstats)
}

const csstatsUsage = `csstats shows the counters of the server's processes on this host.

  csstats [-q|-v] [-i iterations] [-s delay] list [subsystem]
  csstats version

  -i iterations  show them so many times; 1. 0 is until it is ended
  -s delay       seconds before each time; 1
  -v             with the type of each counter and what it means
  -r registry    Sun's, and refused: counters are in the processes, not in a file
  -j, --json     print JSON: an array of all counters for each time
  -q             print nothing but errors
  -C file        the ics.conf to use

The subsystems are alarm, auth, db, disk, gse, http, response, sess and wcap; without one
the most important counters of all are shown. They count from the start of the process that
has them, and are the same numbers as the metrics at factotum.admin.listen. Times are in
the time zone of this host.

  csstats list
  csstats list http
  csstats -i 3600 -s 10 list wcap
`

// statSubsystems are the words of csstats, the objects of counter.conf that they are,
// and which counters are shown where none is named. admin.md §§7, 8.16.
var statSubsystems = []struct {
	word, object string
	basic        []string
}{
	{"alarm", "alarm", []string{"current", "warningstate"}},
	{"auth", "authstat", []string{"numGoodLogins", "numFailedLogins"}},
	{"db", "dbstat", []string{"numReads", "numWrites", "numDeletes"}},
	{"disk", "diskusage", []string{"availSpace", "percentAvail"}},
	{"gse", "gsestat", []string{"numJobsProcessed", "numActiveWorkerThreads"}},
	{"http", "httpstat", []string{"numConnections", "numCurrentConnections", "avgConnectionTime"}},
	{"response", "serverresponse", []string{"responseTime"}},
	{"sess", "sessstat", []string{"numSessions", "maxSessions"}},
	{"wcap", "wcapstat", []string{"numRequests"}},
}

// statsOptions are what csstats was told.
type statsOptions struct {
	*tool
	registry string
	times    int
	delay    int
}

func runCsstats(ctx context.Context, args []string, std stdio) int {
	o := &statsOptions{tool: newTool("csstats", csstatsUsage, std), times: 1, delay: 1}
	o.FlagLong(&o.registry, "registry", 'r')
	o.FlagLong(&o.times, "iterations", 'i')
	o.FlagLong(&o.delay, "delay", 's')
	return o.run(ctx, args, o.list)
}

func (o *statsOptions) list(ctx context.Context, words []string) error {
	object := ""
	switch {
	case words[0] != "list":
		return misuse("%q is not a command of csstats", words[0])
	case len(words) > 2:
		return misuse("csstats takes one subsystem")
	case o.registry != "":
		return misuse("-r: counters are in the processes that count, and not in a file")
	case o.times < 0 || o.delay < 0 || o.delay > 24*60*60:
		return misuse("-i and -s take numbers that are not negative, and -s a day at most")
	case len(words) == 2:
		names := make([]string, 0, len(statSubsystems))
		for _, s := range statSubsystems {
			names = append(names, s.word)
			if s.word == words[1] {
				object = s.object
			}
		}
		if object == "" {
			return misuse("%q is none of %s", words[1], strings.Join(names, ", "))
		}
	}
	cfg, err := o.load()
	if err != nil {
		return err
	}
	for n := 0; o.times == 0 || n < o.times; n++ {
		if err := pauseFor(ctx, time.Duration(o.delay)*time.Second); err != nil {
			return err
		}
		list, err := hostCounters(ctx, cfg)
		if err != nil {
			return err
		}
		if object != "" {
			list = slices.DeleteFunc(list, func(c counter) bool { return c.Object != object })
			if len(list) == 0 {
				return fmt.Errorf("no process of this host has counters of %s: see \"calserver status\"", words[1])
			}
		}
		switch {
		case o.json:
			if err := o.print(list); err != nil {
				return err
			}
		case !o.quiet:
			o.show(list, object == "" && !o.verbose)
		}
	}
	return nil
}

// hostCounters asks all processes of this host.
func hostCounters(ctx context.Context, cfg *config.Config) ([]counter, error) {
	var lists [][]counter
	names := []string{"calserver"}
	for i := range roles {
		names = append(names, roles[i].program)
	}
	for _, name := range names {
		var list []counter
		switch err := callAdmin(ctx, adminSocket(cfg, name), "GET", "/counters", &list); {
		case err == nil:
			lists = append(lists, list)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
	}
	if len(lists) == 0 {
		return nil, errNotRunning
	}
	return joinCounters(lists...), nil
}

// show prints counters, an object after the other.
func (o *statsOptions) show(list []counter, basic bool) {
	fmt.Fprintf(o.std.out, "%s\n", time.Now().Format(time.DateTime))
	for _, s := range statSubsystems {
		about, first := "", true
		for _, c := range list {
			if c.Object != s.object || basic && !slices.Contains(s.basic, c.Name) {
				continue
			}
			if first || c.About != about {
				title := strings.TrimSpace(c.Object + " " + plain.Text(c.About))
				fmt.Fprintln(o.std.out, title)
			}
			about, first = c.About, false
			row := fmt.Sprintf("  %-24s %s", c.Name, c.text())
			if o.verbose {
				row = fmt.Sprintf("  %-24s %-8s %-22s %s", c.Name, c.Type, c.text(), c.Means)
			}
			fmt.Fprintln(o.std.out, row)
		}
	}
}

// text is the value for people.
func (c *counter) text() string {
	switch {
	case c.Type == typeString:
		return plain.Text(c.Text)
	case c.Type == typeTime && c.Time == nil:
		return "never"
	case c.Type == typeTime:
		return c.Time.Local().Format(time.DateTime)
	case c.Value == float64(int64(c.Value)):
		return fmt.Sprint(int64(c.Value))
	}
	return fmt.Sprintf("%.1f", c.Value)
}
