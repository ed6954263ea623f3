package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

func init() {
	register("csexport", "export calendars as files", runCsexport)
}

const csexportUsage = `csexport writes a calendar to a file, or each of its objects to a file of its own.

  csexport [-q|-v] [-C ics.conf] -c calid calendar file|directory|-
  csexport version

  -c calid   the calendar, for example jdoe or jdoe:hobbies
  -q         print errors only
  -C file    the ics.conf to use

Into a file (.ics) goes one calendar with everything; - is standard output.
Into a directory that is there, or a name that ends in /, each object goes as
it is stored, octet for octet.

Exit status: 0 done, 1 some objects could not be written, 2 wrong call, 3 nothing could be done.

  csexport -c jsmithcal calendar jsmith.ics
  csexport -c jsmith:hobbies calendar backup/
`

func runCsexport(ctx context.Context, args []string, std stdio) int {
	t := newTool("csexport", csexportUsage, std)
	var calid string
	t.FlagLong(&calid, "calid", 'c')
	return t.run(ctx, args, func(ctx context.Context, words []string) error {
		switch {
		case words[0] != "calendar":
			return misuse("%q is not a command of csexport", words[0])
		case calid == "":
			return misuse("-c says which calendar")
		case len(words) != 2:
			return misuse("csexport needs one file or directory")
		}
		if err := importable(words[1]); err != nil {
			return t.nothing(err)
		}
		be, err := t.openAnyway(ctx)
		if err != nil {
			return t.nothing(err)
		}
		defer be.close()
		return t.export(ctx, be, calendar.ID(calid), words[1])
	})
}

func (t *tool) export(ctx context.Context, be *backend, id calendar.ID, target string) error {
	c, err := be.Calendar(ctx, be.who, id)
	if err != nil {
		return t.nothing(err)
	}
	if fi, err := os.Stat(target); target != "-" && (strings.HasSuffix(target, "/") || err == nil && fi.IsDir()) {
		return t.exportObjects(ctx, be, id, target)
	}
	merged := newMerge(c)
	bad := 0
	if err := eachObject(ctx, be, id, func(o *calendar.Object) error {
		if err := merged.add(o.Data); err != nil {
			bad++
			t.complain("%s/%s: %v", id, o.Name, err)
		}
		return nil
	}); err != nil {
		return t.nothing(err)
	}
	if target == "-" {
		w := bufio.NewWriter(t.std.out)
		merged.writeTo(w)
		err = w.Flush()
	} else {
		err = writeWhole(target, merged.writeTo)
	}
	if err != nil {
		return t.nothing(err)
	}
	if target != "-" {
		t.say("%s: %d %s in %s", id, merged.objects, plural(merged.objects, "object", "objects"), target)
	}
	if bad > 0 {
		return exitError(exitFailed)
	}
	return nil
}

// exportObjects writes each object to a file of its resource name.
func (t *tool) exportObjects(ctx context.Context, be *backend, id calendar.ID, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return t.nothing(err)
	}
	n, bad := 0, 0
	err := eachObject(ctx, be, id, func(o *calendar.Object) error {
		name := o.Name
		if strings.ContainsAny(name, "/\\") || strings.HasPrefix(name, ".") {
			name = strings.NewReplacer("/", "-", "\\", "-").Replace(strings.TrimLeft(name, "."))
		}
		if err := os.WriteFile(filepath.Join(dir, name), o.Data, 0o600); err != nil {
			bad++
			t.complain("%v", err)
			return nil
		}
		n++
		t.tell("%s", name)
		return nil
	})
	if err != nil {
		return t.nothing(err)
	}
	t.say("%s: %d %s in %s", id, n, plural(n, "object", "objects"), dir)
	if bad > 0 {
		return exitError(exitFailed)
	}
	return nil
}

// eachObject reads all objects of a calendar with their text.
func eachObject(ctx context.Context, be *backend, id calendar.ID, fn func(*calendar.Object) error) error {
	_, err := be.Sync(ctx, be.who, calendar.SyncRequest{Calendar: id, Data: true}, func(it calendar.SyncItem) error {
		if it.Object == nil {
			return nil
		}
		return fn(it.Object)
	})
	return err
}

// writeWhole puts a file in place when it is complete.
func writeWhole(path string, write func(io.Writer)) (err error) {
	if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() { // a pipe or device
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		w := bufio.NewWriter(f)
		write(w)
		return errors.Join(w.Flush(), f.Close())
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".csexport-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriter(f)
	write(w)
	if err := errors.Join(w.Flush(), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// merge puts objects together to calendars that can stand in one file. One is
// enough unless two objects mean different things by the name of a time zone;
// then a further one follows, as RFC 5545 §3.4 allows.
type merge struct {
	head    []ical.Property
	cals    []*mergedCalendar
	objects int
}

type mergedCalendar struct {
	zones map[string]string // TZID: VTIMEZONE as printed
	order []*ical.Component
	comps []*ical.Component
}

func newMerge(c calendar.Calendar) *merge {
	m := &merge{}
	head := ical.NewCalendar("-//Factotum//Calendar//EN")
	for _, p := range [][2]string{
		{"NAME", c.DisplayName}, {"X-WR-CALNAME", c.DisplayName},
		{"DESCRIPTION", c.Description}, {"X-WR-CALDESC", c.Description},
		{"X-WR-TIMEZONE", c.TZID}, {"X-APPLE-CALENDAR-COLOR", c.Color},
	} {
		if p[1] != "" {
			head.SetText(p[0], p[1])
		}
	}
	m.head = head.Props
	return m
}

// add takes an object's components and zones.
func (m *merge) add(data []byte) error {
	obj, err := ical.Parse(data, importLimits)
	if err != nil {
		return err
	}
	var zones, comps []*ical.Component
	for _, c := range obj.Children {
		if c.Name == "VTIMEZONE" {
			zones = append(zones, c)
		} else {
			comps = append(comps, c)
		}
	}
	m.objects++
	for i := 0; ; i++ {
		if i == len(m.cals) {
			m.cals = append(m.cals, &mergedCalendar{zones: map[string]string{}})
		}
		if m.cals[i].take(zones, comps) {
			return nil
		}
	}
}

// take adds components if their zones mean what they mean here already.
// Programs spell well-known zones in many ways; those are all the same.
func (c *mergedCalendar) take(zones, comps []*ical.Component) bool {
	texts := make([]string, len(zones))
	for i, z := range zones {
		texts[i] = string(z.Bytes())
		have, ok := c.zones[z.Value("TZID")]
		if ok && have != texts[i] {
			if _, known := recur.LoadZone(z.Value("TZID")); !known {
				return false
			}
		}
	}
	for i, z := range zones {
		if id := z.Value("TZID"); c.zones[id] == "" {
			c.zones[id] = texts[i]
			c.order = append(c.order, z)
		}
	}
	c.comps = append(c.comps, comps...)
	return true
}

func (m *merge) writeTo(w io.Writer) {
	cals := m.cals
	if len(cals) == 0 {
		cals = []*mergedCalendar{{}}
	}
	for _, c := range cals {
		var head bytes.Buffer
		head.Write((&ical.Component{Name: "VCALENDAR", Props: m.head}).Bytes())
		const end = "END:VCALENDAR\r\n"
		w.Write(bytes.TrimSuffix(head.Bytes(), []byte(end)))
		for _, x := range append(c.order, c.comps...) {
			w.Write(x.Bytes())
		}
		fmt.Fprint(w, end)
	}
}
