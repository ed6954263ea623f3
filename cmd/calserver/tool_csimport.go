package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/schollz/progressbar/v3"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

func init() {
	register("csimport", "import calendar files", runCsimport)
}

const csimportUsage = `csimport stores calendar files in a calendar; what is in it stays.

  csimport [-q|-v] [-n] [-k] [-j] [-C ics.conf] -c calid calendar file|directory|- ...
  csimport version

  -c calid   the calendar, for example jdoe or jdoe:hobbies
  -n         make the calendar if there is none; it gets the name, color and
             time zone that the first file has for it (X-WR-CALNAME ...)
  -k         keep: an object that is there with the same UID stays as it is
             (without -k the file's replaces it)
  -j         print the report as JSON, every item with what became of it
  -q         print refused items only; -v print every item
  -C file    the ics.conf to use

A file may hold several calendars, each with many events, to-dos and journal
entries. Text that is not UTF-8 is taken for Windows-1252. An item without a
UID gets one that is the same the next time. The .ics files of a directory are
taken in the order of their names; - is standard input.

Exit status: 0 all stored, 1 some refused, 2 wrong call, 3 nothing could be done.

  csimport -c jsmithcal calendar jsmith.ics
  csimport -n -c jsmith:holidays calendar holidays.ics
`

func runCsimport(ctx context.Context, args []string, std stdio) int {
	t := newTool("csimport", csimportUsage, std)
	var calid string
	var create, keep, asJSON bool
	t.FlagLong(&calid, "calid", 'c')
	t.FlagLong(&create, "new", 'n')
	t.FlagLong(&keep, "keep", 'k')
	t.FlagLong(&asJSON, "json", 'j')
	return t.run(ctx, args, func(ctx context.Context, words []string) error {
		switch {
		case words[0] != "calendar":
			return misuse("%q is not a command of csimport", words[0])
		case calid == "":
			return misuse("-c says into which calendar")
		case len(words) == 1:
			return misuse("which file is to be imported?")
		}
		sources, err := importSources(words[1:])
		if err != nil {
			return t.nothing(err)
		}
		be, err := t.openAnyway(ctx)
		if err != nil {
			return t.nothing(err)
		}
		defer be.close()
		job := &importJob{t: t, be: be, im: importer{be: be.Backend, who: be.who, id: calendar.ID(calid), keep: keep}, create: create, json: asJSON}
		return job.run(ctx, sources)
	})
}

// nothing reports why nothing at all could be done.
func (t *tool) nothing(err error) error {
	t.complain("%s", sentence(err))
	return exitError(exitNothing)
}

// importSource is a file of an import.
type importSource struct {
	path string // "-" is standard input
	size int64
}

