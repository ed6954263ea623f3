package wcaptest

import (
	"fmt"
	"testing"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
)

// mostMembers is calstore.group.attendee.maxsize.
const mostMembers = 3

// schedulingSite is a site whose messages are delivered. olga is on the second
// host where there are two; the others but room1 and root are on the first. She
// and ben are the crew, a group; the throng has one more than groups may have.
func schedulingSite(t *testing.T, opt sitetest.Options, hosts bool) *site {
	t.Helper()
	people := sitetest.Staff()
	olga := calendartest.NewPeople("olga")["olga"]
	olga.Groups = []string{"crew"}
	people["olga"] = olga
	ben := people["ben"]
	ben.Groups = []string{"crew"}
	people["ben"] = ben
	for id, members := range map[string]int{"crew": 0, "throng": mostMembers + 1} {
		people[id] = calendar.Person{ID: id, Kind: calendar.Group, Name: id, Mails: []string{id + "@example.com"}, Active: true, Owner: "anna"}
		for n := range members {
			one := fmt.Sprint("m", n)
			p := calendartest.NewPeople(one)[one]
			p.Groups = []string{id}
			people[one] = p
		}
	}
	people["mute"] = calendar.Person{ID: "mute", Kind: calendar.Individual, Name: "No Mail", Active: true}
	opt.Clock, opt.People, opt.Scheduling = &sitetest.Clock{}, people, true
	opt.Model.Groups.Most = mostMembers
	if hosts {
		h := sitetest.NewHosts(t, opt)
		h.People = people
		s := onSite(t, h.Site, opt.Clock)
		s.settle = h.Settle
		return s
	}
	base := sitetest.New(t, opt)
	base.People = people
	s := onSite(t, base, opt.Clock)
	s.settle = base.Settle
	return s
}

// TestWCAP_7_Scheduling: meetings from their invitation to their end, by WCAP and
// by WCAP and CalDAV together, in one process and with the attendee on another
// host. WCAP §7, §13.
func TestWCAP_7_Scheduling(t *testing.T) {
	script := readScript(t, "testdata/scheduling.script")
	for _, v := range []struct {
		name  string
		opt   sitetest.Options
		hosts bool
	}{
		{"sqlite", sitetest.Options{}, false},
		{"postgres", sitetest.Options{Engine: sitetest.Postgres}, false},
		{"sqlite-hosts", sitetest.Options{}, true},
		{"postgres-hosts", sitetest.Options{Engine: sitetest.Postgres}, true},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := schedulingSite(t, v.opt, v.hosts)
			for n, st := range script {
				t.Run(st.command+"/"+st.says, func(t *testing.T) {
					s.t = t
					(&player{t: t, s: s, file: "scheduling.script", format: formats[n%len(formats)], n: n + 1}).play(st)
				})
			}
		})
	}
}
