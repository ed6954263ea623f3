package service_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"factotum/server/calendar"
)

func TestRFC4791_9_7_Filters(t *testing.T) {
	ctx := context.Background()
	svc, _ := openService(t)
	id := provision(t, svc, anna)
	store(t, svc, id, "a.ics", event("Ärger\\,1", "20260105T090000Z", ""))
	text := func(s, collation string) *calendar.TextMatch {
		return &calendar.TextMatch{Text: s, Collation: collation}
	}
	uid := func(m *calendar.TextMatch) []calendar.PropFilter {
		return []calendar.PropFilter{{Name: "UID", Text: m}}
	}
	for name, c := range map[string]struct {
		f    calendar.CompFilter
		want bool
	}{
		"UID":                       {calendar.CompFilter{Props: uid(text("RGER", "i;ascii-casemap"))}, true},
		"UID, escaped":              {calendar.CompFilter{Props: uid(text("rger,1", "i;ascii-casemap"))}, true},
		"UID, unicode":              {calendar.CompFilter{Props: uid(text("ärger", "i;unicode-casemap"))}, true},
		"UID, ASCII only":           {calendar.CompFilter{Props: uid(text("ärger", "i;ascii-casemap"))}, false},
		"any of a range alone":      {calendar.CompFilter{AnyOf: true, TimeRange: window("20270101", "20280101")}, false},
		"any of, outside the range": {calendar.CompFilter{AnyOf: true, TimeRange: window("20270101", "20280101"), Props: uid(text("rger", ""))}, false},
		"any of, inside the range":  {calendar.CompFilter{AnyOf: true, TimeRange: window("20260101", "20260201"), Props: append(uid(text("no", "")), uid(text("rger", ""))...)}, true},
	} {
		c.f.Name = "VEVENT"
		n := 0
		req := calendar.QueryRequest{Calendar: id, Filter: &calendar.CompFilter{Name: "VCALENDAR", Comps: []calendar.CompFilter{c.f}}}
		if err := svc.Query(ctx, anna, req, func(*calendar.Object) error { n++; return nil }); err != nil || (n == 1) != c.want {
			t.Errorf("%s: %d found, %v", name, n, err)
		}
	}
}

// A series with many overrides is worked out once for a query, not once for
// each of its components.
func TestManyOverridesInAQuery(t *testing.T) {
	ctx := context.Background()
	svc, _ := openService(t)
	id := provision(t, svc, anna)
	const vevent = "BEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\n%sDURATION:PT1H\r\n" +
		"BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\nEND:VEVENT\r\n"
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n")
	fmt.Fprintf(&b, vevent, "DTSTART:20260101T090000Z\r\nRRULE:FREQ=DAILY\r\n")
	day := window("20260102", "20260103").From
	for i := range 2000 {
		d := day.AddDate(0, 0, i).Format("20060102")
		fmt.Fprintf(&b, vevent, "RECURRENCE-ID:"+d+"T090000Z\r\nDTSTART:"+d+"T100000Z\r\n")
	}
	b.WriteString("END:VCALENDAR\r\n")
	store(t, svc, id, "a.ics", []byte(b.String()))
	open := &calendar.Window{From: day.AddDate(8, 0, 0)}
	none := []calendar.PropFilter{{Name: "SUMMARY"}}
	for name, f := range map[string]calendar.CompFilter{
		"event": {Name: "VEVENT", TimeRange: open, Props: none},
		"alarm": {Name: "VEVENT", Comps: []calendar.CompFilter{{Name: "VALARM", TimeRange: open, Props: none}}},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		req := calendar.QueryRequest{Calendar: id, Filter: &calendar.CompFilter{Name: "VCALENDAR", Comps: []calendar.CompFilter{f}}}
		if err := svc.Query(ctx, anna, req, func(o *calendar.Object) error { t.Errorf("%s: found %s", name, o.Name); return nil }); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
			t.Errorf("%s: %d MiB were allocated", name, n>>20)
		}
	}
}
