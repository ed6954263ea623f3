package service_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
	"factotum/store/sqlstore"

	"pgregory.net/rapid"
)

// historian is a service over a store, with a clock of its own.
type historian struct {
	*service.Service
	t   testing.TB
	now time.Time
	ctx context.Context
}

func openHistorian(t testing.TB, store calendar.Store, opt service.Options) *historian {
	h := &historian{t: t, now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), ctx: context.Background()}
	opt.Now = func() time.Time { return h.now }
	h.Service = service.New(store, nil, opt)
	_, err := h.Home(h.ctx, anna, calendar.HomeRequest{Owner: "anna"})
	h.must(err)
	return h
}

func openHistory(t testing.TB, opt service.Options) *historian {
	st, err := sqlstore.OpenSQLite(context.Background(), t.TempDir(), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return openHistorian(t, st, opt)
}

// must is for what a test cannot go on without.
func (h *historian) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *historian) tick() time.Time {
	h.now = h.now.Add(time.Minute)
	return h.now
}

func (h *historian) put(id calendar.ID, name, summary string) {
	h.t.Helper()
	h.tick()
	uid := strings.TrimSuffix(name, ".ics")
	_, err := h.PutObject(h.ctx, anna, calendar.PutRequest{Ref: refTo(id, name), Data: event(uid, "20260401T100000Z", "LOCATION:"+summary+"\r\n")})
	h.must(err)
}

func (h *historian) delete(id calendar.ID, name string) {
	h.t.Helper()
	h.tick()
	h.must(h.DeleteObject(h.ctx, anna, calendar.DeleteRequest{Ref: refTo(id, name)}))
}

func (h *historian) history(req calendar.HistoryRequest) (list []calendar.HistoryEntry) {
	h.t.Helper()
	req.Owner = "anna"
	_, err := h.History(h.ctx, anna, req, func(e calendar.HistoryEntry) error { list = append(list, e); return nil })
	h.must(err)
	return list
}

func (h *historian) asOf(id calendar.ID, at time.Time) map[string]string {
	h.t.Helper()
	out := map[string]string{}
	_, err := h.AsOf(h.ctx, anna, calendar.AsOfRequest{Calendar: id, At: at}, func(o *calendar.Object) error {
		out[o.Name] = string(o.Data)
		return nil
	})
	h.must(err)
	return out
}

// texts is what is in a calendar.
func (h *historian) texts(id calendar.ID) map[string]string {
	h.t.Helper()
	out := map[string]string{}
	h.must(h.Query(h.ctx, anna, calendar.QueryRequest{Calendar: id}, func(o *calendar.Object) error { out[o.Name] = string(o.Data); return nil }))
	return out
}

func (h *historian) undo(f calendar.HistoryFilter) calendar.UndoResult {
	h.t.Helper()
	h.tick()
	res, err := h.Undo(h.ctx, anna, calendar.UndoRequest{Owner: "anna", Which: f})
	h.must(err)
	return res
}

// did is what an undo did, a word for each object.
func did(res calendar.UndoResult) (words []string) {
	for _, it := range res.Items {
		words = append(words, it.Name+" "+it.Did.String())
	}
	return words
}

func wantDid(t testing.TB, res calendar.UndoResult, want ...string) {
	t.Helper()
	if got := did(res); !slices.Equal(got, want) {
		t.Errorf("the undo did %q, want %q", got, want)
	}
}

func summaries(list map[string]string) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(list)) {
		_, rest, _ := strings.Cut(list[name], "LOCATION:")
		text, _, _ := strings.Cut(rest, "\r\n")
		words = append(words, name+"="+text)
	}
	return strings.Join(words, " ")
}

func wantSummaries(t testing.TB, list map[string]string, want string) {
	t.Helper()
	if got := summaries(list); got != want {
		t.Errorf("there is %q, want %q", got, want)
	}
}

