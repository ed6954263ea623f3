package acceptance

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
	"factotum/notify/imip/imiptest"
)

// TestSamplesOfMail hands in all of the table of what programs of others write, and
// what forgers do, to an organizer whose meetings were made over CalDAV, and to one
// whose were made over WCAP: the journal has what the table says, and the meeting has the
// answers.
func TestSamplesOfMail(t *testing.T) {
	t.Parallel()
	for _, front := range []string{"caldav", "wcap"} {
		t.Run(front, func(t *testing.T) {
			t.Parallel()
			p := newPostman(t, front)
			for _, s := range imiptest.Samples {
				if !strings.HasPrefix(s.Is, "returned ") { // which is about mail of ours: TestMailFromPeopleOutside
					p.deliver(s)
				}
			}
		})
	}
}

// postman hands samples in for anna@example.org.
type postman struct {
	*testing.T
	*host
	front, lmtp string
	n           int // mails that were handed in
	known       int // steps that were looked at
}

func newPostman(t *testing.T, front string) *postman {
	p := &postman{T: t, front: front, lmtp: "127.0.0.1:" + strconv.Itoa(freeport.Take(t, "127.0.0.1"))}
	p.host = installed(t, `factotum.imip.lmtp.listen = "`+p.lmtp+`"`, `factotum.imip.authservid = "`+imiptest.ServID+`"`, `factotum.imip.notify = "no"`)
	hosttest.Write(t, filepath.Join(p.dir, "data", "people.ldif"), strings.Replace(ldif(t), "mail: anna@example.com\n", "mail: anna@example.com\nmailAlternateAddress: anna@example.org\n", 1))
	p.start(t)
	p.visit(t, "anna")
	return p
}

// meets stores a meeting that anna organizes.
func (p *postman) meets(uid, who string, days bool) {
	if p.front == "caldav" {
		start := "DTSTART;TZID=Europe/Berlin:20260305T100000"
		if days {
			start = "DTSTART;VALUE=DATE:20260305"
		}
		text := strings.Join([]string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//T//T//EN", "BEGIN:VEVENT", "UID:" + uid, "DTSTAMP:20260201T000000Z", start, "RRULE:FREQ=WEEKLY;COUNT=4", "SUMMARY:Plan",
			"ORGANIZER:mailto:anna@example.org", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.org", "ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:" + who,
			"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:dora@example.org", "END:VEVENT", "END:VCALENDAR", ""}, "\r\n")
		p.do(p.T, "anna", "PUT", cal("anna")+strings.Trim(uid, "@.")+".ics", text, "Content-Type: text/calendar").is(http.StatusCreated)
		return
	}
	when := "dtstart=20260305T100000&tzid=Europe/Berlin"
	if days {
		when = "dtstart=20260305&dtend=20260306&isAllDay=1"
	}
	p.wcap(p.T, "anna", "/storeevents.wcap?calid=anna&storetype=1&method=2&summary=Plan&uid="+url.QueryEscape(uid)+"&"+when+"&rrules="+url.QueryEscape(`"FREQ=WEEKLY;COUNT=4"`)+
		"&attendees="+url.QueryEscape("PARTSTAT=NEEDS-ACTION^mailto:"+who+";PARTSTAT=NEEDS-ACTION^mailto:dora@example.org"))
}

var messageID = regexp.MustCompile(`(?mi)^(Message-ID:\s*<)`)

// hand hands a sample in, under a name of its own.
func (p *postman) hand(file string) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "notify", "imip", "testdata", file+".eml"))
	if err != nil {
		p.Fatal(err)
	}
	p.n++
	mail := messageID.ReplaceAllString(string(raw), fmt.Sprintf("${1}%d-", p.n))
	if mail == string(raw) {
		mail = fmt.Sprintf("Message-ID: <%d@far.example>\n", p.n) + mail
	}
	for _, a := range handIn(p.T, p.lmtp, mail, "anna@example.org") {
		if !strings.HasPrefix(a, "250 ") {
			p.Errorf("%s is answered %s", file, a)
		}
	}
}

