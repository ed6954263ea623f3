package service_test

import (
	"bytes"
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/service"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// A use case that writes, as one row of the tables below: prepare makes what
// it needs, as the owner; do is the write, by whoever.
type useCase struct {
	name    string
	prepare func(c *records)
	do      func(c *records, who calendar.Actor) error
	// what it leaves, without numbers: kind, calendar, object, and how.
	want []string
	// decided by who he is, not by a list
	ownerOnly bool
	// it looks and then reads in a transaction, and writes nothing
	reads bool
	// missing is what it says where the calendar is not there, if not NoCalendar.
	missing calendar.Kind
}

// records is a service whose changes a test sees.
type records struct {
	*testing.T
	*service.Service
	store   calendar.Store
	changes []*calendar.Change
	token   string // of the writes of a use case, "" for none
	before  func() // runs once, between the first look of the next use case and its transaction
	reads   bool   // which is one that reads
}

var (
	bert  = calendar.Actor{User: "bert"}
	admin = calendar.Actor{User: "calmaster", Admin: true}
)

func openRecords(t *testing.T) *records {
	st := fresh.SQLite(t, sqlstore.Options{Relaxed: true})
	c := &records{T: t}
	c.store = between{st, c}
	c.Service = service.New(c.store, nil, service.Options{Derive: []service.Derivation{c.note}})
	for _, who := range []calendar.Actor{anna, bert} {
		provision(t, c, who)
	}
	c.create("anna:work", calendar.CalendarCollection)
	c.allow("@@o^a^sdeic^g", "bert^a^rwdeic^g")
	c.put("anna", "a.ics", event("a", "20260110T100000Z", ""))
	return c
}

// note is a derivation that only looks. It copies: a transaction may run again.
func (c *records) note(_ calendar.ReadTx, ch *calendar.Change) ([]calendar.Job, error) {
	c.changes = append(c.changes, ch)
	return nil, nil
}

// between is a store that runs what is to come between a look and a transaction.
type between struct {
	calendar.Store
	c *records
}

func (b between) begin(reads bool) {
	if hook := b.c.before; hook != nil && reads == b.c.reads {
		b.c.before = nil
		hook()
	}
}

func (b between) View(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	b.begin(true)
	return b.Store.View(ctx, owner, fn)
}

func (b between) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	b.begin(false)
	return b.Store.Update(ctx, owner, fn)
}

// Context carries the token.
func (c *records) Context() context.Context {
	if c.token == "" {
		return c.T.Context()
	}
	return calendar.WithToken(c.T.Context(), c.token)
}

func (c *records) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// allow sets the list of anna's calendars.
func (c *records) allow(aces ...string) {
	c.Helper()
	list, err := acl.Parse(strings.Join(aces, ";"))
	c.must(err)
	home, err := c.Home(context.Background(), anna, calendar.HomeRequest{Owner: "anna"})
	c.must(err)
	for _, cal := range home.Calendars {
		_, err = c.UpdateCalendar(context.Background(), anna, calendar.UpdateCalendarRequest{ID: cal.ID, ACL: &list})
		c.must(err)
	}
}

func (c *records) create(id calendar.ID, kind calendar.CollectionKind) {
	c.Helper()
	_, err := c.CreateCalendar(context.Background(), anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: id, Kind: kind}, DefaultACL: true})
	c.must(err)
}

func (c *records) put(id calendar.ID, name string, data []byte) {
	c.Helper()
	_, err := c.PutObject(context.Background(), anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: name}, Data: data})
	c.must(err)
}

func refTo(id calendar.ID, name string) calendar.Ref { return calendar.Ref{Calendar: id, Name: name} }

func oneItem(items []calendar.EditItemResult, err error) error {
	if err == nil {
		err = items[0].Err
	}
	return err
}

// copyIn stores what was read at another owner's.
func copyIn(c *records, who calendar.Actor, move bool) error {
	_, err := c.CopyIn(c.Context(), who, calendar.CopyInRequest{
		Copy:   calendar.CopyRequest{From: refTo("ben", "b.ics"), To: refTo("anna", "c.ics"), Move: move},
		Parcel: calendar.Parcel{Object: calendar.Object{Data: event("c", "20260111T100000Z", "")}},
	})
	return err
}

// heldItem is what hold leaves in anna's inbox.
const heldItem = "62c66a7a5dd70c3146618063-held-request-46255f5b2b4098f6a2d84543.ics"

func hold(c *records) {
	res, err := c.Deliver(c.T.Context(), calendar.Actor{Via: calendar.ViaMail}, calendar.DeliverRequest{ID: "mail/1", Arrival: &calendar.Arrival{Sender: "ben@example.com", Proof: calendar.Proven},
		To: []calendar.Recipient{{Address: "mailto:anna", Owner: "anna"}},
		Data: bytes.Replace(event("m", "20260111T100000Z", "ORGANIZER:mailto:ben@example.com\r\nATTENDEE:mailto:anna\r\n"),
			[]byte("VERSION:2.0\r\n"), []byte("VERSION:2.0\r\nMETHOD:REQUEST\r\n"), 1)})
	c.must(err)
	c.must(res[0].Err)
}

