package service_test

import (
	"context"
	"testing"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

// A request token answers the repetition of one request of one user, also
// after a restart; under the same token anything else is carried out.
func TestTokenIsOfOneUserAndOneRequest(t *testing.T) {
	st := calendartest.NewStore()
	svc := service.New(st, nil, service.Options{})
	id := provision(t, svc, anna)
	all := acl.MustParse("@@o^a^rsf^g;ben^c^wdr^g;ben^a^rsf^g")
	if _, err := svc.UpdateCalendar(t.Context(), anna, calendar.UpdateCalendarRequest{ID: id, ACL: &all}); err != nil {
		t.Fatal(err)
	}
	ben := calendar.Actor{User: "ben"}
	ctx := calendar.WithToken(context.Background(), "token")
	put := func(ctx context.Context, who calendar.Actor, be calendar.Backend, name, more string) (calendar.PutResult, error) {
		return be.PutObject(ctx, who, calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: name}, Data: event("uid-"+name, "20260101T100000Z", more),
			Precond: calendar.Precond{IfNoneMatch: []string{"*"}}})
	}
	first, err := put(ctx, anna, svc, "a.ics", "")
	if err != nil {
		t.Fatal(err)
	}
	for what, be := range map[string]calendar.Backend{"again": svc, "after a restart": service.New(st, nil, service.Options{})} {
		if res, err := put(ctx, anna, be, "a.ics", ""); err != nil || !res.Created || res.Object.Change != first.Object.Change {
			t.Errorf("%s: %+v, %v; the first time %+v", what, res, err, first)
		}
	}
	if res, err := put(ctx, ben, svc, "a.ics", ""); calendar.KindOf(err) != calendar.Stale {
		t.Errorf("another user was given the outcome %+v, %v", res, err)
	}
	if res, err := put(ctx, anna, svc, "a.ics", "COMMENT:another text\r\n"); calendar.KindOf(err) != calendar.Stale {
		t.Errorf("another text was given the outcome %+v, %v", res, err)
	}
	if res, err := put(ctx, anna, svc, "b.ics", ""); err != nil || res.Object.Name != "b.ics" {
		t.Errorf("another object: %+v, %v", res, err)
	}
	del := func(who calendar.Actor, name string) error {
		return svc.DeleteObject(ctx, who, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: id, Name: name}})
	}
	for range 2 {
		if err := del(anna, "a.ics"); err != nil {
			t.Fatal(err)
		}
	}
	if err := del(ben, "a.ics"); calendar.KindOf(err) != calendar.NotFound {
		t.Errorf("another user deleted it too: %v", err)
	}
	if err := del(anna, "b.ics"); err != nil {
		t.Fatal(err)
	}
	if _, err := svc.Object(t.Context(), anna, calendar.Ref{Calendar: id, Name: "b.ics"}); calendar.KindOf(err) != calendar.NotFound {
		t.Errorf("the second deletion under the token was not carried out: %v", err)
	}
}

// TestARepetitionNeedsNoRights: what was done under a request token is answered
// again with what it was, though rights, or the calendar, went meanwhile.
func TestARepetitionNeedsNoRights(t *testing.T) {
	for _, u := range useCases {
		if u.ownerOnly || u.reads {
			continue
		}
		for _, way := range []string{"rights", "calendars"} {
			t.Run(u.name+"/"+way, func(t *testing.T) {
				c := openRecords(t)
				if u.prepare != nil {
					u.prepare(c)
				}
				c.token = "a token of its own"
				c.must(u.do(c, bert))
				if way == "rights" {
					c.allow("@@o^a^sdeic^g")
				} else {
					for _, id := range []calendar.ID{"anna", "anna:work"} {
						c.must(c.DeleteCalendar(t.Context(), admin, calendar.DeleteCalendarRequest{ID: id}))
					}
				}
				c.changes = nil
				err := u.do(c, bert)
				if u.name == "change a calendar" { // it is shown with the answer, and that needs a right
					if err == nil {
						t.Error("a calendar that he may not see was shown")
					}
				} else if err != nil {
					t.Errorf("again: %v", err)
				}
				if len(c.changes) > 0 {
					t.Errorf("again: %s", told(c.changes[0]))
				}
				c.token = "another"
				if err := u.do(c, bert); err == nil {
					t.Error("under another token he may")
				}
			})
		}
	}
}
