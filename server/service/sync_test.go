package service_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/service"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// A first sync in pages goes on although deletions are purged whose numbers
// are above that of the page; those that it must hear of end it.
func TestRFC6578_3_6_FirstSyncInPagesAndPurge(t *testing.T) {
	ctx := context.Background()
	st := fresh.SQLite(t, sqlstore.Options{Relaxed: true})
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	svc := service.New(st, nil, service.Options{Now: func() time.Time { return now }, TombstoneAge: time.Hour})
	id := provision(t, svc, anna)
	for i := range 4 {
		store(t, svc, id, fmt.Sprintf("o%d", i), event(fmt.Sprint(i), "20260105T090000Z", ""))
	}
	del := func(name string) {
		t.Helper()
		if err := svc.DeleteObject(ctx, anna, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: id, Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	del("o3")
	purge := func() {
		t.Helper()
		now = now.Add(2 * time.Hour)
		if n, err := svc.Purge(ctx, "anna"); err != nil || n != 1 {
			t.Fatalf("purged %d, %v", n, err)
		}
	}
	var names []string
	page := func(token string) (calendar.SyncResult, error) {
		return svc.Sync(ctx, anna, calendar.SyncRequest{Calendar: id, Token: token, Limit: 1}, func(it calendar.SyncItem) error {
			if it.Gone != nil {
				t.Errorf("tombstone of %s", it.Gone.Name)
				return nil
			}
			names = append(names, it.Object.Name)
			return nil
		})
	}
	res, err := page("")
	purge()
	for n := 0; err == nil && res.More && n < 10; n++ {
		res, err = page(res.Token)
	}
	if err != nil || !slices.Equal(names, []string{"o0", "o1", "o2"}) {
		t.Fatalf("first sync: %v, %v", names, err)
	}
	if res.Token != res.Calendar.SyncToken() {
		t.Errorf("token at the end %s, want %s", res.Token, res.Calendar.SyncToken())
	}
	if res, err = page(""); err != nil || !res.More {
		t.Fatal(res, err)
	}
	del("o0") // which that page told of
	purge()
	if _, err = page(res.Token); !errors.Is(err, calendar.BadSyncToken) {
		t.Errorf("after the purge of a deletion that counts: %v", err)
	}
}

// The sync of another's home tells no names that the asker may not see, and
// misses nothing that went out of his sight.
func TestSyncHomeOfOthers(t *testing.T) {
	ctx := context.Background()
	svc, _ := openService(t)
	provision(t, svc, anna)
	mk := func(id calendar.ID, list string) {
		t.Helper()
		if _, err := svc.CreateCalendar(ctx, anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: id, ACL: acl.MustParse(list)}}); err != nil {
			t.Fatal(err)
		}
	}
	mk("anna:open", "rita^a^r^g")
	mk("anna:hidden", "@@p^a^r^g")
	token := func() string {
		t.Helper()
		h, err := svc.Home(ctx, rita, calendar.HomeRequest{Owner: "anna"})
		if err != nil {
			t.Fatal(err)
		}
		return h.SyncToken()
	}
	since := token()
	if err := svc.DeleteCalendar(ctx, anna, calendar.DeleteCalendarRequest{ID: "anna:hidden"}); err != nil {
		t.Fatal(err)
	}
	res, err := svc.SyncHome(ctx, rita, calendar.SyncHomeRequest{Owner: "anna", Token: since})
	if len(res.Removed) != 0 || err != nil && !errors.Is(err, calendar.BadSyncToken) {
		t.Errorf("a hidden calendar was deleted: %v, %v", res.Removed, err)
	}
	since = token()
	closed := acl.MustParse("@@p^a^r^g")
	if _, err := svc.UpdateCalendar(ctx, anna, calendar.UpdateCalendarRequest{ID: "anna:open", ACL: &closed}); err != nil {
		t.Fatal(err)
	}
	if _, err = svc.SyncHome(ctx, rita, calendar.SyncHomeRequest{Owner: "anna", Token: since}); !errors.Is(err, calendar.BadSyncToken) {
		t.Errorf("a calendar went out of sight: %v", err)
	}
	if _, err = svc.SyncHome(ctx, anna, calendar.SyncHomeRequest{Owner: "anna", Token: since}); err != nil {
		t.Errorf("the owner's sync: %v", err)
	}
}