// told is what anna's journal has of mails, the oldest first.
func (p *postman) told() (steps []string) {
	out, err := calserver(p.T, "why", "-C", p.conf, "--user", "anna", "--json", "--limit", "100000")
	if err != nil {
		p.Fatal(err, out)
	}
	var list []struct{ Step, Reason, Via string }
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		p.Fatal(err)
	}
	for _, e := range list {
		if e.Via == "mail" {
			steps = append(steps, e.Step+" "+e.Reason)
		}
	}
	return steps
}

// deliver hands a sample in to who has what it is about, and looks what became of it.
func (p *postman) deliver(s imiptest.Sample) {
	for name := range p.everything(p.T, "anna", cal("anna")) {
		p.do(p.T, "anna", "DELETE", cal("anna")+url.PathEscape(name), "").is(http.StatusNoContent)
	}
	who := cmp.Or(s.Who, "bert@firm.example")
	if who != "-" {
		p.meets("plan-2026@example.org", who, false)
		p.meets("days@example.org", who, true)
	}
	if s.Before != "" {
		p.wcap(p.T, "anna", "/set_userprefs.wcap?set_attrs=factotumMailInvitations=add")
		for file := range strings.FieldsSeq(s.Before) {
			p.hand(file)
		}
		p.wcap(p.T, "anna", "/set_userprefs.wcap?set_attrs=factotumMailInvitations=hold")
	}
	p.hand(s.File)
	var want []string
	for part := range strings.SplitSeq(s.Does, " | ") {
		action, rest, _ := strings.Cut(part, " ")
		reason, answers, _ := strings.Cut(rest, ": ")
		if step := map[string]string{"apply": "applied", "hold": "held", "ignore": "ignored"}[action]; step != "" {
			want = append(want, step+" "+reason)
		}
		for a := range strings.SplitSeq(answers, "; ") {
			if at, is, ok := strings.Cut(a, " "); ok {
				p.answered(s, who, at, strings.Fields(is)[0])
			}
		}
	}
	switch kind, reason, _ := strings.Cut(s.Is, ": "); {
	case strings.HasPrefix(kind, "automatic "):
		want = append(want, "ignored automatic-answer")
	case kind == "nothing" && reason != "nothing-for-us":
		want = append(want, "ignored "+reason)
	}
	all := p.told()
	got := all[min(p.known+len(strings.Fields(s.Before)), len(all)):] // what came before was applied
	p.known = len(all)
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		p.Errorf("%s (%s): the journal has %q, want %q", s.File, s.Oddity, got, want)
	}
}

// answered looks for somebody's answer in a meeting, for all of it or an instance.
func (p *postman) answered(s imiptest.Sample, who, at, is string) {
	uid := strings.Fields(s.Is)[1]
	for _, text := range p.everything(p.T, "anna", cal("anna")) {
		if text = unfolded(text); !strings.Contains(text, "UID:"+uid) {
			continue
		}
		for _, event := range strings.Split(text, "BEGIN:VEVENT")[1:] {
			_, rid, single := strings.Cut(event, "\nRECURRENCE-ID")
			rid, _, _ = strings.Cut(rid, "\n")
			if single == (at == "all") || single && !strings.HasSuffix(strings.TrimSpace(rid), at) {
				continue
			}
			for line := range strings.Lines(event) {
				if strings.HasPrefix(line, "ATTENDEE") && strings.HasSuffix(strings.TrimSpace(strings.ToLower(line)), "mailto:"+strings.ToLower(who)) && strings.Contains(line, "PARTSTAT="+is) {
					return
				}
			}
		}
	}
	p.Errorf("%s (%s): %s is not %s for %s", s.File, s.Oddity, who, is, at)
}