// TestHistoryTells: who did what, when, by what, and what it said before and after.
func TestHistoryTells(t *testing.T) {
	h := openHistory(t, service.Options{})
	h.put("anna", "a.ics", "one")
	phone := anna
	phone.Via, phone.Client = "caldav", "Phone/1"
	_, err := h.PutObject(h.ctx, phone, calendar.PutRequest{Ref: refTo("anna", "a.ics"), Data: event("a", "20260401T100000Z", "LOCATION:two\r\n")})
	h.must(err)
	same := h.now
	// The same text again is no version.
	_, err = h.PutObject(h.ctx, phone, calendar.PutRequest{Ref: refTo("anna", "a.ics"), Data: event("a", "20260401T100000Z", "LOCATION:two\r\n")})
	h.must(err)
	h.delete("anna", "a.ics")
	h.put("anna", "b.ics", "other")
	list := h.history(calendar.HistoryRequest{Which: calendar.HistoryFilter{UID: "a"}, Data: true, Made: true})
	if len(list) != 2 || list[0].End != calendar.Removed || list[1].End != calendar.Replaced {
		t.Fatalf("the history of a: %+v", list)
	}
	e := list[1]
	if e.By != "anna" || e.Via != "caldav" || e.Client != "Phone/1" || !e.When.Equal(same) || !e.First || e.Maker != "anna" || e.Name != "a.ics" || e.Calendar != "anna" ||
		!bytes.Contains(e.Data, []byte("LOCATION:one")) || !bytes.Contains(e.After, []byte("LOCATION:two")) {
		t.Errorf("the change: %+v %q %q", e, e.Data, e.After)
	}
	if list[0].First || list[0].After != nil || !bytes.Contains(list[0].Data, []byte("LOCATION:two")) {
		t.Errorf("the deletion: %+v", list[0])
	}
	all := h.history(calendar.HistoryRequest{Which: calendar.HistoryFilter{Calendar: "anna"}, Made: true})
	if len(all) != 3 || all[0].End != calendar.Made || all[0].Name != "b.ics" || all[1].End != calendar.Removed {
		t.Errorf("the history of the calendar: %+v", all)
	}
	for _, c := range []struct {
		f    calendar.HistoryFilter
		want int
	}{
		{calendar.HistoryFilter{Client: "phone"}, 1}, {calendar.HistoryFilter{Via: "caldav"}, 1}, {calendar.HistoryFilter{By: "ANNA"}, 2}, {calendar.HistoryFilter{By: "bert"}, 0},
		{calendar.HistoryFilter{From: same.Add(time.Second)}, 1}, {calendar.HistoryFilter{To: same}, 0}, {calendar.HistoryFilter{Deleted: true}, 1},
		{calendar.HistoryFilter{First: e.Change, Last: e.Change}, 1}, {calendar.HistoryFilter{Calendar: "anna", Name: "a.ics"}, 2}, {calendar.HistoryFilter{UID: "none"}, 0},
	} {
		if got := h.history(calendar.HistoryRequest{Which: c.f}); len(got) != c.want {
			t.Errorf("%+v finds %d, want %d", c.f, len(got), c.want)
		}
	}
}

