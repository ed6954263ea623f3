package service_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/ical"
	"factotum/server/service"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// replica is a home that is kept up by nothing but the changes that are
// recorded of it.
type replica struct {
	*testing.T
	number, octets int64
	cals           map[int64]*member
	prefs          map[string]string
}

// member is a calendar of a replica.
type member struct {
	row     calendar.CalendarRow
	props   []calendar.DeadProp
	objects map[string]held
}

// held is an object of one.
type held struct {
	row   calendar.ObjectRow
	occ   []calendar.OccurrenceRow
	props []calendar.DeadProp
}

// sameRows compares rows. An empty list is none.
var sameRows = cmp.Options{cmpopts.EquateEmpty(), cmpopts.SortSlices(func(a, b calendar.OccurrenceRow) bool {
	return a.Start < b.Start || a.Start == b.Start && (a.End < b.End || a.End == b.End && a.Flags < b.Flags)
}), cmpopts.SortSlices(func(a, b calendar.DeadProp) bool { return a.Space+a.Local < b.Space+b.Local })}

// differ tells how rows differ, "" where they do not. Most are the same to the octet,
// which is seen at a fiftieth of the cost.
func differ(want, got any, more ...cmp.Option) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got, append(more, cmp.AllowUnexported(held{}), sameRows)...)
}

// is compares an object with a version, whose nil occurrences are no statement.
func (r *replica) is(what string, v *calendar.Version, o held) {
	r.Helper()
	if v.Occurrences == nil {
		o.occ = nil
	}
	if d := differ(o, held{v.ObjectRow, v.Occurrences, v.Props}); d != "" {
		r.Errorf("%s is not what there was: %s", what, d)
	}
	if cal, err := v.Parsed(); v.Component != "" && (err != nil || !bytes.Equal(cal.Bytes(), mustParse(r, v.Data).Bytes())) {
		r.Errorf("%s is parsed to %v, %v", what, cal, err)
	}
}

