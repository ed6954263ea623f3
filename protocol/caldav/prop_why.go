package caldav

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"factotum/protocol/dav"
	"factotum/server/calendar"
	"factotum/server/why"
)

// ours is a name in the namespace of properties that nobody else has:
// docs/why.md.
func ours(local string) dav.Name { return dav.Name{Space: "urn:factotum:caldav", Local: local} }

// journalSteps is how many steps an object tells of.
const journalSteps = 50

// journal is what is known of scheduling messages about an object.
type journal struct {
	traces []calendar.Trace
	denied bool // it is not for the user
}

func init() {
	register([]property{{name: ours("why"), on: onObject, get: getWhy}})
}

// wantsJournal reports whether the journal is asked for by name.
func (pl *plan) wantsJournal() bool {
	return pl.kind != dav.PropNames && slices.ContainsFunc(pl.items, func(it planItem) bool { return it.name == ours("why") })
}

// journal asks for the newest steps about a UID, of the owner of what is at the
// request's path.
func (rq *request) journal(uid string) (*journal, error) {
	res, err := rq.be.Why(rq.ctx, rq.who, calendar.WhyRequest{Owner: rq.at.id().Owner(), Query: calendar.TraceQuery{UID: uid, Limit: journalSteps}})
	if calendar.KindOf(err) == calendar.Denied {
		return &journal{denied: true}, nil
	}
	return &journal{traces: res.Traces}, err
}

// getWhy tells the newest steps of scheduling messages about an object, the
// newest first. Lists do not have it.
func getWhy(mw *dav.Writer, s *subject) bool {
	name := ours("why")
	switch {
	case s.journal == nil:
		return false
	case s.journal.denied:
		mw.Miss(http.StatusForbidden, name)
		return true
	}
	mw.Start(name)
	for i := range s.journal.traces {
		t := &s.journal.traces[i]
		mw.Start(ours("step"))
		for _, e := range [...]struct{ name, text string }{
			{"time", t.When.UTC().Format(time.RFC3339)}, {"what", t.Step.String()}, {"method", t.Method}, {"reason", t.Reason},
			{"status", t.Status}, {"message", t.Message}, {"from", t.From}, {"sentence", strings.ToValidUTF8(why.Of(t), "?")},
		} {
			if e.text != "" {
				mw.Text(ours(e.name), e.text)
			}
		}
		for _, to := range t.To {
			mw.Text(ours("to"), to)
		}
		mw.End(ours("step"))
	}
	mw.End(name)
	return true
}
