package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/store/move"
)

func init() {
	register("csmove", "move calendars of users to another back end, while they are used", runCsmove)
}

const csmoveUsage = `csmove moves all calendars of users to another back end, while they are used.

  csmove [-q|-v] [-j] [-w] -d host -u userid[,userid...]  move
  csmove [-q|-v] [-j] [-w] -d host --all-from host  move
  csmove [-j] [-u userid[,userid...]]  status
  csmove [-q|-v] [-j] -u userid[,userid...]  cancel
  csmove [-q|-v] [-j] -u userid[,userid...]  here
  csmove version

  -d host    the back end to move them to, as in caldb.dwp.server.host.ip
  -u userid  whose calendars; several with commas between them
  --all-from host  those of all users of this host: its name, so that no command moves
             those of another one
  -w, --no-wait  return when the moves have begun; they go on by themselves
  -j, --json print JSON
  -q, --yes  do not ask, and print errors only
  -C file    the ics.conf to use

It is run on the back end that has the calendars, with csstored running there and
csdwpd on the other one. Calendars, change numbers, ETags, sync-tokens, jobs, alarms, registrations,
preferences, the journal and the history move as they are: no client reads anything
anew, and front ends find the new host by themselves. Writes wait for a moment at the
end; one that would wait longer is told to come back in a second.

The directory (icsDWPHost) is what decides where calendars are, and is changed by
csstored: with LDAP as local.enduseradmindn. Before that everything is compared on both
sides. A move that is broken off, by whatever, goes on after the next start of
csstored; calendars are on one host at any time, as the directory says.

The commands:
  move    move them; it waits for the end and says how it went
  status  what is under way from here and to here, and what has ended since csstored
          was started
  cancel  leave them here, unless the directory was changed already
  here    forget that calendars went to another host: for who has restored them here
          from a backup, and has had the directory name this host again

Exit status: 0 all done, 1 not all, 2 wrong call.

  csmove -d calendar2.sesta.com -u jdoe,tchang move
  csmove -d calendar2.sesta.com --all-from calendar1.sesta.com move
  csmove status
`

func runCsmove(ctx context.Context, args []string, std stdio) int {
	t := newTool("csmove", csmoveUsage, std)
	var to, users, all string
	var noWait bool
	t.FlagLong(&to, "destination", 'd')
	t.FlagLong(&users, "user", 'u')
	t.FlagLong(&all, "all-from", 0)
	t.FlagLong(&noWait, "no-wait", 'w')
	return t.run(ctx, args, func(ctx context.Context, words []string) error {
		if len(words) != 1 {
			return misuse("csmove takes one command")
		}
		var owners []calendar.Owner
		for _, u := range strings.FieldsFunc(users, func(r rune) bool { return r == ',' }) {
			if u = strings.TrimSpace(u); !slices.Contains(owners, calendar.Owner(u)) {
				owners = append(owners, calendar.Owner(u))
			}
		}
		switch command := words[0]; {
		case !slices.Contains([]string{"move", "status", "cancel", "here"}, command):
			return misuse("%q is not a command", command)
		case command == "move" && to == "":
			return misuse("-d says which back end to move to")
		case command != "move" && (to != "" || all != "" || noWait):
			return misuse("-d, --all-from and --no-wait go with move")
		case command != "status" && len(owners) == 0 && all == "":
			return misuse("-u says whose calendars")
		case len(owners) > 0 && all != "":
			return misuse("-u and --all-from do not go together")
		}
		cfg, err := t.load()
		if err != nil {
			return err
		}
		if err := frontEnd(cfg); err != nil {
			return err
		}
		t.many = len(owners) > 1 || all != ""
		m := &mover{t: t, cfg: cfg, to: strings.ToLower(to)}
		switch words[0] {
		case "status":
			return m.status(ctx, owners)
		case "move":
			if owners, err = m.whose(ctx, owners, all); err != nil {
				return err
			}
			if err := t.confirm(ctx, "Move the calendars of %d %s to %s?", len(owners), plain.Plural(len(owners), "user", "users"), m.to); err != nil {
				return err
			}
			return m.move(ctx, owners, !noWait)
		}
		return m.each(ctx, words[0], owners)
	})
}

// mover is a call of csmove.
type mover struct {
	t   *tool
	cfg *config.Config
	to  string
}

func (m *mover) call(ctx context.Context, command string, owner calendar.Owner) (list []move.Status, err error) {
	q := url.Values{"owner": {string(owner)}, "to": {m.to}}
	return list, callStore(ctx, m.cfg, "POST", "/moves/"+command+"?"+q.Encode(), &list)
}

// whose are the users of a move.
func (m *mover) whose(ctx context.Context, owners []calendar.Owner, all string) ([]calendar.Owner, error) {
	if all == "" {
		return owners, nil
	}
	if !strings.EqualFold(all, backEndName(m.cfg)) {
		return nil, fmt.Errorf("this is %s, and not %s: run the command there", hostName(m.cfg), all)
	}
	for after := calendar.Owner(""); ; {
		var page []calendar.Owner
		if err := callStore(ctx, m.cfg, "GET", "/owners?"+url.Values{"after": {string(after)}}.Encode(), &page); err != nil {
			return nil, err
		}
		if len(page) == 0 {
			break
		}
		owners = append(owners, page...)
		after = page[len(page)-1]
	}
	if len(owners) == 0 {
		return nil, fmt.Errorf("%s has no calendars of anybody", hostName(m.cfg))
	}
	return owners, nil
}

