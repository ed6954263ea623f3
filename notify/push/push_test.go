package push

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"factotum/notify/outward"
	"factotum/notify/webpush"
	"factotum/server/calendar"
)

// model is a registration, and what was settled about it.
type model struct {
	message calendar.Message
	gone    bool
	settled []calendar.Outcome
}

func (m *model) TakeTelling(context.Context, calendar.Job) (calendar.Message, bool, error) {
	return m.message, !m.gone, nil
}

func (m *model) SettleTelling(_ context.Context, _ calendar.JobID, id string, out calendar.Outcome) error {
	if id != "r" {
		return errors.New("another registration")
	}
	m.settled = append(m.settled, out)
	return nil
}

// WebDAV-Push, Push Message: what a message says, and what becomes of it by what
// the push service answers. RFC 8030 §5, §7.3.
func TestSend(t *testing.T) {
	client, _ := ecdh.P256().GenerateKey(rand.Reader)
	auth := []byte("0123456789abcdef")
	id, err := webpush.MakeIdentity(filepath.Join(t.TempDir(), "vapid.pem"), "")
	if err != nil {
		t.Fatal(err)
	}
	status, retry, got := 201, "", ""
	var header http.Header
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		text, err := webpush.Decrypt(client, auth, body)
		if err != nil {
			t.Error(err)
		}
		got, header = string(text), r.Header
		if retry != "" {
			w.Header().Set("Retry-After", retry)
		}
		w.WriteHeader(status)
	}))
	defer service.Close()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	m := &model{message: calendar.Message{Owner: "anna", SyncToken: "urn:x:<1>", Telling: calendar.Telling{Registration: "r", Content: true},
		Row: calendar.RegistrationRow{ID: "r", Cal: 7, RegistrationDetail: calendar.RegistrationDetail{Address: service.URL + "/up", Key: client.PublicKey().Bytes(), Secret: auth}}}}
	var outcomes []string
	s := &Sender{Model: m, Client: outward.New(outward.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}), Identity: id, Now: func() time.Time { return now },
		Sent: func(o string) { outcomes = append(outcomes, o) }}
	job := calendar.Job{Kind: calendar.JobPush, Created: now}
	run := func() (calendar.Outcome, error) {
		t.Helper()
		m.settled = nil
		err := s.run(t.Context(), job)
		if len(m.settled) != 1 {
			t.Fatalf("settled %v, %v", m.settled, err)
		}
		return m.settled[0], err
	}

	if out, err := run(); out != (calendar.Outcome{}) || err != nil {
		t.Errorf("a message that is taken: %+v %v", out, err)
	}
	want := `<push-message xmlns="https://bitfire.at/webdav-push" xmlns:D="DAV:"><topic>` + id.Topic("anna", "7") +
		`</topic><content-update><D:sync-token>urn:x:&lt;1&gt;</D:sync-token></content-update></push-message>`
	if got != xml.Header+want {
		t.Errorf("message\n%s\nwant\n%s", got, want)
	}
	if header.Get("Content-Type") != `application/xml; charset="UTF-8"` || header.Get("Content-Encoding") != "aes128gcm" || header.Get("Ttl") != "86400" || header.Get("Urgency") != "normal" ||
		len(header.Get("Topic")) > 32 || !strings.HasSuffix(header.Get("Authorization"), "k="+id.PublicKey()) {
		t.Errorf("headers %v", header)
	}
	first := header.Get("Topic")
	m.message.Telling = calendar.Telling{Registration: "r", Properties: true}
	run()
	if !strings.Contains(got, "<property-update/>") || strings.Contains(got, "content-update") || header.Get("Urgency") != "low" || header.Get("Topic") == first {
		t.Errorf("of properties: %s %v", got, header)
	}

	for _, c := range []struct {
		status  int
		retry   string
		age     time.Duration
		again   bool
		end     bool
		problem bool
	}{
		{status: 200}, {status: 202},
		{status: 404, end: true}, {status: 410, end: true},
		{status: 500, again: true, problem: true}, {status: 503, retry: "120", again: true, problem: true}, {status: 429, retry: "3600", again: true, problem: true},
		{status: 503, age: 25 * time.Hour, problem: true},               // too old to be of use
		{status: 429, retry: "100000", age: time.Minute, problem: true}, // the pause is longer than its life
		{status: 400, problem: true}, {status: 403, problem: true}, {status: 413, problem: true}, {status: 307, problem: true},
	} {
		status, retry, job.Created = c.status, c.retry, now.Add(-c.age)
		out, err := run()
		if out.Again != c.again || out.End != c.end || (out.Problem != "") != c.problem || (err != nil) != c.again {
			t.Errorf("%d after %v: %+v %v", c.status, c.age, out, err)
		}
	}
	if outcomes[0] != "sent" || outcomes[len(outcomes)-1] != "failed" || outcomes[4] != "ended" {
		t.Errorf("counted %v", outcomes)
	}

	status, retry, job.Created = 201, "", now
	m.message.Gone = true
	if out, err := run(); !out.End || err != nil {
		t.Errorf("the last word about a calendar: %+v %v", out, err)
	}
	m.message.Gone = false
	m.message.Row.Address = "https://10.0.0.1/"
	if out, err := run(); out.Again || !strings.Contains(out.Problem, "private") || err != nil {
		t.Errorf("an address inside: %+v %v", out, err)
	}
	m.message.Row.Address = "http://127.0.0.1:1/"
	if out, err := run(); !out.Again || out.Problem == "" || err == nil {
		t.Errorf("nobody there: %+v %v", out, err)
	}
	m.gone, m.settled = true, nil
	if err := s.run(t.Context(), job); err != nil || len(m.settled) > 0 {
		t.Errorf("nothing to send: %v %v", err, m.settled)
	}
}
