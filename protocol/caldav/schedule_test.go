package caldav

import (
	"context"
	"strings"
	"testing"

	"factotum/server/calendar"
)

// altering is a back end that has a part in what is stored, as scheduling has.
type altering struct {
	calendar.Backend
	puts    []calendar.PutRequest
	deletes []calendar.DeleteRequest
}

func (b *altering) PutObject(ctx context.Context, who calendar.Actor, req calendar.PutRequest) (calendar.PutResult, error) {
	b.puts = append(b.puts, req)
	req.Data = []byte(strings.Replace(string(req.Data), "ATTENDEE:", "ATTENDEE;SCHEDULE-STATUS=1.0:", 1))
	res, err := b.Backend.PutObject(ctx, who, req)
	res.Altered = true
	return res, err
}

func (b *altering) DeleteObject(ctx context.Context, who calendar.Actor, req calendar.DeleteRequest) error {
	b.deletes = append(b.deletes, req)
	return b.Backend.DeleteObject(ctx, who, req)
}

const invited = "ORGANIZER:mailto:anna@example.com\r\nATTENDEE:mailto:ben@example.com\r\nSUMMARY"

// TestRFC6638_3_2_10_AlteredObjects: what the server changed the client has to
// fetch, so that no tag of it is told but the schedule tag; or it comes at once.
func TestRFC6638_3_2_10_AlteredObjects(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	be := &altering{Backend: s.be}
	s = s.over(be)
	text := strings.Replace(event("m", "20260310T120000Z", "Meeting"), "SUMMARY", invited, 1)
	const m = annasCal + "m.ics"
	for _, status := range []int{201, 204} {
		r := s.do("anna", "PUT", m, text).is(status)
		if r.header.Get("ETag") != "" || r.header.Get("Last-Modified") != "" || r.header.Get("Schedule-Tag") == "" || r.body != "" {
			t.Errorf("PUT is answered with %v", r.header)
		}
		got := s.do("anna", "GET", m, "").is(200).contains("SCHEDULE-STATUS=1.0")
		if got.header.Get("Schedule-Tag") != r.header.Get("Schedule-Tag") || got.header.Get("ETag") == "" {
			t.Errorf("GET is answered with %v", got.header)
		}
	}
	r := s.do("anna", "PUT", m, text, representation).is(200).contains("SCHEDULE-STATUS=1.0")
	if r.header.Get("ETag") == "" || r.header.Get("Schedule-Tag") == "" {
		t.Errorf("its representation has %v", r.header)
	}
	s.do("anna", "POST", annasCal, strings.Replace(text, "UID:m", "UID:n", 1), "Content-Type: text/calendar").is(201)
	stale := s.do("anna", "PUT", m, text, `If-Schedule-Tag-Match: "none"`).is(412)
	if stale.header.Get("Schedule-Tag") != r.header.Get("Schedule-Tag") {
		t.Errorf("what was refused is answered with %v", stale.header)
	}
}

// TestRFC6638_8_1_ScheduleReply: a client may say that nobody is told.
func TestRFC6638_8_1_ScheduleReply(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	be := &altering{Backend: s.be}
	s = s.over(be)
	for i, header := range []string{"Schedule-Reply: F", "Schedule-Reply: T", "schedule-reply: f", "X-Other: F"} {
		s.do("anna", "PUT", annasCal+"m.ics", strings.Replace(event("m", "20260310T120000Z", "Meeting"), "SUMMARY", invited, 1), header).is(201)
		s.do("anna", "DELETE", annasCal+"m.ics", "", header).is(204)
		if want := i%2 == 0; be.puts[i].NoReply != want || be.deletes[i].NoReply != want {
			t.Errorf("%s: PUT %v, DELETE %v", header, be.puts[i].NoReply, be.deletes[i].NoReply)
		}
	}
}

// TestRFC6638_8_3_IfScheduleTagMatch: every method that changes or copies an
// object can be made to depend on its schedule tag.
func TestRFC6638_8_3_IfScheduleTagMatch(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	s.do("anna", "MKCALENDAR", annasHome+"work/", "").is(201)
	const m, to = annasCal + "m.ics", annasHome + "work/m.ics"
	text := strings.Replace(event("m", "20260310T120000Z", "Meeting"), "SUMMARY", invited, 1)
	text = strings.ReplaceAll(text, "ATTENDEE", "ATTENDEE;SCHEDULE-AGENT=CLIENT") // one that may be copied: RFC 6638 §3.2.4.1
	tag := s.do("anna", "PUT", m, text).is(201).header.Get("Schedule-Tag")
	for _, c := range []struct {
		method, path, body, dest string
		status                   int
	}{{"PUT", m, text, "", 204}, {"COPY", m, "", to, 201}, {"MOVE", to, "", annasHome + "work/n.ics", 201}, {"DELETE", m, "", "", 204}} {
		if c.path != m || c.method == "DELETE" {
			tag = s.do("anna", "GET", c.path, "").is(200).header.Get("Schedule-Tag")
		}
		headers := func(tag string) []string {
			h := []string{"If-Schedule-Tag-Match: " + tag}
			if c.dest != "" {
				h = append(h, "Destination: "+c.dest)
			}
			return h
		}
		s.do("anna", c.method, c.path, c.body, headers(`"old"`)...).is(412)
		r := s.do("anna", c.method, c.path, c.body, headers(tag)...).is(c.status)
		if c.method == "PUT" {
			tag = r.header.Get("Schedule-Tag")
		}
	}
}
