package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/worker"
)

func init() {
	register("csschedule", "list and mend the queue of invitations and answers", runCsschedule)
}

const csscheduleUsage = `csschedule lists and mends the queue of scheduling messages.

  csschedule [-q|-v] [-j] [-C ics.conf] [-c count] [-s starttime] [-e endtime]
             [-t scheduletime] [-u uid] [--parked] [--job id] list [calid]
  csschedule [-q] [-j] [-C ics.conf] [-s starttime] [-e endtime]
             [-t scheduletime] [-u uid] [--parked] [--job id] delete|retry [calid]
  csschedule version

  calid        whose messages: a user, group or resource, such as jdoe. They are
               queued by owner, so a calendar is named by its owner alone
  -c count     list so many entries
  -s, -e time  queued from then on, and before that; 0 is no bound
  -t time      queued in this second: 20001231T103045Z, as list shows it
  -u uid       about this event or task
  --parked     given up, waiting for an administrator
  --job id     this entry; may be repeated
  -v           show the messages of each entry, from whom and to whom
  -o, -n, -r   Sun's, which take apart entries of one time, and refused: --job names one
  -j, --json   print JSON
  -q           print errors only, and do not ask
  -C file      the ics.conf to use

  list         what is not delivered yet: id, kind, UID, when it was queued, when
               it is due or that it is parked, attempts, and the last error
  retry        try failed ones again, now
  delete       forget messages without delivering them, and note it in the journal
               ("calserver why")

An entry has all messages about a UID that follow from one change, for all of
its instances. Messages of kind "answers" tell attendees what the others have
answered, and are written when they are due.

While the server runs csstored does the work; while it is stopped csschedule
opens the database itself.

Exit status: 0 done, 1 it could not be done or not all of it, 2 wrong call.

  csschedule list
  csschedule -v -u 4711@example.com list jdoe
  csschedule --parked retry
  csschedule -s 0 -e 20261101T000000Z delete jdoe
`

// scheduleOptions are the options of csschedule.
type scheduleOptions struct {
	count                 int
	start, end, at, uid   string
	offset, sequence, rid string
	parked                bool
	ids                   []string
}

func runCsschedule(ctx context.Context, args []string, std stdio) int {
	t := newTool("csschedule", csscheduleUsage, std)
	var opt scheduleOptions
	t.FlagLong(&opt.count, "count", 'c')
	t.FlagLong(&opt.start, "start", 's')
	t.FlagLong(&opt.end, "end", 'e')
	t.FlagLong(&opt.at, "time", 't')
	t.FlagLong(&opt.uid, "uid", 'u')
	t.FlagLong(&opt.offset, "offset", 'o')
	t.FlagLong(&opt.sequence, "sequence", 'n')
	t.FlagLong(&opt.rid, "rid", 'r')
	t.FlagLong(&opt.parked, "parked", 'p')
	t.FlagLong(&opt.ids, "job", 'J')
	return t.run(ctx, args, func(ctx context.Context, words []string) error {
		command := words[0]
		switch {
		case command != "list" && command != "delete" && command != "retry":
			return misuse("%q is not a command of csschedule", command)
		case len(words) > 2:
			return misuse("csschedule takes one calid")
		case opt.count < 0 || t.IsSet('c') && opt.count == 0:
			return misuse("-c must be at least 1")
		case opt.count > 0 && command != "list":
			return misuse("-c goes with list")
		case command == "delete" && len(words) == 1 && !opt.chosen():
			return misuse("say which to delete: a calid, -s and -e, -t, -u, --parked or --job; -s 0 is all")
		}
		calid := ""
		if len(words) == 2 {
			calid = words[1]
		}
		f, err := opt.filter(calid)
		if err != nil {
			return err
		}
		return t.schedule(ctx, command, f, opt.count)
	})
}

// chosen tells whether they leave anything out, or say that they do not.
func (o *scheduleOptions) chosen() bool {
	return o.start != "" || o.end != "" || o.at != "" || o.uid != "" || o.parked || len(o.ids) > 0
}

