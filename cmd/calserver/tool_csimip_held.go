package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/why"
)

const heldUsage = `csimip held shows what came to somebody by mail and waits for his decision.

  csimip held [-q] [-j] [-C ics.conf] list userid
  csimip held [-j] [-C ics.conf] show userid id
  csimip held [-q] [-j] [-C ics.conf] [--remember] accept|reject userid id ...
  csimip held [-q] [-j] [-C ics.conf] [--remember] --all-from address accept|reject userid

  id            the name of an item, as list shows it, or the UID of its meeting
  --all-from    all that came from this mail address
  --remember    accept: what comes from these addresses is let in from now on, if
                it is proven who sent it; reject: nothing is taken from them
  -j, --json    print JSON
  -q, --yes     print errors only
  -C file       the ics.conf to use

  list          item, reason, method, sender, when it came, UID and summary
  show          the message
  accept        apply it, as if it had been believed. What has come since decides
                whether it says anything new
  reject        it comes to nothing

The journal has what was decided ("calserver why").

Exit status: 0 done, 1 it could not be done or not all of it, 2 wrong call.

  csimip held list jdoe
  csimip held --remember --all-from zoe@far.example accept jdoe
`

// heldTool is a run of csimip held.
type heldTool struct {
	*tool
	allFrom  string
	remember bool
	store    func(ctx context.Context) (*backend, error)
	served   func(ctx context.Context, owner calendar.Owner) error // is he anybody's, and of this host
}

func runHeld(ctx context.Context, args []string, std stdio) int {
	t := newHeldTool(std)
	return t.run(ctx, args, t.do)
}

func newHeldTool(std stdio) *heldTool {
	t := &heldTool{tool: newTool("csimip held", heldUsage, std)}
	t.store, t.served = t.openBackend, t.isServed
	t.FlagLong(&t.allFrom, "all-from", 0)
	t.FlagLong(&t.remember, "remember", 0)
	return t
}

// heldInfo is what waits as csimip held tells of it.
type heldInfo struct {
	ID       string    `json:"id"`
	Reason   string    `json:"reason"`
	Sentence string    `json:"sentence,omitempty"`
	Method   string    `json:"method"`
	Sender   string    `json:"sender,omitempty"`
	Came     time.Time `json:"came"`
	UID      string    `json:"uid"`
	Summary  string    `json:"summary,omitempty"`
	Data     string    `json:"data,omitempty"`
}

func (t *heldTool) do(ctx context.Context, words []string) error {
	command := words[0]
	decides := command == "accept" || command == "reject"
	switch {
	case command != "list" && command != "show" && !decides:
		return misuse("%q is not a command of csimip held", command)
	case len(words) < 2:
		return misuse("%s whose? Name a user", command)
	case command == "list" && len(words) > 2, command == "show" && len(words) > 3:
		return misuse("too many words after %s", command)
	case command == "show" && len(words) < 3, decides && len(words) < 3 && t.allFrom == "":
		return misuse("%s which? \"csimip held list %s\" names them", command, words[1])
	case decides && len(words) > 2 && t.allFrom != "":
		return misuse("--all-from names them: no ids with it")
	case !decides && (t.allFrom != "" || t.remember):
		return misuse("--all-from and --remember go with accept and reject")
	}
	be, err := t.store(ctx)
	if err != nil {
		return err
	}
	defer be.close()
	owner := calendar.ID(strings.ToLower(words[1])).Owner()
	list, err := heldFor(ctx, be, owner)
	if errors.Is(err, calendar.NoCalendar) { // nothing ever came to him, or he is nobody here
		err = t.served(ctx, owner)
	}
	if err != nil {
		return err
	}
	switch command {
	case "list":
		return t.list(list)
	case "show":
		found, err := named(list, words[2])
		if err != nil {
			return err
		}
		if t.json {
			h := describeHeld(&found[0])
			h.Data = string(found[0].Data)
			return t.print(h)
		}
		_, err = t.std.out.Write(found[0].Data)
		return err
	}
	var chosen []calendar.Held
	if t.allFrom != "" {
		for _, h := range list {
			if strings.EqualFold(h.Sender, t.allFrom) {
				chosen = append(chosen, h)
			}
		}
		if len(chosen) == 0 {
			return fmt.Errorf("nothing of %s is held for %s", t.allFrom, owner)
		}
	}
	for _, id := range words[2:] {
		found, err := named(list, id)
		if err != nil {
			return err
		}
		chosen = append(chosen, found...)
	}
	return t.decide(ctx, be, owner, chosen, command == "accept")
}

