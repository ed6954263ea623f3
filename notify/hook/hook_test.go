package hook

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"factotum/notify/outward"
	"factotum/server/calendar"
)

// The example of Standard Webhooks' libraries: secret, id, time and body with their
// signature.
func TestSign(t *testing.T) {
	secret := decode(t, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	h := Sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if got := h.Get("Webhook-Signature"); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("signature %s", got)
	}
	if h.Get("Webhook-Id") != "msg_p5jXN8AQM9LWM0D4loKWxJek" || h.Get("Webhook-Timestamp") != "1614265330" {
		t.Errorf("headers %v", h)
	}
}

func decode(t *testing.T, s string) (b []byte) {
	t.Helper()
	if err := json.Unmarshal([]byte(`"`+s+`"`), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

type model struct {
	message calendar.Message
	settled []calendar.Outcome
}

func (m *model) TakeTelling(context.Context, calendar.Job) (calendar.Message, bool, error) {
	return m.message, true, nil
}

func (m *model) SettleTelling(_ context.Context, _ calendar.JobID, _ string, out calendar.Outcome) error {
	m.settled = append(m.settled, out)
	if out.Problem != "" && m.message.Row.Since.IsZero() {
		m.message.Row.Since = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	}
	return nil
}

func TestDeliver(t *testing.T) {
	status, got := 200, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = string(body)
		if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Webhook-Id") != "anna-9" {
			t.Errorf("headers %v", r.Header)
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	m := &model{message: calendar.Message{Owner: "anna", CalID: "anna:work", Row: calendar.RegistrationRow{ID: "r", RegistrationDetail: calendar.RegistrationDetail{Address: server.URL, Secret: []byte("s")}},
		News: calendar.News{ID: "anna-9", What: "caleventcreate", When: now, CalID: "anna:old", UID: "u&1", Name: "a b.ics"}}}
	s := &Sender{Model: m, Client: outward.New(outward.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}), Now: func() time.Time { return now }, PublicURL: "https://cal.example.com"}
	run := func() (calendar.Outcome, error) {
		m.settled = nil
		err := s.run(t.Context(), calendar.Job{Kind: calendar.JobHook, Created: now})
		return m.settled[0], err
	}
	if out, err := run(); out != (calendar.Outcome{}) || err != nil {
		t.Errorf("%+v %v", out, err)
	}
	want := `{"id":"anna-9","topic":"enp:///ics/caleventcreate?calid=anna%3Awork\u0026uid=u%261","what":"caleventcreate","when":"2026-11-29T12:00:00Z",` +
		`"calid":"anna:work","uid":"u\u00261","href":"https://cal.example.com/dav/calendars/anna/work/a%20b.ics"}`
	if got != want {
		t.Errorf("posted\n%s\nwant\n%s", got, want)
	}
	m.message.Object = &calendar.Object{Data: []byte("BEGIN:VCALENDAR"), Change: 9}
	run()
	if !strings.Contains(got, `"contents":"BEGIN:VCALENDAR"`) || !strings.Contains(got, `"etag":"9-0"`) {
		t.Errorf("with contents: %s", got)
	}
	for _, failing := range []int{500, 404, 301, 429} {
		status = failing
		if out, err := run(); !out.Again || out.Off || !strings.Contains(out.Problem, "answered") || err == nil {
			t.Errorf("%d: %+v %v", failing, out, err)
		}
	}
	now = now.Add(71 * time.Hour)
	if out, _ := run(); !out.Again {
		t.Errorf("after 71 hours: %+v", out)
	}
	now = now.Add(2 * time.Hour)
	if out, err := run(); out.Again || !out.Off || !strings.HasPrefix(out.Problem, "switched off: nothing could be delivered since 2026-11-29T12:00:00Z") || err != nil {
		t.Errorf("after three days: %+v %v", out, err)
	}
	m.message.Row.Since = time.Time{}
	status = 410
	if out, err := run(); !out.Off || out.Again || err != nil {
		t.Errorf("gone: %+v %v", out, err)
	}
	status, m.message.Gone = 200, true
	if out, err := run(); !out.End || err != nil {
		t.Errorf("the last of a calendar: %+v %v", out, err)
	}
}