// useCases are all of Backend that writes, in each of its ways
// (TestEveryWriteHasItsRow), and what a write at another owner's begins with.
var useCases = []useCase{
	{name: "put a new object", want: []string{"object-stored anna/n.ics new"}, do: func(c *records, who calendar.Actor) error {
		_, err := c.PutObject(c.Context(), who, calendar.PutRequest{Ref: refTo("anna", "n.ics"), Data: event("n", "20260111T100000Z", "")})
		return err
	}},
	{name: "put an object again", want: []string{"object-stored anna/a.ics changed retimed"}, do: func(c *records, who calendar.Actor) error {
		_, err := c.PutObject(c.Context(), who, calendar.PutRequest{Ref: refTo("anna", "a.ics"), Data: event("a", "20260111T100000Z", "")})
		return err
	}},
	{name: "put an object with another text only", want: []string{"object-stored anna/a.ics changed"}, do: func(c *records, who calendar.Actor) error {
		_, err := c.PutObject(c.Context(), who, calendar.PutRequest{Ref: refTo("anna", "a.ics"), Data: event("a", "20260110T100000Z", "LOCATION:x\r\n")})
		return err
	}},
	{name: "import", want: []string{"object-stored anna/x.ics new", "object-stored anna/a.ics changed"}, do: func(c *records, who calendar.Actor) error {
		res, err := c.PutObjects(c.Context(), who, calendar.PutObjectsRequest{Calendar: "anna", Replace: true, Items: []calendar.PutItem{
			{Data: event("x", "20260112T100000Z", "")}, {Data: event("a", "20260110T100000Z", "LOCATION:x\r\n")}, {Data: []byte("nothing")}}})
		if err == nil {
			err = res[0].Err
		}
		return err
	}},
	{name: "deliver", ownerOnly: true, want: []string{"object-stored anna/m.ics new", "calendar-created anna:inbox",
		"object-stored anna:inbox/62c66a7a5dd70c3146618063-request-f871a76fb7b15231306b634d.ics new"}, do: func(c *records, who calendar.Actor) error {
		res, err := c.Deliver(c.Context(), who, calendar.DeliverRequest{ID: "ben/1/0/0", From: "mailto:ben@example.com",
			To: []calendar.Recipient{{Address: "mailto:anna", Owner: "anna"}},
			Data: bytes.Replace(event("m", "20260111T100000Z", "ORGANIZER:mailto:ben@example.com\r\nATTENDEE:mailto:anna\r\n"),
				[]byte("VERSION:2.0\r\n"), []byte("VERSION:2.0\r\nMETHOD:REQUEST\r\n"), 1)})
		if err == nil {
			err = res[0].Err
		}
		return err
	}},
	{name: "accept what is held", ownerOnly: true, want: []string{"prefs-changed ", "object-deleted anna:inbox/" + heldItem, "object-stored anna/m.ics new",
		"object-stored anna:inbox/62c66a7a5dd70c3146618063-request-f871a76fb7b15231306b634d.ics new"}, prepare: hold, do: func(c *records, who calendar.Actor) error {
		res, err := c.Decide(c.Context(), who, calendar.DecideRequest{Ref: refTo("anna:inbox", heldItem), Accept: true})
		if err == nil && !res.Applied {
			c.Errorf("it came to %+v", res)
		}
		return err
	}},
	{name: "reject what is held", ownerOnly: true, want: []string{"object-deleted anna:inbox/" + heldItem}, prepare: hold, do: func(c *records, who calendar.Actor) error {
		_, err := c.Decide(c.Context(), who, calendar.DecideRequest{Ref: refTo("anna:inbox", heldItem)})
		return err
	}},
	{name: "edit", want: []string{"object-stored anna/a.ics changed"}, do: func(c *records, who calendar.Actor) error {
		res, err := c.EditObject(c.Context(), who, calendar.EditRequest{Calendar: "anna", Component: "VEVENT", Items: []calendar.EditItem{
			{UID: "a", Patch: calendar.Patch{Props: []calendar.PropEdit{{Name: "LOCATION", Props: []ical.Property{{Name: "LOCATION", Value: "y"}}}}}}}})
		return oneItem(res.Items, err)
	}},
	{name: "edit to delete", want: []string{"object-deleted anna/a.ics"}, do: func(c *records, who calendar.Actor) error {
		res, err := c.EditObject(c.Context(), who, calendar.EditRequest{Calendar: "anna", Items: []calendar.EditItem{{UID: "a", Mode: calendar.EditDelete}}})
		return oneItem(res.Items, err)
	}},
	{name: "delete a range", want: []string{"object-deleted anna/a.ics"}, do: func(c *records, who calendar.Actor) error {
		_, err := c.EditObject(c.Context(), who, calendar.EditRequest{Calendar: "anna", Within: window("20260101", "20260201")})
		return err
	}},
	{name: "delete", want: []string{"object-deleted anna/a.ics"}, do: func(c *records, who calendar.Actor) error {
		return c.DeleteObject(c.Context(), who, calendar.DeleteRequest{Ref: refTo("anna", "a.ics")})
	}},
	{name: "change dead properties", want: []string{"object-props anna/a.ics"}, do: func(c *records, who calendar.Actor) error {
		return c.PatchProps(c.Context(), who, refTo("anna", "a.ics"), []calendar.PropChange{{Prop: calendar.DeadProp{Space: "s", Local: "l", Value: "v"}}})
	}},
	{name: "copy", want: []string{"object-stored anna:work/c.ics new"}, do: func(c *records, who calendar.Actor) error {
		_, err := c.CopyObject(c.Context(), who, calendar.CopyRequest{From: refTo("anna", "a.ics"), To: refTo("anna:work", "c.ics")})
		return err
	}},
	{name: "move", want: []string{"object-deleted anna/a.ics to anna:work/c.ics", "object-stored anna:work/c.ics new from anna/a.ics"}, do: func(c *records, who calendar.Actor) error {
		_, err := c.CopyObject(c.Context(), who, calendar.CopyRequest{From: refTo("anna", "a.ics"), To: refTo("anna:work", "c.ics"), Move: true})
		return err
	}},
	{name: "copy from another owner", missing: calendar.Stale, want: []string{"object-stored anna/c.ics new"}, do: func(c *records, who calendar.Actor) error {
		return copyIn(c, who, false)
	}},
	{name: "move from another owner", missing: calendar.Stale, want: []string{"object-stored anna/c.ics new from ben/b.ics"}, do: func(c *records, who calendar.Actor) error {
		return copyIn(c, who, true)
	}},
	{name: "beginning of a move to another owner", reads: true, do: func(c *records, who calendar.Actor) error {
		p, err := c.CopyOut(c.Context(), who, calendar.CopyRequest{From: refTo("anna", "a.ics"), To: refTo("ben", "b.ics"), Move: true})
		if err != nil && p.Object.Data != nil {
			c.Errorf("refused, and the text is told all the same")
		}
		return err
	}},
	{name: "end of a move to another owner", want: []string{"object-deleted anna/a.ics to ben/b.ics"}, do: func(c *records, who calendar.Actor) error {
		return c.DeleteObject(c.Context(), who, calendar.DeleteRequest{Ref: refTo("anna", "a.ics"), MovedTo: &calendar.Moved{To: refTo("ben", "b.ics")}})
	}},
	{name: "change a calendar", want: []string{"calendar-changed anna"}, do: func(c *records, who calendar.Actor) error {
		name := "new"
		_, err := c.UpdateCalendar(c.Context(), who, calendar.UpdateCalendarRequest{ID: "anna", DisplayName: &name})
		return err
	}},
	{name: "change the rights", ownerOnly: true, want: []string{"calendar-changed anna"}, do: func(c *records, who calendar.Actor) error {
		list, _ := acl.Parse("@@o^a^sdeic^g")
		_, err := c.UpdateCalendar(c.Context(), who, calendar.UpdateCalendarRequest{ID: "anna", ACL: &list})
		return err
	}},
	{name: "share", ownerOnly: true, want: []string{"calendar-changed anna"}, do: func(c *records, who calendar.Actor) error {
		return c.Share(c.Context(), who, calendar.ShareRequest{Calendar: "anna", Set: []calendar.ShareSet{{User: "bert", Summary: "ours", Write: true}}})
	}},
	{name: "name a proxy", ownerOnly: true, want: []string{"calendar-changed anna", "calendar-changed anna:work", "prefs-changed "}, do: func(c *records, who calendar.Actor) error {
		return c.SetProxies(c.Context(), who, calendar.SetProxiesRequest{Owner: "anna", Kind: acl.ProxyRead, Users: []calendar.UserID{"bert"}})
	}},
	{name: "notify", ownerOnly: true, want: []string{"prefs-changed "}, do: func(c *records, who calendar.Actor) error {
		who.Admin = true
		return c.Notify(c.Context(), who, calendar.NotifyRequest{Note: calendar.Note{ID: "bert-1-0", To: "anna", From: "bert", Kind: calendar.NoteInvite, Calendar: "bert", UID: "u"}})
	}},
	{name: "create a calendar", ownerOnly: true, want: []string{"calendar-created anna:new"}, do: func(c *records, who calendar.Actor) error {
		_, err := c.CreateCalendar(c.Context(), who, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:new"}, DefaultACL: true})
		return err
	}},
	{name: "come to a home without a default calendar", ownerOnly: true, want: []string{"calendar-created anna"},
		prepare: func(c *records) {
			c.must(c.DeleteCalendar(c.Context(), admin, calendar.DeleteCalendarRequest{ID: "anna"}))
		},
		do: func(c *records, who calendar.Actor) error {
			home, err := c.Home(c.Context(), who, calendar.HomeRequest{Owner: "anna"})
			if err == nil && len(home.Calendars) != 2 {
				c.Errorf("calendars: %v", home.Calendars)
			}
			return err
		}},
	{name: "copy a calendar", ownerOnly: true, want: []string{"calendar-created anna:copy", "object-stored anna:copy/w.ics new"},
		prepare: func(c *records) { c.put("anna:work", "w.ics", event("w", "20260110T100000Z", "")) },
		do: func(c *records, who calendar.Actor) error {
			_, err := c.CopyCalendar(c.Context(), who, calendar.CopyRequest{From: refTo("anna:work", ""), To: refTo("anna:copy", "")})
			return err
		}},
	{name: "move a calendar", ownerOnly: true, want: []string{"calendar-changed anna:moved from anna:work/"}, do: func(c *records, who calendar.Actor) error {
		_, err := c.CopyCalendar(c.Context(), who, calendar.CopyRequest{From: refTo("anna:work", ""), To: refTo("anna:moved", ""), Move: true})
		return err
	}},
	{name: "delete a calendar", ownerOnly: true, want: []string{"calendar-deleted anna:work"}, do: func(c *records, who calendar.Actor) error {
		return c.DeleteCalendar(c.Context(), who, calendar.DeleteCalendarRequest{ID: "anna:work"})
	}},
	{name: "delete a tree", ownerOnly: true, want: []string{"calendar-deleted anna:files/sub", "calendar-deleted anna:files"},
		prepare: func(c *records) {
			c.create("anna:files", calendar.PlainCollection)
			c.create("anna:files/sub", calendar.PlainCollection)
		},
		do: func(c *records, who calendar.Actor) error {
			return c.DeleteCalendar(c.Context(), who, calendar.DeleteCalendarRequest{ID: "anna:files"})
		}},
	{name: "edit preferences", ownerOnly: true, want: []string{"prefs-changed "}, do: func(c *records, who calendar.Actor) error {
		_, err := c.EditPrefs(c.Context(), who, calendar.EditPrefsRequest{Owner: "anna", Edits: []calendar.PrefEdit{{Name: "k", Values: []string{"v"}}, {Name: "k", How: calendar.PrefAdd, Values: []string{"w"}}}})
		return err
	}},
	{name: "subscribe", ownerOnly: true, want: []string{"prefs-changed "}, do: func(c *records, who calendar.Actor) error {
		_, err := c.Subscribe(c.Context(), who, calendar.SubscribeRequest{Owner: "anna", Add: []calendar.Subscription{"bert"}, Remove: []calendar.ID{"anna"}})
		return err
	}},
	{name: "register", ownerOnly: true, do: func(c *records, who calendar.Actor) error {
		_, err := c.Register(c.Context(), who, aHook("anna"))
		return err
	}},
	{name: "unregister", ownerOnly: true, prepare: func(c *records) { c.hook() }, do: func(c *records, who calendar.Actor) error {
		return c.Unregister(c.Context(), who, calendar.UnregisterRequest{Owner: "anna", ID: c.hook(), Kind: calendar.HookRegistration})
	}},
	{name: "test a webhook", ownerOnly: true, prepare: func(c *records) { c.hook() }, want: []string{"posted "}, do: func(c *records, who calendar.Actor) error {
		return c.TestHook(c.Context(), who, calendar.TestHookRequest{Owner: "anna", ID: c.hook()})
	}},
	{name: "undo", want: []string{"object-deleted anna/a.ics"}, do: func(c *records, who calendar.Actor) error {
		return undoIn(c, who, calendar.HistoryFilter{Calendar: "anna", UID: "a"})
	}},
	{name: "undelete", want: []string{"object-stored anna/a.ics new"},
		prepare: func(c *records) {
			c.must(c.DeleteObject(c.Context(), anna, calendar.DeleteRequest{Ref: refTo("anna", "a.ics")}))
		},
		do: func(c *records, who calendar.Actor) error {
			return undoIn(c, who, calendar.HistoryFilter{Calendar: "anna", Name: "a.ics", Deleted: true})
		}},
	{name: "undelete a calendar", ownerOnly: true, want: []string{"calendar-created anna:work"},
		prepare: func(c *records) {
			c.must(c.DeleteCalendar(c.Context(), anna, calendar.DeleteCalendarRequest{ID: "anna:work"}))
		},
		do: func(c *records, who calendar.Actor) error {
			return undoIn(c, who, calendar.HistoryFilter{Calendar: "anna:work", Deleted: true})
		}},
	{name: "set preferences", ownerOnly: true, want: []string{"prefs-changed "}, do: func(c *records, who calendar.Actor) error {
		return c.SetPrefs(c.Context(), who, calendar.SetPrefsRequest{Owner: "anna", Set: map[string]string{"k": "v"}})
	}},
}

// undoIn takes back what concerns one object, or a calendar.
func undoIn(c *records, who calendar.Actor, f calendar.HistoryFilter) error {
	res, err := c.Undo(c.Context(), who, calendar.UndoRequest{Owner: "anna", Which: f})
	for _, it := range res.Items {
		err = errors.Join(err, it.Err)
	}
	if err == nil && len(res.Items) != 1 {
		c.Errorf("the undo was about %+v", res.Items)
	}
	return err
}

func aHook(id calendar.ID) calendar.RegisterRequest {
	return calendar.RegisterRequest{Owner: id.Owner(), Calendar: id, Kind: calendar.HookRegistration, Address: "https://hook.example.com/", Triggers: calendar.Triggers{Content: calendar.DepthInfinity}}
}

// hook is the webhook of anna's calendar, made if there is none.
func (c *records) hook() string {
	c.Helper()
	res, err := c.Register(context.Background(), anna, aHook("anna"))
	c.must(err)
	return res.Registration.ID
}

// told is a change in the words of the tables.
func told(ch *calendar.Change) string {
	text := ch.Kind.String() + " " + string(ch.Calendar)
	if ch.Name != "" {
		text += "/" + ch.Name
	}
	switch {
	case ch.Kind == calendar.ObjectStored && ch.Before == nil:
		text += " new"
	case ch.Kind == calendar.ObjectStored:
		text += " changed"
		if ch.Retimed() {
			text += " retimed"
		}
	}
	if ch.MovedFrom != nil {
		text += " from " + ch.MovedFrom.String()
	}
	if ch.MovedTo != nil {
		text += " to " + ch.MovedTo.String()
	}
	return text
}

// TestEachWriteLeavesItsRecord: each use case leaves exactly the changes that
// it made, by whom and under which token, numbered without a gap.
func TestEachWriteLeavesItsRecord(t *testing.T) {
	for _, u := range useCases {
		t.Run(u.name, func(t *testing.T) {
			c := openRecords(t)
			if u.prepare != nil {
				u.prepare(c)
			}
			last := c.changes[len(c.changes)-1].Number
			home := func() (n calendar.HomeRow) {
				c.must(c.store.View(t.Context(), "anna", func(tx calendar.ReadTx) (err error) { n, _, err = tx.Home(); return err }))
				return n
			}
			was := home()
			c.changes = nil
			c.must(u.do(c, anna))
			var got []string
			for i, ch := range c.changes {
				got = append(got, told(ch))
				if ch.Number != was.Change+1+int64(i) {
					t.Errorf("%s has the number %d after %d and %d others", told(ch), ch.Number, last, i)
				}
				if ch.Owner != "anna" || ch.By.User != "anna" || ch.When.IsZero() {
					t.Errorf("%s: of %q by %q at %v", told(ch), ch.Owner, ch.By.User, ch.When)
				}
				for _, v := range []*calendar.Version{ch.Before, ch.After} {
					if v == nil {
						continue
					}
					if cal, err := v.Parsed(); err != nil || !bytes.Contains(v.Data, []byte("UID:"+v.UID)) || len(cal.Children) == 0 {
						t.Errorf("%s: its object is %q, %v", told(ch), v.Data, err)
					}
				}
			}
			if !slices.Equal(got, u.want) {
				t.Errorf("left %q, want %q", got, u.want)
			}
			is := home()
			grown := int64(0)
			for _, ch := range c.changes {
				grown += ch.Bytes
			}
			if is.Change != was.Change+int64(len(u.want)) || is.Bytes != was.Bytes+grown {
				t.Errorf("the home went from %d to %d and from %d to %d octets, the changes tell %d", was.Change, is.Change, was.Bytes, is.Bytes, grown)
			}
			rep, err := c.Check(t.Context(), nil)
			if err != nil || len(rep.Findings) > 0 {
				t.Errorf("check: %v %v", rep.Findings, err)
			}
		})
	}
}

// TestTheDoorAsksInTheTransaction: rights that are taken away between the first
// look of a use case and its transaction are not there any more, whatever the
// use case; and what is refused leaves nothing.
func TestTheDoorAsksInTheTransaction(t *testing.T) {
	for _, u := range useCases {
		if u.ownerOnly {
			continue
		}
		for _, way := range []string{"rights", "disabled", "deleted"} {
			t.Run(u.name+"/"+way, func(t *testing.T) {
				c := openRecords(t)
				if u.prepare != nil {
					u.prepare(c)
				}
				if u.reads { // so that the first look needs no transaction
					c.must(u.do(c, bert))
				}
				want := calendar.Denied
				c.reads = u.reads
				c.before = func() {
					switch way {
					case "rights":
						c.allow("@@o^a^sdeic^g", "bert^a^r^g") // a reader from now on
					case "disabled":
						off := true
						for _, id := range []calendar.ID{"anna", "anna:work"} {
							_, err := c.UpdateCalendar(t.Context(), admin, calendar.UpdateCalendarRequest{ID: id, Disabled: &off})
							c.must(err)
						}
					default:
						if want = u.missing; want == 0 {
							want = calendar.NoCalendar
						}
						c.must(c.DeleteCalendar(t.Context(), admin, calendar.DeleteCalendarRequest{ID: "anna"}))
					}
					c.changes = nil
				}
				err := u.do(c, bert)
				if c.before != nil {
					t.Fatalf("refused before its transaction: %v", err)
				}
				if !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
				if len(c.changes) > 0 {
					t.Errorf("left %s", told(c.changes[0]))
				}
			})
		}
	}
}

// TestEveryWriteHasItsRow: each method of Backend that writes by its directive
// is called in the table above, so that none is forgotten there.
func TestEveryWriteHasItsRow(t *testing.T) {
	parse := func(name string) *ast.File {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	called := map[string]bool{}
	var collect func(ast.Node)
	rows := parse("record_test.go")
	collect = func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch f := call.Fun.(type) {
			case *ast.SelectorExpr:
				if x, ok := f.X.(*ast.Ident); ok && x.Name == "c" {
					called[f.Sel.Name] = true
				}
			case *ast.Ident:
				if helper := rows.Scope.Lookup(f.Name); helper != nil && helper.Kind == ast.Fun {
					collect(helper.Decl.(*ast.FuncDecl).Body)
				}
			}
			return true
		})
	}
	ast.Inspect(rows.Scope.Lookup("useCases").Decl.(ast.Node), func(n ast.Node) bool {
		if kv, ok := n.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "do" {
				collect(kv.Value)
			}
		}
		return true
	})
	backend := parse("../calendar/backend.go").Scope.Lookup("Backend").Decl.(*ast.TypeSpec).Type.(*ast.InterfaceType)
	writes := 0
	for _, m := range backend.Methods.List {
		if !slices.ContainsFunc(m.Doc.List, func(c *ast.Comment) bool { return c.Text == "//backend:write" || c.Text == "//backend:repeat" }) {
			continue
		}
		writes++
		if name := m.Names[0].Name; !called[name] {
			t.Errorf("%s writes, and no row of useCases calls it", name)
		}
	}
	if writes < 10 {
		t.Errorf("the test sees %d methods that write", writes)
	}
}

