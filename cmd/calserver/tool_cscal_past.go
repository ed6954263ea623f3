package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"factotum/cmd/internal/exporter"
	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/changes"
)

// isPast tells the commands that are about a calendar's history.
func isPast(command string) bool {
	return command == "show" || command == "history" || command == "undo" || command == "undelete"
}

// pastOptions choose what of a history.
type pastOptions struct {
	at, from, to, change, by, via, client string
	limit                                 int
	dry, force                            bool

	uid    string
	which  calendar.HistoryFilter
	moment time.Time
}

func (p *pastOptions) declare(t *tool) {
	p.limit = 100
	t.FlagLong(&p.at, "at", 0)
	t.FlagLong(&p.from, "from", 0)
	t.FlagLong(&p.to, "to", 0)
	t.FlagLong(&p.change, "change", 0)
	t.FlagLong(&p.by, "by", 0)
	t.FlagLong(&p.via, "via", 0)
	t.FlagLong(&p.client, "client", 0)
	t.FlagLong(&p.limit, "limit", 0)
	t.FlagLong(&p.dry, "dry-run", 0)
	t.FlagLong(&p.force, "force", 0)
}

// check refuses wrong calls.
func (p *pastOptions) check(o *calOptions, command, target, uid string) (err error) {
	chooses := ""
	for _, name := range []string{"from", "to", "change", "by", "via", "client"} {
		if o.IsSet(name) {
			chooses = name
		}
	}
	undoes := command == "undo" || command == "undelete"
	switch {
	case !isPast(command) && (chooses != "" || p.at != "" || p.dry || p.force || o.IsSet("limit")):
		return misuse("--at, --from, --to, --change, --by, --via, --client, --limit, --dry-run and --force go with show, history, undo and undelete")
	case !isPast(command):
		return nil
	case p.at != "" && command != "show":
		return misuse("--at goes with show")
	case chooses != "" && command == "show":
		return misuse("--%s does not go with show", chooses)
	case (p.dry || p.force) && !undoes:
		return misuse("--dry-run and --force go with undo and undelete")
	case o.IsSet("limit") && command != "history":
		return misuse("--limit goes with history")
	case p.limit < 1:
		return misuse("--limit must be at least 1")
	case target == "" && (command == "show" || o.owner == ""):
		return misuse("%s of which calendar?", command)
	case command == "undo" && chooses == "":
		return misuse("undo what? --change, --from, --to, --by, --via or --client says it; history tells the numbers of changes")
	}
	p.uid = uid
	p.which = calendar.HistoryFilter{UID: uid, By: p.by, Via: p.via, Client: p.client, Deleted: command == "undelete"}
	for _, t := range []struct {
		name, text string
		to         *time.Time
	}{{"at", p.at, &p.moment}, {"from", p.from, &p.which.From}, {"to", p.to, &p.which.To}} {
		if t.text == "" {
			continue
		}
		if *t.to, err = parseMoment(t.text); err != nil {
			return misuse("--%s: %v", t.name, err)
		}
	}
	if p.change != "" {
		first, last, ranged := strings.Cut(p.change, "-")
		p.which.First, err = strconv.ParseInt(first, 10, 64)
		p.which.Last = p.which.First
		if ranged && err == nil {
			p.which.Last, err = strconv.ParseInt(last, 10, 64)
		}
		if err != nil || p.which.First < 1 || p.which.Last < p.which.First {
			return misuse("--change is a number, or the first and the last of several: 4711-4715, not %q", p.change)
		}
	}
	return nil
}

// parseMoment reads a time as people write it. Without a zone it is this host's.
func parseMoment(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time such as 2026-11-30T14:05, or 2026-11-30T13:05:00Z", text)
}

// pastOf does a command about a history.
func (o *calOptions) pastOf(ctx context.Context, be *backend, command, target string) error {
	p := &o.past
	owner := calendar.Owner(strings.ToLower(o.owner))
	if target != "" {
		id, err := o.id(target)
		if err != nil {
			return err
		}
		owner, p.which.Calendar = id.Owner(), id
	}
	switch command {
	case "show":
		return o.showPast(ctx, be)
	case "history":
		return o.history(ctx, be, owner)
	}
	return o.undo(ctx, be, owner, command)
}

// pastStore gives an export what was there at a moment.
type pastStore struct {
	*backend
	at  time.Time
	uid string
	cal calendar.Calendar
	all []*calendar.Object
}

func (s *pastStore) Calendar(context.Context, calendar.Actor, calendar.ID) (calendar.Calendar, error) {
	return s.cal, nil
}

func (s *pastStore) Sync(_ context.Context, _ calendar.Actor, _ calendar.SyncRequest, emit func(calendar.SyncItem) error) (calendar.SyncResult, error) {
	for _, o := range s.all {
		if err := emit(calendar.SyncItem{Object: o}); err != nil {
			return calendar.SyncResult{}, err
		}
	}
	return calendar.SyncResult{}, nil
}

