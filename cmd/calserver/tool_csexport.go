package main

import (
	"context"
	"strings"

	"factotum/cmd/internal/exporter"
	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
)

func init() {
	register("csexport", "export calendars as files", runCsexport)
}

const csexportUsage = `csexport writes a calendar to a file, or each of its objects to a file of its own.

  csexport [-q|-v] [-j] [-C ics.conf] -c calid calendar file|directory|-
  csexport version

  -c calid   the calendar, for example jdoe or jdoe:hobbies
  -j, --json print the report as JSON; not with a calendar on standard output
  -q         print errors only
  -C file    the ics.conf to use

Into a file (.ics, or .xml for Sun's XML) goes one calendar with everything; - is
standard output.
Into a directory that is there, or a name that ends in /, each object goes as
it is stored, octet for octet.

Ctrl-C ends it: a file is not begun then, and a directory has what is told.

Exit status: 0 done, 1 some objects could not be written, 2 wrong call, 3 nothing
could be done, 130 interrupted.

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
		case t.json && words[1] == "-":
			return misuse("standard output is for the calendar: --json wants a file")
		}
		target := words[1]
		if err := t.here(ctx, calendar.Owner(strings.ToLower(string(calendar.ID(calid).Owner())))); err != nil {
			return t.nothing(err)
		}
		be, err := t.openAnyway(ctx)
		if err != nil {
			return t.nothing(err)
		}
		defer be.close()
		return t.export(ctx, be, calendar.ID(calid), target)
	})
}

// export writes a calendar, and tells how far it came.
func (t *tool) export(ctx context.Context, be *backend, id calendar.ID, target string) error {
	total := int64(-1)
	if t.watched() {
		total = be.count(ctx, id)
	}
	bar := t.bar(total)
	bad, n := 0, 0
	e := &exporter.Export{Store: be, Who: be.who, Calendar: id, Server: publicURL(be.cfg),
		Read:    func() { bar.Add(1) },
		Written: func(name string) { t.tell("%s", name) },
		Bad: func(err error) {
			bad++
			bar.Clear()
			t.complainOf(err)
		}}
	var err error
	switch {
	case exporter.IsFolder(target):
		n, err = e.Folder(ctx, target)
	case target == "-": // who reads it may not do so any more
		n, err = await(ctx, func() (int, error) { return e.Whole(ctx, target, t.std.out) })
	default:
		n, err = e.Whole(ctx, target, nil)
	}
	bar.Finish()
	if stopped := ctx.Err() != nil; err != nil && !(stopped && n > 0) {
		if stopped && target != "-" {
			t.say("%s: nothing was written", id)
		}
		return t.nothing(err)
	}
	if target != "-" {
		t.did(exported{id, target, n, bad}, "%s: %d %s in %s", id, n, plain.Plural(n, "object", "objects"), target)
	}
	if err == nil && bad > 0 {
		err = exitError(exitFailed)
	}
	return err
}

// exported is the report of an export.
type exported struct {
	Calendar calendar.ID `json:"calendar"`
	Target   string      `json:"target"`
	Objects  int         `json:"objects"`
	Failed   int         `json:"failed"`
}
