package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/why"
)

func init() {
	ownCommands = append(ownCommands, func(std stdio) *cobra.Command {
		t := newTool("why", "", std)
		var user, since string
		limit := 0
		c := &cobra.Command{
			Use:   "why [UID | address | message]",
			Short: "Tell what happened to invitations and answers, and why",
			Long: "Tells the steps of scheduling messages that are about a UID, from or to an address, or of one message,\n" +
				"and what the server decided by itself; oldest first. It looks into the journals of all owners whose\n" +
				"calendars are on this host, or with --user into one, which may be told as a whole. On a line stand the\n" +
				"time, whose journal it is, the step, the method, the reason, SCHEDULE-STATUS, sender, recipients, the UID\n" +
				"and a sentence. docs/why.md explains the reasons.\n" +
				"Exit status: 0 something was found, 1 nothing was, or it could not be asked.",
			Example: "  calserver why 4711@example.com\n  calserver why bert@example.com --since 2026-11-01\n  calserver why --user anna --limit 20",
			Args:    cobra.MaximumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				ask := whyQuestion{owner: calendar.Owner(user), limit: limit}
				if len(args) > 0 {
					ask.about = args[0]
				}
				if ask.about == "" && user == "" {
					return errors.New("say what about: a UID, an address or a message; or whose journal, with --user")
				}
				if limit < 1 {
					return errors.New("--limit must be at least 1")
				}
				if since != "" {
					var err error
					if ask.since, err = time.Parse(time.DateOnly, since); err != nil {
						return fmt.Errorf("--since wants a day such as 2026-11-01, not %q", since)
					}
				}
				return t.why(cmd.Context(), ask)
			},
		}
		f := c.Flags()
		f.StringVarP(&user, "user", "u", "", "whose journal; without it all are searched")
		f.StringVar(&since, "since", "", "from this day on, UTC")
		f.IntVarP(&limit, "limit", "n", 1000, "tell of at most so many steps, the newest")
		f.StringVarP(&t.conf, "config", "C", "", "the ics.conf to use")
		return t.reportFlags(c)
	})
}

// whyQuestion is what calserver why is asked.
type whyQuestion struct {
	about string
	owner calendar.Owner // "" = all
	since time.Time
	limit int
}

// readings are what the argument can mean, the likeliest first. Many UIDs look
// like an address.
func (q whyQuestion) readings() []calendar.TraceQuery {
	base := calendar.TraceQuery{Since: q.since}
	if q.about == "" {
		return []calendar.TraceQuery{base}
	}
	uid, address, message := base, base, base
	uid.UID, address.Address, message.Message = q.about, q.about, q.about
	if len(q.about) > 7 && strings.EqualFold(q.about[:7], "mailto:") {
		return []calendar.TraceQuery{address, uid}
	}
	if _, err := calendar.ParseJobID(q.about); err == nil {
		return []calendar.TraceQuery{message, uid, address}
	}
	return []calendar.TraceQuery{uid, address}
}

// whyInfo is a step as calserver why tells of it.
type whyInfo struct {
	Time     time.Time `json:"time"`
	Owner    string    `json:"owner"`
	Step     string    `json:"step"`
	Method   string    `json:"method,omitempty"`
	Reason   string    `json:"reason"`
	Status   string    `json:"status,omitempty"`
	From     string    `json:"from,omitempty"`
	To       []string  `json:"to,omitempty"`
	UID      string    `json:"uid,omitempty"`
	Summary  string    `json:"summary,omitempty"`
	Message  string    `json:"message,omitempty"`
	By       string    `json:"by,omitempty"`
	Via      string    `json:"via,omitempty"`
	Sentence string    `json:"sentence,omitempty"`
}

func describeTrace(t *calendar.Trace) whyInfo {
	return whyInfo{t.When, string(t.Owner), t.Step.String(), t.Method, t.Reason, t.Status, t.From, t.To, t.UID, t.Summary, t.Message,
		string(t.By), t.Via, why.Of(t)}
}

func (t *tool) why(ctx context.Context, ask whyQuestion) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	be, err := t.openAnyway(ctx)
	if err != nil {
		return err
	}
	defer be.close()
	var found []calendar.Trace
	for _, q := range ask.readings() {
		if found, err = ask.search(ctx, be, q); err != nil {
			return errors.New(plain.Error(err))
		}
		if len(found) > 0 {
			break
		}
	}
	if err := t.printTraces(found); err != nil {
		return err
	}
	switch {
	case len(found) == 0:
		t.say("nothing is known of it")
		return exitError(exitFailed)
	case len(found) == ask.limit:
		t.say("%d steps; there may be older ones: --limit", len(found))
	default:
		t.say("%d steps", len(found))
	}
	return nil
}

func (t *tool) printTraces(found []calendar.Trace) error {
	list := newArray(t.std.out)
	for i := range found {
		w := describeTrace(&found[i])
		switch {
		case t.json:
			if err := list.add(w); err != nil {
				return err
			}
			continue
		case t.quiet:
			return nil
		}
		words := []string{w.Time.UTC().Format(time.RFC3339), w.Owner, w.Step, w.Method, w.Reason, w.Status, w.From, strings.Join(w.To, ","), w.UID, w.Sentence}
		for i := range words {
			if words[i] = plain.Text(words[i]); words[i] == "" {
				words[i] = "-"
			}
		}
		if _, err := fmt.Fprintln(t.std.out, strings.Join(words, "\t")); err != nil {
			return err
		}
	}
	if t.json {
		return list.end()
	}
	return nil
}

// search gathers the newest steps, in the order of time.
func (q whyQuestion) search(ctx context.Context, be *backend, query calendar.TraceQuery) (found []calendar.Trace, err error) {
	trim := func() {
		slices.SortStableFunc(found, func(a, b calendar.Trace) int { return a.When.Compare(b.When) })
		found = found[max(0, len(found)-q.limit):]
	}
	owners := []calendar.Owner{q.owner}
	for after := calendar.Owner(""); ; {
		if q.owner == "" {
			if owners, err = be.owners(ctx, after); err != nil {
				return nil, err
			}
		}
		for _, owner := range owners {
			after = owner
			list, err := q.journal(ctx, be, owner, query)
			if err != nil {
				return nil, err
			}
			slices.Reverse(list)
			if found = append(found, list...); len(found) > 2*q.limit {
				trim()
			}
		}
		if q.owner != "" || len(owners) == 0 {
			trim()
			return found, nil
		}
	}
}

// journal reads the newest of one owner, the newest first.
func (q whyQuestion) journal(ctx context.Context, be *backend, owner calendar.Owner, query calendar.TraceQuery) (list []calendar.Trace, err error) {
	for more := true; more && len(list) < q.limit; {
		query.Limit = q.limit - len(list)
		res, err := be.Why(ctx, be.who, calendar.WhyRequest{Owner: owner, Query: query})
		if err != nil {
			return nil, err
		}
		list = append(list, res.Traces...)
		if more = res.More && len(res.Traces) > 0; more {
			query.After = list[len(list)-1].ID
		}
	}
	return list, nil
}