func mustParse(t testing.TB, data []byte) *ical.Component {
	cal, err := ical.Parse(data, ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return cal
}

// apply does to the replica what a change says.
func (r *replica) apply(ch *calendar.Change) {
	r.Helper()
	what := told(ch)
	if ch.Number != r.number+1 {
		r.Errorf("%s has the number %d after %d", what, ch.Number, r.number)
	}
	r.number = ch.Number
	r.octets += ch.Bytes
	m := r.cals[ch.Incarnation]
	if m == nil && ch.Incarnation != 0 && ch.Kind != calendar.CalendarCreated {
		r.Fatalf("%s: there is no such calendar", what)
	}
	if (ch.Incarnation == 0) != (ch.Calendar == "") {
		r.Errorf("%s: calendar %q, %d", what, ch.Calendar, ch.Incarnation)
	}
	switch ch.Kind {
	case calendar.ObjectStored, calendar.ObjectProps:
		old, had := m.objects[ch.Name]
		if (ch.Before != nil) != had {
			r.Fatalf("%s: before it %v, recorded %v", what, had, ch.Before)
		}
		if had {
			r.is(what+": before", ch.Before, old)
		}
		now := held{ch.After.ObjectRow, ch.After.Occurrences, ch.After.Props}
		if now.occ == nil {
			now.occ = old.occ
		}
		r.is(what+": after", ch.After, now)
		m.objects[ch.Name] = now
		if ch.Kind == calendar.ObjectStored {
			m.row.Change, m.row.Modified = ch.Number, ch.When
		}
	case calendar.ObjectDeleted:
		r.is(what+": before", ch.Before, m.objects[ch.Name])
		delete(m.objects, ch.Name)
		m.row.Change, m.row.Modified = ch.Number, ch.When
	case calendar.CalendarCreated:
		r.cals[ch.Incarnation] = &member{*ch.CalendarAfter, ch.PropsAfter, map[string]held{}}
	case calendar.CalendarChanged:
		if d := differ(m.row, *ch.CalendarBefore); d != "" {
			r.Errorf("%s: the calendar was not this: %s", what, d)
		}
		if (ch.MovedFrom != nil) != (ch.CalendarBefore.Name != ch.CalendarAfter.Name) || ch.MovedFrom != nil && ch.MovedFrom.Calendar.Name() != ch.CalendarBefore.Name {
			r.Errorf("%s: from %v", what, ch.MovedFrom)
		}
		if d := differ(m.props, ch.PropsBefore); d != "" {
			r.Errorf("%s: its properties were not these: %s", what, d)
		}
		m.row, m.props = *ch.CalendarAfter, ch.PropsAfter
	case calendar.CalendarDeleted:
		if d := differ(m.row, *ch.CalendarBefore) + differ(m.props, ch.PropsBefore); d != "" {
			r.Errorf("%s: the calendar was not this: %s", what, d)
		}
		delete(r.cals, ch.Incarnation)
	case calendar.PrefsChanged:
		if d := differ(r.prefs, ch.PrefsBefore); d != "" {
			r.Errorf("%s: they were not these: %s", what, d)
		}
		r.prefs = ch.PrefsAfter
	}
	if m := r.cals[ch.Incarnation]; m != nil && ch.Calendar.Name() != m.row.Name {
		r.Errorf("%s: it is called %q", what, m.row.Name)
	}
}

// compare looks whether the store has what the replica has.
func (r *replica) compare(st calendar.Store) {
	r.Helper()
	err := st.View(context.Background(), "anna", func(tx calendar.ReadTx) error {
		home, _, err := tx.Home()
		if err != nil || home.Change != r.number || home.Bytes != r.octets {
			r.Errorf("the home is at %d with %d octets, the changes tell %d and %d; %v", home.Change, home.Bytes, r.number, r.octets, err)
		}
		prefs, err := tx.Prefs()
		if d := differ(r.prefs, prefs); d != "" || err != nil {
			r.Errorf("preferences: %s %v", d, err)
		}
		rows, err := tx.Calendars()
		if err != nil || len(rows) != len(r.cals) {
			return fmt.Errorf("%d calendars, want %d: %v", len(rows), len(r.cals), err)
		}
		for _, row := range rows {
			m := r.cals[row.ID]
			if m == nil {
				return fmt.Errorf("no record of %s", row.Name)
			}
			if d := differ(m.row, row, cmpopts.IgnoreFields(row, "Purged")); d != "" { // which a purge raises
				r.Errorf("%s: %s", row.Name, d)
			}
			m.row.Purged = row.Purged
			own, err := tx.Props(row.ID, "")
			if d := differ(m.props, own); d != "" || err != nil {
				r.Errorf("%s: properties: %s %v", row.Name, d, err)
			}
			props, err := tx.AllProps(row.ID)
			if err != nil {
				return err
			}
			n := 0
			err = tx.Objects(row.ID, "", true, func(o *calendar.ObjectRow) error {
				n++
				occ, err := tx.ObjectOccurrences(row.ID, o.Name)
				if d := differ(m.objects[o.Name], held{*o, occ, props[o.Name]}); d != "" {
					r.Errorf("%s/%s: %s", row.Name, o.Name, d)
				}
				return err
			})
			if err != nil || n != len(m.objects) {
				return fmt.Errorf("%s: %d objects, want %d: %v", row.Name, n, len(m.objects), err)
			}
		}
		return nil
	})
	if err != nil {
		r.Error(err)
	}
}

// TestAHomeIsTheSumOfItsChanges: who knows all changes of a home, and nothing
// else, knows what the store has, after every write of every kind.
func TestAHomeIsTheSumOfItsChanges(t *testing.T) {
	for seed := range int64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			var st calendar.Store = calendartest.NewStore()
			steps := 150
			if seed == 0 {
				st, steps = fresh.SQLite(t, sqlstore.Options{Relaxed: true}), 100
			}
			sumOfChanges(t, st, rand.New(rand.NewSource(seed)), steps)
		})
	}
}

