// Package push tells push services that something changed: WebDAV-Push over Web
// Push (RFC 8030). A message says which resource changed, not how, and is encrypted
// for the client.
package push

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"factotum/notify/outward"
	"factotum/notify/webpush"
	"factotum/server/calendar"
	"factotum/server/worker"
)

// Sender sends the messages.
type Sender struct {
	Model    calendar.Tellings
	Client   *outward.Client
	Identity *webpush.Identity
	Now      func() time.Time
	// Life is for how long a message is tried, and a push service keeps it for a
	// client that is away; 0 = a day.
	Life time.Duration
	Sent func(outcome string) // told of each attempt: "sent", "failed", "ended"; nil: nobody is
}

// Kind is how jobs of kind calendar.JobPush are done.
func (s *Sender) Kind() worker.Kind {
	return worker.Kind{Run: s.run, Attempts: math.MaxInt, First: 5 * time.Second, Max: 30 * time.Minute, Timeout: time.Minute, Deletes: true,
		Pool: &worker.Pool{Concurrency: 16, Each: 8}}
}

func (s *Sender) life() time.Duration {
	if s.Life > 0 {
		return s.Life
	}
	return 24 * time.Hour
}

func (s *Sender) run(ctx context.Context, job calendar.Job) error {
	m, ok, err := s.Model.TakeTelling(ctx, job)
	if err != nil || !ok {
		return err
	}
	answer, err := s.send(ctx, &m)
	out := calendar.Outcome{End: m.Gone}
	now := s.Now()
	var pause time.Duration
	switch {
	case err != nil:
		out = calendar.Outcome{Problem: err.Error(), Again: true}
		var refused *outward.Refused
		if errors.As(err, &refused) { // what the address means now is no place to send to
			out.Again = false
		}
	case answer.OK():
	case answer.Status == http.StatusNotFound || answer.Status == http.StatusGone: // RFC 8030 §7.3
		out.End = true
	case answer.Status >= 500 || answer.Status == http.StatusTooManyRequests || answer.Status == http.StatusRequestTimeout:
		out = calendar.Outcome{Problem: answer.String(), Again: true}
		pause = answer.RetryAfter(now)
	default: // it will not be taken at another time either
		out = calendar.Outcome{Problem: answer.String()}
	}
	if out.Again && (m.Gone || now.Add(pause).Sub(job.Created) > s.life()) {
		out.Again, out.End = false, m.Gone
	}
	s.count(&out)
	if err := s.Model.SettleTelling(ctx, job.JobID, m.Row.ID, out); err != nil {
		return fmt.Errorf("note what became of a push message: %w", err)
	}
	switch {
	case out.Again && pause > 0:
		return worker.RetryAt(now.Add(pause), errors.New(out.Problem))
	case out.Again:
		return errors.New(out.Problem)
	}
	return nil
}

func (s *Sender) count(out *calendar.Outcome) {
	if s.Sent == nil {
		return
	}
	switch {
	case out.End:
		s.Sent("ended")
	case out.Problem != "":
		s.Sent("failed")
	default:
		s.Sent("sent")
	}
}

// send makes one attempt. WebDAV-Push, Web Push Transport.
func (s *Sender) send(ctx context.Context, m *calendar.Message) (*outward.Answer, error) {
	text := Text(s.Identity.Topic(calendar.TopicOf(m.Owner, m.Row.Cal)...), m.Telling.Content, m.Telling.Properties, m.SyncToken)
	body, err := webpush.Encrypt(webpush.Keys{Public: m.Row.Key, Auth: m.Row.Secret}, text)
	if err != nil {
		return nil, &outward.Refused{Text: err.Error()}
	}
	token, err := s.Identity.Authorization(m.Row.Address, s.Now())
	if err != nil {
		return nil, &outward.Refused{Text: err.Error()}
	}
	urgency := "normal"
	if !m.Telling.Content {
		urgency = "low" // a name or a colour
	}
	// A message that has not been fetched is replaced by the next of the same
	// updates, so that none of others is lost.
	topic := s.Identity.Topic("replace", m.Row.ID, strconv.FormatBool(m.Telling.Content), strconv.FormatBool(m.Telling.Properties))
	return s.Client.Post(ctx, m.Row.Address, http.Header{
		"Content-Type": {`application/xml; charset="UTF-8"`}, "Content-Encoding": {"aes128gcm"}, "Authorization": {token},
		"Ttl": {strconv.Itoa(int(s.life() / time.Second))}, "Urgency": {urgency}, "Topic": {topic},
	}, body)
}

// Text is a message before it is encrypted. WebDAV-Push, Push Message.
func Text(topic string, content, properties bool, token string) []byte {
	var b strings.Builder
	b.WriteString(xml.Header + `<push-message xmlns="https://bitfire.at/webdav-push" xmlns:D="DAV:"><topic>`)
	xml.EscapeText(&b, []byte(topic))
	b.WriteString("</topic>")
	if content {
		b.WriteString("<content-update>")
		if token != "" {
			b.WriteString("<D:sync-token>")
			xml.EscapeText(&b, []byte(token))
			b.WriteString("</D:sync-token>")
		}
		b.WriteString("</content-update>")
	}
	if properties {
		b.WriteString("<property-update/>")
	}
	b.WriteString("</push-message>")
	return []byte(b.String())
}