// A home forgets its deleted calendars after the purge age, also when none is
// left alive, and then refuses tokens that are older than what it forgot.
func TestRFC6578_3_5_2_PurgedCalendars(t *testing.T) {
	ctx := context.Background()
	st := fresh.SQLite(t, sqlstore.Options{Relaxed: true})
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	svc := service.New(st, nil, service.Options{Now: func() time.Time { return now }, TombstoneAge: time.Hour})
	token := func() string {
		t.Helper()
		home, err := svc.Home(ctx, anna, calendar.HomeRequest{Owner: "anna"})
		if err != nil {
			t.Fatal(err)
		}
		return home.SyncToken()
	}
	since := func(tok string) (calendar.SyncHomeResult, error) {
		return svc.SyncHome(ctx, anna, calendar.SyncHomeRequest{Owner: "anna", Token: tok})
	}
	id := team(t, svc) // the only one
	old := token()
	if err := svc.DeleteCalendar(ctx, anna, calendar.DeleteCalendarRequest{ID: id}); err != nil {
		t.Fatal(err)
	}
	knows := token()
	if res, err := since(old); err != nil || !slices.Equal(res.Removed, []calendar.ID{id}) {
		t.Fatalf("before the purge: %v %v", res.Removed, err)
	}
	now = now.Add(2 * time.Hour)
	if n, err := svc.Purge(ctx, "anna"); n != 1 || err != nil {
		t.Fatalf("purged %d, %v", n, err)
	}
	if res, err := since(old); !errors.Is(err, calendar.BadSyncToken) {
		t.Errorf("a token from before the deletion: %v %v", res, err)
	}
	if res, err := since(knows); err != nil || len(res.Removed) != 0 {
		t.Errorf("a token from after the deletion: %v %v", res.Removed, err)
	}
	if n, err := svc.Purge(ctx, "anna"); n != 0 || err != nil {
		t.Errorf("purged again: %d, %v", n, err)
	}
}

// TestSyncFromTheLogIsThatOfTheStore: what changed recently is answered from
// memory. Few changes and many, each object once, and other calendars left out.
func TestSyncFromTheLogIsThatOfTheStore(t *testing.T) {
	ctx := context.Background()
	st := fresh.SQLite(t, sqlstore.Options{Relaxed: true})
	svc := service.New(st, nil, service.Options{})
	id := provision(t, svc, anna)
	changes := func(svc *service.Service, token string) (list []string) {
		t.Helper()
		_, err := svc.Sync(ctx, anna, calendar.SyncRequest{Calendar: id, Token: token}, func(it calendar.SyncItem) error {
			if it.Gone != nil {
				list = append(list, fmt.Sprint("-", it.Gone.Name, it.Gone.Change))
			} else {
				list = append(list, fmt.Sprint("+", it.Object.Name, it.Object.ETag()))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(list)
		return list
	}
	var tokens []string
	for i := range 60 {
		tokens = append(tokens, syncToken(t, svc, id))
		name := fmt.Sprintf("o%d", i*7%23)
		if i%5 == 4 {
			err := svc.DeleteObject(ctx, anna, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: id, Name: name}})
			if err != nil && calendar.KindOf(err) != calendar.NotFound {
				t.Fatal(err)
			}
			continue
		}
		store(t, svc, id, name, event(name, "20260105T090000Z", fmt.Sprintf("SUMMARY:%d\r\n", i)))
	}
	cold := service.New(st, nil, service.Options{}) // it has no log: it asks the store
	for i, token := range tokens {
		if got, want := changes(svc, token), changes(cold, token); !slices.Equal(got, want) {
			t.Fatalf("since write %d: %v, the store has %v", i, got, want)
		}
	}
}

func syncToken(t *testing.T, svc *service.Service, id calendar.ID) string {
	t.Helper()
	cal, err := svc.Calendar(context.Background(), anna, id)
	if err != nil {
		t.Fatal(err)
	}
	return cal.SyncToken()
}

// TestSyncAfterAMoveOfTheCalendar: what changed before the calendar got another
// name is told under the name that it has.
func TestSyncAfterAMoveOfTheCalendar(t *testing.T) {
	c := openRecords(t)
	sync := func(id calendar.ID, token string) (out []string, next string) {
		t.Helper()
		res, err := c.Sync(t.Context(), anna, calendar.SyncRequest{Calendar: id, Token: token}, func(it calendar.SyncItem) error {
			if it.Object != nil {
				out = append(out, refTo(it.Object.Calendar, it.Object.Name).String())
			} else {
				out = append(out, "no "+refTo(it.Gone.Calendar, it.Gone.Name).String())
			}
			return nil
		})
		c.must(err)
		slices.Sort(out)
		return out, res.Token
	}
	c.put("anna:work", "gone.ics", event("gone", "20260110T100000Z", ""))
	_, token := sync("anna:work", "")
	c.put("anna:work", "w.ics", event("w", "20260110T100000Z", ""))
	c.must(c.DeleteObject(t.Context(), anna, calendar.DeleteRequest{Ref: refTo("anna:work", "gone.ics")}))
	_, err := c.CopyCalendar(t.Context(), anna, calendar.CopyRequest{From: refTo("anna:work", ""), To: refTo("anna:moved", ""), Move: true})
	c.must(err)
	if got, _ := sync("anna:moved", token); !slices.Equal(got, []string{"anna:moved/w.ics", "no anna:moved/gone.ics"}) {
		t.Errorf("%q", got)
	}
}