// outbox counts what it is told of.
type outbox struct{ told, doubted atomic.Int32 }

func (o *outbox) Add(jobs ...calendar.Job) { o.told.Add(int32(len(jobs))) }
func (o *outbox) Doubt(calendar.Owner)     { o.doubted.Add(1) }

// Pace implements calendar.Outbox: nothing is done.
func (o *outbox) Pace(context.Context) {}

func (o *outbox) Gone(...calendar.JobID) {}

// Planned implements calendar.Outbox: nothing of it is looked at.
func (o *outbox) Planned(calendar.Owner, string, time.Time) bool { return false }

// TestMembersOfADeletedCalendar: what follows from the deletion of a calendar
// can look at all that was in it, and is stored with it.
func TestMembersOfADeletedCalendar(t *testing.T) {
	c := openRecords(t)
	c.put("anna:work", "one.ics", event("one", "20260110T100000Z", "ATTENDEE:mailto:bert@example.com\r\n"))
	c.put("anna:work", "two.ics", event("two", "20260110T100000Z", ""))
	var ran outbox
	svc := service.New(c.store, nil, service.Options{Outbox: &ran,
		Derive: []service.Derivation{func(tx calendar.ReadTx, ch *calendar.Change) (jobs []calendar.Job, err error) {
			if ch.Members == nil {
				return nil, nil
			}
			err = ch.Members(func(v *calendar.Version) error {
				cal, err := v.Parsed()
				if err == nil && cal.Child("VEVENT").Prop("ATTENDEE") != nil {
					jobs = append(jobs, calendar.Job{Kind: "cancel", Key: v.UID, Due: ch.When})
				}
				return err
			})
			return jobs, err
		}}})
	c.must(svc.DeleteCalendar(t.Context(), anna, calendar.DeleteCalendarRequest{ID: "anna:work"}))
	var jobs []calendar.Job
	c.must(c.store.View(t.Context(), "anna", func(tx calendar.ReadTx) (err error) { jobs, err = tx.Jobs(); return err }))
	if len(jobs) != 1 || jobs[0].Key != "one" || ran.told.Load() != 1 {
		t.Errorf("jobs %+v, %d told", jobs, ran.told.Load())
	}
}

