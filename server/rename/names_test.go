package rename

import (
	"strings"
	"testing"

	"factotum/server/acl"
	"factotum/server/calendar"

	"github.com/google/go-cmp/cmp"
)

// mapper renames anna to bea, exchanges carl and dora, and moves some to a hosted domain.
func mapper(t *testing.T, owner calendar.Owner) *Mapper {
	t.Helper()
	pairs, bad, err := Read(strings.NewReader("anna bea\ncarl dora\ndora carl\nuwe@siroe.com ute@siroe.com\nfritz fritz@siroe.com\n"), "sesta.com")
	if err != nil || len(bad) > 0 {
		t.Fatal(bad, err)
	}
	m := NewMapper(New(pairs, "sesta.com"))
	m.Home(owner)
	return m
}

func TestReadMapping(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"\ufeff# names\r\n\r\nanna bea": "anna→bea",
		"Anna BEA\nbob@sesta.com carl":  "anna→bea bob→carl",
		"a b\nb a":                      "a→b b→a",
		"a b\nb c\n":                    "a→b b→c",
		"x@siroe.com y@siroe.com":       "x@siroe.com→y@siroe.com",
		"anna":                          "line 1: anna: a line has an old and a new user id, with a blank between them",
		"anna bea carl":                 "line 1: anna bea carl: a line has an old",
		"a b\nA c":                      "a→b line 2: A c: line 1 renames a already",
		"a c\nb c":                      "a→c line 2: b c: line 1 makes c of somebody else already: two people cannot become one",
		"a A":                           "line 1: a A: it is the same id",
		"a a@sesta.com":                 "line 1: a a@sesta.com: it is the same id",
		"a b:c":                         "line 1: a b:c: the user id holds a character that calids do not allow",
		"a b/../c":                      "calids do not allow",
		"a @siroe.com":                  "@siroe.com is no user id",
		"a b@":                          "b@ is no user id",
		"a b@c@d":                       "b@c@d is no user id",
		"a anonymous":                   "anonymous is nobody's id",
		"a \xff":                        "the line is not UTF-8",
		"a " + strings.Repeat("b", 999): "the line is too long",
		"\x1b[2J a b":                   "line 1: ?[2J a b:",
	} {
		pairs, bad, err := Read(strings.NewReader(text), "sesta.com")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range pairs {
			got = append(got, p.Old+"→"+p.New)
		}
		for _, b := range bad {
			got = append(got, b.String())
		}
		if is := strings.Join(got, " "); is != want && (len(bad) == 0 || !strings.Contains(is, want)) {
			t.Errorf("%q: %s, want %s", text, is, want)
		}
	}
}

func TestRightsAreNearTheOwner(t *testing.T) {
	for _, c := range []struct{ owner, is, want string }{
		{"zoe", "anna^a^r^g;carl^c^w^g;dora^c^w^d;@^a^f^g;@@o^a^r^g", "bea^a^r^g;dora^c^w^g;carl^c^w^d;@^a^f^g;@@o^a^r^g"},
		{"zoe", "ANNA@sesta.com^a^r^g;uwe^a^r^g;anonymous^a^r^g", "bea^a^r^g;uwe^a^r^g;anonymous^a^r^g"},
		// In a hosted domain a bare name is one of it.
		{"zoe@siroe.com", "anna^a^r^g;uwe^a^r^g;anna@sesta.com^a^r^g", "anna^a^r^g;ute@siroe.com^a^r^g;bea@sesta.com^a^r^g"},
		// Who leaves his domain takes the names with him that were near.
		{"fritz", "anna^a^r^g;otto^a^r^g;uwe@siroe.com^a^r^g", "bea@sesta.com^a^r^g;otto@sesta.com^a^r^g;ute@siroe.com^a^r^g"},
	} {
		m := mapper(t, calendar.Owner(c.owner))
		row := calendar.CalendarRow{ACL: acl.MustParse(c.is), CoOwners: "anna  otto"}
		if m.CalendarRow(&row); row.ACL.String() != c.want {
			t.Errorf("%s: %s\nis %s\nwant %s", c.owner, c.is, row.ACL, c.want)
		}
		if want := map[string]string{"zoe": "bea otto", "zoe@siroe.com": "anna  otto", "fritz": "bea@sesta.com otto@sesta.com"}[c.owner]; row.CoOwners != want {
			t.Errorf("%s: owners %q, want %q", c.owner, row.CoOwners, want)
		}
	}
}

