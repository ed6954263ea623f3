// Package exporter writes a calendar as files: one with everything in it, or
// one for each object, octet for octet.
package exporter

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
	"slices"
	"strings"

	"factotum/cmd/internal/importer"
	"factotum/protocol/wcap"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/zone"
)

// Store has what is exported.
type Store interface {
	Calendar(ctx context.Context, who calendar.Actor, id calendar.ID) (calendar.Calendar, error)
	Sync(ctx context.Context, who calendar.Actor, req calendar.SyncRequest, emit func(calendar.SyncItem) error) (calendar.SyncResult, error)
}

// Export is of one calendar.
type Export struct {
	Store    Store
	Who      calendar.Actor
	Calendar calendar.ID
	Server   string            // before addresses of files that are paths, in one file; "" leaves them
	Read     func()            // called with each object, may be nil
	Written  func(name string) // called with each file of an object, may be nil
	Bad      func(err error)   // called with each object that could not be written
}

// IsFolder tells whether a target takes a file of each object: a directory
// that is there, or a name that ends in /.
func IsFolder(target string) bool {
	fi, err := os.Stat(target)
	return target != "-" && (strings.HasSuffix(target, "/") || err == nil && fi.IsDir())
}

// Whole writes the calendar to one file, or to stdout where the target is "-",
// and tells how many objects are in it.
func (e *Export) Whole(ctx context.Context, target string, stdout io.Writer) (n int, err error) {
	c, err := e.Store.Calendar(ctx, e.Who, e.Calendar)
	if err != nil {
		return 0, err
	}
	merged := newMerge(c)
	merged.server = e.Server
	if err := e.each(ctx, func(o *calendar.Object) {
		if err := merged.add(o.Data); err != nil {
			e.Bad(fmt.Errorf("%s/%s: %w", e.Calendar, o.Name, err))
		}
	}); err != nil {
		return 0, err
	}
	merged.xml = importer.IsXML(target)
	if target == "-" {
		w := bufio.NewWriter(stdout)
		merged.writeTo(w)
		return merged.objects, w.Flush()
	}
	return merged.objects, writeWhole(target, merged.writeTo)
}

// Folder writes each object to a file of its resource name, and tells how many.
func (e *Export) Folder(ctx context.Context, dir string) (n int, err error) {
	if _, err := e.Store.Calendar(ctx, e.Who, e.Calendar); err != nil {
		return 0, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	err = e.each(ctx, func(o *calendar.Object) {
		name := o.Name
		if strings.ContainsAny(name, "/\\") || strings.HasPrefix(name, ".") {
			name = strings.NewReplacer("/", "-", "\\", "-").Replace(strings.TrimLeft(name, "."))
		}
		if err := os.WriteFile(filepath.Join(dir, name), o.Data, 0o600); err != nil {
			e.Bad(err)
			return
		}
		n++
		if e.Written != nil {
			e.Written(name)
		}
	})
	return n, err
}

// each reads all objects of the calendar with their text.
func (e *Export) each(ctx context.Context, fn func(*calendar.Object)) error {
	_, err := e.Store.Sync(ctx, e.Who, calendar.SyncRequest{Calendar: e.Calendar, Data: true}, func(it calendar.SyncItem) error {
		if it.Object != nil {
			fn(it.Object)
			if e.Read != nil {
				e.Read()
			}
		}
		return ctx.Err()
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
	server  string // see Export.Server
	xml     bool   // in the form of WCAP §10, as Sun's tools wrote it
	cals    []*mergedCalendar
	objects int
}

type mergedCalendar struct {
	merger zone.Merger
	zones  []*ical.Component
	comps  []*ical.Component
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
	obj, err := ical.Parse(data, importer.Limits)
	if err != nil {
		return err
	}
	m.objects++
	calendar.AbsoluteAttachments(obj, m.server)
	for i := 0; ; i++ {
		if i == len(m.cals) {
			m.cals = append(m.cals, &mergedCalendar{})
		}
		if c := m.cals[i]; c.merger.Fits(obj) {
			c.take(obj)
			return nil
		}
	}
}

// take adds components whose zones mean what they mean here already.
func (c *mergedCalendar) take(obj *ical.Component) {
	for _, x := range c.merger.Add(obj) {
		if x.Name == "VTIMEZONE" {
			c.zones = append(c.zones, x)
		} else {
			c.comps = append(c.comps, x)
		}
	}
}

func (m *merge) writeTo(w io.Writer) {
	cals := m.cals
	if len(cals) == 0 {
		cals = []*mergedCalendar{{}}
	}
	if m.xml {
		var trees []*ical.Component
		for _, c := range cals {
			trees = append(trees, &ical.Component{Name: "VCALENDAR", Props: m.head, Children: slices.Concat(c.zones, c.comps)})
		}
		wcap.WriteXML(w, trees)
		return
	}
	for _, c := range cals {
		var head bytes.Buffer
		head.Write((&ical.Component{Name: "VCALENDAR", Props: m.head}).Bytes())
		const end = "END:VCALENDAR\r\n"
		w.Write(bytes.TrimSuffix(head.Bytes(), []byte(end)))
		for _, x := range slices.Concat(c.zones, c.comps) {
			w.Write(x.Bytes())
		}
		fmt.Fprint(w, end)
	}
}