// TestAJobLivesAndDiesWithItsChange: a write that fails after its jobs were
// derived leaves neither.
func TestAJobLivesAndDiesWithItsChange(t *testing.T) {
	st := fresh.SQLite(t, sqlstore.Options{Relaxed: true})
	var out outbox
	no := errors.New("no")
	svc := service.New(st, nil, service.Options{Outbox: &out,
		Derive: []service.Derivation{
			func(_ calendar.ReadTx, ch *calendar.Change) ([]calendar.Job, error) {
				return []calendar.Job{{Kind: "test", Key: ch.Name}, {Kind: "test", Key: ch.Name}}, nil
			},
			func(_ calendar.ReadTx, ch *calendar.Change) ([]calendar.Job, error) {
				if ch.Name == "bad.ics" {
					return nil, no
				}
				return []calendar.Job{{Kind: "other"}}, nil
			}}})
	id := provision(t, svc, anna)
	begun := out.told.Load()
	put := func(name string) error {
		_, err := svc.PutObject(t.Context(), anna, calendar.PutRequest{Ref: refTo(id, name), Data: event(name, "20260110T100000Z", "")})
		return err
	}
	if err := put("bad.ics"); !errors.Is(err, no) {
		t.Errorf("%v", err)
	}
	if err := put("good.ics"); err != nil {
		t.Fatal(err)
	}
	var jobs []calendar.Job
	if err := st.View(t.Context(), "anna", func(tx calendar.ReadTx) (err error) { jobs, err = tx.Jobs(); return err }); err != nil {
		t.Fatal(err)
	}
	n := 0
	seen := map[calendar.JobID]bool{}
	for _, j := range jobs {
		seen[j.JobID] = true
		if j.Key == "bad.ics" {
			t.Errorf("a job of the write that failed: %v", j.JobID)
		}
		if j.Key == "good.ics" {
			n++
		}
	}
	if n != 2 || len(seen) != len(jobs) || out.told.Load()-begun != 3 {
		t.Errorf("%d jobs of the write, %d of %d ids, %d told", n, len(seen), len(jobs), out.told.Load()-begun)
	}
	if _, err := svc.Object(t.Context(), anna, refTo(id, "bad.ics")); !errors.Is(err, calendar.NotFound) {
		t.Errorf("the object of the write that failed: %v", err)
	}
}

