package service_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

// Who joins a group is invited to its meetings to come, and who leaves it is
// not any more: in the organizer's object, as he would write it.
func TestMeetingsFollowTheirGroup(t *testing.T) {
	ctx := context.Background()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	people := groupPeople()
	join := func(id string, groups ...string) {
		p := people[id]
		p.Groups = groups
		people[id] = p
	}
	join("anna")
	const invited = "ORGANIZER:mailto:carl@example.com\r\nATTENDEE;CUTYPE=GROUP:mailto:crew@example.com\r\nATTENDEE;MEMBER=\"mailto:crew@example.com\":mailto:bert@example.com\r\n"
	setUp := func(opt service.Options) *service.Service {
		opt.Now = func() time.Time { return now }
		svc := service.New(calendartest.NewStore(), people, opt)
		provision(t, svc, people.Actor("carl"))
		if _, err := svc.Calendar(ctx, people.Actor("bert"), "crew"); err != nil {
			t.Fatal(err)
		}
		for _, o := range []struct{ uid, start, owner string }{
			{"next", "20260401T090000Z", "carl"}, {"past", "20260201T090000Z", "carl"},
			{"next", "20260401T090000Z", "crew"}, {"past", "20260201T090000Z", "crew"}, {"elsewhere", "20260401T090000Z", "crew"},
		} {
			req := calendar.PutRequest{Ref: calendar.Ref{Calendar: calendar.ID(o.owner), Name: o.uid + ".ics"}, Data: event(o.uid, o.start, invited)}
			if _, err := svc.PutObject(ctx, people.Actor("root"), req); err != nil {
				t.Fatal(err)
			}
		}
		return svc
	}
	attendees := func(svc *service.Service, uid string) []string {
		t.Helper()
		o, err := svc.Object(ctx, people.Actor("carl"), calendar.Ref{Calendar: "carl", Name: uid + ".ics"})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for line := range strings.SplitSeq(strings.ReplaceAll(string(o.Data), "\r\n ", ""), "\r\n") {
			if rest, ok := strings.CutPrefix(line, "ATTENDEE"); ok {
				_, address, _ := strings.Cut(rest, ":mailto:")
				id, _, _ := strings.Cut(address, "@")
				out = append(out, id)
			}
		}
		return out
	}
	past := []string{"crew", "bert"}
	check := func(svc *service.Service, want int, next ...string) {
		t.Helper()
		for _, n := range []int{want, 0} { // once
			if got, err := svc.FollowGroup(ctx, nil, "crew"); err != nil || got != n {
				t.Errorf("%d meetings changed, %v; want %d", got, err, n)
			}
		}
		if got := attendees(svc, "next"); !slices.Equal(got, next) {
			t.Errorf("next: %v, want %v", got, next)
		}
		if got := attendees(svc, "past"); !slices.Equal(got, past) {
			t.Errorf("past: %v", got)
		}
	}

	svc := setUp(service.Options{})
	check(svc, 0, "crew", "bert") // as it was written
	join("anna", "crew")
	check(svc, 1, "crew", "bert", "anna")
	join("bert")
	if n, err := svc.FollowGroups(ctx, nil); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	check(svc, 0, "crew", "anna")

	join("bert", "crew")
	past = []string{"crew", "bert", "anna"}
	check(setUp(service.Options{Groups: service.GroupOptions{Keep: true}}), 0, past...)
	check(setUp(service.Options{Serves: func(p calendar.Person) bool { return p.ID != "carl" }}), 0, past...)
	if _, err := svc.FollowGroup(ctx, nil, "anna"); calendar.KindOf(err) != calendar.NotFound {
		t.Errorf("a person: %v", err)
	}
}
