package service_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

func message(method, uid string, instances ...string) string {
	text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nMETHOD:" + method + "\r\n"
	if len(instances) == 0 {
		instances = []string{""}
	}
	for _, rid := range instances {
		text += "BEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260901T090000Z\r\nDURATION:PT1H\r\n"
		if rid != "" {
			text += "RECURRENCE-ID:" + rid + "\r\n"
		}
		text += "ORGANIZER:mailto:ben@example.com\r\nATTENDEE:mailto:anna@example.com\r\nEND:VEVENT\r\n"
	}
	return text + "END:VCALENDAR\r\n"
}

const inboxOfAnna calendar.ID = "anna:inbox"

// inbox has what a reader finds: the UID and method of each item.
func inbox(t *testing.T, svc *service.Service) (items []string) {
	t.Helper()
	err := svc.Query(t.Context(), anna, calendar.QueryRequest{Calendar: inboxOfAnna}, func(o *calendar.Object) error {
		text := string(o.Data)
		_, method, _ := strings.Cut(text, "METHOD:")
		_, uid, _ := strings.Cut(text, "\nUID:")
		item := uid[:strings.IndexByte(uid, '\r')] + " " + method[:strings.IndexByte(method, '\r')]
		if _, rid, ok := strings.Cut(text, "RECURRENCE-ID:"); ok {
			item += " " + rid[:8]
		}
		items = append(items, item)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(items)
	return items
}

func holdsItems(t *testing.T, svc *service.Service, what string, want ...string) {
	t.Helper()
	if got := inbox(t, svc); !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// TestRFC6638_4_InboxKeepsTheNewestMessage: an item is replaced by a newer one of
// its UID, method and sender, about the same instance or about all, and leaves
// when the owner handles its object.
func TestRFC6638_4_InboxKeepsTheNewestMessage(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		svc, _ := openService(t)
		testNewestMessage(t, svc)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		testNewestMessage(t, service.New(fresh.Postgres(t, sqlstore.Options{}), nil, service.Options{}))
	})
}

func testNewestMessage(t *testing.T, svc *service.Service) {
	provision(t, svc, anna)
	const ben, carl = "mailto:ben@example.com", "mailto:carl@example.com"
	receive := func(uid, from, text string) {
		t.Helper()
		if err := svc.Receive(t.Context(), "anna", uid, from, text); err != nil {
			t.Fatal(err)
		}
	}
	handled := func(uid string) {
		t.Helper()
		if err := svc.Handled(t.Context(), "anna", uid); err != nil {
			t.Fatal(err)
		}
	}
	handled("a") // where there is no inbox yet
	holdsItems(t, svc, "at first")
	receive("a", ben, message("REQUEST", "a"))
	receive("a", "MAILTO:Ben@Example.com", message("REQUEST", "a"))
	receive("b", ben, message("REQUEST", "b"))
	holdsItems(t, svc, "the same again", "a REQUEST", "b REQUEST")
	receive("a", ben, message("CANCEL", "a"))
	receive("a", carl, message("REQUEST", "a"))
	holdsItems(t, svc, "another method, another sender", "a CANCEL", "a REQUEST", "a REQUEST", "b REQUEST")
	receive("c", ben, message("REPLY", "c", "20260901T090000Z"))
	receive("c", ben, message("REPLY", "c", "20260902T090000Z"))
	receive("c", ben, message("REPLY", "c", "20260902T090000Z"))
	holdsItems(t, svc, "instances", "a CANCEL", "a REQUEST", "a REQUEST", "b REQUEST", "c REPLY 20260901", "c REPLY 20260902")
	receive("c", ben, message("REPLY", "c"))
	handled("a")
	holdsItems(t, svc, "the whole, and what was handled", "b REQUEST", "c REPLY")
	handled("none")
	if err := svc.Receive(t.Context(), "anna", "x", ben, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"); !errors.Is(err, calendar.Invalid) {
		t.Errorf("a message about nothing: %v", err)
	}
	big := strings.Replace(message("REQUEST", "b"), "DTSTART", "DESCRIPTION:"+strings.Repeat("x", 11<<20)+"\r\nDTSTART", 1)
	receive("b", ben, big)
	holdsItems(t, svc, "one that is too large", "b REQUEST", "c REPLY")
}

// TestInboxIsBounded: the oldest leave when there are too many, and all leave
// with age; syncs tell.
func TestInboxIsBounded(t *testing.T) {
	_, store := openService(t)
	now := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	svc := service.New(store, nil, service.Options{Limits: calendar.Limits{InboxItems: 3}, InboxAge: 24 * time.Hour, Now: func() time.Time { return now }})
	provision(t, svc, anna)
	for i := range 5 {
		now = now.Add(time.Hour)
		uid := fmt.Sprint("u", i)
		if err := svc.Receive(t.Context(), "anna", uid, "mailto:ben@example.com", message("REQUEST", uid)); err != nil {
			t.Fatal(err)
		}
	}
	holdsItems(t, svc, "three of five", "u2 REQUEST", "u3 REQUEST", "u4 REQUEST")
	before, err := svc.Calendar(t.Context(), anna, inboxOfAnna)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(23 * time.Hour)
	if _, err := svc.PurgeAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	holdsItems(t, svc, "a day later", "u3 REQUEST", "u4 REQUEST")
	gone := 0
	_, err = svc.Sync(t.Context(), anna, calendar.SyncRequest{Calendar: inboxOfAnna, Token: before.SyncToken()}, func(it calendar.SyncItem) error {
		if it.Gone != nil {
			gone++
		}
		return nil
	})
	if err != nil || gone != 1 {
		t.Errorf("the sync tells of %d that left: %v", gone, err)
	}
}

// TestInboxTakesWhatThereIsRoomFor: a full home loses nothing but the copy, and
// nobody who delivers fails for it.
func TestInboxTakesWhatThereIsRoomFor(t *testing.T) {
	_, store := openService(t)
	svc := service.New(store, nil, service.Options{Limits: calendar.Limits{HomeBytes: 100}})
	provision(t, svc, anna)
	if err := svc.Receive(t.Context(), "anna", "a", "mailto:ben@example.com", message("REQUEST", "a")); err != nil {
		t.Fatal(err)
	}
	holdsItems(t, svc, "a full home")
}

// TestInboxOfWhoNeverCame: messages wait for who has no home yet; he is free all
// the same, and finds them when he comes.
func TestInboxOfWhoNeverCame(t *testing.T) {
	_, store := openService(t)
	svc := service.New(store, calendartest.NewPeople("anna", "bert"), service.Options{})
	bert := calendar.Actor{User: "bert"}
	if err := svc.Receive(t.Context(), "anna", "a", "mailto:ben@example.com", message("REQUEST", "a")); err != nil {
		t.Fatal(err)
	}
	busy, err := svc.FreeBusy(t.Context(), bert, calendar.FreeBusyRequest{
		Targets: []calendar.FreeBusyTarget{{Calendar: "anna", Home: true}}, Window: *window("20260901", "20260902"),
	})
	if err != nil || busy[0].Err != nil || len(busy[0].Busy) != 0 {
		t.Errorf("busy: %v, %v", busy, err)
	}
	home, err := svc.Home(t.Context(), anna, calendar.HomeRequest{Owner: "anna", Boxes: true})
	if err != nil || len(home.Calendars) != 3 {
		t.Errorf("%d collections: %v", len(home.Calendars), err)
	}
	holdsItems(t, svc, "when she comes", "a REQUEST")
	check, err := svc.Check(t.Context(), nil)
	if err != nil || len(check.Findings) != 0 {
		t.Errorf("csdb check: %v, %v", check.Findings, err)
	}
	if _, err := svc.Rebuild(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	holdsItems(t, svc, "rebuilt", "a REQUEST")
}

// TestReadingABoxWritesNothing: homes of earlier releases have their boxes, too,
// and nothing is stored before there is something to keep.
func TestReadingABoxWritesNothing(t *testing.T) {
	svc, store := openService(t)
	provision(t, svc, anna)
	before, err := svc.Home(t.Context(), anna, calendar.HomeRequest{Owner: "anna", Boxes: true})
	if err != nil {
		t.Fatal(err)
	}
	c, err := svc.Calendar(t.Context(), anna, inboxOfAnna)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := svc.ListObjects(t.Context(), anna, inboxOfAnna, func(*calendar.Object) error { return nil }); err != nil {
		t.Fatal(err)
	}
	res, err := svc.Sync(t.Context(), anna, calendar.SyncRequest{Calendar: inboxOfAnna, Token: c.SyncToken()}, func(calendar.SyncItem) error { return nil })
	if err != nil || res.Token != c.SyncToken() {
		t.Errorf("sync of nothing: %v, %v", res.Token, err)
	}
	holdsItems(t, svc, "nothing")
	err = store.View(t.Context(), "anna", func(tx calendar.ReadTx) error {
		home, _, err := tx.Home()
		rows, _ := tx.Calendars()
		if home.Change != before.Change || len(rows) != 1 {
			t.Errorf("change %d after %d, %d rows", home.Change, before.Change, len(rows))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// The token of a box without a row ends when the row is made.
	if err := svc.Receive(t.Context(), "anna", "a", "mailto:ben@example.com", message("REQUEST", "a")); err != nil {
		t.Fatal(err)
	}
	_, err = svc.Sync(t.Context(), anna, calendar.SyncRequest{Calendar: inboxOfAnna, Token: c.SyncToken()}, func(calendar.SyncItem) error { return nil })
	if !errors.Is(err, calendar.BadSyncToken) {
		t.Errorf("the old token: %v", err)
	}
	if after, err := svc.Calendar(t.Context(), anna, inboxOfAnna); err != nil || after.CTag() == c.CTag() {
		t.Errorf("CTag stays %s: %v", after.CTag(), err)
	}
}

// TestInboxGoesWithTheLastCalendar: what is left of a user is nothing.
func TestInboxGoesWithTheLastCalendar(t *testing.T) {
	svc, store := openService(t)
	provision(t, svc, anna)
	root := calendar.Actor{User: "root", Admin: true}
	if err := svc.Receive(t.Context(), "anna", "a", "mailto:ben@example.com", message("REQUEST", "a")); err != nil {
		t.Fatal(err)
	}
	if err := svc.DeleteCalendar(t.Context(), root, calendar.DeleteCalendarRequest{ID: inboxOfAnna}); !errors.Is(err, calendar.Denied) {
		t.Errorf("the inbox alone: %v", err)
	}
	if err := svc.DeleteCalendar(t.Context(), root, calendar.DeleteCalendarRequest{ID: "anna"}); err != nil {
		t.Fatal(err)
	}
	err := store.View(t.Context(), "anna", func(tx calendar.ReadTx) error {
		if rows, err := tx.Calendars(); err != nil || len(rows) != 0 {
			t.Errorf("left are %v: %v", rows, err)
		}
		home, _, err := tx.Home()
		if home.Bytes != 0 {
			t.Errorf("%d octets are left", home.Bytes)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestACalendarThatIsCalledInbox is one that an earlier release took: it stays
// what it is, and messages are delivered without a copy.
func TestACalendarThatIsCalledInbox(t *testing.T) {
	svc, store := openService(t)
	provision(t, svc, anna)
	err := store.Update(t.Context(), "anna", func(tx calendar.Tx) error {
		return tx.InsertCalendar(calendar.CalendarRow{ID: 1 << 40, Name: "inbox", Components: "VEVENT", Change: 1, MetaChange: 1, Created: time.Now(), Modified: time.Now()})
	})
	if err != nil {
		t.Fatal(err)
	}
	svc = service.New(store, nil, service.Options{})
	if err := svc.Receive(t.Context(), "anna", "a", "mailto:ben@example.com", message("REQUEST", "a")); err != nil {
		t.Fatal(err)
	}
	c, err := svc.Calendar(t.Context(), anna, inboxOfAnna)
	if err != nil || c.Kind != calendar.CalendarCollection {
		t.Errorf("it is %v: %v", c.Kind, err)
	}
	if name, err := svc.InvitationsTo(t.Context(), "anna"); err != nil || name != calendar.DefaultName {
		t.Errorf("invitations go to %s: %v", name, err)
	}
	if _, err := svc.CopyCalendar(t.Context(), anna, calendar.CopyRequest{From: calendar.Ref{Calendar: inboxOfAnna}, To: calendar.Ref{Calendar: "anna:post"}, Move: true}); err != nil {
		t.Fatal(err)
	}
	if c, err := svc.Calendar(t.Context(), anna, inboxOfAnna); err != nil || c.Kind != calendar.InboxCollection {
		t.Errorf("under another name it makes way: %v, %v", c.Kind, err)
	}
}

// TestRFC6638_4_3_DefaultCalendar: where invitations go is what the owner chose,
// also by another name, as long as it is there.
func TestRFC6638_4_3_DefaultCalendar(t *testing.T) {
	svc, _ := openService(t)
	provision(t, svc, anna)
	if _, err := svc.CreateCalendar(t.Context(), anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:work"}, DefaultACL: true}); err != nil {
		t.Fatal(err)
	}
	goesTo := func(want string) {
		t.Helper()
		if name, err := svc.InvitationsTo(t.Context(), "anna"); err != nil || name != want {
			t.Errorf("invitations go to %s, want %s: %v", name, want, err)
		}
		c, err := svc.Calendar(t.Context(), anna, inboxOfAnna)
		if err != nil || c.DefaultCalendar != calendar.NewID("anna", want) || len(c.Props) != 0 {
			t.Errorf("the inbox says %s, with %v, want %s: %v", c.DefaultCalendar, c.Props, want, err)
		}
	}
	goesTo(calendar.DefaultName)
	work := "anna:work"
	if _, err := svc.UpdateCalendar(t.Context(), anna, calendar.UpdateCalendarRequest{ID: inboxOfAnna, DefaultCalendar: &work}); err != nil {
		t.Fatal(err)
	}
	goesTo("work")
	if _, err := svc.CopyCalendar(t.Context(), anna, calendar.CopyRequest{From: calendar.Ref{Calendar: "anna:work"}, To: calendar.Ref{Calendar: "anna:job"}, Move: true}); err != nil {
		t.Fatal(err)
	}
	goesTo("job")
	err := svc.DeleteCalendar(t.Context(), anna, calendar.DeleteCalendarRequest{ID: "anna:job"})
	if !errors.Is(err, calendar.Denied) || calendar.ReasonOf(err) != calendar.DefaultCalendarNeeded {
		t.Errorf("delete it: %v", err)
	}
	if err := svc.DeleteCalendar(t.Context(), calendar.Actor{User: "root", Admin: true}, calendar.DeleteCalendarRequest{ID: "anna:job"}); err != nil {
		t.Fatal(err)
	}
	goesTo(calendar.DefaultName)
}
