package calendartest

import (
	"fmt"
	"slices"

	"factotum/server/calendar"
)

// list is what who is shown by a first sync, a line for each member, and its
// validator.
func (s *suite) list(who string, id calendar.ID) (members []string, validator string) {
	s.Helper()
	res, err := s.be.Sync(s.ctx, s.as(who), calendar.SyncRequest{Calendar: id}, func(it calendar.SyncItem) error {
		members = append(members, listed(it.Object))
		return nil
	})
	s.ok(err)
	return members, res.Validator
}

func listed(o *calendar.Object) string {
	return fmt.Sprint(o.Name, " ", o.ETag(), " ", o.Size, " ", o.Masked, " ", o.ScheduleTag, " ", o.Props)
}

// listChanges asks what differs from lists, and checks what always holds.
func (s *suite) listChanges(who string, id calendar.ID, validators ...string) (live, gone []string, res calendar.ListChangesResult) {
	s.Helper()
	res, err := s.be.ListChanges(s.ctx, s.as(who), calendar.ListChangesRequest{Calendar: id, Validators: validators})
	s.ok(err)
	equal(s, "calendar", res.Calendar.ID, id)
	for _, it := range res.Items {
		if it.Object != nil {
			equal(s, "text of "+it.Object.Name, string(it.Object.Data), "")
			live = append(live, listed(it.Object))
		} else {
			gone = append(gone, it.Gone.Name)
		}
	}
	slices.Sort(live)
	slices.Sort(gone)
	if now, validator := s.list(who, id); res.Validator != validator || !subset(live, now) || res.Base == "" && len(res.Items) > 0 {
		s.Errorf("changes from %q to %q: %v, but the list %q is %v", res.Base, res.Validator, live, validator, now)
	}
	return live, gone, res
}

func subset(part, of []string) bool {
	return !slices.ContainsFunc(part, func(s string) bool { return !slices.Contains(of, s) })
}

// testListChanges: what differs from a list is told to who saw that very list,
// and to nobody else. A back end that keeps nothing has no validators.
func testListChanges(s *suite) {
	s.home("anna")
	s.calendar("anna:work", "rita^a^r^g;will^a^rwd^g")
	for _, n := range []string{"a", "b", "c"} {
		s.put("anna:work", n, simple(n))
	}
	s.put("anna:work", "p", event("p", at(9), at(10), "SUMMARY:Surgeon", "CLASS:PRIVATE"))
	_, first := s.list("anna", "anna:work")
	_, masked := s.list("rita", "anna:work")
	if first == "" {
		_, _, res := s.listChanges("anna", "anna:work", "", "x")
		equal(s, "base without validators", res.Base, "")
		return
	}
	live, gone, res := s.listChanges("anna", "anna:work", "x", "", first+"9", first)
	equal(s, "nothing changed", len(live)+len(gone), 0)
	equal(s, "base", res.Base, first)

	anna := s.as("anna")
	s.put("anna:work", "b", event("b", at(1), at(2)))
	s.put("anna:work", "d", simple("d"))
	s.put("anna:work", "p", event("p", at(10), at(11), "SUMMARY:Dentist", "CLASS:PRIVATE"))
	s.ok(s.be.PatchProps(s.ctx, anna, calendar.Ref{Calendar: "anna:work", Name: "c"}, []calendar.PropChange{{Prop: calendar.DeadProp{Space: "x:", Local: "p", Value: "1"}}}))
	s.ok(s.be.DeleteObject(s.ctx, anna, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "anna:work", Name: "a"}}))
	now, second := s.list("anna", "anna:work")
	live, gone, res = s.listChanges("anna", "anna:work", masked, first)
	same(s, "changed", live, now)
	same(s, "gone", gone, []string{"a"})
	equal(s, "base", res.Base, first)
	equal(s, "validator", res.Validator, second)

	now, _ = s.list("rita", "anna:work")
	live, gone, res = s.listChanges("rita", "anna:work", first, masked)
	same(s, "changed for a reader", live, now)
	same(s, "gone for a reader", gone, []string{"a"})
	equal(s, "a reader's base", res.Base, masked)
	for who, other := range map[string]string{"rita": second, "will": first, "anna": masked, "root": masked} {
		if _, _, res := s.listChanges(who, "anna:work", other); res.Base != "" {
			s.Errorf("%s is told what differs from a list that %s was not shown", who, who)
		}
	}

	// Another calendar's list, also of one that has the name now, is nobody's base.
	s.calendar("anna:other", closed)
	_, other := s.list("anna", "anna:other")
	_, _, res = s.listChanges("anna", "anna:work", other)
	equal(s, "base of another calendar", res.Base, "")
	s.ok(s.be.DeleteCalendar(s.ctx, anna, calendar.DeleteCalendarRequest{ID: "anna:work"}))
	_, err := s.be.ListChanges(s.ctx, anna, calendar.ListChangesRequest{Calendar: "anna:work", Validators: []string{second}})
	s.kind(err, calendar.NoCalendar)
	s.calendar("anna:work", closed)
	_, _, res = s.listChanges("anna", "anna:work", first, second)
	equal(s, "base of a calendar that was deleted", res.Base, "")
	_, err = s.be.CopyCalendar(s.ctx, anna, calendar.CopyRequest{From: calendar.Ref{Calendar: "anna:other"}, To: calendar.Ref{Calendar: "anna:moved"}, Move: true})
	s.ok(err)
	_, _, res = s.listChanges("anna", "anna:moved", other)
	equal(s, "base of a calendar with another name", res.Base, "")
}