// showPast prints a calendar as it was, or as it is.
func (o *calOptions) showPast(ctx context.Context, be *backend) error {
	p := &o.past
	at := p.moment
	if at.IsZero() {
		at = time.Now()
	}
	s := &pastStore{backend: be, at: at, uid: p.uid}
	var err error
	s.cal, err = be.AsOf(calendar.Lasting(ctx), be.who, calendar.AsOfRequest{Calendar: p.which.Calendar, At: at, UID: p.uid}, func(obj *calendar.Object) error {
		s.all = append(s.all, obj)
		return nil
	})
	if err != nil {
		return err
	}
	if p.uid != "" && len(s.all) == 0 {
		return fmt.Errorf("%s had no object of the UID %s at %s", p.which.Calendar, p.uid, at.Format(time.RFC3339))
	}
	bad := 0
	e := &exporter.Export{Store: s, Who: be.who, Calendar: p.which.Calendar, Bad: func(err error) { bad++; o.complain("%s", plain.Error(err)) }}
	if _, err := e.Whole(ctx, "-", o.std.out); err != nil {
		return err
	}
	if bad > 0 {
		return exitError(exitFailed)
	}
	return nil
}

// pastInfo is what happened, for programs.
type pastInfo struct {
	Change   int64       `json:"change"`
	Time     time.Time   `json:"time"`
	What     string      `json:"what"`
	By       string      `json:"by,omitempty"`
	Via      string      `json:"via,omitempty"`
	Client   string      `json:"client,omitempty"`
	Undoes   int64       `json:"undoes,omitempty"`
	Calendar calendar.ID `json:"calendar"`
	Name     string      `json:"name,omitempty"`
	UID      string      `json:"uid,omitempty"`
	To       string      `json:"moved_to,omitempty"`
	Title    string      `json:"title,omitempty"`
	Changes  []string    `json:"changes,omitempty"`
	Size     int         `json:"size,omitempty"`
}

func describePast(e *calendar.HistoryEntry) pastInfo {
	info := pastInfo{Change: e.Change, Time: e.When, What: e.End.String(), By: e.By, Via: e.Via, Client: e.Client, Undoes: e.Undoes,
		Calendar: e.Calendar, Name: e.Name, UID: e.UID, To: e.To, Size: e.Size}
	switch {
	case e.Name == "":
	case e.End == calendar.Replaced:
		info.Title = changes.Title(e.After)
		list, err := changes.Between(e.Data, e.After)
		for _, c := range list {
			info.Changes = append(info.Changes, c.String())
		}
		if err != nil { // of a file, or a text that nobody can read
			info.Changes = []string{fmt.Sprintf("%d octets → %d octets", len(e.Data), len(e.After))}
		}
	case e.End == calendar.Made:
		info.Title = changes.Title(e.After)
	default:
		info.Title = changes.Title(e.Data)
	}
	return info
}

// history tells what happened.
func (o *calOptions) history(ctx context.Context, be *backend, owner calendar.Owner) error {
	p := &o.past
	list := newArray(o.std.out)
	n := 0
	tell := func(e calendar.HistoryEntry) error {
		n++
		info := describePast(&e)
		if o.json {
			return list.add(info)
		}
		if o.quiet {
			return nil
		}
		if err := printPast(o.std.out, info); err != nil {
			return err
		}
		if e.First && e.End != calendar.Made {
			made := e
			made.Change, made.When, made.End, made.By, made.Via, made.Client, made.Undoes, made.To = 0, e.Created, calendar.Made, e.Maker, e.MadeVia, e.MadeClient, 0, ""
			made.After = e.Data
			return printPast(o.std.out, describePast(&made))
		}
		return nil
	}
	res, err := be.History(calendar.Lasting(ctx), be.who, calendar.HistoryRequest{Owner: owner, Which: p.which, Made: true, Data: true, Limit: p.limit}, tell)
	if err != nil {
		return err
	}
	if o.json {
		return list.end()
	}
	if n == 0 {
		o.say("nothing was changed or deleted that is still known")
	}
	switch {
	case res.Off:
		o.say("no history is kept (factotum.history.days is 0)")
	case res.More:
		o.say("there is more: --limit")
	case !res.From.IsZero():
		o.say("the history goes back to %s", res.From.Local().Format(time.RFC3339))
	}
	return nil
}

// printPast prints what happened: a line of what, and one of each difference.
func printPast(w io.Writer, i pastInfo) error {
	words := []string{i.Time.Local().Format("2006-01-02 15:04:05 MST")}
	if i.Change > 0 {
		words = append(words, "change "+strconv.FormatInt(i.Change, 10))
	}
	by := i.By
	if by == "" {
		by = "the server"
	}
	if i.Via != "" {
		by += " by " + i.Via
	}
	if i.Client != "" {
		by += " (" + i.Client + ")"
	}
	what := i.What
	if i.To != "" {
		what += " to " + i.To
	}
	if i.Undoes > 0 {
		what += fmt.Sprintf(", undoing %d", i.Undoes)
	}
	where := string(i.Calendar)
	if i.Name != "" {
		where += "/" + i.Name
	}
	words = append(words, what, by, where)
	if i.Title != "" {
		words = append(words, i.Title)
	}
	for k := range words {
		words[k] = plain.Text(words[k])
	}
	if _, err := fmt.Fprintln(w, strings.Join(words, "  ")); err != nil {
		return err
	}
	for _, c := range i.Changes {
		if _, err := fmt.Fprintln(w, "    "+plain.Text(c)); err != nil {
			return err
		}
	}
	return nil
}