// TestHistoryRefuses: bad questions are told what is wrong with them, and nobody
// reads what he may not.
func TestHistoryRefuses(t *testing.T) {
	h := openHistory(t, service.Options{})
	h.put("anna", "a.ics", "one")
	h.put("anna", "a.ics", "two")
	for _, c := range []struct {
		who  calendar.Actor
		f    calendar.HistoryFilter
		want calendar.Kind
	}{
		{bert, calendar.HistoryFilter{Calendar: "anna"}, calendar.Denied}, {bert, calendar.HistoryFilter{UID: "a"}, calendar.Denied}, {calendar.Actor{}, calendar.HistoryFilter{First: 1}, calendar.Denied},
		{anna, calendar.HistoryFilter{Calendar: "anna:none"}, calendar.NoCalendar}, {anna, calendar.HistoryFilter{Calendar: "bert"}, calendar.Invalid},
		{anna, calendar.HistoryFilter{Name: "a.ics"}, calendar.Invalid}, {anna, calendar.HistoryFilter{First: -1}, calendar.Invalid}, {anna, calendar.HistoryFilter{First: 3, Last: 2}, calendar.Invalid},
		{anna, calendar.HistoryFilter{From: h.now, To: h.now.Add(-1)}, calendar.Invalid},
	} {
		_, err := h.History(h.ctx, c.who, calendar.HistoryRequest{Owner: "anna", Which: c.f}, func(calendar.HistoryEntry) error { return nil })
		if calendar.KindOf(err) != c.want {
			t.Errorf("%s, %+v: %v, want %v", c.who.User, c.f, err, c.want)
		}
		if _, err = h.Undo(h.ctx, c.who, calendar.UndoRequest{Owner: "anna", Which: c.f}); calendar.KindOf(err) != c.want {
			t.Errorf("undo by %s, %+v: %v, want %v", c.who.User, c.f, err, c.want)
		}
	}
	for at, want := range map[time.Time]calendar.Kind{{}: calendar.Invalid, h.now.Add(time.Hour): calendar.Invalid, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC): calendar.NoCalendar} {
		_, err := h.AsOf(h.ctx, anna, calendar.AsOfRequest{Calendar: "anna", At: at}, func(*calendar.Object) error { return nil })
		if calendar.KindOf(err) != want {
			t.Errorf("at %v: %v, want %v", at, err, want)
		}
	}
	if _, err := h.Undo(h.ctx, anna, calendar.UndoRequest{Owner: "anna"}); calendar.KindOf(err) != calendar.Invalid {
		t.Errorf("undo of nothing said: %v", err)
	}
	wantSummaries(t, h.texts("anna"), "a.ics=two")
}

// TestHistoryIsBounded: what is too old goes with the purge, what is too much at
// once, and then the history says from when on it is whole.
func TestHistoryIsBounded(t *testing.T) {
	h := openHistory(t, service.Options{HistoryAge: 24 * time.Hour, HistoryBytes: 20_000})
	h.put("anna", "a.ics", "0")
	for i := range 100 {
		h.put("anna", "a.ics", fmt.Sprint(i+1))
	}
	list := h.history(calendar.HistoryRequest{})
	if n := len(list); n < 30 || n > 50 {
		t.Errorf("%d versions are kept in 20,000 octets", n)
	}
	last := list[len(list)-1].When
	wantSummaries(t, h.asOf("anna", last), "a.ics="+fmt.Sprint(101-len(list)))
	if _, err := h.AsOf(h.ctx, anna, calendar.AsOfRequest{Calendar: "anna", At: last.Add(-2 * time.Minute)}, func(*calendar.Object) error { return nil }); calendar.KindOf(err) != calendar.Invalid {
		t.Errorf("before that: %v", err)
	}
	h.now = h.now.Add(25 * time.Hour)
	_, err := h.Purge(h.ctx, "anna")
	h.must(err)
	if list := h.history(calendar.HistoryRequest{}); len(list) != 0 {
		t.Errorf("%d are left", len(list))
	}
	off := openHistory(t, service.Options{HistoryAge: -1})
	off.put("anna", "a.ics", "1")
	off.put("anna", "a.ics", "2")
	if list := off.history(calendar.HistoryRequest{}); len(list) != 0 {
		t.Errorf("switched off it keeps %d", len(list))
	}
	if _, err := off.AsOf(off.ctx, anna, calendar.AsOfRequest{Calendar: "anna", At: off.now.Add(-time.Second)}, func(*calendar.Object) error { return nil }); calendar.KindOf(err) != calendar.Invalid {
		t.Errorf("switched off it shows what was: %v", err)
	}
}