// TestARefusedItemLeavesNothing: of two items of one request, the first splits
// a series and is refused as too large. The later half is not stored with the
// second.
func TestARefusedItemLeavesNothing(t *testing.T) {
	st := fresh.SQLite(t, sqlstore.Options{Relaxed: true})
	svc := service.New(st, nil, service.Options{Limits: calendar.Limits{ObjectSize: 2000}})
	id := provision(t, svc, anna)
	series := []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:s\r\nDTSTAMP:20200101T000000Z\r\n" +
		"DTSTART:20200101T100000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY\r\nSUMMARY:x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
	if _, err := svc.PutObject(t.Context(), anna, calendar.PutRequest{Ref: refTo(id, "s.ics"), Data: series}); err != nil {
		t.Fatal(err)
	}
	long := calendar.PropEdit{Name: "DESCRIPTION", Props: []ical.Property{{Name: "DESCRIPTION", Value: strings.Repeat("long ", 1000)}}}
	start := ical.FromCivil(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), ical.UTC, "")
	rid := ical.FromCivil(time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC), ical.UTC, "")
	res, err := svc.EditObject(t.Context(), anna, calendar.EditRequest{Calendar: id, Component: "VEVENT", Items: []calendar.EditItem{
		{UID: "s", RID: rid, Scope: calendar.ThisAndPrior, Patch: calendar.Patch{Props: []calendar.PropEdit{long}}},
		{UID: "other", Patch: calendar.Patch{Start: &start}},
	}})
	if err != nil || !errors.Is(res.Items[0].Err, calendar.TooLarge) || res.Items[1].Err != nil {
		t.Fatalf("%v %+v", err, res.Items)
	}
	var uids []string
	if _, err := svc.ListObjects(t.Context(), anna, id, func(o *calendar.Object) error { uids = append(uids, o.UID); return nil }); err != nil {
		t.Fatal(err)
	}
	if slices.Sort(uids); !slices.Equal(uids, []string{"other", "s"}) {
		t.Errorf("stored: %q", uids)
	}
}

