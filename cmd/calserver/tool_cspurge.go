package main

import (
	"context"
	"net/url"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
)

func init() {
	register("cspurge", "forget deletions before their time: the delete log", runCspurge)
}

const cspurgeUsage = `cspurge removes entries from the delete log: what tells clients which events and tasks
were deleted.

  cspurge [-q|-v] -e endtime -s starttime
  cspurge version

  -s starttime   deleted from then on: 20260131T103045Z; 0 is the beginning of time
  -e endtime     and before that; 0 is the end of time
  -j, --json     print JSON
  -q, --yes      do not ask, and print errors only
  -C file        the ics.conf to use

One of the two may be left out, and is 0 then. Entries go by themselves after
factotum.sync.tombstoneage. A client that has not synchronized since one of those removed
reads the whole calendar again; an Outlook connector needs 30 days. What was deleted can
be brought back all the same ("cscal undelete"), for factotum.history.days.

While the server is stopped cspurge opens the database itself.

  cspurge -v -e 0 -s 0
  cspurge -e 20030731T235959Z -s 20030701T120000Z
`

func runCspurge(ctx context.Context, args []string, std stdio) int {
	return cspurge(ctx, args, std, (*tool).openAnyway)
}

// cspurge is runCspurge on what open gives.
func cspurge(ctx context.Context, args []string, std stdio, open func(*tool, context.Context) (*backend, error)) int {
	t := newTool("cspurge", cspurgeUsage, std)
	t.bare = true
	var start, end string
	t.FlagLong(&start, "start", 's')
	t.FlagLong(&end, "end", 'e')
	return t.run(ctx, args, func(ctx context.Context, words []string) error {
		switch {
		case len(words) > 0:
			return misuse("cspurge takes options alone, not %q", words[0])
		case !t.IsSet('s') && !t.IsSet('e'):
			return misuse("say from when to when: -s and -e; \"cspurge -s 0 -e 0\" is all")
		}
		within, err := toolWindow(start, end)
		if err != nil {
			return err
		}
		if err := t.confirm(ctx, "Forget what was deleted between %s and %s? Clients that have not heard of it read their calendars anew.",
			momentWord(within.From, "the beginning of time"), momentWord(within.To, "now")); err != nil {
			return err
		}
		be, err := open(t, ctx)
		if err != nil {
			return err
		}
		defer be.close()
		n, err := be.purge(ctx, within)
		if err != nil {
			return err
		}
		t.did(map[string]any{"done": "purged", "entries": n}, "%d %s purged", n, plain.Plural(n, "entry", "entries"))
		return nil
	})
}

// purgeQuery spells a time as the parameters of an admin request.
func purgeQuery(within calendar.Window) url.Values {
	q := url.Values{}
	if !within.From.IsZero() {
		q.Set("from", within.From.UTC().Format(scheduleForm))
	}
	if !within.To.IsZero() {
		q.Set("to", within.To.UTC().Format(scheduleForm))
	}
	return q
}

// purgeWindow reads what purgeQuery spells.
func purgeWindow(q url.Values) (calendar.Window, error) {
	return toolWindow(q.Get("from"), q.Get("to"))
}
