package group_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/group"
	"factotum/server/ical"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// people are anna, who organizes, and groups: team (anna, bert, carl, the group
// inner), inner (carl, dora), crew (dora, emil, and somebody elsewhere).
func people() calendartest.People {
	p := calendartest.NewPeople("anna", "bert", "carl", "dora", "emil", "fred", "team", "inner", "crew", "shut")
	for id, groups := range map[string][]string{
		"anna": {"team"}, "bert": {"team"}, "carl": {"team", "inner"}, "dora": {"inner", "crew"}, "emil": {"crew"}, "inner": {"team"},
	} {
		who := p[id]
		who.Groups = groups
		p[id] = who
	}
	for _, id := range []string{"team", "inner", "crew", "shut"} {
		g := p[id]
		g.Kind = calendar.Group
		g.Active = id != "shut"
		p[id] = g
	}
	p["elsewhere"] = calendar.Person{Kind: calendar.Individual, Name: "Xaver", Mails: []string{"xaver@elsewhere.example"}, Groups: []string{"crew"}}
	return p
}

func mail(id string) string {
	if id == "xaver" {
		return "mailto:xaver@elsewhere.example"
	}
	return "mailto:" + id + "@example.com"
}

// event makes one of attendees in short: "bert", "team/GROUP", "bert<team",
// "carl<team,crew=ACCEPTED~NONE"; "-dora<team" is one who is left out.
func event(more string, attendees ...string) *ical.Component {
	c := ical.New("VEVENT")
	c.Set("UID", "u")
	c.Set("DTSTART", "20260401T090000Z")
	c.Set("DTEND", "20260401T100000Z")
	for line := range strings.SplitSeq(more, "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			c.Set(name, value)
		}
	}
	c.Set("ORGANIZER", mail("anna"))
	for _, a := range attendees {
		a, agent, _ := strings.Cut(a, "~")
		a, stat, _ := strings.Cut(a, "=")
		a, member, _ := strings.Cut(a, "<")
		a, kind, _ := strings.Cut(a, "/")
		p := ical.Property{Name: "ATTENDEE"}
		if rest, ok := strings.CutPrefix(a, "-"); ok {
			p.Name, a = "X-FACTOTUM-LEFT-OUT", rest
		}
		p.Value = mail(a)
		set := func(name, v string) {
			if v != "" {
				p.SetParam(name, v)
			}
		}
		set("CUTYPE", kind)
		set("PARTSTAT", stat)
		set("SCHEDULE-AGENT", agent)
		if member != "" {
			var groups []string
			for g := range strings.SplitSeq(member, ",") {
				groups = append(groups, mail(g))
			}
			p.SetParam("MEMBER", groups...)
		}
		c.Add(p)
	}
	return c
}

func meeting(comps ...*ical.Component) *ical.Component {
	cal := ical.NewCalendar("-//test//EN")
	cal.AddChild(comps...)
	return cal
}