// filter is the choice that the options and a calid make.
func (o *scheduleOptions) filter(calid string) (f worker.Filter, err error) {
	for name, value := range map[string]string{"-o": o.offset, "-n": o.sequence, "-r": o.rid} {
		if value != "" {
			return f, misuse("%s has no meaning here: an entry has all messages about a UID that follow from one change; --job names it", name)
		}
	}
	f = worker.Filter{Kinds: []string{calendar.JobDeliver, calendar.JobAnswers}, UID: o.uid, Parked: o.parked}
	if calid != "" {
		id := calendar.ID(strings.ToLower(calid))
		if f.Owner = id.Owner(); string(f.Owner) != string(id) {
			return f, misuse("messages are queued by owner, not by calendar: say %s", f.Owner)
		}
	}
	if f.From, err = scheduleTime("-s", o.start); err != nil {
		return f, err
	}
	if f.To, err = scheduleTime("-e", o.end); err != nil {
		return f, err
	}
	if o.at != "" {
		if !f.From.IsZero() || !f.To.IsZero() {
			return f, misuse("-t goes without -s and -e")
		}
		if f.From, err = scheduleTime("-t", o.at); err != nil {
			return f, err
		}
		if f.From.IsZero() {
			return f, misuse("-t wants a time such as %s", scheduleForm)
		}
		f.To = f.From.Add(time.Second)
	}
	if f.IDs, err = jobIDs(o.ids); err != nil {
		return f, misuse("%s", plain.Error(err))
	}
	return f, nil
}

// scheduleForm is how Sun's tools spell a time. admin.md §8.15.
const scheduleForm = "20060102T150405Z"

// scheduleTime reads a time; 0 and "" are the zero time.
func scheduleTime(option, s string) (time.Time, error) {
	if s == "" || s == "0" {
		return time.Time{}, nil
	}
	at, err := time.Parse(scheduleForm, s)
	if err != nil {
		return at, misuse("%s wants a time such as 20001231T103045Z, or 0, not %q", option, s)
	}
	return at, nil
}

// schedule does a command of csschedule.
func (t *tool) schedule(ctx context.Context, command string, f worker.Filter, count int) error {
	cfg, err := t.load()
	if err != nil {
		return err
	}
	table, closeTable, err := t.openJobs(ctx, cfg, false)
	if err != nil {
		return err
	}
	defer closeTable()
	switch command {
	case "delete":
		return t.changeJobs(ctx, table, f, deleteMessages)
	case "retry":
		return t.changeJobs(ctx, table, f, retryMessages)
	}
	return t.listSchedule(ctx, table, f, count)
}

// scheduleInfo is an entry of the queue as csschedule tells of it.
type scheduleInfo struct {
	ID       string       `json:"id"`
	Owner    string       `json:"owner"`
	Kind     string       `json:"kind"`
	UID      string       `json:"uid"`
	Queued   time.Time    `json:"queued"`
	Due      time.Time    `json:"due,omitzero"` // unless it is parked
	Attempts int          `json:"attempts"`
	Parked   bool         `json:"parked"`
	Err      string       `json:"error,omitempty"`
	Messages []letterInfo `json:"messages,omitempty"` // with -v
}

func describeEntry(j *jobInfo) scheduleInfo {
	e := scheduleInfo{j.ID, j.Owner, j.Kind, calendar.PostUID(j.Key), j.Created.UTC(), j.Due.UTC(), j.Attempts, j.Parked, j.Err, j.Letters}
	if e.Parked {
		e.Due = time.Time{}
	}
	return e
}

// words are the lines of an entry.
func (e *scheduleInfo) words() (lines [][]string) {
	state := "parked"
	if !e.Parked {
		state = "due " + e.Due.Format(scheduleForm)
	}
	lines = append(lines, []string{e.ID, e.Kind, e.UID, e.Queued.Format(scheduleForm), state, strconv.Itoa(e.Attempts), e.Err})
	for _, m := range e.Messages {
		lines = append(lines, []string{"", m.Message, m.Method, m.From, strings.Join(m.To, ",")})
	}
	return lines
}

func (t *tool) listSchedule(ctx context.Context, table jobTable, f worker.Filter, count int) error {
	list := newArray(t.std.out)
	n, parked, failed := 0, 0, 0
	enough := errors.New("enough")
	err := eachJob(ctx, table, f, t.verbose, func(j *jobInfo) error {
		if count > 0 && n == count {
			return enough
		}
		e := describeEntry(j)
		n++
		switch {
		case e.Parked:
			parked++
		case e.Attempts > 0:
			failed++
		}
		switch {
		case t.json:
			return list.add(e)
		case t.quiet:
			return nil
		}
		for _, words := range e.words() {
			for i := range words {
				words[i] = plain.Text(words[i])
			}
			if _, err := fmt.Fprintln(t.std.out, strings.TrimRight(strings.Join(words, "\t"), "\t")); err != nil {
				return err
			}
		}
		return nil
	})
	more := ""
	if errors.Is(err, enough) {
		err, more = nil, "; there are more"
	}
	if err != nil {
		return err
	}
	if t.json {
		return list.end()
	}
	t.say("%d %s, %d of them tried again, %d parked%s", n, plain.Plural(n, "entry", "entries"), failed, parked, more)
	return nil
}