// TestRecordAloneWrites: outside record*.go nothing of this package changes what
// is stored, and no transaction that writes begins but in write.go.
func TestRecordAloneWrites(t *testing.T) {
	files := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if x, ok := n.(*ast.SelectorExpr); ok {
				use := ""
				switch x.Sel.Name {
				case "tx":
					use = "the writing half of a transaction"
				case "Update":
					use = "Store.Update"
				}
				if use != "" {
					found[use]++
					allowed := map[string]string{"the writing half of a transaction": "record*.go", "Store.Update": "write.go"}[use]
					if ok, _ := filepath.Match(allowed, name); !ok {
						t.Errorf("%s: %s, which is for %s alone", files.Position(x.Pos()), use, allowed)
					}
				}
			}
			return true
		})
	}
	if found["the writing half of a transaction"] < 10 || found["Store.Update"] != 1 {
		t.Errorf("the test looks for the wrong names: %v", found)
	}
}

// TestARecordSaysHowHeCame: the protocol and the client are those of the actor.
func TestARecordSaysHowHeCame(t *testing.T) {
	c := openRecords(t)
	who := calendar.Person{ID: "anna"}.ActorVia("caldav", "A client/1.0 "+strings.Repeat("é", 200))
	c.changes = nil
	c.must(c.DeleteObject(calendar.WithToken(t.Context(), "token"), who, calendar.DeleteRequest{Ref: refTo("anna", "a.ics")}))
	by, token := c.changes[0].By, c.changes[0].Token
	if by.Via != "caldav" || !strings.HasPrefix(by.Client, "A client/1.0 é") || len(by.Client) > 202 || !utf8.ValidString(by.Client) || token == "" {
		t.Errorf("by %q with %q (%d octets), token %q", by.Via, by.Client, len(by.Client), token)
	}
}

