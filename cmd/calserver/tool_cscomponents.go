package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
)

func init() {
	register("cscomponents", "count, list and delete the events and tasks of a calendar", runCscomponents)
}

const cscomponentsUsage = `cscomponents counts, lists and deletes events and tasks of a calendar.

  cscomponents [-q|-v] [-s starttime] [-e endtime] [-t event|task] count|list|delete calid
  cscomponents version

  -s starttime    from then on: 20260131T103045Z; 0, the default, is the beginning of time
  -e endtime      before that; 0, the default, is the end of time
  -t event|task   events only, or tasks only
  -v              list: with status, priority, place, attendees and when it was last written
  -j, --json      print JSON
  -q, --yes       do not ask, and print errors only
  -C file         the ics.conf to use

The commands:
  count           tell how many there are
  list            show what takes place between the two times, wholly or in part; a series
                  is one line
  delete          delete what lies wholly between them, and of a series those instances that
                  do; with neither time all, after it has asked. A task without dates lies
                  nowhere: it goes only where no time is given

Who was invited is told that a meeting is called off, as if its owner had deleted it.
"cscal undelete" brings back what was deleted, for factotum.history.days.

While the server is stopped cscomponents opens the database itself.

  cscomponents -s 20000101T000000Z -e 20001231T000000Z delete tchang
  cscomponents -v list tchang
`

// componentOptions are what cscomponents was told.
type componentOptions struct {
	*tool
	start, end, kind string

	id     calendar.ID
	window calendar.Window
	name   string // VEVENT, VTODO, "" for both
}

func runCscomponents(ctx context.Context, args []string, std stdio) int {
	return cscomponents(ctx, args, std, func(o *componentOptions) (*backend, error) {
		if err := o.here(ctx, o.id.Owner()); err != nil {
			return nil, err
		}
		return o.openAnyway(ctx)
	})
}

// cscomponents is runCscomponents on what open gives.
func cscomponents(ctx context.Context, args []string, std stdio, open func(*componentOptions) (*backend, error)) int {
	o := &componentOptions{tool: newTool("cscomponents", cscomponentsUsage, std)}
	o.FlagLong(&o.start, "start", 's')
	o.FlagLong(&o.end, "end", 'e')
	o.FlagLong(&o.kind, "type", 't')
	return o.run(ctx, args, func(ctx context.Context, words []string) error {
		if err := o.check(words); err != nil {
			return err
		}
		be, err := open(o)
		if err != nil {
			return err
		}
		defer be.close()
		switch words[0] {
		case "count":
			return o.count(ctx, be)
		case "list":
			return o.list(ctx, be)
		default:
			return o.delete(ctx, be)
		}
	})
}

// check refuses wrong calls before anything is opened.
func (o *componentOptions) check(words []string) (err error) {
	switch words[0] {
	case "count", "list", "delete":
	default:
		return misuse("%q is not a command of cscomponents", words[0])
	}
	switch {
	case len(words) == 1:
		return misuse("%s the components of which calendar?", words[0])
	case len(words) > 2:
		return misuse("cscomponents takes one calid")
	}
	if o.id, err = calidOf(words[1]); err != nil {
		return err
	}
	if o.window, err = toolWindow(o.start, o.end); err != nil {
		return err
	}
	switch strings.ToLower(o.kind) {
	case "":
	case "event":
		o.name = "VEVENT"
	case "task", "todo":
		o.name = "VTODO"
	default:
		return misuse("-t is event or task, not %q", o.kind)
	}
	return nil
}

// toolWindow is what Sun's -s and -e mean: [start, end), 0 is open.
func toolWindow(start, end string) (w calendar.Window, err error) {
	if w.From, err = scheduleTime("-s", start); err != nil {
		return w, err
	}
	if w.To, err = scheduleTime("-e", end); err != nil {
		return w, err
	}
	if !w.From.IsZero() && !w.To.IsZero() && !w.From.Before(w.To) {
		return w, misuse("-e %s is not after -s %s", end, start)
	}
	return w, nil
}