// importSources finds the files that a call names, before anything is done.
func importSources(words []string) (out []importSource, err error) {
	for _, w := range words {
		if w == "-" {
			out = append(out, importSource{path: w})
			continue
		}
		fi, err := os.Stat(w)
		if err != nil {
			return nil, err
		}
		if !fi.IsDir() {
			if err := importable(w); err != nil {
				return nil, err
			}
			out = append(out, importSource{w, fi.Size()})
			continue
		}
		n := len(out)
		err = filepath.WalkDir(w, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.EqualFold(filepath.Ext(path), ".ics") {
				return err
			}
			fi, err := os.Stat(path)
			if err == nil {
				out = append(out, importSource{path, fi.Size()})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(out) == n {
			return nil, fmt.Errorf("%s has no .ics files", w)
		}
	}
	return out, nil
}

// importable refuses the XML format of old servers by its extension, as they
// chose it.
func importable(path string) error {
	if strings.EqualFold(filepath.Ext(path), ".xml") {
		return fmt.Errorf("%s: files in XML are not supported; export the calendar as .ics", path)
	}
	return nil
}

// importJob is a run of csimport on an open store.
type importJob struct {
	t      *tool
	be     *backend
	im     importer
	create bool
	json   bool
	bar    *progressbar.ProgressBar

	before, size, within int64 // octets of the files done, of this one, and of its items done
}

func (j *importJob) run(ctx context.Context, sources []importSource) error {
	t := j.t
	if !j.create {
		if _, err := j.be.calendar(ctx, j.im.id); err != nil {
			if errors.Is(err, calendar.NoCalendar) {
				err = fmt.Errorf("%s: there is no such calendar; -n makes it", j.im.id)
			}
			return t.nothing(err)
		}
	}
	j.im.each = j.item
	j.bar = t.progress(sources)
	var failed error
	for _, s := range sources {
		j.size, j.within = max(s.size, 1), 0
		data, err := t.readSource(s)
		if err != nil {
			j.im.report.Files++
			j.im.refuse(importItem{File: s.path}, calendar.Internal, err.Error())
			continue
		}
		if j.create {
			if err := j.ensure(ctx, data); err != nil {
				return t.nothing(err)
			}
			j.create = false
		}
		if failed = j.im.file(ctx, s.path, data); failed != nil {
			break
		}
		j.before += j.size
	}
	if failed == nil {
		failed = j.im.flush(ctx)
	}
	j.bar.Finish()
	return j.finish(failed)
}

// ensure makes the calendar unless it is there.
func (j *importJob) ensure(ctx context.Context, data []byte) error {
	_, err := j.be.Calendar(ctx, j.im.who, j.im.id)
	if !errors.Is(err, calendar.NoCalendar) {
		return err
	}
	req := calendar.CreateCalendarRequest{Calendar: calendarOf(data), DefaultACL: true}
	req.Calendar.ID = j.im.id
	if _, err = j.be.CreateCalendar(ctx, j.im.who, req); err == nil {
		j.t.tell("made the calendar %s", j.im.id)
	}
	return err
}

// calendarOf reads what a file says of its calendar as a whole: RFC 7986 §5
// and the properties that were used before it.
func calendarOf(data []byte) (c calendar.Calendar) {
	for cal, err := range ical.ParseStream(strings.NewReader(string(ical.ToUTF8(data))), importLimits) {
		if err != nil {
			continue
		}
		first := func(names ...string) string {
			for _, n := range names {
				if v := strings.TrimSpace(cal.Text(n)); v != "" {
					return v
				}
			}
			return ""
		}
		c.DisplayName = first("NAME", "X-WR-CALNAME")
		c.Description = first("DESCRIPTION", "X-WR-CALDESC")
		c.Color = first("X-APPLE-CALENDAR-COLOR", "COLOR")
		if zone := first("X-WR-TIMEZONE"); zone != "" {
			if _, ok := recur.LoadZone(zone); ok {
				c.TZID = zone
			}
		}
		break
	}
	return c
}

// readSource reads a file, up to the limit.
func (t *tool) readSource(s importSource) ([]byte, error) {
	in := t.std.in
	if s.path != "-" {
		f, err := os.Open(s.path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxImportFile+1))
	if err == nil && len(data) > maxImportFile {
		err = fmt.Errorf("the file is larger than %d octets", maxImportFile)
	}
	return data, err
}

// progress shows how far a run is, in octets, where a person looks on.
func (t *tool) progress(sources []importSource) *progressbar.ProgressBar {
	var sum int64
	for _, s := range sources {
		sum += max(s.size, 1)
	}
	return t.bar(sum, progressbar.OptionShowBytes(true))
}

func (t *tool) bar(total int64, more ...progressbar.Option) *progressbar.ProgressBar {
	if t.quiet || t.verbose || !isTerminal(t.std.err) {
		return progressbar.NewOptions64(total, progressbar.OptionSetVisibility(false), progressbar.OptionSetWriter(io.Discard))
	}
	return progressbar.NewOptions64(total, append(more,
		progressbar.OptionSetWriter(t.std.err), progressbar.OptionSetDescription(t.name),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))...)
}

// item prints an outcome: refusals always, the others with -v.
func (j *importJob) item(it *importItem) {
	j.within += int64(it.Size)
	j.bar.Set64(j.before + min(j.within, j.size))
	if j.json || it.Outcome != itemRefused && !j.t.verbose {
		return
	}
	j.bar.Clear()
	fmt.Fprintln(j.t.std.err, it)
}

// String is the line of a report: place, item, outcome, reason.
func (it *importItem) String() string {
	s := it.File
	if it.Line > 0 {
		s += fmt.Sprintf(":%d", it.Line)
	}
	s += ": "
	if it.Number > 0 {
		s += fmt.Sprintf("item %d", it.Number)
		if it.UID != "" {
			s += " (UID " + printable(it.UID) + ")"
		}
		s += " "
	}
	s += it.Outcome
	if it.Reason != "" {
		s += ": " + it.Reason
	}
	return s
}

// printable makes text from a file safe for a terminal.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xFFFD {
			return '?'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 120 {
		s = string(r[:120]) + "..."
	}
	return s
}

// finish prints the summary and chooses the exit code.
func (j *importJob) finish(failed error) error {
	t, r := j.t, &j.im.report
	if j.json {
		enc := json.NewEncoder(t.std.out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(r); err != nil {
			return fmt.Errorf("print the report: %w", err)
		}
	} else {
		t.say("%s: %d stored (%d new, %d replaced, %d unchanged), %d refused, from %d %s", r.Calendar,
			r.stored(), r.Created, r.Replaced, r.Unchanged, r.Refused, r.Files, plural(r.Files, "file", "files"))
	}
	switch {
	case failed != nil && r.stored() == 0:
		return t.nothing(failed)
	case failed != nil:
		t.complain("%s", sentence(failed))
		return exitError(exitFailed)
	case r.Refused > 0 && r.stored() == 0:
		return exitError(exitNothing)
	case r.Refused > 0:
		return exitError(exitFailed)
	}
	return nil
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