// TestARefusalTakesNoNumber: an item that is refused because its UID is taken
// leaves the numbers of the home as they are, whatever else the request does.
func TestARefusalTakesNoNumber(t *testing.T) {
	c := openRecords(t)
	read := func(name string) {
		t.Helper()
		_, err := c.Object(t.Context(), anna, refTo("anna", name))
		c.must(err)
	}
	home := func() (n calendar.HomeRow) {
		c.must(c.store.View(t.Context(), "anna", func(tx calendar.ReadTx) (err error) { n, _, err = tx.Home(); return err }))
		return n
	}
	start := ical.FromCivil(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), ical.UTC, "")
	create := func(uids ...string) []calendar.EditItemResult {
		t.Helper()
		req := calendar.EditRequest{Calendar: "anna", Component: "VEVENT"}
		for _, uid := range uids {
			req.Items = append(req.Items, calendar.EditItem{UID: uid, Mode: calendar.EditCreate, Patch: calendar.Patch{Start: &start}})
		}
		res, err := c.EditObject(t.Context(), anna, req)
		c.must(err)
		return res.Items
	}
	read("a.ics")
	c.changes = nil
	was := home()
	if res := create("a", "b"); !errors.Is(res[0].Err, calendar.Exists) || res[1].Err != nil {
		t.Fatalf("%+v", res)
	}
	if now := home(); len(c.changes) != 1 || now.Change != was.Change+1 {
		t.Errorf("the home went from %d to %d by %d changes", was.Change, now.Change, len(c.changes))
	}
	if res := create("a"); !errors.Is(res[0].Err, calendar.Exists) {
		t.Fatalf("%+v", res)
	}
	read("b.ics")
	if n := c.Cache().ForeignWrites(); n != 0 {
		t.Errorf("taken for another program %d times", n)
	}
}