// componentInfo is an event or task, for programs.
type componentInfo struct {
	UID       string    `json:"uid"`
	Component string    `json:"component"` // event, task
	Start     string    `json:"start,omitempty"`
	End       string    `json:"end,omitempty"` // of a task: when it is due
	TZID      string    `json:"time_zone,omitempty"`
	Summary   string    `json:"summary,omitempty"`
	Recurs    bool      `json:"recurs"`
	Status    string    `json:"status,omitempty"`
	Priority  string    `json:"priority,omitempty"`
	Location  string    `json:"location,omitempty"`
	Organizer string    `json:"organizer,omitempty"`
	Attendees []string  `json:"attendees,omitempty"`
	Modified  time.Time `json:"last_modified"`
}

// describeComponent tells of an object what its main component says: the master of a
// series, else the first instance that is there.
func describeComponent(obj *calendar.Object) componentInfo {
	info := componentInfo{UID: obj.UID, Component: componentWord(obj.Component), Modified: obj.Modified.UTC()}
	cal, err := ical.Parse(obj.Data, ical.Limits{})
	if err != nil {
		return info
	}
	comps, err := object.Components(cal)
	if err != nil || len(comps) == 0 {
		return info
	}
	c := comps[0]
	for _, one := range comps {
		if one.Prop("RECURRENCE-ID") == nil {
			c = one
		}
	}
	info.Start, info.TZID = timeWord(c.Prop("DTSTART"))
	for _, name := range []string{"DTEND", "DUE", "DURATION"} {
		p := c.Prop(name)
		if p == nil {
			continue
		}
		if info.End = "+" + p.Value; name != "DURATION" {
			var zone string
			if info.End, zone = timeWord(p); info.TZID == "" {
				info.TZID = zone
			}
		}
		break
	}
	info.Recurs = len(comps) > 1 || c.Prop("RRULE") != nil || c.Prop("RDATE") != nil || c.Prop("RECURRENCE-ID") != nil
	info.Summary, info.Status, info.Priority, info.Location = c.Text("SUMMARY"), c.Word("STATUS"), c.Value("PRIORITY"), c.Text("LOCATION")
	info.Organizer = c.Value("ORGANIZER")
	for p := range c.All("ATTENDEE") {
		info.Attendees = append(info.Attendees, p.Value)
	}
	return info
}

// timeWord spells a time as iCalendar does, and its zone.
func timeWord(p *ical.Property) (value, tzid string) {
	if p == nil {
		return "", ""
	}
	return p.Value, p.TZID()
}

// componentWord is what Sun's tools call a component.
func componentWord(name string) string {
	return map[string]string{"VEVENT": "event", "VTODO": "task"}[name]
}

// each tells of all objects in the window.
func (o *componentOptions) each(ctx context.Context, be *backend, texts bool, fn func(*calendar.Object) error) error {
	req := calendar.OccurrencesRequest{Calendars: []calendar.ID{o.id}, Window: o.window, Series: true, None: !texts}
	if o.name != "" {
		req.Components = []string{o.name}
	}
	var bad error
	err := be.Occurrences(ctx, be.who, req, func(r calendar.OccurrencesResult) error {
		if r.Err != nil {
			bad = r.Err
			return nil
		}
		if r.Object == nil {
			return nil
		}
		return fn(r.Object)
	})
	if err == nil {
		err = bad
	}
	return err
}

// tally is how many events and tasks there are.
type tally struct {
	Calendar calendar.ID `json:"calendar"`
	Events   int         `json:"events"`
	Tasks    int         `json:"tasks"`
}

func (n tally) String() string {
	return fmt.Sprintf("%d %s and %d %s", n.Events, plain.Plural(n.Events, "event", "events"), n.Tasks, plain.Plural(n.Tasks, "task", "tasks"))
}

func (n *tally) add(component string) {
	switch component {
	case "VEVENT":
		n.Events++
	case "VTODO":
		n.Tasks++
	}
}

// tally counts them, and tells the kind of each UID.
func (o *componentOptions) tally(ctx context.Context, be *backend) (n tally, kinds map[string]string, err error) {
	n, kinds = tally{Calendar: o.id}, map[string]string{}
	err = o.each(ctx, be, false, func(obj *calendar.Object) error {
		n.add(obj.Component)
		kinds[obj.UID] = obj.Component
		return nil
	})
	return n, kinds, err
}

