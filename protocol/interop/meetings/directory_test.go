package meetings

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/directory"
	"factotum/server/directory/ldaptest"
	"factotum/templates"
)

// hosted is a second domain, which has a bert and a group of its own, with a member
// of the first; and a ring of groups. ldap.md §§5, 7.
const hosted = `
dn: cn=ring,ou=Groups,o=usergroup
objectClass: groupOfUniqueNames
objectClass: icsCalendarGroup
cn: ring
groupid: ring
mail: ring@example.com
uniqueMember: cn=gnir,ou=Groups,o=usergroup
uniqueMember: uid=anna,ou=People,o=usergroup

dn: cn=gnir,ou=Groups,o=usergroup
objectClass: groupOfNames
objectClass: icsCalendarGroup
cn: gnir
groupid: gnir
mail: gnir@example.com
member: cn=ring,ou=Groups,o=usergroup
member: uid=bert,ou=People,o=usergroup

dn: o=siroe.com,o=usergroup
objectClass: top
objectClass: organization
objectClass: inetDomain
objectClass: icsCalendarDomain
o: siroe.com
sunPreferredDomain: siroe.com
icsExtendedDomainPrefs: domainAccess=@example.com^a^lsfr^g

dn: o=example.com,o=usergroup
objectClass: organization
objectClass: inetDomain
objectClass: icsCalendarDomain
o: example.com
sunPreferredDomain: example.com
inetDomainBaseDN: o=usergroup
icsDomainNames: siroe.com

dn: ou=People,o=siroe.com,o=usergroup
objectClass: organizationalUnit
ou: People

dn: ou=Groups,o=siroe.com,o=usergroup
objectClass: organizationalUnit
ou: Groups

dn: uid=bert,ou=People,o=siroe.com,o=usergroup
objectClass: inetOrgPerson
objectClass: icsCalendarUser
uid: bert
cn: Bert of Siroe
sn: B
mail: bert@siroe.com

dn: cn=sales,ou=Groups,o=siroe.com,o=usergroup
objectClass: groupOfUniqueNames
objectClass: icsCalendarGroup
cn: sales
groupid: sales
mail: sales@siroe.com
uniqueMember: uid=bert,ou=People,o=siroe.com,o=usergroup
uniqueMember: uid=bert,ou=People,o=usergroup
`

// onDirectory runs a test on an LDIF file and on slapd with Sun's schema, whose
// groups are those of templates/ldap, and more.
func onDirectory(t *testing.T, more string, most int, test func(p *play, dir *directory.Directory)) {
	text := strings.ReplaceAll(templates.LDAPSample+"\n"+templates.LDAPGroups, "dc=example,dc=com", ldaptest.BaseDN) + more
	attributes := directory.Attributes{ClassGroup: "groupofuniquenames"}
	for name, opt := range map[string]func(t *testing.T) directory.Options{
		"ldif": func(t *testing.T) directory.Options {
			path := filepath.Join(t.TempDir(), "people.ldif")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return directory.Options{LDIF: path}
		},
		"slapd": func(t *testing.T) directory.Options {
			return directory.Options{LDAP: directory.LDAPOptions{Hosts: []string{ldaptest.Start(t, text).Addr}, BaseDN: ldaptest.BaseDN, DomainBase: ldaptest.BaseDN,
				BindDN: ldaptest.AdminDN, BindCred: ldaptest.AdminPassword, PageSize: 1000}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := opt(t)
			o.DefaultDomain, o.Attributes = "example.com", attributes
			dir, err := directory.Open(o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { dir.Close() })
			for _, protocol := range []string{"caldav", "wcap"} {
				t.Run(protocol, func(t *testing.T) { // each with calendars of its own
					st := &stage{clock: &sitetest.Clock{}}
					site := sitetest.Options{Clock: st.clock, People: dir, Scheduling: true}
					site.Model.Groups.Most = most
					base := st.open(t, site, false)
					st.fronts(base, dir, func(ctx context.Context, user, _ string, _ netip.Addr) (calendar.Person, error) {
						return dir.Person(ctx, user)
					})
					test(&play{TB: t, stage: st, mix: mix{protocol, protocol}, uid: "dir-" + protocol}, dir)
				})
			}
		})
	}
}

// finds are whom a client's search shows, by their addresses.
func (p *play) finds(who, word string) (found []string) {
	p.Helper()
	switch h := p.hand(who).(type) {
	case *davHand:
		body := `<D:principal-property-search xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" test="anyof"><D:property-search><D:prop><D:displayname/></D:prop><D:match match-type="starts-with">` +
			word + `</D:match></D:property-search><D:prop><C:calendar-user-type/><C:calendar-user-address-set/></D:prop></D:principal-property-search>`
		w, err := h.send(who, "REPORT", "/dav/principals/", body, 207, "Content-Type: text/xml", "Depth: 0")
		if err != nil {
			p.Fatal(err)
		}
		for part := range strings.SplitSeq(w.Body.String(), "<D:response>") {
			if strings.Contains(part, ">GROUP<") {
				_, rest, _ := strings.Cut(part, ">mailto:")
				mail, _, _ := strings.Cut(rest, "<")
				found = append(found, mail)
			}
		}
	case *wcapHand:
		cal, err := h.ask(p, who, "search_calprops", "search-string="+word+"&searchOpts=1&name=1&calid=1&fmt-out=text/calendar")
		if err != nil {
			p.Fatal(err)
		}
		for _, q := range cal.Props {
			if q.Name == "X-NSCP-CALPROPS-RELATIVE-CALID" {
				found = append(found, q.Value)
			}
		}
	}
	slices.Sort(found)
	return found
}

