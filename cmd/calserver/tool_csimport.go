package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/schollz/progressbar/v3"

	"factotum/cmd/internal/importer"
	"factotum/cmd/internal/plain"
	"factotum/server/audit"
	"factotum/server/calendar"
)

func init() {
	register("csimport", "import calendar files", runCsimport)
}

const csimportUsage = `csimport stores calendar files in a calendar; what is in it stays.

  csimport [-q|-v] [-j] [-n] [-k] [-C ics.conf] -c calid calendar file|directory|- ...
  csimport version

  -c calid   the calendar, for example jdoe or jdoe:hobbies
  -n         make the calendar if there is none; it gets the name, color and
             time zone that the first file has for it (X-WR-CALNAME ...)
  -k         keep: an object that is there with the same UID stays as it is
             (without -k the file's replaces it)
  -j, --json print the report as JSON, every item with what became of it
  -q         print refused items only; -v print every item
  -C file    the ics.conf to use

A file may hold several calendars, each with many events, to-dos and journal
entries. Text that is not UTF-8 is taken for Windows-1252. An item without a
UID gets one that is the same the next time. The .ics files of a directory are
taken in the order of their names; - is standard input.

Ctrl-C ends it after what is on its way, and it tells what was stored; the same
call again goes on from there.

Exit status: 0 all stored, 1 some refused, 2 wrong call, 3 nothing could be done,
130 interrupted.

  csimport -c jsmithcal calendar jsmith.ics
  csimport -n -c jsmith:holidays calendar holidays.ics
`

func runCsimport(ctx context.Context, args []string, std stdio) int {
	t := newTool("csimport", csimportUsage, std)
	var calid string
	var create, keep bool
	t.FlagLong(&calid, "calid", 'c')
	t.FlagLong(&create, "new", 'n')
	t.FlagLong(&keep, "keep", 'k')
	return t.run(ctx, args, func(ctx context.Context, words []string) error {
		switch {
		case words[0] != "calendar":
			return misuse("%q is not a command of csimport", words[0])
		case calid == "":
			return misuse("-c says into which calendar")
		case len(words) == 1:
			return misuse("which file is to be imported?")
		}
		sources, err := importer.Sources(words[1:])
		if err != nil {
			return t.nothing(err)
		}
		if err := t.here(ctx, calendar.Owner(strings.ToLower(string(calendar.ID(calid).Owner())))); err != nil {
			return t.nothing(err)
		}
		be, err := t.openAnyway(ctx)
		if err != nil {
			return t.nothing(err)
		}
		t.audited(be.cfg, audit.Write, string(calendar.ID(calid).Owner()), "import into "+calid)
		defer be.close()
		id := calendar.ID(calid)
		job := &importer.Job{Importer: importer.Importer{Store: be, Who: be.who, Calendar: id, Keep: keep}, Stdin: std.in}
		if create {
			job.Create = be
			job.Made = func() { t.tell("made the calendar %s", id) }
		} else if _, err := be.calendar(ctx, id); err != nil {
			if errors.Is(err, calendar.NoCalendar) {
				err = fmt.Errorf("%s: there is no such calendar; -n makes it", id)
			}
			return t.nothing(err)
		}
		bar := t.bar(importer.Total(sources), progressbar.OptionShowBytes(true))
		job.Progress = func(octets int64) { bar.Set64(octets) }
		job.Each = func(it *importer.Item) { // refusals always, the others with -v
			if !t.json && (it.Outcome == importer.Refused && !it.Ended || t.verbose) {
				bar.Clear()
				fmt.Fprintln(std.err, it)
			}
		}
		err = job.Run(ctx, sources)
		bar.Finish()
		var unmade *importer.MakeError
		if errors.As(err, &unmade) {
			return t.nothing(unmade.Err)
		}
		return t.imported(&job.Report, err)
	})
}

// imported prints the summary of an import and chooses the exit code.
func (t *tool) imported(r *importer.Report, failed error) error {
	if t.json {
		if err := t.print(r); err != nil {
			return err
		}
	} else {
		t.say("%s: %d stored (%d new, %d replaced, %d unchanged), %d refused, from %d %s", r.Calendar,
			r.Stored(), r.Created, r.Replaced, r.Unchanged, r.Refused, r.Files, plain.Plural(r.Files, "file", "files"))
	}
	switch {
	case calendar.KindOf(failed) == calendar.Canceled && failed != nil:
		return failed
	case failed != nil && r.Stored() == 0:
		return t.nothing(failed)
	case failed != nil:
		t.complainOf(failed)
		return exitError(exitFailed)
	case r.Refused > 0 && r.Stored() == 0:
		return exitError(exitNothing)
	case r.Refused > 0:
		return exitError(exitFailed)
	}
	return nil
}