func (o *componentOptions) count(ctx context.Context, be *backend) error {
	n, _, err := o.tally(ctx, be)
	if err != nil {
		return err
	}
	if o.json {
		return o.print(n)
	}
	o.say("%s: %s", o.id, n)
	return nil
}

func (o *componentOptions) list(ctx context.Context, be *backend) error {
	list := newArray(o.std.out)
	err := o.each(ctx, be, true, func(obj *calendar.Object) error {
		switch info := describeComponent(obj); {
		case o.json:
			return list.add(info)
		case o.quiet:
			return nil
		default:
			return o.show(info)
		}
	})
	if o.json {
		if ended := list.end(); err == nil {
			err = ended
		}
	}
	return err
}

// show prints a line of it, or with -v all that is known.
func (o *componentOptions) show(i componentInfo) error {
	recurs := ""
	if i.Recurs {
		recurs = "recurs"
	}
	start := i.Start
	if i.TZID != "" {
		start += " " + i.TZID
	}
	if !o.verbose {
		_, err := fmt.Fprintf(o.std.out, "%s\t%s\t%s\t%s\t%s\t%s\n", plain.Text(i.UID), i.Component, plain.Text(start), plain.Text(i.End), recurs, plain.Text(i.Summary))
		return err
	}
	fmt.Fprintf(o.std.out, "%s\n", plain.Text(i.UID))
	for _, r := range [][2]string{{"kind", i.Component}, {"start", start}, {"end", i.End}, {"recurs", map[bool]string{true: "yes", false: "no"}[i.Recurs]},
		{"summary", i.Summary}, {"status", i.Status}, {"priority", i.Priority}, {"place", i.Location}, {"organizer", i.Organizer},
		{"attendees", strings.Join(i.Attendees, " ")}, {"last modified", i.Modified.Format("2006-01-02T15:04:05Z")}} {
		fmt.Fprintf(o.std.out, "  %-14s %s\n", r[0], plain.Text(r[1]))
	}
	_, err := fmt.Fprintln(o.std.out)
	return err
}

// doneComponents is what became of them, for programs.
type doneComponents struct {
	tally
	Parts   int      `json:"parts"` // series of which instances went
	Done    string   `json:"done"`
	Refused []string `json:"refused,omitempty"` // UIDs
}

// delete deletes what lies in the window. WCAP deletecomponents_by_range does the same.
func (o *componentOptions) delete(ctx context.Context, be *backend) error {
	n, kinds, err := o.tally(ctx, be)
	if err != nil {
		return err
	}
	what := map[string]string{"": "events and tasks", "VEVENT": "events", "VTODO": "tasks"}[o.name]
	if o.window.From.IsZero() && o.window.To.IsZero() {
		err = o.confirm(ctx, "Delete all %s of %s, %s?", what, o.id, n)
	} else {
		err = o.confirm(ctx, "Delete the %s of %s that lie wholly between %s and %s? There are %s, not all of which may.", what, o.id,
			momentWord(o.window.From, "the beginning of time"), momentWord(o.window.To, "the end of time"), n)
	}
	if err != nil {
		return err
	}
	res, err := be.EditObject(ctx, be.who, calendar.EditRequest{Calendar: o.id, Component: o.name, Within: &o.window})
	if err != nil {
		return err
	}
	done := doneComponents{tally: tally{Calendar: o.id}, Done: "deleted"}
	for _, it := range res.Items {
		switch {
		case it.Err != nil:
			done.Refused = append(done.Refused, it.UID)
			o.complain("%s: %s", it.UID, plain.Error(it.Err))
		case it.Removed:
			done.add(kinds[it.UID])
		default:
			done.Parts++
		}
	}
	text := fmt.Sprintf("%s: %s deleted", o.id, done.tally)
	if done.Parts > 0 {
		text += fmt.Sprintf(", and instances of %d series", done.Parts)
	}
	o.did(done, "%s", text)
	if len(done.Refused) > 0 {
		return exitError(exitFailed)
	}
	return nil
}

// momentWord spells an end of a window.
func momentWord(t time.Time, open string) string {
	if t.IsZero() {
		return open
	}
	return t.UTC().Format(scheduleForm)
}