// undoneInfo is what came of an object, for programs.
type undoneInfo struct {
	Calendar calendar.ID `json:"calendar"`
	Name     string      `json:"name,omitempty"`
	UID      string      `json:"uid,omitempty"`
	Summary  string      `json:"summary,omitempty"`
	Change   int64       `json:"change"`
	Done     string      `json:"done"`
	Error    string      `json:"error,omitempty"`
}

// undo takes back what is chosen, or says what would be done.
func (o *calOptions) undo(ctx context.Context, be *backend, owner calendar.Owner, command string) error {
	p := &o.past
	if command == "undelete" {
		if err := o.chooseDeleted(ctx, be, owner); err != nil {
			return err
		}
	}
	req := calendar.UndoRequest{Owner: owner, Which: p.which, Force: p.force, Dry: true}
	plan, err := be.Undo(calendar.Lasting(ctx), be.who, req)
	if err != nil {
		return err
	}
	todo := 0
	for _, it := range plan.Items {
		if it.Did != calendar.UndoNothing && it.Did != calendar.UndoConflict {
			todo++
		}
	}
	o.many = true
	if p.dry {
		o.tellUndone(plan, "would be ")
		return nil
	}
	if todo > 0 {
		if err := o.confirm(ctx, "%s%s %d %s of %s?", strings.ToUpper(command[:1]), command[1:], todo, plain.Plural(todo, "object", "objects"), owner); err != nil {
			return err
		}
		req.Dry = false
		if plan, err = be.Undo(calendar.Lasting(ctx), be.who, req); err != nil {
			return err
		}
	}
	if bad := o.tellUndone(plan, ""); bad > 0 {
		return exitError(exitFailed)
	}
	return nil
}

// chooseDeleted says what undelete is about: a calendar that was deleted means its
// last deletion, and not what was deleted in it before.
func (o *calOptions) chooseDeleted(ctx context.Context, be *backend, owner calendar.Owner) error {
	p := &o.past
	if p.uid != "" || o.IsSet("from") || o.IsSet("to") || o.IsSet("change") || o.IsSet("by") || o.IsSet("via") || o.IsSet("client") {
		return nil
	}
	if p.which.Calendar == "" {
		return misuse("undelete what? A calendar, or with -o what --from, --to, --change, --by, --via or --client names")
	}
	if _, err := be.Calendar(ctx, be.who, p.which.Calendar); err == nil {
		return misuse("%s is there. What of it is to come back? A uid, --from, --to, --change, --by, --via or --client says it", p.which.Calendar)
	}
	found := calendar.HistoryEntry{}
	_, err := be.History(ctx, be.who, calendar.HistoryRequest{Owner: owner, Which: p.which}, func(e calendar.HistoryEntry) error {
		if e.End == calendar.CalendarGone && e.Change > found.Change {
			found = e
		}
		return nil
	})
	if err != nil {
		return err
	}
	if found.Change == 0 {
		return fmt.Errorf("the history knows of no calendar %s that was deleted", p.which.Calendar)
	}
	p.which.First, p.which.Last = found.Change, found.Change
	return nil
}

// tellUndone prints what came of each object, and counts what could not be done.
func (o *calOptions) tellUndone(res calendar.UndoResult, lead string) (bad int) {
	counts := map[calendar.UndoAction]int{}
	for i := range res.Items {
		it := &res.Items[i]
		counts[it.Did]++
		info := undoneInfo{it.Calendar, it.Name, it.UID, it.Summary, it.Change, it.Did.String(), ""}
		if it.Err != nil {
			info.Error = plain.Error(it.Err)
		}
		where := string(it.Calendar)
		if it.Name != "" {
			where += "/" + it.Name
		}
		if it.Summary != "" {
			where += "  " + it.Summary
		}
		where = plain.Text(where)
		switch it.Did {
		case calendar.UndoNothing:
			o.did(info, "%s: nothing to do", where)
		case calendar.UndoConflict:
			bad++
			o.did(info, "%s: left alone, since it was changed again (--force)", where)
		case calendar.UndoRefused:
			bad++
			o.did(info, "%s: %s", where, info.Error)
		default:
			o.did(info, "%s: %s%s", where, lead, it.Did)
		}
	}
	if len(res.Items) == 0 {
		o.say("nothing of that is known")
	} else {
		o.say("%d %s, %d left alone", len(res.Items)-counts[calendar.UndoNothing]-bad, plain.Plural(len(res.Items)-counts[calendar.UndoNothing]-bad, "object", "objects"), bad+counts[calendar.UndoNothing])
	}
	if res.First > 0 {
		o.say("to take this back: cscal --change %d-%d undo", res.First, res.Last)
	}
	return bad
}
