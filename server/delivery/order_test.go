package delivery_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/delivery"
)

// What could not be brought to somebody is not overtaken by the next letter of the
// same change: a cancellation of the whole by the invitation to what is left of
// it. The others get theirs.
func TestLettersOfOneChangeKeepTheirOrder(t *testing.T) {
	post := calendar.Post{UID: "m", Letters: []calendar.Letter{
		{ID: "1", Method: "CANCEL", From: "mailto:anna@example.com", To: []string{"mailto:ben@example.com", "mailto:carl@example.com"}},
		{ID: "2", Method: "REQUEST", From: "mailto:anna@example.com", To: []string{"mailto:ben@example.com", "mailto:carl@example.com"}},
	}}
	p := &postman{away: map[string]int{"1 ben": 2}}
	c := delivery.Courier{Model: p, Jobs: p, People: calendartest.NewPeople("anna", "ben", "carl"), Backend: p}
	for _, lane := range []string{"", "@"} {
		p.brought, p.later = nil, nil
		post.Lane = lane
		job, err := post.Job()
		if err != nil {
			t.Fatal(err)
		}
		job.Owner = "anna"
		if err := c.Deliver(t.Context(), job); (err != nil) != (lane != "") {
			t.Fatal(err)
		}
		if want := []string{"1 carl", "2 carl"}; !slices.Equal(p.brought, want) {
			t.Errorf("lane %q: %q is brought, want %q", lane, p.brought, want)
		}
		if lane != "" {
			continue // it is tried as a whole
		}
		var later []string
		for _, l := range p.later {
			for _, m := range l.Letters {
				later = append(later, m.ID+" "+strings.Join(m.To, " "))
			}
		}
		if want := []string{"1 mailto:ben@example.com", "2 mailto:ben@example.com"}; !slices.Equal(later, want) {
			t.Errorf("%q is for later, want %q", later, want)
		}
	}
}

// postman is all around a Courier. away says how often something does not arrive.
type postman struct {
	away    map[string]int
	brought []string
	later   []calendar.Post
}

func (p *postman) Deliver(_ context.Context, _ calendar.Actor, req calendar.DeliverRequest) (out []calendar.DeliverResult, err error) {
	for _, to := range req.To {
		what := req.ID + " " + string(to.Owner)
		if p.away[what] > 0 {
			p.away[what]--
			out = append(out, calendar.DeliverResult{Err: calendar.Fail(calendar.Unavailable, "deliver", what)})
			continue
		}
		p.brought = append(p.brought, what)
		out = append(out, calendar.DeliverResult{Status: calendar.StatusDelivered})
	}
	return out, nil
}

func (p *postman) Settle(_ context.Context, _ calendar.Owner, st calendar.Settlement) error {
	p.later = st.Later
	return nil
}

func (p *postman) TellAnswers(context.Context, calendar.JobID, string) error { return nil }

func (p *postman) Planned(calendar.Owner, string, time.Time) bool { return false }

func (p *postman) Add(...calendar.Job) {}

func (p *postman) Doubt(calendar.Owner) {}

func (p *postman) Pace(context.Context) {}

func (p *postman) Gone(...calendar.JobID) {}
