package main

import (
	"context"
	"errors"
	"strings"

	"factotum/cmd/internal/plain"
	"factotum/notify/queue"
	"factotum/server/calendar"
	"factotum/server/worker"
)

func init() {
	register("csqueue", "list, mend and explain the queue of mail", runCsqueue)
}

const csqueueUsage = `csqueue looks after the queue of mail that is not delivered yet.

  csqueue [-q] [-j] [-C ics.conf] [choice] list
  csqueue [-j] [-C ics.conf] show id
  csqueue [-q] [-j] [-C ics.conf] diagnose
  csqueue [-j] [-C ics.conf] [choice] top
  csqueue [-q] [-j] [-C ics.conf] [choice] retry|hold|release|return|purge [id ...]
  csqueue version

The choice, which the ids narrow further:
  --to address   mail to this address
  --domain name  mail to addresses of this domain
  --uid uid      about this event or task
  --user id      of this user, who has sent it
  --held         held by an administrator
  --all          all there is

  -j, --json     print JSON
  -q, --yes      print errors only, and do not ask
  -C file        the ics.conf to use

The commands:
  list     each mail: id, to, UID, age, attempts, when it is tried again, and why
           the last attempt failed; then a line for each destination
  show     all of one mail, with its attempts
  retry    try now what waits after a failure; servers that are left alone for a
           while are asked again
  hold     do not try it until it is released; it keeps its place, and no later
           mail about the same meeting to the same person overtakes it
  release  end that
  return   give it up now: the organizer sees that it was not delivered (status
           5.1), and has a mail about it
  purge    forget it, without a word to the organizer; the journal tells of it
           ("calserver why")
  diagnose tell whether the queue is a problem, and which of the four causes it
           has: we cannot keep up; the servers that mail goes to (stuck: attempts
           do not end, or queued: they fail and are made again); our own
           software; configuration. With what speaks for it, and what to do
  top      a summary, renewed on a terminal until Ctrl-C

While the server runs csstored does the work; while it is stopped csqueue opens
the database itself. return needs csstored.

Exit status: 0 done, 1 it could not be done or not all of it, or diagnose finds
something to do, 2 wrong call.

  csqueue list
  csqueue --domain example.com retry
  csqueue show anna/17/0
  csqueue --uid 4711@example.com return
`

// queueOptions are the options of csqueue.
type queueOptions struct {
	to, domain, uid, user string
	held, all             bool
}

func (o *queueOptions) declare(t *tool) {
	t.FlagLong(&o.to, "to", 't')
	t.FlagLong(&o.domain, "domain", 'd')
	t.FlagLong(&o.uid, "uid", 'u')
	t.FlagLong(&o.user, "user", 'U')
	t.FlagLong(&o.held, "held", 'H')
	t.FlagLong(&o.all, "all", 'a')
}

// filter is the choice that the options and ids make.
func (o *queueOptions) filter(ids []string) (f worker.Filter, err error) {
	chosen := o.to != "" || o.domain != "" || o.uid != "" || o.user != "" || o.held
	if o.all && (chosen || len(ids) > 0) {
		return f, misuse("--all goes without another choice")
	}
	f = worker.Filter{Kinds: []string{calendar.JobMail}, Owner: calendar.Owner(o.user), UID: o.uid, Held: o.held}
	if o.to != "" {
		f.Lanes = []string{calendar.MailLane(o.to)}
	}
	if o.domain != "" {
		f.Ending = "@" + strings.ToLower(strings.TrimPrefix(o.domain, "@"))
	}
	if f.IDs, err = jobIDs(ids); err != nil {
		return f, misuse("%s", plain.Error(err))
	}
	return f, nil
}

// queueChanges are the commands of csqueue that change something.
var queueChanges = map[string]jobChange{
	"retry":   {"retry", "retried", "", "mails that are tried again: %d", "mails that were left alone, since they are sent at the moment: %d", "mails"},
	"hold":    {"hold", "held", "", "mails held: %d", "mails that were left alone, since they are sent at the moment: %d", "mails"},
	"release": {"release", "released", "", "mails released: %d", "mails that were left alone, since they are sent at the moment: %d", "mails"},
	"return":  {"return", "returned", "Return to their senders what will then not be delivered (mails: %d)?", "mails returned: %d", "mails that were left alone, since they are sent at the moment: %d", "mails"},
	"purge":   {"drop", "purged", "Delete from the queue what will then never be delivered, without a word to its senders (mails: %d)?", "mails deleted: %d", "mails that were left alone, since they are sent at the moment: %d", "mails"},
}

func runCsqueue(ctx context.Context, args []string, std stdio) int {
	t := newTool("csqueue", csqueueUsage, std)
	var opt queueOptions
	opt.declare(t)
	return t.run(ctx, args, func(ctx context.Context, words []string) error {
		command, ids := words[0], words[1:]
		change, changes := queueChanges[command]
		switch {
		case command != "list" && command != "show" && command != "diagnose" && command != "top" && !changes:
			return misuse("%q is not a command of csqueue", command)
		case command == "show" && len(ids) != 1:
			return misuse("show wants the id of one mail")
		case len(ids) > 0 && (command == "diagnose" || command == "top"):
			return misuse("%s takes no id", command)
		case command == "diagnose" && opt != (queueOptions{}):
			return misuse("diagnose looks at the whole queue")
		}
		f, err := opt.filter(ids)
		if err != nil {
			return err
		}
		if changes && len(ids) == 0 && opt == (queueOptions{}) {
			return misuse("say which mail to %s: an id, --to, --domain, --uid, --user, --held or --all", command)
		}
		cfg, err := t.load()
		if err != nil {
			return err
		}
		table, closeTable, err := t.openJobs(ctx, cfg, false)
		if errors.Is(err, errHangs) && command == "diagnose" {
			f := configuredFacts(cfg)
			f.Hangs = true
			return t.tellDiagnosis(queue.Diagnose(f))
		}
		if err != nil {
			return err
		}
		defer closeTable()
		switch {
		case command == "list":
			return t.listMail(ctx, table, f)
		case command == "show":
			return t.showMail(ctx, table, f.IDs[0])
		case command == "diagnose":
			return t.diagnose(ctx, table)
		case command == "top":
			return t.top(ctx, table, f)
		}
		for _, id := range f.IDs {
			if _, err := table.mail(ctx, id); err != nil {
				return err
			}
		}
		return t.changeJobs(ctx, table, f, change)
	})
}
