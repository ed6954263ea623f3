package caldav

import (
	"net/http"

	"factotum/protocol/dav"
	"factotum/server/calendar"
	"factotum/server/why"
)

// postDecision answers a POST to an item of an inbox that is held: "accept" or
// "reject" of our namespace, with "remember" in it where the sender is to be let in,
// or kept out, from now on. docs/admin.md, "What is held".
func (rq *request) postDecision(root *dav.Node) error {
	accept := root.Name == ours("accept")
	if !accept && root.Name != ours("reject") {
		return errNoCalendarData
	}
	res, err := rq.be.Decide(rq.ctx, rq.who, calendar.DecideRequest{Ref: rq.at.ref(), Accept: accept, Remember: root.Child(ours("remember")) != nil})
	if err != nil {
		return err
	}
	rq.w.Header()["Cache-Control"] = noCache
	mw := dav.NewDocument(rq.w, http.StatusOK, ours("decided"))
	mw.Text(ours("reason"), res.Reason)
	if res.Applied {
		mw.Text(ours("applied"), "true")
	}
	mw.Text(ours("sentence"), why.Of(&calendar.Trace{Reason: res.Reason, Detail: res.Detail}))
	return mw.Close()
}
