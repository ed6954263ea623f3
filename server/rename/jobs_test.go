package rename

import (
	"strings"
	"testing"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
)

func job(t *testing.T, owner calendar.Owner, made func() (calendar.Job, error)) calendar.Job {
	t.Helper()
	j, err := made()
	if err != nil {
		t.Fatal(err)
	}
	j.JobID = calendar.JobID{Owner: owner, Change: 17, Seq: 1}
	return j
}

func TestJobsOfThoseWhoAreRenamed(t *testing.T) {
	text := []byte("BEGIN:VCALENDAR\r\nATTENDEE:/dav/principals/carl/\r\nEND:VCALENDAR\r\n")
	letter := calendar.Letter{Method: "REQUEST", From: "/dav/principals/anna/", To: []string{"mailto:x@y.z", "carl"}, Data: text}
	post := calendar.Post{UID: "u", Letters: []calendar.Letter{letter, letter}}
	m := mapper(t, "anna")
	j := job(t, "anna", post.Job)
	if !m.Job(&j) {
		t.Fatal("it is not known")
	}
	got, err := calendar.ParsePost(calendar.Job{JobID: calendar.JobID{Owner: "bea", Change: 17, Seq: 1}, Payload: j.Payload})
	if err != nil || len(got.Letters) != 2 {
		t.Fatal(got, err)
	}
	for i, l := range got.Letters {
		if l.ID != []string{"anna/17/1/0", "anna/17/1/1"}[i] || l.From != "/dav/principals/bea/" || strings.Join(l.To, " ") != "mailto:x@y.z dora" ||
			string(l.Data) != "BEGIN:VCALENDAR\r\nATTENDEE:/dav/principals/dora/\r\nEND:VCALENDAR\r\n" {
			t.Errorf("%+v %s", l, l.Data)
		}
	}

	note := calendar.Note{To: "anna", From: "carl", Kind: calendar.NoteProxy, Calendar: "carl:x", Access: acl.ProxyRead}
	j = job(t, "carl", note.Job)
	m.Home("carl")
	if m.Job(&j); j.Key != "share bea" {
		t.Error(j.Key)
	}
	if n, err := calendar.ParseNote(j); err != nil || n.To != "bea" || n.From != "dora" || n.Calendar != "dora:x" {
		t.Errorf("%+v %v", n, err)
	}

	pub := calendar.Publication{ID: "i", Owner: "anna", Ref: calendar.NewEventRef("enp:///ics/x", "calid", "anna:work", "uid", "anna", "user", "carl").String(), ContentType: "text/calendar", Data: text, When: time.Unix(1, 0)}
	j = job(t, "anna", func() (calendar.Job, error) { return pub.Job("k") })
	m.Job(&j)
	if p, err := calendar.ParsePublication(j); err != nil || p.Owner != "bea" || p.Ref != "enp:///ics/x?calid=bea%3Awork&uid=anna&user=dora" || strings.Contains(string(p.Data), "carl") {
		t.Errorf("%+v %v", p, err)
	}

	news := calendar.News{ID: "i", CalID: "anna:work", By: "carl"}
	for kind, payload := range map[string]func() ([]byte, error){calendar.JobNews: news.Payload, calendar.JobHook: (&calendar.Telling{Registration: "r", News: &news}).Payload} {
		data, err := payload()
		if err != nil {
			t.Fatal(err)
		}
		j := calendar.Job{Kind: kind, Payload: data}
		m.Job(&j)
		if s := string(j.Payload); !strings.Contains(s, `"calid":"bea:work"`) || !strings.Contains(s, `"by":"dora"`) {
			t.Errorf("%s: %s", kind, s)
		}
	}

	mail := calendar.Mailing{Kind: calendar.MailScheduling, To: "x@y.z", UID: "u", Letter: letter}
	j = job(t, "anna", mail.Job)
	m.Job(&j)
	if got, err := calendar.ParseMailing(j); err != nil || got.Letter.From != "/dav/principals/bea/" || got.To != "x@y.z" {
		t.Errorf("%+v %v", got, err)
	}

	// What cannot be read, and what another release made, stays.
	for _, j := range []calendar.Job{{Kind: calendar.JobDeliver, Payload: []byte("{anna")}, {Kind: "later", Payload: []byte("anna")}} {
		was := string(j.Payload)
		if m.Job(&j) || string(j.Payload) != was {
			t.Errorf("%s: %s", j.Kind, j.Payload)
		}
	}
	// Nothing is written anew where nothing is another.
	m.Home("zoe")
	quiet := calendar.Post{UID: "u", Letters: []calendar.Letter{{Method: "REQUEST", From: "mailto:a@b.c", To: []string{"mailto:x@y.z"}}}}
	j = job(t, "zoe", quiet.Job)
	was := &j.Payload[0]
	if !m.Job(&j) || &j.Payload[0] != was {
		t.Error("a job was written anew")
	}
}

func TestRowsOfThoseWhoAreRenamed(t *testing.T) {
	m := mapper(t, "zoe")
	reg := calendar.RegistrationRow{RegistrationDetail: calendar.RegistrationDetail{Calendar: "anna:work", User: "carl", Entry: "entryuuid:1"}}
	if m.RegistrationRow(&reg); reg.Calendar != "bea:work" || reg.User != "dora" || reg.Entry != "" {
		t.Errorf("%+v", reg)
	}
	kept, err := calendar.CalendarVersion(calendar.CalendarRow{ID: 3, Name: "work", CoOwners: "anna", ACL: acl.MustParse("carl^a^r^g")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	kept.By = "anna"
	if err := m.HistoryRow(&kept); err != nil || kept.By != "bea" || kept.Object.Size != len(kept.Object.Data) {
		t.Errorf("%+v %v", kept, err)
	}
	if row, err := kept.CalendarRow(); err != nil || row.CoOwners != "bea" || row.ACL.String() != "dora^a^r^g" {
		t.Errorf("%+v %v", row, err)
	}
	moved := calendar.HistoryRow{End: calendar.MovedAway, To: "anna:work/a.ics", Object: calendar.ObjectRow{Component: "VEVENT", By: "carl", Data: []byte("ATTENDEE:anna\r\n")}}
	if err := m.HistoryRow(&moved); err != nil || moved.To != "bea:work/a.ics" || moved.Object.By != "dora" || string(moved.Object.Data) != "ATTENDEE:bea\r\n" {
		t.Errorf("%+v %v", moved, err)
	}
	file := calendar.HistoryRow{End: calendar.FileDropped, To: "anna", Object: calendar.ObjectRow{UID: "anna", Component: "x", Data: []byte("ATTENDEE:anna\r\n")}}
	if err := m.HistoryRow(&file); err != nil || file.To != "anna" || string(file.Object.Data) != "ATTENDEE:anna\r\n" {
		t.Errorf("%+v %v", file, err)
	}
	tr := calendar.Trace{Message: "anna/1/0/0", From: "anna", To: []string{"mailto:a@b.c", "carl"}, By: "anna"}
	to := tr.To
	if m.Trace(&tr); tr.Message != "anna/1/0/0" || tr.From != "bea" || tr.To[1] != "dora" || tr.By != "bea" || to[1] != "carl" {
		t.Errorf("%+v %v", tr, to)
	}
	plain := calendar.ObjectRow{Data: []byte("ATTENDEE:anna\r\n"), By: "anna"}
	if m.ObjectRow(&plain) || plain.By != "bea" || string(plain.Data) != "ATTENDEE:anna\r\n" {
		t.Errorf("a file was rewritten: %+v", plain)
	}
}
