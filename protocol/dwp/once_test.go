package dwp

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/ical"
	"factotum/server/observe"
	model "factotum/server/service"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// cutAfter is a back end that does what it is told and then, if armed, cuts
// the connection before the answer.
type cutAfter struct {
	armed atomic.Bool
	cut   func()
	calls atomic.Int32 // pings not counted
}

func (b *cutAfter) seen(op string, _ time.Duration, _ error) {
	if op == "ping" {
		return
	}
	b.calls.Add(1)
	if b.armed.CompareAndSwap(true, false) {
		b.cut()
	}
}

// TestDoneOnce: the connection breaks after the commit of every kind of write
// and before its answer. The client gets the answer, and the write is there
// once. Each would fail, or be there twice, if it were carried out again.
func TestDoneOnce(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { testDoneOnce(t, fresh.SQLite(t, sqlstore.Options{})) })
	t.Run("PostgreSQL", func(t *testing.T) { testDoneOnce(t, fresh.Postgres(t, sqlstore.Options{})) })
}

func testDoneOnce(t *testing.T, store calendar.Store) {
	people := calendartest.NewPeople("anna")
	who := people.Actor("anna")
	be := new(cutAfter)
	l := newLink()
	l.serve(t, observe.Calls(model.New(store, people, model.Options{Host: testHost}), be.seen))
	be.cut = newCutter(t, l).all
	c := l.connect(t)
	ctx := t.Context()
	text := func(uid, summary string) []byte {
		return []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260101T090000Z\r\nSUMMARY:" +
			summary + "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
	}
	wrong := errors.New("another answer")
	check := func(ok bool, err error) error {
		if err == nil && !ok {
			return wrong
		}
		return err
	}
	ref := func(cal calendar.ID, name string) calendar.Ref { return calendar.Ref{Calendar: cal, Name: name} }
	start := ical.DateTime{Year: 2026, Month: time.January, Day: 1, Hour: 9, Kind: ical.UTC}
	name, none := "Work", acl.List{}
	for _, x := range []struct {
		what    string
		changes int64 // numbers that it takes
		call    func() error
	}{
		{"provision", 1, func() error {
			h, err := c.Home(ctx, who, calendar.HomeRequest{Owner: "anna"})
			return check(len(h.Calendars) == 1, err)
		}},
		{"create a calendar", 1, func() error {
			r, err := c.CreateCalendar(ctx, who, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:work"}, DefaultACL: true})
			return check(r.ID == "anna:work", err)
		}},
		{"update a calendar", 1, func() error {
			r, err := c.UpdateCalendar(ctx, who, calendar.UpdateCalendarRequest{ID: "anna:work", DisplayName: &name, ACL: &none})
			return check(r.DisplayName == name, err)
		}},
		{"put", 1, func() error {
			r, err := c.PutObject(ctx, who, calendar.PutRequest{Ref: ref("anna", "a.ics"), Data: text("a", "1"), Precond: calendar.Precond{IfNoneMatch: []string{"*"}}})
			return check(r.Created && r.Object.UID == "a", err)
		}},
		{"import", 2, func() error {
			r, err := c.PutObjects(ctx, who, calendar.PutObjectsRequest{Calendar: "anna:work", Items: []calendar.PutItem{
				{Name: "x.ics", Data: text("x", "1")}, {Name: "y.ics", Data: []byte("nothing")}, {Name: "z.ics", Data: text("x", "2")}, {Data: text("w", "1")}}})
			return check(len(r) == 4 && r[0].Created && r[1].Err != nil && errors.Is(r[2].Err, calendar.UIDConflict) && r[3].Created && r[3].Name == "w.ics", err)
		}},
		{"edit", 2, func() error {
			r, err := c.EditObject(ctx, who, calendar.EditRequest{Calendar: "anna", Component: "VEVENT", Return: true, Items: []calendar.EditItem{
				{Patch: calendar.Patch{Start: &start}, Attach: []calendar.NewAttachment{{Name: "f", Data: []byte("file")}}}, // makes up a UID
				{UID: "b", Mode: calendar.EditCreate, Patch: calendar.Patch{Start: &start}},
				{UID: "nobody", Mode: calendar.EditDelete},
			}})
			return check(len(r.Items) == 3 && r.Items[0].Created && len(r.Items[0].Object.Data) > 0 && r.Items[1].Created &&
				errors.Is(r.Items[2].Err, calendar.NotFound) && r.Calendar.ID == "anna", err)
		}},
		{"edit to delete", 1, func() error {
			r, err := c.EditObject(ctx, who, calendar.EditRequest{Calendar: "anna", Items: []calendar.EditItem{{UID: "b", Mode: calendar.EditDelete}}})
			return check(len(r.Items) == 1 && r.Items[0].Removed && r.Items[0].Err == nil, err)
		}},
		{"copy", 1, func() error {
			r, err := c.CopyObject(ctx, who, calendar.CopyRequest{From: ref("anna", "a.ics"), To: ref("anna:work", "c.ics")})
			return check(!r.Replaced && r.Object.Name == "c.ics", err)
		}},
		{"move", 2, func() error {
			r, err := c.CopyObject(ctx, who, calendar.CopyRequest{From: ref("anna:work", "c.ics"), To: ref("anna:work", "d.ics"), Move: true})
			return check(!r.Replaced && r.Object.Name == "d.ics", err)
		}},
		{"change properties", 1, func() error {
			return c.PatchProps(ctx, who, ref("anna", "a.ics"), []calendar.PropChange{{Prop: calendar.DeadProp{Space: "s", Local: "l", Value: "v"}}})
		}},
		{"preferences", 1, func() error {
			return c.SetPrefs(ctx, who, calendar.SetPrefsRequest{Owner: "anna", Set: map[string]string{"a": "b"}})
		}},
		{"edit preferences", 1, func() error {
			r, err := c.EditPrefs(ctx, who, calendar.EditPrefsRequest{Owner: "anna", Edits: []calendar.PrefEdit{{Name: "a", How: calendar.PrefAdd, Values: []string{"c"}}}})
			return check(r["a"] == "b\nc", err)
		}},
		{"subscribe", 1, func() error {
			r, err := c.Subscribe(ctx, who, calendar.SubscribeRequest{Owner: "anna", Add: []calendar.Subscription{"bert", "bert:x"}, Remove: []calendar.ID{"bert:x"}})
			return check(len(r.List) == 2, err)
		}},
		{"copy in", 1, func() error {
			r, err := c.CopyIn(ctx, who, calendar.CopyInRequest{
				Copy:   calendar.CopyRequest{From: ref("bert", "in.ics"), To: ref("anna:work", "in.ics"), Move: true},
				Parcel: calendar.Parcel{Object: calendar.Object{Data: text("in", "1")}},
			})
			return check(!r.Replaced && r.Object.Name == "in.ics", err)
		}},
		{"the end of a move", 1, func() error {
			return c.DeleteObject(ctx, who, calendar.DeleteRequest{Ref: ref("anna:work", "in.ics"), MovedTo: &calendar.Moved{To: ref("bert", "in.ics")}})
		}},
		{"delete", 1, func() error { return c.DeleteObject(ctx, who, calendar.DeleteRequest{Ref: ref("anna", "a.ics")}) }},
		{"copy a calendar", 4, func() error {
			r, err := c.CopyCalendar(ctx, who, calendar.CopyRequest{From: ref("anna:work", ""), To: ref("anna:copy", "")})
			return check(!r.Replaced, err)
		}},
		{"move a calendar", 1, func() error {
			r, err := c.CopyCalendar(ctx, who, calendar.CopyRequest{From: ref("anna:copy", ""), To: ref("anna:moved", ""), Move: true})
			return check(!r.Replaced, err)
		}},
		{"delete a calendar", 1, func() error { return c.DeleteCalendar(ctx, who, calendar.DeleteCalendarRequest{ID: "anna:moved"}) }},
	} {
		within(t, "a connection", func() bool { _, err := c.Ping(ctx); return err == nil })
		change := func() (n int64) {
			err := store.View(ctx, "anna", func(tx calendar.ReadTx) error {
				h, _, err := tx.Home()
				n = h.Change
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		before := change()
		be.calls.Store(0)
		be.armed.Store(true)
		err := x.call()
		if got := change() - before; err != nil || be.armed.Load() || be.calls.Load() != 2 || got != x.changes {
			t.Errorf("%s: %v after %d calls, %d changes, want %d", x.what, err, be.calls.Load(), got, x.changes)
		}
	}
	var files int
	err := store.View(ctx, "anna", func(tx calendar.ReadTx) error {
		return tx.AllAttachments(func(calendar.AttachmentRow, int64) { files++ })
	})
	if err != nil || files != 1 {
		t.Errorf("%d files, %v", files, err)
	}
}