func sumOfChanges(t *testing.T, st calendar.Store, r *rand.Rand, steps int) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var changes []*calendar.Change
	svc := service.New(st, nil, service.Options{Now: func() time.Time { now = now.Add(time.Second); return now },
		Derive: []service.Derivation{func(tx calendar.ReadTx, ch *calendar.Change) ([]calendar.Job, error) {
			changes = append(changes, ch)
			if ch.Members != nil {
				return nil, ch.Members(func(v *calendar.Version) error { _, err := v.Parsed(); return err })
			}
			return nil, nil
		}}})
	rep := &replica{T: t, cals: map[int64]*member{}}
	ctx := t.Context()
	cal := func() calendar.ID {
		return []calendar.ID{"anna", "anna", "anna:a", "anna:b", "anna:c", "anna:files"}[r.Intn(6)]
	}
	name := func() string { return fmt.Sprintf("%c.ics", 'a'+rune(r.Intn(4))) }
	ref := func() calendar.Ref { return refTo(cal(), name()) }
	text := func(uid string) []byte {
		more := []string{"", "RRULE:FREQ=DAILY;COUNT=5\r\n", "RRULE:FREQ=DAILY\r\n", "ORGANIZER:mailto:anna@example.com\r\nATTENDEE:mailto:b@example.com\r\n", "CLASS:PRIVATE\r\n",
			"LOCATION:" + fmt.Sprint(r.Intn(100)) + "\r\n"}[r.Intn(6)]
		return event(uid, fmt.Sprintf("202601%02dT100000Z", 1+r.Intn(3)), more)
	}
	item := func() (it calendar.EditItem) {
		it.UID = strings.TrimSuffix(name(), ".ics")
		start := ical.FromCivil(time.Date(2026, 1, 1+r.Intn(9), 10, 0, 0, 0, time.UTC), ical.UTC, "")
		switch r.Intn(6) {
		case 0:
			it.Mode = calendar.EditDelete
		case 1:
			it.Mode = calendar.EditCreate
			it.Patch.Start = &start
		case 2:
			it.RID, it.Scope = start, calendar.ThisAndFuture
			it.Patch.Props = []calendar.PropEdit{{Name: "LOCATION", Props: []ical.Property{{Name: "LOCATION", Value: "y"}}}}
		case 3:
			it.UID = ""
			it.Patch.Start = &start
		default:
			it.Patch.Start = &start
			if r.Intn(2) == 0 {
				it.Attach = []calendar.NewAttachment{{Name: "f", Data: bytes.Repeat([]byte("x"), r.Intn(100))}}
			}
		}
		return it
	}
	done := map[string]int{}
	for _, id := range []calendar.ID{"anna", "anna:a", "anna:files"} {
		kind := calendar.CalendarCollection
		if id == "anna:files" {
			kind = calendar.PlainCollection
		}
		if _, err := svc.CreateCalendar(ctx, anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: id, Kind: kind}, DefaultACL: true}); err != nil && !errors.Is(err, calendar.Exists) {
			t.Fatal(err)
		}
	}
	for _, ch := range changes {
		rep.apply(ch)
	}
	for range steps {
		changes = nil
		var err error
		var what string
		switch r.Intn(17) {
		case 0, 1, 2, 16:
			at := ref()
			what = "put"
			_, err = svc.PutObject(ctx, anna, calendar.PutRequest{Ref: at, Data: text(strings.TrimSuffix(at.Name, ".ics")), ByUID: r.Intn(2) == 0})
		case 3:
			what = "put under another name"
			_, err = svc.PutObject(ctx, anna, calendar.PutRequest{Ref: ref(), Data: text(strings.TrimSuffix(name(), ".ics"))})
		case 4:
			what = "import"
			req := calendar.PutObjectsRequest{Calendar: cal(), Replace: r.Intn(2) == 0}
			for range 1 + r.Intn(4) {
				req.Items = append(req.Items, calendar.PutItem{Data: text(strings.TrimSuffix(name(), ".ics"))})
			}
			_, err = svc.PutObjects(ctx, anna, req)
		case 5, 6, 7:
			what = "edit"
			req := calendar.EditRequest{Calendar: cal(), Component: "VEVENT", Return: r.Intn(2) == 0}
			for range 1 + r.Intn(3) {
				req.Items = append(req.Items, item())
			}
			_, err = svc.EditObject(ctx, anna, req)
		case 8:
			what = "delete a range"
			_, err = svc.EditObject(ctx, anna, calendar.EditRequest{Calendar: cal(), Within: window("20260101", fmt.Sprintf("202601%02d", 2+r.Intn(3)))})
		case 9:
			what = "delete"
			err = svc.DeleteObject(ctx, anna, calendar.DeleteRequest{Ref: ref()})
		case 10, 11:
			what = "copy or move"
			_, err = svc.CopyObject(ctx, anna, calendar.CopyRequest{From: ref(), To: ref(), Move: r.Intn(2) == 0, Overwrite: r.Intn(2) == 0})
		case 12:
			what = "properties"
			err = svc.PatchProps(ctx, anna, ref(), []calendar.PropChange{{Prop: calendar.DeadProp{Space: "s", Local: fmt.Sprint(r.Intn(3)), Value: fmt.Sprint(r.Intn(100))}, Remove: r.Intn(4) == 0}})
		case 13:
			what = "make or change a calendar"
			text := fmt.Sprint(r.Intn(100))
			if r.Intn(2) == 0 {
				kind := calendar.CalendarCollection
				id := cal()
				if id == "anna:files" {
					kind = calendar.PlainCollection
				}
				_, err = svc.CreateCalendar(ctx, anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: id, Kind: kind}, DefaultACL: true})
			} else {
				_, err = svc.UpdateCalendar(ctx, anna, calendar.UpdateCalendarRequest{ID: cal(), DisplayName: &text,
					Props: []calendar.PropChange{{Prop: calendar.DeadProp{Space: "s", Local: fmt.Sprint(r.Intn(3)), Value: text}, Remove: r.Intn(4) == 0}}})
			}
		case 14:
			what = "copy, move or delete a calendar"
			if r.Intn(3) == 0 {
				err = svc.DeleteCalendar(ctx, anna, calendar.DeleteCalendarRequest{ID: cal()})
			} else {
				_, err = svc.CopyCalendar(ctx, anna, calendar.CopyRequest{From: refTo(cal(), ""), To: refTo(cal(), ""), Move: r.Intn(2) == 0, Overwrite: r.Intn(2) == 0, Shallow: r.Intn(4) == 0})
			}
		default:
			what = "upkeep"
			switch r.Intn(3) {
			case 0:
				now = now.Add(200 * 24 * time.Hour)
				_, err = svc.Purge(ctx, "anna")
			case 1:
				_, err = svc.Rebuild(ctx, nil)
			default:
				err = svc.SetPrefs(ctx, anna, calendar.SetPrefsRequest{Owner: "anna", Set: map[string]string{fmt.Sprint(r.Intn(3)): fmt.Sprint(r.Intn(9))}, Remove: []string{fmt.Sprint(3 + r.Intn(2)), "x"}})
			}
		}
		if err == nil {
			done[what]++
		} else {
			// What an earlier try of the transaction recorded is void.
			k := calendar.KindOf(err)
			if k == calendar.Internal {
				t.Fatalf("%s: %v", what, err)
			}
			changes = slices.DeleteFunc(changes, func(ch *calendar.Change) bool { return ch.Kind != calendar.CalendarCreated || ch.Calendar != "anna" })
		}
		for _, ch := range changes {
			rep.apply(ch)
		}
		rep.compare(st)
		if t.Failed() {
			t.Fatalf("after %s: %v", what, err)
		}
	}
	if len(done) < 8 {
		t.Errorf("too little was done: %v", done)
	}
	if n := svc.Cache().ForeignWrites(); n != 0 {
		t.Errorf("taken for another program %d times", n)
	}
	found, err := svc.Check(ctx, nil)
	if err != nil || len(found.Findings) > 0 {
		t.Errorf("check: %v %v", found.Findings, err)
	}
}