// TestNothingIsOverlooked: a derivation that fails fails the write, also where
// the failure of an item spoils no other.
func TestNothingIsOverlooked(t *testing.T) {
	st := fresh.SQLite(t, sqlstore.Options{Relaxed: true})
	svc := service.New(st, nil, service.Options{Derive: []service.Derivation{func(_ calendar.ReadTx, ch *calendar.Change) ([]calendar.Job, error) {
		if ch.After != nil && ch.After.UID == "bad" {
			return nil, calendar.Failf(calendar.TooLarge, "", "derive", "", "no")
		}
		return nil, nil
	}}})
	id := provision(t, svc, anna)
	res, err := svc.PutObjects(t.Context(), anna, calendar.PutObjectsRequest{Calendar: id, Items: []calendar.PutItem{
		{Data: event("bad", "20260110T100000Z", "")}, {Data: event("good", "20260110T100000Z", "")}}})
	if err != nil || res[0].Err == nil || res[1].Err == nil {
		t.Errorf("%v %+v", err, res)
	}
	if got := inRange(t, svc, anna, id, window("20260101", "20260201")); len(got) > 0 {
		t.Errorf("stored: %q", got)
	}
}

// TestADoorBelow: who may write files into a collection may not have one take
// the place of a collection in it that he may not delete.
func TestADoorBelow(t *testing.T) {
	c := openRecords(t)
	c.create("anna:files", calendar.PlainCollection)
	c.create("anna:files/sub", calendar.PlainCollection)
	c.put("anna:files", "x.txt", []byte("x"))
	c.allow("@@o^a^sdeic^g", "bert^a^rwdeic^g")
	_, err := c.CopyObject(t.Context(), bert, calendar.CopyRequest{From: refTo("anna:files", "x.txt"), To: refTo("anna:files", "sub"), Overwrite: true})
	if !errors.Is(err, calendar.Denied) {
		t.Errorf("by a writer: %v", err)
	}
	if _, err := c.Calendar(t.Context(), anna, "anna:files/sub"); err != nil {
		t.Error(err)
	}
	res, err := c.CopyObject(t.Context(), anna, calendar.CopyRequest{From: refTo("anna:files", "x.txt"), To: refTo("anna:files", "sub"), Overwrite: true})
	if err != nil || !res.Replaced {
		t.Errorf("by the owner: %v %+v", err, res)
	}
}