// TestHistoryClockGoesBack: the order of versions is that of their changes.
func TestHistoryClockGoesBack(t *testing.T) {
	h := openHistory(t, service.Options{})
	h.put("anna", "a.ics", "one")
	h.put("anna", "a.ics", "two")
	high := h.now
	h.now = h.now.Add(-time.Hour)
	h.put("anna", "a.ics", "three")
	h.put("anna", "b.ics", "later")
	h.now = high.Add(time.Minute)
	list := h.history(calendar.HistoryRequest{})
	if len(list) != 2 || list[0].When.Before(list[1].When) {
		t.Errorf("times: %+v", list)
	}
	wantSummaries(t, h.asOf("anna", high.Add(-time.Second)), "a.ics=one")
	wantSummaries(t, h.asOf("anna", high), "a.ics=three b.ics=later")
}

func TestUndo(t *testing.T) {
	h := openHistory(t, service.Options{})
	h.put("anna", "a.ics", "one")
	h.put("anna", "b.ics", "b")
	start := h.tick()
	h.put("anna", "a.ics", "two")
	h.put("anna", "a.ics", "three")
	h.delete("anna", "b.ics")
	h.put("anna", "c.ics", "new")
	end := h.tick()
	f := calendar.HistoryFilter{Calendar: "anna", From: start, To: end}

	dry, err := h.Undo(h.ctx, anna, calendar.UndoRequest{Owner: "anna", Which: f, Dry: true})
	h.must(err)
	wantDid(t, dry, "a.ics reverted", "b.ics restored", "c.ics removed")
	wantSummaries(t, h.texts("anna"), "a.ics=three c.ics=new")

	res := h.undo(f)
	wantDid(t, res, "a.ics reverted", "b.ics restored", "c.ics removed")
	wantSummaries(t, h.texts("anna"), "a.ics=one b.ics=b")
	wantDid(t, h.undo(f), "a.ics nothing", "b.ics nothing", "c.ics nothing")

	// An undo can be undone.
	wantDid(t, h.undo(calendar.HistoryFilter{First: res.First, Last: res.Last}), "a.ics reverted", "b.ics removed", "c.ics restored")
	wantSummaries(t, h.texts("anna"), "a.ics=three c.ics=new")
}

func TestUndoConflicts(t *testing.T) {
	h := openHistory(t, service.Options{})
	h.put("anna", "a.ics", "one")
	h.put("anna", "b.ics", "one")
	start := h.tick()
	h.put("anna", "a.ics", "two")
	h.put("anna", "b.ics", "two")
	h.delete("anna", "b.ics")
	end := h.tick()
	h.put("anna", "a.ics", "mine")
	h.put("anna", "b.ics", "again")
	f := calendar.HistoryFilter{From: start, To: end}
	wantDid(t, h.undo(f), "a.ics conflict", "b.ics conflict")
	wantSummaries(t, h.texts("anna"), "a.ics=mine b.ics=again")
	res, err := h.Undo(h.ctx, anna, calendar.UndoRequest{Owner: "anna", Which: f, Force: true})
	h.must(err)
	wantDid(t, res, "a.ics reverted", "b.ics reverted")
	wantSummaries(t, h.texts("anna"), "a.ics=one b.ics=one")
}

