package cld

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
)

// ldap.md §5.8: a group is busy when a member is, on whatever back end.
func TestFreeBusyOfAGroup(t *testing.T) {
	ctx := context.Background()
	people := calendartest.NewPeople("anna", "bert", "sven", "tom", "crew")
	for _, id := range []string{"bert", "sven", "tom"} {
		p := people[id]
		p.Groups = []string{"crew"}
		people[id] = p
	}
	g := people["crew"]
	g.Kind = calendar.Group
	people["crew"] = g
	people["elsewhere"] = calendar.Person{Kind: calendar.Individual, Name: "X", Mails: []string{"x@elsewhere.example"}, Groups: []string{"crew"}}

	r := threeHosts(t, people)
	r.people = people
	for who, hour := range map[string]int{"anna": 7, "bert": 9, "sven": 10, "tom": 14} {
		actor := people.Actor(who)
		if _, err := r.Home(ctx, actor, calendar.HomeRequest{Owner: calendar.Owner(who)}); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\nBEGIN:VEVENT\r\nUID:%s\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260401T%02d0000Z\r\nDURATION:PT1H\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", who, hour)
		if _, err := r.PutObject(ctx, actor, calendar.PutRequest{Ref: calendar.Ref{Calendar: calendar.ID(who), Name: "e.ics"}, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(ids ...string) []string {
		t.Helper()
		req := calendar.FreeBusyRequest{Window: calendar.Window{From: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 4, 2, 0, 0, 0, 0, time.UTC)}}
		for _, id := range ids {
			id, home := strings.CutSuffix(id, "/")
			req.Targets = append(req.Targets, calendar.FreeBusyTarget{Calendar: calendar.ID(id), Home: home})
		}
		res, err := r.FreeBusy(ctx, people.Actor("anna"), req)
		if err != nil || len(res) != len(ids) {
			t.Fatalf("%d answers, %v", len(res), err)
		}
		var out []string
		for i, x := range res {
			s := ""
			for _, b := range x.Busy {
				s += fmt.Sprintf(" %d-%d", b.Start.Hour(), b.End.Hour())
			}
			if x.Err != nil {
				s = " " + calendar.KindOf(x.Err).String()
			}
			if x.Target != req.Targets[i] {
				t.Errorf("answer %d is about %v", i, x.Target)
			}
			out = append(out, strings.TrimSpace(s))
		}
		return out
	}
	for _, c := range []struct{ ask, want string }{
		{"crew/", "9-11 14-15"},
		{"anna/ crew/ bert/", "7-8|9-11 14-15|9-10"},
		{"bert/ nobody/", "9-10|no-calendar"},
	} {
		if got := strings.Join(ask(strings.Fields(c.ask)...), "|"); got != c.want {
			t.Errorf("%s: %s, want %s", c.ask, got, c.want)
		}
	}

	// A member who keeps his to himself, and one whose back end sleeps.
	hidden := []calendar.UpdateCalendarRequest{{ID: "tom"}}
	list := acl.MustParse("@@o^a^rsf^g")
	hidden[0].ACL = &list
	if _, err := r.UpdateCalendar(ctx, people.Actor("tom"), hidden[0]); err != nil {
		t.Fatal(err)
	}
	if got := ask("crew/"); got[0] != "9-11" {
		t.Errorf("without tom: %s", got)
	}
	r.hosts["calendar2.sesta.com"] = down{}
	if got := ask("crew/", "bert/"); got[0] != "unavailable" || got[1] != "9-10" {
		t.Errorf("while a back end sleeps: %s", got)
	}
	g.Active = false
	people["crew"] = g
	if got := ask("crew/"); got[0] == "" {
		t.Errorf("a group that is not in use is free: %s", got)
	}
}

// A large group is refused with what to do.
func TestFreeBusyOfALargeGroup(t *testing.T) {
	people := calendartest.NewPeople("anna", "crew")
	g := people["crew"]
	g.Kind = calendar.Group
	people["crew"] = g
	for i := range maxCrowd + 1 {
		id := fmt.Sprint("m", i)
		people[id] = calendar.Person{ID: id, Kind: calendar.Individual, Name: id, Active: true, Groups: []string{"crew"}}
	}
	r := threeHosts(t, people)
	r.people = people
	req := calendar.FreeBusyRequest{Targets: []calendar.FreeBusyTarget{{Calendar: "crew", Home: true}}, Window: calendar.Window{From: time.Unix(0, 0), To: time.Unix(3600, 0)}}
	if _, err := r.FreeBusy(context.Background(), people.Actor("anna"), req); !errors.Is(err, calendar.TooMany) || !strings.Contains(err.Error(), "crew") {
		t.Errorf("%v", err)
	}
}
