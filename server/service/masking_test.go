package service_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/service"
)

var rita, will = calendar.Actor{User: "rita"}, calendar.Actor{User: "will"}

// team makes a calendar of anna that rita reads and will writes.
func team(t testing.TB, be calendar.Backend) calendar.ID {
	t.Helper()
	_, err := be.CreateCalendar(context.Background(), anna, calendar.CreateCalendarRequest{
		Calendar: calendar.Calendar{ID: "anna:team", ACL: acl.MustParse("rita^a^r^g;will^a^rwd^g")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return "anna:team"
}

func store(t testing.TB, be calendar.Backend, id calendar.ID, name string, data []byte) calendar.PutResult {
	t.Helper()
	res, err := be.PutObject(context.Background(), anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: name}, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

const secret = "CLASS:PRIVATE\r\nLOCATION:Clinic\r\nATTENDEE:mailto:surgeon@example.com\r\n"

// A deleted private object is as private as it was.
func TestTombstonesOfPrivateObjects(t *testing.T) {
	ctx := context.Background()
	svc, _ := openService(t)
	id := team(t, svc)
	first, err := svc.Calendar(ctx, anna, id)
	if err != nil {
		t.Fatal(err)
	}
	store(t, svc, id, "p.ics", event("p", "20260105T090000Z", secret))
	if err := svc.DeleteObject(ctx, anna, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: id, Name: "p.ics"}}); err != nil {
		t.Fatal(err)
	}
	for _, req := range []calendar.SyncRequest{{Token: first.SyncToken(), Deleted: true}, {Gone: &calendar.Window{}, Deleted: true}} {
		req.Calendar = id
		for _, who := range []calendar.Actor{anna, rita} {
			n := 0
			_, err := svc.Sync(ctx, who, req, func(it calendar.SyncItem) error {
				n++
				if got := strings.Contains(string(it.Gone.Data), "Clinic"); got != (who.User == "anna") {
					t.Errorf("%s reads the details: %t", who.User, got)
				}
				if !strings.Contains(string(it.Gone.Data), "UID:p") {
					t.Errorf("%s: no text", who.User)
				}
				return nil
			})
			if err != nil || n != 1 {
				t.Errorf("%s: %d tombstones, %v", who.User, n, err)
			}
		}
	}
}

// Nothing about a hidden object tells of what is hidden: not its size, its
// tag, the properties that its owner gave it or that it is a meeting.
func TestMaskedObjectsTellNothing(t *testing.T) {
	ctx := context.Background()
	svc, _ := openService(t)
	id := team(t, svc)
	ref := calendar.Ref{Calendar: id, Name: "p.ics"}
	store(t, svc, id, ref.Name, event("p", "20260105T090000Z", secret))
	prop := calendar.PropChange{Prop: calendar.DeadProp{Space: "x:", Local: "note", Value: "<x:note xmlns:x='x:'>Surgeon</x:note>"}}
	if err := svc.PatchProps(ctx, anna, ref, []calendar.PropChange{prop}); err != nil {
		t.Fatal(err)
	}
	got, err := svc.Object(ctx, rita, ref)
	if err != nil {
		t.Fatal(err)
	}
	if got.Size != len(got.Data) {
		t.Errorf("size %d of %d octets", got.Size, len(got.Data))
	}
	check := func(what string, o *calendar.Object) error {
		if !o.Masked || len(o.Props) != 0 || o.ScheduleTag != 0 || o.Size != len(o.Data) || o.ETag() != got.ETag() {
			t.Errorf("%s: %+v with tag %s, want %s", what, o, o.ETag(), got.ETag())
		}
		return nil
	}
	check("get", got)
	_, err = svc.ListObjects(ctx, rita, id, func(o *calendar.Object) error { return check("list", o) })
	if err != nil {
		t.Fatal(err)
	}
	for _, none := range []bool{true, false} {
		req := calendar.QueryRequest{Calendar: id, Data: calendar.DataRequest{None: none}}
		if err := svc.Query(ctx, rita, req, func(o *calendar.Object) error { return check("query", o) }); err != nil {
			t.Fatal(err)
		}
	}
	_, err = svc.Sync(ctx, rita, calendar.SyncRequest{Calendar: id}, func(it calendar.SyncItem) error { return check("sync", it.Object) })
	if err != nil {
		t.Fatal(err)
	}
}

// Importing is no way around the rule that only owners change what is private.
func TestImportOverPrivateObjects(t *testing.T) {
	ctx := context.Background()
	svc, _ := openService(t)
	id := team(t, svc)
	mine := event("p", "20260105T090000Z", secret)
	store(t, svc, id, "p.ics", mine)
	for name, data := range map[string][]byte{"another text": event("p", "20260106T090000Z", ""), "the same text": mine} {
		res, err := svc.PutObjects(ctx, will, calendar.PutObjectsRequest{Calendar: id, Replace: true, Items: []calendar.PutItem{{Data: data}}})
		if err != nil || !errors.Is(res[0].Err, calendar.Denied) || res[0].Unchanged {
			t.Errorf("%s: %+v %v", name, res, err)
		}
	}
	prop := calendar.PropChange{Prop: calendar.DeadProp{Space: "x:", Local: "note", Value: "<x:note xmlns:x='x:'>mine now</x:note>"}}
	if err := svc.PatchProps(ctx, will, calendar.Ref{Calendar: id, Name: "p.ics"}, []calendar.PropChange{prop}); !errors.Is(err, calendar.Denied) {
		t.Errorf("a property by a writer: %v", err)
	}
	o, err := svc.Object(ctx, anna, calendar.Ref{Calendar: id, Name: "p.ics"})
	if err != nil || string(o.Data) != string(mine) {
		t.Errorf("the object now: %v %v", o, err)
	}
}

// What is kept of the full text is not what a masked one is made from.
func TestMaskedObjectsAreParsedAnew(t *testing.T) {
	ctx := context.Background()
	svc, _ := openService(t)
	id := provision(t, svc, anna)
	list := acl.MustParse("@^a^rs^g")
	if _, err := svc.UpdateCalendar(ctx, anna, calendar.UpdateCalendarRequest{ID: id, ACL: &list}); err != nil {
		t.Fatal(err)
	}
	ref := calendar.Ref{Calendar: id, Name: "p.ics"}
	if _, err := svc.PutObject(ctx, anna, calendar.PutRequest{Ref: ref, Data: event("p", "20260105T090000Z", "CLASS:PRIVATE\r\nLOCATION:secret\r\n")}); err != nil {
		t.Fatal(err)
	}
	derived := func(who string) string {
		var got string
		err := svc.Objects(ctx, calendar.Actor{User: who}, calendar.ObjectsRequest{Refs: []calendar.Ref{ref}, Data: calendar.DataRequest{Expand: window("20260101", "20260201")}},
			func(r calendar.ObjectResult) error { got = string(r.Object.Data); return r.Err })
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := derived("anna"); !strings.Contains(got, "secret") {
		t.Fatalf("the owner reads %s", got)
	}
	if got := derived("bob"); strings.Contains(got, "secret") {
		t.Fatalf("a reader reads %s", got)
	}
}

// Who becomes a co-owner, or is one no more, reads private objects with other
// tags: sync-tokens from before tell nobody that nothing changed.
func TestRFC6578_3_8_CoOwnersSeeMore(t *testing.T) {
	ctx := context.Background()
	svc, _ := openService(t)
	id := team(t, svc)
	store(t, svc, id, "a.ics", event("a", "20260105T090000Z", ""))
	owners := func(names ...string) {
		t.Helper()
		if _, err := svc.UpdateCalendar(ctx, anna, calendar.UpdateCalendarRequest{ID: id, CoOwners: &names}); err != nil {
			t.Fatal(err)
		}
	}
	tag := func() (tag, token string) {
		t.Helper()
		res, err := svc.Sync(ctx, rita, calendar.SyncRequest{Calendar: id}, func(it calendar.SyncItem) error {
			if it.Object.Name == "p.ics" {
				tag = it.Object.ETag()
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return tag, res.Token
	}
	still := func(token string) error {
		_, err := svc.Sync(ctx, rita, calendar.SyncRequest{Calendar: id, Token: token}, func(calendar.SyncItem) error { return nil })
		return err
	}
	_, token := tag()
	owners("rita")
	if err := still(token); err != nil {
		t.Errorf("nothing is hidden, but the token is refused: %v", err)
	}
	owners()
	store(t, svc, id, "p.ics", event("p", "20260106T090000Z", secret))
	masked, token := tag()
	owners("rita")
	if err := still(token); !errors.Is(err, calendar.BadSyncToken) {
		t.Errorf("a new co-owner is told of no change: %v", err)
	}
	full, token := tag()
	if full == masked {
		t.Errorf("the tag of a private object in full is that of its masked form: %s", full)
	}
	name := "Team"
	if _, err := svc.UpdateCalendar(ctx, anna, calendar.UpdateCalendarRequest{ID: id, DisplayName: &name}); err != nil {
		t.Fatal(err)
	}
	if err := still(token); err != nil {
		t.Errorf("another property changed, but the token is refused: %v", err)
	}
	owners()
	if err := still(token); !errors.Is(err, calendar.BadSyncToken) {
		t.Errorf("a co-owner of yesterday is told of no change: %v", err)
	}
}

// Who sees busy time only does not learn who else may do what.
func TestRFC3744_3_6_ListsAreForReaders(t *testing.T) {
	ctx := context.Background()
	svc, _ := openService(t)
	list := acl.MustParse("rita^c^r^g;rita^p^r^g;ben^a^f^g;cora^c^r^g;dora^c^r^g;dora^p^z^g")
	_, err := svc.CreateCalendar(ctx, anna, calendar.CreateCalendarRequest{
		Calendar: calendar.Calendar{ID: "anna:team", ACL: list, CoOwners: []string{"will"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]bool{"anna": true, "will": true, "rita": true, "ben": false, "cora": false, "dora": true} {
		who := calendar.Actor{User: user}
		one, err := svc.Calendar(ctx, who, "anna:team")
		if err != nil {
			t.Fatal(user, err)
		}
		home, err := svc.Home(ctx, who, calendar.HomeRequest{Owner: "anna"})
		if err != nil || len(home.Calendars) == 0 {
			t.Fatal(user, home.Calendars, err)
		}
		for _, c := range []calendar.Calendar{one, home.Calendars[len(home.Calendars)-1]} {
			if (len(c.ACL) > 0) != want || (len(c.CoOwners) > 0) != want {
				t.Errorf("%s is told %v and %v, want them: %t", user, c.ACL, c.CoOwners, want)
			}
		}
	}
}

// What an earlier release kept as public, since it did not know the CLASS, is
// found by csdb check and mended by csdb rebuild.
func TestRebuildMendsTheClass(t *testing.T) {
	onBothEngines(t, func(t *testing.T, st calendar.Store, sql func(string)) {
		ctx := t.Context()
		svc := service.New(st, nil, service.Options{})
		id := team(t, svc)
		ref := calendar.Ref{Calendar: id, Name: "p.ics"}
		store(t, svc, id, ref.Name, event("p", "20260105T090000Z", strings.Replace(secret, "PRIVATE", "X-HOUSE-ONLY", 1)))
		reads := func() bool {
			t.Helper()
			o, err := svc.Object(ctx, rita, ref)
			if err != nil {
				t.Fatal(err)
			}
			return strings.Contains(string(o.Data), "Clinic")
		}
		if reads() {
			t.Error("an unknown class is shown")
		}
		sql(`UPDATE objects SET private = 0`)
		svc = service.New(st, nil, service.Options{})
		if !reads() {
			t.Fatal("nothing to mend")
		}
		rep, err := svc.Check(ctx, nil)
		if err != nil || len(rep.Findings) != 1 || !strings.Contains(rep.Findings[0].Msg, "kept as public, and its CLASS counts as private; csdb rebuild") {
			t.Errorf("check: %v %v", rep.Findings, err)
		}
		rep, err = svc.Rebuild(ctx, nil)
		if err != nil || len(rep.Findings) != 1 || !rep.Findings[0].Mended || reads() {
			t.Errorf("rebuild: %v %v", rep.Findings, err)
		}
		if rep, err = svc.Check(ctx, nil); err != nil || len(rep.Findings) > 0 {
			t.Errorf("a second check: %v %v", rep.Findings, err)
		}
	})
}