// mostMoving is how many moves of one call are under way: csstored copies some of them at once.
const mostMoving = 16

// moved is the report of a move.
type moved struct {
	Done string `json:"done"`
	move.Status
}

// move begins the moves, and tells how each has ended.
func (m *mover) move(ctx context.Context, owners []calendar.Owner, wait bool) error {
	failed, moving := 0, map[calendar.Owner]time.Time{}
	refuse := func(owner calendar.Owner, err error) {
		failed++
		m.t.complain("%s: %s", owner, plain.Error(err))
	}
	for len(owners) > 0 || len(moving) > 0 {
		for len(owners) > 0 && (len(moving) < mostMoving || !wait) {
			owner := owners[0]
			owners = owners[1:]
			list, err := m.call(ctx, "move", owner)
			switch i := m.find(list, owner, time.Time{}); {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil:
				refuse(owner, err)
			case !wait:
				m.t.did(moved{"begun", list[i]}, "%s: the move to %s has begun", owner, m.to)
			default:
				moving[owner] = list[i].Began
			}
		}
		if len(moving) == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
		list, err := m.call(ctx, "status", "")
		if err != nil {
			return fmt.Errorf("%w (the moves go on; \"csmove status\" tells how they are)", err)
		}
		for owner, began := range moving {
			i := m.find(list, owner, began)
			if i >= 0 && list[i].Ended.IsZero() {
				continue
			}
			delete(moving, owner)
			switch {
			case i < 0: // csstored was started anew meanwhile
				if _, err := m.t.hostOf(ctx, m.cfg, owner, m.to); err != nil {
					refuse(owner, err)
					continue
				}
				m.t.did(moved{"moved", move.Status{Owner: owner, To: m.to, State: "moved"}}, "%s: moved to %s", owner, m.to)
			case list[i].State == "moved":
				m.t.did(moved{"moved", list[i]}, "%s: moved to %s, %d rows; nobody could write for %.2f s", owner, m.to, list[i].Rows, list[i].Frozen)
			default:
				refuse(owner, fmt.Errorf("%s: %s", list[i].State, list[i].Err))
			}
		}
	}
	if failed > 0 {
		return exitError(exitFailed)
	}
	return nil
}

// find finds the move of a user that began then, or with no time the last one.
func (m *mover) find(list []move.Status, owner calendar.Owner, began time.Time) int {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Owner == owner && list[i].To != "" && (began.IsZero() || list[i].Began.Equal(began)) {
			return i
		}
	}
	return -1
}

// hostOf tells whether the directory names a back end for somebody.
func (t *tool) hostOf(ctx context.Context, cfg *config.Config, owner calendar.Owner, want string) (string, error) {
	people, err := t.people(cfg)
	if err != nil {
		return "", err
	}
	defer people.Close()
	p, err := people.Person(ctx, string(owner))
	if err == nil && !strings.EqualFold(p.Host, want) {
		err = fmt.Errorf("the directory names the back end %q", p.Host)
	}
	return p.Host, err
}

// status tells what is under way and what has ended.
func (m *mover) status(ctx context.Context, owners []calendar.Owner) error {
	list, err := m.call(ctx, "status", "")
	if err != nil {
		return err
	}
	if len(owners) > 0 {
		list = slices.DeleteFunc(list, func(s move.Status) bool { return !slices.Contains(owners, s.Owner) })
	}
	if m.t.json {
		return m.t.print(list)
	}
	for _, s := range list {
		where := "to " + s.To
		if s.To == "" {
			where = "from " + s.From
		}
		line := fmt.Sprintf("%s: %s %s, since %s", s.Owner, s.State, where, s.Began.Local().Format(time.DateTime))
		if s.Rows > 0 {
			line += fmt.Sprintf(", %d rows", s.Rows)
		}
		if !s.Ended.IsZero() {
			line += ", ended " + s.Ended.Local().Format(time.DateTime)
		}
		if s.Err != "" {
			line += ": " + s.Err
		}
		m.t.say("%s", line)
	}
	if len(list) == 0 {
		m.t.say("nothing is being moved")
	}
	return nil
}

// each does a command for each user.
func (m *mover) each(ctx context.Context, command string, owners []calendar.Owner) error {
	failed := 0
	for _, owner := range owners {
		if _, err := m.call(ctx, command, owner); err != nil {
			failed++
			m.t.complain("%s: %s", owner, plain.Error(err))
			continue
		}
		words := "%s: the calendars stay here"
		if command == "here" {
			words = "%s: the calendars are here"
		}
		m.t.did(map[string]any{"done": command, "owner": owner}, words, owner)
	}
	if failed > 0 {
		return exitError(exitFailed)
	}
	return nil
}