func TestAddressesOfPeopleAndPaths(t *testing.T) {
	m := mapper(t, "zoe")
	for is, want := range map[string]string{
		"mailto:anna@sesta.com": "mailto:anna@sesta.com", // a mail address is another thing
		"mailto:anna":           "mailto:bea",
		"Carl":                  "dora",
		"/dav/principals/anna/": "/dav/principals/bea/",
		"https://cal.sesta.com/dav/principals/anna/": "https://cal.sesta.com/dav/principals/bea/",
		"/dav/principals/uwe%40siroe.com/":           "/dav/principals/ute@siroe.com/",
		"mailto:fritz":                               "/dav/principals/fritz@siroe.com/",
		"urn:uuid:anna":                              "urn:uuid:anna",
		"":                                           "",
		"otto":                                       "otto",
	} {
		if got := m.address(is); got != want {
			t.Errorf("%s: %s, want %s", is, got, want)
		}
	}
	for is, want := range map[string]string{
		"<D:href>/dav/calendars/anna/work/</D:href>":          "<D:href>/dav/calendars/bea/work/</D:href>",
		"/dav/calendars/zoe/~carl:x/ /dav/principals/dora":    "/dav/calendars/zoe/~dora:x/ /dav/principals/carl",
		"/dav/calendars/anna/%7Ecarl%3Ax/a.ics":               "/dav/calendars/bea/~dora:x/a.ics",
		"/dav/attachments/anna/17-2":                          "/dav/attachments/bea/17-2",
		"/dav/anna/ /davcalendars/anna/ /dav/calendars/annab": "/dav/anna/ /davcalendars/anna/ /dav/calendars/annab",
		`{"a":"/dav/calendars/anna\u003c"}`:                   `{"a":"/dav/calendars/bea\u003c"}`,
		"/dav/calendars/%zz/":                                 "/dav/calendars/%zz/",
	} {
		if got := m.paths(is); got != want {
			t.Errorf("%s\nis %s\nwant %s", is, got, want)
		}
	}
}

