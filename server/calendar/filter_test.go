package calendar_test

import (
	"context"
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
