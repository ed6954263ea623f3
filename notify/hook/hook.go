// Package hook brings changes to webhooks: a POST of JSON for each, signed as
// Standard Webhooks has it, in the order of the changes, and again until it is taken.
package hook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"factotum/notify/outward"
	"factotum/server/calendar"
	"factotum/server/worker"
)

// Sender sends the deliveries.
type Sender struct {
	Model  calendar.Tellings
	Client *outward.Client
	Now    func() time.Time
	Log    *slog.Logger
	// PublicURL is what clients reach the server by, before the paths of objects.
	PublicURL string
	// GiveUp is after how long without a delivery that was taken a webhook is
	// switched off; 0 = 3 days.
	GiveUp      time.Duration
	First, Max  time.Duration        // the pause after a first failure and the longest; 0 = 10 s, an hour
	Concurrency int                  // deliveries at once; 0 = 16
	Sent        func(outcome string) // told of each attempt: "sent", "failed", "ended"; nil: nobody is
}

// Kind is how jobs of kind calendar.JobHook are done.
func (s *Sender) Kind() worker.Kind {
	k := worker.Kind{Run: s.run, Attempts: math.MaxInt, First: s.First, Max: s.Max, Timeout: time.Minute, Deletes: true,
		Pool: &worker.Pool{Concurrency: s.Concurrency, Each: 4}}
	if k.First <= 0 {
		k.First = 10 * time.Second
	}
	if k.Max <= 0 {
		k.Max = time.Hour
	}
	if k.Pool.Concurrency <= 0 {
		k.Pool.Concurrency = 16
	}
	return k
}

// Delivery is what is posted.
type Delivery struct {
	ID       string    `json:"id"`    // the same however often it is sent
	Topic    string    `json:"topic"` // an event reference of ENS. notifications.md §8.2
	What     string    `json:"what"`  // the last part of the topic, such as caleventcreate
	When     time.Time `json:"when"`
	CalID    string    `json:"calid,omitempty"`
	UID      string    `json:"uid,omitempty"`
	Href     string    `json:"href,omitempty"` // of the object, or of the calendar
	ETag     string    `json:"etag,omitempty"` // of Contents
	Contents string    `json:"contents,omitempty"`
}

// deliveryOf is what a message says.
func (s *Sender) deliveryOf(m *calendar.Message) Delivery {
	n := &m.News
	id := m.CalID
	if id == "" {
		id = n.CalID
	}
	d := Delivery{ID: n.ID, What: n.What, When: n.When.UTC(), CalID: string(id), UID: n.UID,
		Topic: calendar.NewEventRef("enp:///ics/"+n.What, "calid", string(id), "uid", n.UID).String()}
	if id != "" {
		d.Href = s.PublicURL + (&url.URL{Path: calendar.Ref{Calendar: id, Name: n.Name}.Path()}).EscapedPath()
	}
	if m.Object != nil {
		d.Contents, d.ETag = string(m.Object.Data), m.Object.ETag()
	}
	return d
}

func (s *Sender) run(ctx context.Context, job calendar.Job) error {
	m, ok, err := s.Model.TakeTelling(ctx, job)
	if err != nil || !ok {
		return err
	}
	now := s.Now()
	body, err := json.Marshal(s.deliveryOf(&m))
	if err != nil {
		return worker.Permanent(fmt.Errorf("write a delivery: %w", err))
	}
	header := Sign(m.Row.Secret, m.News.ID, now, body)
	header.Set("Content-Type", "application/json")
	answer, err := s.Client.Post(ctx, m.Row.Address, header, body)
	out := calendar.Outcome{End: m.Gone}
	var pause time.Duration
	switch {
	case err != nil:
		out.Problem = err.Error()
	case answer.OK():
	case answer.Status == http.StatusGone:
		out.Problem, out.Off = "the receiver says that the webhook is gone (410)", true
	default:
		out.Problem = answer.String()
		pause = answer.RetryAfter(now)
	}
	giveUp := s.GiveUp
	if giveUp <= 0 {
		giveUp = 3 * 24 * time.Hour
	}
	if out.Problem != "" && !out.Off {
		if since := m.Row.Since; !since.IsZero() && now.Sub(since) >= giveUp {
			out.Off = true
			out.Problem = fmt.Sprintf("switched off: nothing could be delivered since %s; the last time, %s", since.UTC().Format(time.RFC3339), out.Problem)
		}
	}
	out.Again = out.Problem != "" && !out.Off
	if out.Again {
		out.End = false
	}
	if s.Sent != nil {
		s.Sent(outcome(&out))
	}
	if out.Off && s.Log != nil {
		s.Log.Warn("a webhook is switched off", "owner", m.Owner, "registration", m.Row.ID, "user", m.Row.User, "why", out.Problem)
	}
	if err := s.Model.SettleTelling(ctx, job.JobID, m.Row.ID, out); err != nil {
		return fmt.Errorf("note what became of a delivery: %w", err)
	}
	switch {
	case out.Again && pause > 0:
		return worker.RetryAt(now.Add(min(pause, 24*time.Hour)), errors.New(out.Problem))
	case out.Again:
		return errors.New(out.Problem)
	}
	return nil
}

func outcome(out *calendar.Outcome) string {
	switch {
	case out.Off || out.End:
		return "ended"
	case out.Problem != "":
		return "failed"
	}
	return "sent"
}

// Sign makes the headers of Standard Webhooks: who has the secret knows by them who
// sent a body, and when.
func Sign(secret []byte, id string, now time.Time, body []byte) http.Header {
	stamp := strconv.FormatInt(now.Unix(), 10)
	return http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {stamp}, "Webhook-Signature": {"v1," + signature(secret, id, stamp, body)}}
}

func signature(secret []byte, id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