func TestUndoMove(t *testing.T) {
	h := openHistory(t, service.Options{})
	_, err := h.CreateCalendar(h.ctx, anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:work"}, DefaultACL: true})
	h.must(err)
	h.put("anna", "a.ics", "one")
	h.tick()
	_, err = h.CopyObject(h.ctx, anna, calendar.CopyRequest{From: refTo("anna", "a.ics"), To: refTo("anna:work", "x.ics"), Move: true})
	h.must(err)
	list := h.history(calendar.HistoryRequest{Which: calendar.HistoryFilter{UID: "a"}})
	if len(list) != 1 || list[0].End != calendar.MovedAway || list[0].To != "anna:work/x.ics" {
		t.Fatalf("the move: %+v", list)
	}
	f := calendar.HistoryFilter{First: list[0].Change, Last: list[0].Change}
	wantDid(t, h.undo(f), "a.ics moved-back")
	wantSummaries(t, h.texts("anna"), "a.ics=one")
	wantSummaries(t, h.texts("anna:work"), "")
	wantDid(t, h.undo(f), "a.ics nothing")
}

// TestUndeleteCalendar: it comes back with all that was in it, to clients as
// another one of the same name.
func TestUndeleteCalendar(t *testing.T) {
	h := openHistory(t, service.Options{})
	create := calendar.Calendar{ID: "anna:work", DisplayName: "Büro", Color: "#ff0000", Props: []calendar.DeadProp{{Space: "s", Local: "l", Value: "v"}}}
	was, err := h.CreateCalendar(h.ctx, anna, calendar.CreateCalendarRequest{Calendar: create, DefaultACL: true})
	h.must(err)
	for i := range 120 {
		h.put("anna:work", fmt.Sprintf("%03d.ics", i), fmt.Sprint(i))
	}
	h.must(h.PatchProps(h.ctx, anna, refTo("anna:work", "007.ics"), []calendar.PropChange{{Prop: calendar.DeadProp{Space: "s", Local: "l", Value: "w"}}}))
	before, at := h.texts("anna:work"), h.tick()
	home, err := h.SyncHome(h.ctx, anna, calendar.SyncHomeRequest{Owner: "anna"})
	h.must(err)
	sync, err := h.Sync(h.ctx, anna, calendar.SyncRequest{Calendar: "anna:work"}, func(calendar.SyncItem) error { return nil })
	h.must(err)
	h.tick()
	h.must(h.DeleteCalendar(h.ctx, anna, calendar.DeleteCalendarRequest{ID: "anna:work"}))
	if got := h.asOf("anna:work", at); !maps.Equal(got, before) {
		t.Errorf("as it was: %d objects, want %d", len(got), len(before))
	}
	list := h.history(calendar.HistoryRequest{Which: calendar.HistoryFilter{Calendar: "anna:work"}})
	gone := list[len(list)-1]
	if len(list) != 121 || gone.End != calendar.CalendarGone {
		t.Fatalf("its history has %d entries and ends with %+v", len(list), gone)
	}
	f := calendar.HistoryFilter{First: gone.Change, Last: gone.Change}
	res := h.undo(f)
	if len(res.Items) != 121 || res.Items[0].Did != calendar.UndoRestored || res.Items[1].Did != calendar.UndoRestored {
		t.Errorf("the undo: %d %+v", len(res.Items), res.Items[:2])
	}
	if got := h.texts("anna:work"); !maps.Equal(got, before) {
		t.Errorf("%d objects came back of %d", len(got), len(before))
	}
	is, err := h.Calendar(h.ctx, anna, "anna:work")
	h.must(err)
	if is.DisplayName != "Büro" || is.Color != was.Color || len(is.Props) != 1 || is.Incarnation == was.Incarnation {
		t.Errorf("the calendar: %+v", is)
	}
	o, err := h.Object(h.ctx, anna, refTo("anna:work", "007.ics"))
	h.must(err)
	if len(o.Props) != 1 || o.Props[0].Value != "w" {
		t.Errorf("properties: %+v", o.Props)
	}
	// Clients: the old token of the calendar is none of it, and the home tells of it.
	if _, err := h.Sync(h.ctx, anna, calendar.SyncRequest{Calendar: "anna:work", Token: sync.Token}, func(calendar.SyncItem) error { return nil }); calendar.KindOf(err) != calendar.BadSyncToken {
		t.Errorf("an old token: %v", err)
	}
	told, err := h.SyncHome(h.ctx, anna, calendar.SyncHomeRequest{Owner: "anna", Token: home.Token})
	h.must(err)
	if len(told.Changed) != 1 || told.Changed[0].ID != "anna:work" || len(told.Removed) != 0 {
		t.Errorf("the home tells %+v", told)
	}
	again := h.undo(f)
	if again.First != 0 {
		t.Errorf("the undo again did %v", did(again)[:3])
	}
	rep, err := h.Check(h.ctx, func(calendar.Owner) {})
	h.must(err)
	if len(rep.Findings) > 0 {
		t.Errorf("the check finds %+v", rep.Findings)
	}
}

// TestUndoLeavesNewCalendars: what came to be in a calendar that was deleted is not
// looked for in another one of its name.
func TestUndoLeavesNewCalendars(t *testing.T) {
	h := openHistory(t, service.Options{})
	create := func() {
		t.Helper()
		_, err := h.CreateCalendar(h.ctx, anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:work"}, DefaultACL: true})
		h.must(err)
	}
	create()
	h.put("anna:work", "old.ics", "before")
	from := h.tick()
	h.put("anna:work", "a.ics", "one")
	h.tick()
	h.must(h.DeleteCalendar(h.ctx, anna, calendar.DeleteCalendarRequest{ID: "anna:work"}))
	to := h.tick()
	create()
	h.put("anna:work", "a.ics", "mine")
	wantDid(t, h.undo(calendar.HistoryFilter{From: from, To: to}), " nothing", "a.ics nothing", "old.ics restored")
	wantSummaries(t, h.texts("anna:work"), "a.ics=mine old.ics=before")
}

// TestHistoryLaw: whatever was written, each calendar as of any moment is what a
// plain log says, and the undo of everything since gives that state.
func TestHistoryLaw(t *testing.T) {
	cals := []calendar.ID{"anna", "anna:work"}
	rapid.Check(t, func(rt *rapid.T) {
		h := openHistorian(t, calendartest.NewStore(), service.Options{HistoryBytes: 1 << 40})
		_, err := h.CreateCalendar(h.ctx, anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:work"}, DefaultACL: true})
		h.must(err)
		type moment struct {
			at   time.Time
			text map[calendar.ID]map[string]string
		}
		now := func() moment {
			m := moment{h.now, map[calendar.ID]map[string]string{}}
			for _, id := range cals {
				m.text[id] = h.texts(id)
			}
			return m
		}
		h.tick()
		log := []moment{now()}
		names := []string{"a.ics", "b.ics", "c.ics"}
		for n := range rapid.IntRange(1, 30).Draw(rt, "steps") {
			h.now = h.now.Add(time.Duration(rapid.IntRange(1, 3).Draw(rt, "pause")) * time.Second)
			id, name := rapid.SampledFrom(cals).Draw(rt, "calendar"), rapid.SampledFrom(names).Draw(rt, "name")
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0, 1, 2:
				_, err := h.PutObject(h.ctx, anna, calendar.PutRequest{Ref: refTo(id, name), Data: event(name, "20260401T100000Z", fmt.Sprintf("LOCATION:%d\r\n", n))})
				h.must(err)
			case 3, 4:
				if err := h.DeleteObject(h.ctx, anna, calendar.DeleteRequest{Ref: refTo(id, name)}); calendar.KindOf(err) != calendar.NotFound {
					h.must(err)
				}
			case 5:
				to := cals[0]
				if id == to {
					to = cals[1]
				}
				_, err := h.CopyObject(h.ctx, anna, calendar.CopyRequest{From: refTo(id, name), To: refTo(to, name), Move: true, Overwrite: true})
				if calendar.KindOf(err) != calendar.NotFound {
					h.must(err)
				}
			}
			log = append(log, now())
		}
		for _, m := range log {
			for _, id := range cals {
				if got := h.asOf(id, m.at); !maps.Equal(got, m.text[id]) {
					rt.Fatalf("%s at %v is %s, and was %s", id, m.at, summaries(got), summaries(m.text[id]))
				}
			}
		}
		m := rapid.SampledFrom(log).Draw(rt, "back to")
		h.tick()
		_, err = h.Undo(h.ctx, anna, calendar.UndoRequest{Owner: "anna", Which: calendar.HistoryFilter{From: m.at.Add(1)}})
		h.must(err)
		for _, id := range cals {
			if got := h.texts(id); !maps.Equal(got, m.text[id]) {
				rt.Fatalf("after the undo %s is %s, and was %s", id, summaries(got), summaries(m.text[id]))
			}
		}
	})
}
