package caldav

import (
	"net/http"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// proppatch answers PROPPATCH: all changes or none. RFC 4918 §9.2.
func (rq *request) proppatch() error {
	root, err := rq.xmlBody()
	if err != nil {
		return err
	}
	changes, err := dav.ParsePropertyUpdate(root)
	if err != nil {
		return err
	}
	cond, err := rq.precond()
	if err != nil {
		return err
	}
	var refused []*dav.Error // one for each change, nil where there is no objection
	switch {
	case rq.at.place == atCollection && rq.at.home != "":
		refused, err = rq.patchShare(changes)
	case rq.at.place == atCollection:
		var done bool
		if refused, done, err = rq.patchAvailability(changes); done {
			break
		}
		req := calendar.UpdateCalendarRequest{ID: rq.at.id(), IfMatch: cond.IfMatch}
		if refused = rq.updateAt(changes, &req); !anyRefused(refused) {
			_, err = rq.be.UpdateCalendar(rq.ctx, rq.who, req)
		}
		if calendar.ReasonOf(err) == calendar.ValidDefaultCalendar { // which is about one of them
			refused, err = refuse(changes, dav.C("schedule-default-calendar-URL"), rq.translate(err)), nil
		}
	case rq.at.place == atObject:
		if err := rq.checkTags(); err != nil {
			return err
		}
		if refused = onlyDead(changes); !anyRefused(refused) {
			err = rq.be.PatchProps(rq.ctx, rq.who, rq.at.ref(), deadChanges(changes))
		}
	case rq.at.place == atHome:
		if refused = homeRefuses(changes); !anyRefused(refused) {
			refused, err = rq.patchOwner(changes)
		}
	case rq.at.place == atProxies:
		refused, err = rq.patchProxies(changes)
	case rq.at.place == atPrincipal:
		if _, err = rq.person(rq.at.user); err == nil {
			refused = allProtected(changes)
		}
	default:
		return errMethod
	}
	if err == nil && anyRefused(refused) {
		// What is not there has no properties that could be protected.
		if there, unknown := rq.mapped(rq.at); unknown != nil {
			err = unknown
		} else if !there {
			err = errNotFound
		}
	}
	if err != nil {
		return err
	}
	return rq.patched(changes, refused)
}

// checkTags looks at If-Match and If-None-Match where the Backend does not:
// dead properties have no entity tag of their own to race for.
func (rq *request) checkTags() error {
	cond, err := dav.ParseConditions(rq.r.Header)
	if err != nil || cond.IfMatch.IsZero() && cond.IfNoneMatch.IsZero() {
		return err
	}
	st, err := rq.state(rq.at)
	if err != nil {
		return err
	}
	if status := cond.Check(rq.r.Method, st.ETag, st.ETag != ""); status != 0 {
		return &dav.Error{Status: status}
	}
	return nil
}

// patched answers with one group of properties for each outcome. RFC 4918
// §9.2.1: what would have gone well fails with 424 beside what did not.
func (rq *request) patched(changes []dav.PropChange, refused []*dav.Error) error {
	prefer := dav.ParsePrefer(rq.r.Header)
	prefer.Representation, prefer.NoRoot = false, false
	prefer.Apply(rq.w.Header())
	if prefer.Minimal && !anyRefused(refused) {
		// RFC 8144 §2.2: success needs no multistatus.
		rq.w.Header()["Content-Length"] = zeroLength
		rq.w.WriteHeader(http.StatusOK)
		return nil
	}
	mw := dav.NewMultistatus(rq.w)
	mw.Response(rq.at.path)
	writeOutcome(mw, changes, refused)
	mw.EndResponse()
	return mw.Close()
}

// writeOutcome writes the propstats of a PROPPATCH or a failed MKCOL.
func writeOutcome(mw *dav.Writer, changes []dav.PropChange, refused []*dav.Error) {
	failed := anyRefused(refused)
	for i := range changes {
		if !failed || refused[i] != nil {
			if failed {
				mw.Propstat(refused[i].Status)
				mw.Condition(refused[i].Condition)
			}
			mw.Empty(changes[i].Name)
		}
	}
	for i := range changes {
		if failed && refused[i] == nil {
			mw.Miss(http.StatusFailedDependency, changes[i].Name)
		}
	}
}

func anyRefused(refused []*dav.Error) bool {
	for _, e := range refused {
		if e != nil {
			return true
		}
	}
	return false
}

// errProtected answers a change of what the server alone computes. RFC 4918
// §16.
var errProtected = dav.NewError(http.StatusForbidden, dav.D("cannot-modify-protected-property"), "")

// errValue answers a value that means nothing for its property. RFC 4918 §9.2.1.
var errValue = &dav.Error{Status: http.StatusConflict}

// protected reports whether a property is live and not ours to change. Those
// that a client may set on calendars are in updateOf. Those of locks would say
// what is not so.
func protected(name dav.Name) bool {
	if live[name] != nil {
		return true
	}
	switch name {
	case dav.D("lockdiscovery"), dav.D("supportedlock"):
		return true
	}
	return false
}

// onlyDead refuses live properties: objects and homes have no live property
// that can be set, but any name can be stored.
func onlyDead(changes []dav.PropChange) []*dav.Error {
	refused := make([]*dav.Error, len(changes))
	for i, c := range changes {
		if p := live[c.Name]; protected(c.Name) && (p == nil || p.on&(onMembers|onHome) != 0) {
			refused[i] = errProtected
		}
	}
	return refused
}

// homeRefuses is onlyDead for a home, of which one live property can be set.
func homeRefuses(changes []dav.PropChange) []*dav.Error {
	refused := onlyDead(changes)
	for i, c := range changes {
		if isAvailability(c.Name) {
			refused[i] = nil
		}
	}
	return refused
}

func allProtected(changes []dav.PropChange) []*dav.Error {
	refused := make([]*dav.Error, len(changes))
	for i := range refused {
		refused[i] = errProtected
	}
	return refused
}

func deadChange(c dav.PropChange) calendar.PropChange {
	return calendar.PropChange{Prop: calendar.DeadProp{Space: c.Name.Space, Local: c.Name.Local, Value: c.Value}, Remove: c.Remove}
}

func deadChanges(changes []dav.PropChange) []calendar.PropChange {
	out := make([]calendar.PropChange, len(changes))
	for i, c := range changes {
		out[i] = deadChange(c)
	}
	return out
}

// updateOf sorts changes of a calendar's properties into the request. Live
// ones have a field of their own, others are dead. The components of a
// calendar are settled at its creation: RFC 4791 §5.2.3.
func updateOf(changes []dav.PropChange, req *calendar.UpdateCalendarRequest) []*dav.Error {
	refused := make([]*dav.Error, len(changes))
	for i, c := range changes {
		text := ""
		if !c.Remove {
			text = c.Node.Text
		}
		switch c.Name {
		case dav.D("displayname"):
			req.DisplayName = &text
		case dav.C("calendar-description"):
			req.Description = &text
		case dav.A("calendar-color"):
			text = strings.TrimSpace(text)
			req.Color = &text
		case dav.A("calendar-order"):
			text = strings.TrimSpace(text)
			req.Order = &text
		case dav.C("calendar-timezone"):
			tzid := ""
			if text = strings.Trim(text, " \t\r\n"); text != "" {
				var ok bool
				if tzid, ok = checkTimezone(text); !ok {
					refused[i] = errTimezone
					continue
				}
				if !knownZone(tzid) {
					tzid = ""
				}
				text += "\r\n"
			}
			req.Timezone, req.TZID = &text, &tzid
		case dav.C("calendar-timezone-id"):
			text = strings.TrimSpace(text)
			if text != "" && !knownZone(text) {
				refused[i] = errUnknownZone
				continue
			}
			none := ""
			req.TZID, req.Timezone = &text, &none
		case dav.C("schedule-calendar-transp"):
			transparent := !c.Remove && c.Node.Child(dav.C("transparent")) != nil
			if !c.Remove && !transparent && c.Node.FirstChild() != nil && c.Node.Child(dav.C("opaque")) == nil {
				refused[i] = errValue
				continue
			}
			req.Transparent = &transparent
		default:
			if protected(c.Name) {
				refused[i] = errProtected
				continue
			}
			req.Props = append(req.Props, deadChange(c))
		}
	}
	return refused
}