// list is a component's attendees in short.
func list(c *ical.Component) string {
	var out []string
	short := func(address string) string {
		id, _, _ := strings.Cut(calendar.AddressKey(address), "@")
		return id
	}
	for i := range c.Props {
		p := &c.Props[i]
		if p.Name != "ATTENDEE" && p.Name != "X-FACTOTUM-LEFT-OUT" {
			continue
		}
		s := short(p.Value)
		if p.Name != "ATTENDEE" {
			s = "-" + s
		}
		if k := p.Param("CUTYPE"); k != "" && k != "INDIVIDUAL" {
			s += "/" + k
		}
		for i, m := range p.ParamValues("MEMBER") {
			s += string("<,"[min(i, 1)]) + short(m)
		}
		if st := p.Param("PARTSTAT"); st != "" && st != "NEEDS-ACTION" {
			s += "=" + st
		}
		if a := p.Param("SCHEDULE-AGENT"); a != "" {
			s += "~" + a
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func words(s string) []string { return strings.Fields(s) }

func rules(p calendar.People) group.Rules {
	return group.Rules{People: p, Attendees: 100, Now: now}
}

// RFC 5545 §3.2.11, ldap.md §5.6.
func TestWhoIsInvitedWithAGroup(t *testing.T) {
	for _, c := range []struct{ name, before, after, want string }{
		{"no group", "bert", "bert dora", "bert dora"},
		{"invited", "", "team", "team/GROUP bert<team carl<team dora<team inner/GROUP<team"},
		{"with others, who are invited for themselves", "", "carl team fred", "carl team/GROUP fred bert<team dora<team inner/GROUP<team"},
		{"an organizer who lists himself", "", "anna=ACCEPTED team", "anna=ACCEPTED team/GROUP bert<team carl<team dora<team inner/GROUP<team"},
		{"two groups with the same people", "", "team crew", "team/GROUP crew/GROUP bert<team carl<team dora<team,crew inner/GROUP<team emil<crew xaver<crew"},
		{"a group and one in it", "", "inner team", "inner/GROUP team/GROUP carl<inner,team dora<inner,team bert<team"},
		{"said to be a person", "", "team/INDIVIDUAL", "team/GROUP bert<team carl<team dora<team inner/GROUP<team"},
		{"not in use", "", "shut", "shut"},
		{"nobody of ours", "", "list/GROUP xaver<list", "list/GROUP xaver<list"},
		{"silent", "", "crew~NONE", "crew/GROUP~NONE dora<crew~NONE emil<crew~NONE xaver<crew~NONE"},
		{"the client tells its members", "", "crew~CLIENT", "crew/GROUP~CLIENT"},
		{"told aloud after silence", "crew/GROUP~NONE dora<crew~NONE emil<crew~CLIENT xaver<crew~NONE", "crew/GROUP dora<crew~NONE emil<crew~CLIENT xaver<crew~NONE",
			"crew/GROUP dora<crew emil<crew~CLIENT xaver<crew"},
		{"nothing new", "crew/GROUP dora<crew=ACCEPTED emil<crew xaver<crew", "crew/GROUP dora<crew=ACCEPTED emil<crew xaver<crew", "crew/GROUP dora<crew=ACCEPTED emil<crew xaver<crew"},
		{"a client that knows the group alone", "crew/GROUP dora<crew=ACCEPTED emil<crew xaver<crew", "crew", "crew/GROUP dora<crew=ACCEPTED emil<crew xaver<crew"},
		{"a client that loses MEMBER", "crew/GROUP dora<crew=ACCEPTED emil<crew xaver<crew", "crew dora=ACCEPTED emil xaver", "crew/GROUP dora<crew=ACCEPTED emil<crew xaver<crew"},
		{"who joined", "crew/GROUP dora<crew=ACCEPTED xaver<crew", "crew/GROUP dora<crew=ACCEPTED xaver<crew", "crew/GROUP dora<crew=ACCEPTED xaver<crew emil<crew"},
		{"who left", "crew/GROUP dora<crew emil<crew xaver<crew bert<crew=ACCEPTED", "crew/GROUP dora<crew emil<crew xaver<crew bert<crew=ACCEPTED", "crew/GROUP dora<crew emil<crew xaver<crew"},
		{"who left one of two", "team/GROUP crew/GROUP bert<team,crew carl<team dora<team,crew inner/GROUP<team emil<crew xaver<crew", "team/GROUP crew/GROUP bert<team,crew carl<team dora<team,crew inner/GROUP<team emil<crew xaver<crew",
			"team/GROUP crew/GROUP bert<team carl<team dora<team,crew inner/GROUP<team emil<crew xaver<crew"},
		{"the group is taken out", "crew/GROUP dora<crew=ACCEPTED emil<crew xaver<crew fred", "dora<crew=ACCEPTED emil<crew xaver<crew fred", "fred"},
		{"by a client that loses MEMBER", "crew/GROUP dora<crew emil<crew xaver<crew fred", "dora emil xaver fred", "fred"},
		{"one of two is taken out", "team/GROUP crew/GROUP bert<team carl<team dora<team,crew inner/GROUP<team emil<crew xaver<crew", "team/GROUP bert<team carl<team dora<team,crew inner/GROUP<team emil<crew xaver<crew",
			"team/GROUP bert<team carl<team dora<team inner/GROUP<team"},
		{"who was invited himself stays", "crew/GROUP dora emil<crew xaver<crew", "dora emil<crew xaver<crew", "dora"},
		{"one is taken out", "crew/GROUP dora<crew emil<crew xaver<crew", "crew/GROUP dora<crew xaver<crew", "crew/GROUP dora<crew xaver<crew -emil<crew"},
		{"and stays out", "crew/GROUP dora<crew xaver<crew -emil<crew", "crew/GROUP dora<crew xaver<crew", "crew/GROUP dora<crew xaver<crew -emil<crew"},
		{"until he is invited", "crew/GROUP dora<crew xaver<crew -emil<crew", "crew/GROUP dora<crew xaver<crew emil -emil<crew", "crew/GROUP dora<crew xaver<crew emil"},
		{"or leaves the group", "crew/GROUP dora<crew emil<crew xaver<crew -fred<crew", "crew/GROUP dora<crew emil<crew xaver<crew -fred<crew", "crew/GROUP dora<crew emil<crew xaver<crew"},
		{"who was invited himself is taken out", "crew/GROUP dora emil<crew xaver<crew", "crew/GROUP emil<crew xaver<crew", "crew/GROUP emil<crew xaver<crew -dora<crew"},
		{"a group in place of its members", "dora emil", "crew", "crew/GROUP dora<crew emil<crew xaver<crew"},
		{"somebody who says that he is a member", "", "crew/GROUP fred<crew", "crew/GROUP fred dora<crew emil<crew xaver<crew"},
		{"groups in each other by a client", "", "crew/GROUP<inner inner/GROUP<crew", "crew/GROUP inner/GROUP dora<crew,inner emil<crew xaver<crew carl<inner"},
	} {
		var before *ical.Component
		if c.before != "" {
			before = meeting(event("", words(c.before)...))
		}
		after := meeting(event("", words(c.after)...))
		kept := after.Clone()
		r := rules(people())
		got, err := r.Expand(t.Context(), people()["anna"], before, after)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if s := list(got.Children[0]); s != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, s, c.want)
		}
		if !ical.Equal(kept, after) {
			t.Errorf("%s: the object that was given is changed", c.name)
		}
		again, err := r.Expand(t.Context(), people()["anna"], got, got.Clone())
		if err != nil || !ical.Equal(again, got) {
			t.Errorf("%s: written once more: %v\n%s", c.name, err, ical.Diff(got, again))
		}
	}
}

func TestLinesOfAGroup(t *testing.T) {
	e := event("", "crew")
	e.Prop("ATTENDEE").SetParam("ROLE", "OPT-PARTICIPANT")
	r := rules(people())
	got, err := r.Expand(t.Context(), people()["anna"], nil, meeting(e))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(got.Bytes()), "\r\n ", "")
	for _, want := range []string{
		`ATTENDEE;ROLE=OPT-PARTICIPANT;CUTYPE=GROUP;CN=Crew;PARTSTAT=NEEDS-ACTION:mailto:crew@example.com`,
		`ATTENDEE;CN=Dora;CUTYPE=INDIVIDUAL;ROLE=OPT-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;MEMBER="mailto:crew@example.com":mailto:dora@example.com`,
		`ATTENDEE;CN=Xaver;CUTYPE=INDIVIDUAL;ROLE=OPT-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;MEMBER="mailto:crew@example.com":mailto:xaver@elsewhere.example`,
	} {
		if !strings.Contains(text, want+"\r\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// The series and its instances each have their own list.
func TestInstancesInviteGroups(t *testing.T) {
	const rule = "RRULE:FREQ=DAILY;COUNT=60\nDTSTART:20260201T090000Z"
	past, next := "RECURRENCE-ID:20260202T090000Z\nDTSTART:20260202T100000Z\nDTEND:20260202T110000Z", "RECURRENCE-ID:20260402T090000Z\nDTSTART:20260402T100000Z\nDTEND:20260402T110000Z"
	r := rules(people())
	for _, c := range []struct {
		name          string
		before, after *ical.Component
		want          []string
	}{
		{"invited to the series and to one instance more", nil,
			meeting(event(rule, "crew"), event(next, "crew", "inner")),
			[]string{"crew/GROUP dora<crew emil<crew xaver<crew", "crew/GROUP inner/GROUP dora<crew,inner emil<crew xaver<crew carl<inner"}},
		{"one instance without somebody",
			meeting(event(rule, "crew/GROUP", "dora<crew", "emil<crew", "xaver<crew")),
			meeting(event(rule, "crew/GROUP", "dora<crew", "emil<crew", "xaver<crew"), event(next, "crew/GROUP", "dora<crew", "xaver<crew")),
			[]string{"crew/GROUP dora<crew emil<crew xaver<crew", "crew/GROUP dora<crew xaver<crew -emil<crew"}},
		{"one instance without the group",
			meeting(event(rule, "crew/GROUP", "dora<crew", "emil<crew", "xaver<crew", "fred")),
			meeting(event(rule, "crew/GROUP", "dora<crew", "emil<crew", "xaver<crew", "fred"), event(next, "dora<crew", "emil<crew", "xaver<crew", "fred")),
			[]string{"crew/GROUP dora<crew emil<crew xaver<crew fred", "fred"}},
		{"a series that is moved with an instance without somebody, who joins",
			meeting(event(rule, "crew/GROUP", "dora<crew", "xaver<crew", "emil"), event(next, "crew/GROUP", "dora<crew", "xaver<crew")),
			meeting(event(strings.Replace(rule, "T09", "T08", 1), "crew/GROUP", "dora<crew", "xaver<crew", "emil"), event(strings.Replace(next, "T09", "T08", 1), "crew/GROUP", "dora<crew", "xaver<crew")),
			[]string{"crew/GROUP dora<crew xaver<crew emil", "crew/GROUP dora<crew xaver<crew emil<crew"}},
		{"who joins is not invited to what is over",
			meeting(event(rule, "crew/GROUP", "dora<crew", "xaver<crew"), event(past, "crew/GROUP", "dora<crew", "xaver<crew"), event(next, "crew/GROUP", "dora<crew", "xaver<crew")),
			meeting(event(rule, "crew/GROUP", "dora<crew", "xaver<crew"), event(past, "crew/GROUP", "dora<crew", "xaver<crew"), event(next, "crew/GROUP", "dora<crew", "xaver<crew")),
			[]string{"crew/GROUP dora<crew xaver<crew emil<crew", "crew/GROUP dora<crew xaver<crew", "crew/GROUP dora<crew xaver<crew emil<crew"}},
		{"a meeting that is over",
			meeting(event("DTSTART:20260201T090000Z\nDTEND:20260201T100000Z", "crew/GROUP", "dora<crew", "fred<crew")),
			meeting(event("DTSTART:20260201T090000Z\nDTEND:20260201T100000Z", "crew/GROUP", "dora<crew", "fred<crew")),
			[]string{"crew/GROUP dora<crew fred<crew"}},
	} {
		got, err := r.Expand(t.Context(), people()["anna"], c.before, c.after)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for i, want := range c.want {
			if s := list(got.Children[i]); s != want {
				t.Errorf("%s, component %d:\n got %s\nwant %s", c.name, i, s, want)
			}
		}
	}
}

// ofDomain gives the crew a groupMaxSize of its domain.
func ofDomain(most int) func(*group.Rules) {
	return func(r *group.Rules) {
		all := people()
		crew := all["crew"]
		crew.Most = most
		all["crew"] = crew
		r.People = all
	}
}

// calstore.group.attendee.maxsize, group.invite.expand, factotum.group.follow.
func TestGroupsByTheConfiguration(t *testing.T) {
	for _, c := range []struct {
		name          string
		set           func(*group.Rules)
		before, after string
		want          string // or what the refusal names
	}{
		{"expand=no", func(r *group.Rules) { r.Never = true }, "", "crew", "crew/GROUP"},
		{"expand=no later", func(r *group.Rules) { r.Never = true }, "crew/GROUP dora<crew", "crew/GROUP dora<crew", "crew/GROUP dora<crew"},
		{"maxsize", func(r *group.Rules) { r.Most = 2 }, "", "crew", "error: crew calstore.group.attendee.maxsize"},
		{"maxsize just so", func(r *group.Rules) { r.Most = 3 }, "", "crew", "crew/GROUP dora<crew emil<crew xaver<crew"},
		{"maxsize=-1", func(r *group.Rules) { r.Most = -1 }, "", "crew", "crew/GROUP"},
		{"groupMaxSize of the domain", ofDomain(2), "", "crew", "error: crew groupMaxSize"},
		{"groupMaxSize above maxsize", func(r *group.Rules) { ofDomain(3)(r); r.Most = 2 }, "", "crew", "crew/GROUP dora<crew emil<crew xaver<crew"},
		{"groupMaxSize=-1", func(r *group.Rules) { ofDomain(-1)(r); r.Most = 9 }, "", "crew", "crew/GROUP"},
		{"groupMaxSize=5 where maxsize=-1", func(r *group.Rules) { ofDomain(5)(r); r.Most = -1 }, "", "crew", "crew/GROUP dora<crew emil<crew xaver<crew"},
		{"groupMaxSize, and the limit of all", func(r *group.Rules) { ofDomain(5)(r); r.Attendees = 2 }, "", "crew", "error: crew factotum.limit.attendees"},
		{"limit", func(r *group.Rules) { r.Attendees = 2 }, "", "crew", "error: crew factotum.limit.attendees"},
		{"limit of all", func(r *group.Rules) { r.Attendees = 5 }, "", "team crew", "error: factotum.limit.attendees"},
		{"octets", func(r *group.Rules) { r.Octets = 300 }, "", "crew", "error: factotum.limit.objectsize"},
		{"grown too large since", func(r *group.Rules) { r.Most = 2 }, "crew/GROUP dora<crew fred<crew", "crew/GROUP dora<crew fred<crew", "crew/GROUP dora<crew fred<crew"},
		{"follow=no", func(r *group.Rules) { r.Keep = true }, "crew/GROUP dora<crew fred<crew", "crew/GROUP dora<crew fred<crew", "crew/GROUP dora<crew fred<crew"},
		{"follow=no, a new one", func(r *group.Rules) { r.Keep = true }, "fred", "fred crew", "fred crew/GROUP dora<crew emil<crew xaver<crew"},
	} {
		r := rules(people())
		c.set(&r)
		var before *ical.Component
		if c.before != "" {
			before = meeting(event("", words(c.before)...))
		}
		got, err := r.Expand(t.Context(), people()["anna"], before, meeting(event("", words(c.after)...)))
		if why, ok := strings.CutPrefix(c.want, "error: "); ok {
			for _, word := range words(why) {
				if !errors.Is(err, calendar.TooLarge) || !strings.Contains(calendar.MessageOf(err), word) {
					t.Errorf("%s: %v does not name %s", c.name, err, word)
				}
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if s := list(got.Children[0]); s != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, s, c.want)
		}
	}
}

// X-S1CS-EXPAND=FALSE, WCAP §7.1: the group alone, and no reply is asked for.
func TestGroupThatIsNotExpanded(t *testing.T) {
	e := event("", "crew")
	e.Prop("ATTENDEE").SetParam("X-S1CS-EXPAND", "FALSE")
	r := rules(people())
	got, err := r.Expand(t.Context(), people()["anna"], nil, meeting(e))
	if err != nil {
		t.Fatal(err)
	}
	if a := got.Children[0].Prop("ATTENDEE"); list(got.Children[0]) != "crew/GROUP" || !a.ParamIs("RSVP", "FALSE") {
		t.Errorf("%s", got.Bytes())
	}
}

// counting counts what the directory is asked.
type counting struct {
	calendar.People
	asked *[]string
}

func (c counting) ByMail(ctx context.Context, address string) (calendar.Person, error) {
	*c.asked = append(*c.asked, address)
	return c.People.ByMail(ctx, address)
}

func (c counting) Members(ctx context.Context, id calendar.UserID, deep bool, limit int) ([]calendar.Person, bool, error) {
	*c.asked = append(*c.asked, "members of "+id)
	return c.People.Members(ctx, id, deep, limit)
}

// A write without a group asks about what is new and nothing else.
func TestWhatTheDirectoryIsAsked(t *testing.T) {
	for _, c := range []struct {
		before, after string
		want          []string
	}{
		{"bert dora", "bert dora", nil},
		{"bert dora", "bert dora emil", []string{"emil@example.com"}},
		{"crew/GROUP dora<crew", "crew/GROUP dora<crew", []string{"crew@example.com", "members of crew"}},
		{"", "anna crew", []string{"crew@example.com", "members of crew"}},
	} {
		var asked []string
		r := rules(counting{people(), &asked})
		var before *ical.Component
		if c.before != "" {
			before = meeting(event("", words(c.before)...))
		}
		after := meeting(event("", words(c.after)...), event("RECURRENCE-ID:20260401T090000Z", words(c.after)...))
		got, err := r.Expand(t.Context(), people()["anna"], before, after)
		if err != nil || !slices.Equal(asked, c.want) {
			t.Errorf("%q to %q: asked %q, %v; want %q", c.before, c.after, asked, err, c.want)
		}
		if len(c.want) < 2 && got != after {
			t.Errorf("%q to %q: a copy of what needs no change", c.before, c.after)
		}
	}
}

type broken struct{ calendar.People }

func (broken) ByMail(context.Context, string) (calendar.Person, error) {
	return calendar.Person{}, calendar.Fail(calendar.Unavailable, "look up", "")
}

func TestDirectoryThatDoesNotAnswer(t *testing.T) {
	r := rules(broken{people()})
	if _, err := r.Expand(t.Context(), people()["anna"], nil, meeting(event("", "crew"))); !errors.Is(err, calendar.Unavailable) {
		t.Errorf("%v", err)
	}
}

// A series of many overrides with a large group does not take long, nor much.
func TestLargeGroupInManyInstances(t *testing.T) {
	p := people()
	for i := range 500 {
		id := fmt.Sprint("p", i)
		p[id] = calendar.Person{ID: id, Kind: calendar.Individual, Name: id, Mails: []string{id + "@example.com"}, Active: true, Groups: []string{"shut"}}
	}
	g := p["shut"]
	g.Active = true
	p["shut"] = g
	comps := []*ical.Component{event("RRULE:FREQ=DAILY", "shut")}
	for i := range 5000 {
		at := now.AddDate(0, 1, i).Format("20060102T150405Z")
		comps = append(comps, event("RECURRENCE-ID:"+at+"\nDTSTART:"+at, "shut"))
	}
	r := rules(p)
	r.Attendees, r.Octets = 1000, 10<<20
	start := time.Now()
	_, err := r.Expand(t.Context(), p["anna"], nil, meeting(comps...))
	if !errors.Is(err, calendar.TooLarge) || !strings.Contains(calendar.MessageOf(err), "factotum.limit.objectsize") {
		t.Errorf("%v", err)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
}