// TestGroupsOfADirectory: groups of every kind that nobody has used yet are found
// by clients of either protocol and invited; each member gets it once, and so does
// the group's calendar. ldap.md §5.
func TestGroupsOfADirectory(t *testing.T) {
	onDirectory(t, hosted, 0, func(p *play, dir *directory.Directory) {
		for word, want := range map[string]string{"sales": "sales", "Department": "dept17", "every": "everybody", "floor": "floor2", "gnir": "gnir"} {
			if found := p.finds("anna", word); !slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, want) }) {
				p.Errorf("%s finds %q", word, found)
			}
		}
		const other = "bert@siroe.com"
		for i, c := range []struct {
			group string
			want  string // who are on the list, beside the organizer
			has   []string
		}{
			{"sales@example.com", "bert dealer sales", []string{"bert", "sales"}},                          // static, of people elsewhere
			{"floor2@example.com", "bert floor2", []string{"bert", "floor2"}},                              // a search
			{"everybody@example.com", "bert dealer everybody floor2 sales", []string{"bert", "everybody"}}, // nested
			{"ring@example.com", "bert gnir ring", []string{"bert", "ring"}},                               // a ring, of groupOfNames too
			{"sales@siroe.com", "bert bert sales", []string{"bert", other, "sales@siroe.com"}},             // of another domain
		} {
			p.uid = fmt.Sprint(p.mix.organizer, i)
			p.may(p.lines([]string{"ATTENDEE;CUTYPE=GROUP;RSVP=TRUE:mailto:" + c.group}, "CUTYPE=GROUP^RSVP=TRUE^mailto%3A"+strings.Replace(c.group, "@", "%40", 1)))
			var list []string
			for l := range p.components("anna")[0].All("ATTENDEE") {
				if id := idOf(l.Value); id != "anna" {
					list = append(list, id)
				}
			}
			slices.Sort(list)
			if got := strings.Join(list, " "); got != c.want {
				p.Errorf("%s invites %s, want %s", c.group, got, c.want)
			}
			for _, id := range c.has {
				if text := p.stored(dir, id); strings.Count(text, "BEGIN:VEVENT") != 1 {
					p.Errorf("%s: %s has\n%s", c.group, id, text)
				}
			}
			p.may(p.hand("anna").remove(p, "anna"))
			for _, id := range c.has {
				if text := p.stored(dir, id); !strings.Contains(text, "STATUS:CANCELLED") {
					p.Errorf("%s: %s still has\n%s", c.group, id, text)
				}
			}
		}
	})
}

// stored is what somebody's calendar has of the story.
func (p *play) stored(dir *directory.Directory, id string) (text string) {
	p.Helper()
	who, err := dir.Person(p.Context(), id)
	if err != nil {
		p.Fatal(err)
	}
	err = p.be.Objects(p.Context(), calendar.Actor{User: who.ID, Admin: true}, calendar.ObjectsRequest{Calendar: calendar.ID(who.ID), UIDs: []string{p.uid}}, func(r calendar.ObjectResult) error {
		if r.Err == nil {
			text += string(r.Object.Data)
		}
		return nil
	})
	if err != nil && calendar.KindOf(err) != calendar.NoCalendar {
		p.Fatal(err)
	}
	return text
}

// TestGroupOfFiftyThousand is refused with what to mend, at once, and nobody is
// invited. calstore.group.attendee.maxsize.
func TestGroupOfFiftyThousand(t *testing.T) {
	const n, most = 50_000, 100
	var text strings.Builder
	text.WriteString("\ndn: cn=Legion,ou=Groups,o=usergroup\nobjectClass: groupOfUniqueNames\nobjectClass: icsCalendarGroup\ncn: Legion\ngroupid: legion\nmail: legion@example.com\n")
	for i := range n {
		fmt.Fprintf(&text, "uniqueMember: uid=p%d,ou=People,o=usergroup\n", i)
	}
	people := 4 * most // in the short run the others are names alone
	if os.Getenv("FACTOTUM_LONG") != "" {
		people = n
	}
	for i := range people {
		fmt.Fprintf(&text, "\ndn: uid=p%d,ou=People,o=usergroup\nobjectClass: inetOrgPerson\nobjectClass: icsCalendarUser\nuid: p%[1]d\ncn: P\nsn: P\nmail: p%[1]d@example.com\n", i)
	}
	onDirectory(t, text.String(), most, func(p *play, dir *directory.Directory) {
		var err error
		p.costs(func() {
			err = p.lines([]string{"ATTENDEE;CUTYPE=GROUP;RSVP=TRUE:mailto:legion@example.com", "ATTENDEE;RSVP=TRUE:mailto:bert@example.com"}, "CUTYPE=GROUP^RSVP=TRUE^mailto%3Alegion%40example.com;RSVP=TRUE^bert")
		})
		p.mayNot("a group of 50,000", err)
		if says := map[string]string{"caldav": "calstore.group.attendee.maxsize", "wcap": "ERRNO:43"}[p.mix.organizer]; err != nil && !strings.Contains(err.Error(), says) {
			p.Error(err)
		}
		for _, id := range []string{"anna", "bert", "p0", "legion"} {
			if text := p.stored(dir, id); text != "" {
				p.Errorf("%s has\n%s", id, text)
			}
		}
	})
}