func TestTextKeepsAllElse(t *testing.T) {
	m := mapper(t, "zoe")
	is := "BEGIN:VCALENDAR\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nX-odd:  as it is \r\n" +
		"SUMMARY:anna and /dav/principals/anna/\r\n" +
		"ATTENDEE;CN=\"Anna, A\";PARTSTAT=ACCEPTED:mailto:anna@sesta.com\r\n" +
		"ATTENDEE;CN=Anna:/dav/princ\r\n ipals/anna/\r\n" +
		"attendee:mailto:carl\r\n" +
		"ORGANIZER;SENT-BY=\"mailto:dora\":mailto:boss@sesta.com\r\n" +
		"ATTACH;FMTTYPE=text/plain;FILENAME=anna.txt:https://cal.sesta.com/dav/attachments/anna/1-2\r\n" +
		"ATTACH:https://elsewhere.example.com/anna\r\n" +
		"X-FACTOTUM-LEFT-OUT;MEMBER=\"/dav/principals/anna/\":mailto:x@y.z\r\n" +
		"END:VEVENT\r\nEND:VCALENDAR"
	want := "BEGIN:VCALENDAR\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nX-odd:  as it is \r\n" +
		"SUMMARY:anna and /dav/principals/anna/\r\n" +
		"ATTENDEE;CN=\"Anna, A\";PARTSTAT=ACCEPTED:mailto:anna@sesta.com\r\n" +
		"ATTENDEE;CN=Anna:/dav/principals/bea/\r\n" +
		"ATTENDEE:mailto:dora\r\n" +
		"ORGANIZER;SENT-BY=\"mailto:carl\":mailto:boss@sesta.com\r\n" +
		"ATTACH;FMTTYPE=text/plain;FILENAME=anna.txt:https://cal.sesta.com/dav/attac\r\n hments/bea/1-2\r\n" +
		"ATTACH:https://elsewhere.example.com/anna\r\n" +
		"X-FACTOTUM-LEFT-OUT;MEMBER=/dav/principals/bea/:mailto:x@y.z\r\n" +
		"END:VEVENT\r\nEND:VCALENDAR"
	got, changed := m.text([]byte(is))
	if d := cmp.Diff(want, string(got)); d != "" || !changed {
		t.Errorf("-want +got:\n%s", d)
	}
	for _, same := range []string{"", "\n", "ATTENDEE", "ATTENDEE:", "ATTENDEE;X:y\nATTENDEE;=:\r\n \r\n", is[:150]} {
		if got, changed := m.text([]byte(same)); changed || string(got) != same {
			t.Errorf("%q becomes %q", same, got)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("BEGIN:VCALENDAR\r\nATTENDEE:mailto:anna\r\n"))
	f.Add([]byte("A\n TTENDEE;SENT-BY=\"carl\":\r\n\tx\n"))
	f.Add([]byte("ATTACH:/dav/attachments/anna/x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := NewMapper(New([]Pair{{"anna", "bea", 1}, {"carl", "dora", 2}}, ""))
		before := string(data)
		out, changed := m.text(data)
		if string(data) != before {
			t.Error("what is given is written to")
		}
		if changed == (string(out) == before) && changed {
			t.Errorf("%q: it says that it has changed", before)
		}
		if !changed && string(out) != before {
			t.Errorf("%q: it says that nothing has changed", before)
		}
	})
}

func TestPreferences(t *testing.T) {
	m := mapper(t, "zoe")
	for _, c := range [][4]string{
		{"icsSubscribed", "zoe$Zoe,anna$Anna, carl:work$C,\ndora\nanna:x$anna:x", "icsSubscribed", "zoe$Zoe,bea$Anna, dora:work$C,\ncarl\nbea:x$bea:x"},
		{"icsFreeBusy", "anna\nzoe", "icsFreeBusy", "bea\nzoe"},
		{"icsSet", `name=anna$calendar=anna\;carl:x\;zoe$tz=UTC$description=anna` + "\nname=b$calendars=dora;anna$x", "icsSet", `name=anna$calendar=bea\;dora:x\;zoe$tz=UTC$description=anna` + "\nname=b$calendars=carl;bea$x"},
		{"share:anna:work", `{"Color":"#f00","Props":[{"Space":"a","Local":"b","Value":"/dav/calendars/anna/"}]}`, "share:bea:work", `{"Color":"#f00","Props":[{"Space":"a","Local":"b","Value":"/dav/calendars/bea/"}]}`},
		{"shares:gone", "5 \n7 anna:work\n8 zoe", "shares:gone", "5 \n7 bea:work\n8 zoe"},
		{"shares:proxies", `{"Read":["anna"],"Write":["carl","zoe"],"ReadFor":null,"WriteFor":["dora"]}`, "shares:proxies", `{"Read":["bea"],"Write":["dora","zoe"],"ReadFor":null,"WriteFor":["carl"]}`},
		{"dav:{urn:x}y", "<a>/dav/calendars/anna/calendar/</a>", "dav:{urn:x}y", "<a>/dav/calendars/bea/calendar/</a>"},
		{"ceDefaultView", "anna", "ceDefaultView", "anna"},
		{"factotumMailAllowed", "anna", "factotumMailAllowed", "anna"},
	} {
		if name, value := m.Pref(c[0], c[1]); name != c[2] || value != c[3] {
			t.Errorf("%s\nis %s %s\nwant %s %s", c[0], name, value, c[2], c[3])
		}
	}
	prefs := map[string]string{}
	calendar.KeepNotes(prefs, calendar.Notes{Change: 4, List: []calendar.Note{{ID: "anna-1-0", To: "zoe", From: "anna", Calendar: "anna:work", Kind: calendar.NoteInvite}}})
	_, text := m.Pref(calendar.NotesPref, prefs[calendar.NotesPref])
	got := calendar.NotesOf(map[string]string{calendar.NotesPref: text})
	if d := cmp.Diff(calendar.Notes{Change: 4, List: []calendar.Note{{ID: "anna-1-0", To: "zoe", From: "bea", Calendar: "bea:work", Kind: calendar.NoteInvite}}}, got); d != "" {
		t.Error(d)
	}
	p := m.Prop(calendar.KeepInvitees([]calendar.Invitee{{User: "anna", UID: "u"}, {User: "zoe"}}).Prop)
	list, _ := calendar.Invitees([]calendar.DeadProp{p})
	if len(list) != 2 || list[0].User != "bea" || list[1].User != "zoe" {
		t.Errorf("%+v", list)
	}
	own := calendar.PersonalProp("anna")
	own.Value = "BEGIN:VALARM\r\nATTENDEE:carl\r\nEND:VALARM\r\n"
	if p := m.Prop(own); calendar.PersonalUser(p) != "bea" || !strings.Contains(p.Value, "ATTENDEE:dora") {
		t.Errorf("%+v", p)
	}
}
