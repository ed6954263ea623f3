package service_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

// groupPeople are three people, and a group of anna's and bert's that carl is
// not in; "closed" shows itself to its owner only.
func groupPeople() calendartest.People {
	p := calendartest.NewPeople("anna", "bert", "carl", "root", "crew", "closed", "away")
	for _, id := range []string{"anna", "bert"} {
		who := p[id]
		who.Groups = []string{"crew", "crew@example.com"}
		p[id] = who
	}
	for _, id := range []string{"crew", "closed", "away"} {
		g := p[id]
		g.Kind, g.Owner, g.CoOwners = calendar.Group, "anna", []string{"bert"}
		p[id] = g
	}
	closed := p["closed"]
	closed.ACL, closed.CoOwners = "@@o^a^r^g", nil
	p["closed"] = closed
	away := p["away"]
	away.Host = "other"
	p["away"] = away
	return p
}

// ldap.md §5.5: a group's calendar is there for the first who asks for it and
// may see it, in whatever way he asks. Sun's 6.3 showed it after its first use.
func TestGroupCalendarBeforeItsFirstUse(t *testing.T) {
	ctx := context.Background()
	id := calendar.ID("crew")
	people := groupPeople()
	for name, ask := range map[string]func(svc *service.Service, who calendar.Actor) (bool, error){
		"calendar": func(svc *service.Service, who calendar.Actor) (bool, error) {
			_, err := svc.Calendar(ctx, who, id)
			return err == nil, err
		},
		"home": func(svc *service.Service, who calendar.Actor) (bool, error) {
			h, err := svc.Home(ctx, who, calendar.HomeRequest{Owner: "crew"})
			return len(h.Calendars) == 1, err
		},
		"search by owner": func(svc *service.Service, who calendar.Actor) (bool, error) {
			found, err := svc.SearchCalendars(ctx, who, calendar.SearchCalendarsRequest{Owners: []calendar.Owner{"crew", "anna", "nobody"}})
			return len(found) == 1, err
		},
		"search by calid": func(svc *service.Service, who calendar.Actor) (bool, error) {
			found, err := svc.SearchCalendars(ctx, who, calendar.SearchCalendarsRequest{Text: "CREW", How: calendar.Exactly, ID: true})
			return len(found) == 1, err
		},
		"search by name": func(svc *service.Service, who calendar.Actor) (bool, error) {
			found, err := svc.SearchCalendars(ctx, who, calendar.SearchCalendarsRequest{Text: "cre", Name: true})
			return len(found) == 1, err
		},
		"events": func(svc *service.Service, who calendar.Actor) (bool, error) {
			return inRange(t, svc, who, id, window("20260101", "20270101")) == nil, nil
		},
	} {
		svc := service.New(calendartest.NewStore(), people, service.Options{})
		if ok, err := ask(svc, people.Actor("carl")); !ok || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
		cal, err := svc.Calendar(ctx, people.Actor("root"), id)
		if err != nil || cal.DisplayName != "Crew" || !slices.Equal(cal.CoOwners, []string{"anna", "bert"}) {
			t.Errorf("%s: %+v, %v", name, cal, err)
		}
	}
}

// The owner and co-owners keep it, everybody else has what group.default.acl says.
func TestGroupCalendarIsItsOwners(t *testing.T) {
	ctx := context.Background()
	people := groupPeople()
	svc := service.New(calendartest.NewStore(), people, service.Options{})
	for who, want := range map[string]bool{"anna": true, "bert": true, "carl": false} {
		_, err := svc.PutObject(ctx, people.Actor(who), calendar.PutRequest{Ref: calendar.Ref{Calendar: "crew", Name: who + ".ics"}, Data: event(who, "20260401T090000Z", "")})
		if (err == nil) != want {
			t.Errorf("%s writes: %v", who, err)
		}
	}
	if got := inRange(t, svc, people.Actor("carl"), "crew", window("20260101", "20270101")); !slices.Equal(got, []string{"anna.ics", "bert.ics"}) {
		t.Errorf("carl reads %v", got)
	}
}

// Who may not see it does not make it, nor does a back end that does not hold
// it, nor one that is told not to; and nobody makes the calendars of people.
func TestGroupCalendarThatIsNotMade(t *testing.T) {
	ctx := context.Background()
	people := groupPeople()
	here := func(p calendar.Person) bool { return p.Host == "" }
	for _, c := range []struct {
		who, owner string
		opt        service.Options
		reason     calendar.Reason
	}{
		{"carl", "closed", service.Options{}, calendar.Hidden},
		{"anna", "away", service.Options{Serves: here}, ""},
		{"anna", "crew", service.Options{Groups: service.GroupOptions{NoProvision: true}}, ""},
		{"anna", "crew", service.Options{ReadOnly: true}, ""},
		{"", "crew", service.Options{}, ""},
		{"anna", "bert", service.Options{}, ""},
		{"root", "bert", service.Options{}, ""},
		{"anna", "nobody", service.Options{}, ""},
	} {
		store := calendartest.NewStore()
		svc := service.New(store, people, c.opt)
		who := people.Actor(c.who)
		if _, err := svc.Calendar(ctx, who, calendar.ID(c.owner)); !errors.Is(err, calendar.NoCalendar) || calendar.ReasonOf(err) != c.reason {
			t.Errorf("%s asks for %s: %v", c.who, c.owner, err)
		}
		found, err := svc.SearchCalendars(ctx, who, calendar.SearchCalendarsRequest{Text: c.owner, ID: true, Owners: []calendar.Owner{calendar.Owner(c.owner)}})
		if err != nil || len(found) != 0 {
			t.Errorf("%s looks for %s: %v, %v", c.who, c.owner, found, err)
		}
		if owners, err := store.Owners(ctx, "", 10); err != nil || len(owners) != 0 {
			t.Errorf("%s looks for %s: homes of %v, %v", c.who, c.owner, owners, err)
		}
	}
}