// isServed tells where to look for somebody who is not of this host, or nobody at all.
func (t *heldTool) isServed(ctx context.Context, owner calendar.Owner) error {
	cfg, err := t.load()
	if err != nil {
		return err
	}
	people, err := t.people(cfg)
	if err != nil {
		return err
	}
	defer people.Close()
	if _, err := people.Person(ctx, calendar.UserID(owner)); errors.Is(err, calendar.NotFound) {
		return fmt.Errorf("%s is not in the directory: \"csuser list\" shows the user ids", owner)
	} else if err != nil {
		return err
	}
	return servedHere(ctx, cfg, people, owner)
}

// heldFor is what is held for somebody, the oldest first.
func heldFor(ctx context.Context, be *backend, owner calendar.Owner) (list []calendar.Held, err error) {
	err = be.Query(ctx, be.who, calendar.QueryRequest{Calendar: calendar.NewID(owner, calendar.InboxCollection.Rules().Name)}, func(o *calendar.Object) error {
		if h, ok := calendar.HeldItem(o.Name, o.Data, o.Modified); ok {
			list = append(list, h)
		}
		return nil
	})
	calendar.SortHeld(list)
	return list, err
}

// named are the items that an id means.
func named(list []calendar.Held, id string) (found []calendar.Held, err error) {
	for _, h := range list {
		if h.Name == id || h.UID == id {
			found = append(found, h)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("nothing is held under %s: it was decided about, or is too old", id)
	}
	return found, nil
}

func describeHeld(h *calendar.Held) heldInfo {
	return heldInfo{ID: h.Name, Reason: h.Reason, Sentence: why.Sentence(h.Reason), Method: h.Method, Sender: h.Sender, Came: h.Came.UTC().Truncate(time.Second), UID: h.UID, Summary: h.Summary}
}

func (t *heldTool) list(list []calendar.Held) error {
	infos := make([]heldInfo, len(list))
	for i := range list {
		infos[i] = describeHeld(&list[i])
	}
	if t.json {
		return t.print(infos)
	}
	if t.quiet {
		return nil
	}
	for _, h := range infos {
		fmt.Fprintf(t.std.out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.ID, h.Reason, h.Method, h.Sender, h.Came.Format(time.RFC3339), plainText(h.UID), plainText(h.Summary))
	}
	if len(infos) == 0 {
		t.say("nothing is held")
	}
	return nil
}

// plainText is a text of somebody's that cannot end a line or move a terminal's cursor.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
}

// doneHeld is what became of an item, for programs.
type doneHeld struct {
	ID      string `json:"id"`
	Done    string `json:"done"`
	Applied bool   `json:"applied"`
	Reason  string `json:"reason"`
	UID     string `json:"uid"`
}

func (t *heldTool) decide(ctx context.Context, be *backend, owner calendar.Owner, chosen []calendar.Held, accept bool) error {
	t.many = true
	failed := 0
	box := calendar.NewID(owner, calendar.InboxCollection.Rules().Name)
	done := map[bool]string{true: "accepted", false: "rejected"}[accept]
	for _, h := range chosen {
		res, err := be.Decide(ctx, be.who, calendar.DecideRequest{Ref: calendar.Ref{Calendar: box, Name: h.Name}, Accept: accept, Remember: t.remember})
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			failed++
			t.complain("%s: %s", h.Name, calendar.MessageOf(err))
			continue
		}
		t.did(doneHeld{ID: h.Name, Done: done, Applied: res.Applied, Reason: res.Reason, UID: h.UID}, "%s: %s (%s)", plainText(h.UID), done, res.Reason)
	}
	if failed > 0 {
		return exitError(exitFailed)
	}
	return nil
}
