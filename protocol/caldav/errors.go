package caldav

import (
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/acl"
	"factotum/server/calendar"
)

// answer is the status and the precondition element for a failure.
type answer struct {
	status int
	cond   dav.Name
}

// kinds answers every calendar.Kind. What depends on the method is settled by
// the method's own file (MKCOL on a mapped URL: 405; PUT without a parent:
// 409). clients.md §12.3, RFC 4791 §1.3.
var kinds = map[calendar.Kind]answer{
	calendar.Internal:     {http.StatusInternalServerError, dav.Name{}},
	calendar.NoCalendar:   {http.StatusNotFound, dav.Name{}},
	calendar.NotFound:     {http.StatusNotFound, dav.Name{}},
	calendar.Denied:       {http.StatusForbidden, dav.D("need-privileges")},
	calendar.Exists:       {http.StatusForbidden, dav.D("resource-must-be-null")},
	calendar.UIDConflict:  {http.StatusConflict, dav.C("no-uid-conflict")},
	calendar.Stale:        {http.StatusPreconditionFailed, dav.Name{}},
	calendar.Invalid:      {http.StatusForbidden, dav.C("valid-calendar-data")},
	calendar.Unsupported:  {http.StatusForbidden, dav.C("supported-calendar-component")},
	calendar.TooLarge:     {http.StatusForbidden, dav.C("max-resource-size")},
	calendar.NotOrganizer: {http.StatusForbidden, dav.C("allowed-attendee-scheduling-object-change")},
	calendar.DoubleBooked: {http.StatusConflict, dav.Name{}},
	calendar.OverQuota:    {http.StatusInsufficientStorage, dav.D("quota-not-exceeded")},
	calendar.ReadOnly:     {http.StatusServiceUnavailable, dav.Name{}},
	calendar.BadSyncToken: {http.StatusForbidden, dav.D("valid-sync-token")},
	calendar.TooMany:      {http.StatusForbidden, dav.D("number-of-matches-within-limits")},
	calendar.Unavailable:  {http.StatusServiceUnavailable, dav.Name{}},
	calendar.NoBackend:    {http.StatusServiceUnavailable, dav.Name{}},
	calendar.LoginFailed:  {http.StatusUnauthorized, dav.Name{}},
	calendar.Canceled:     {http.StatusServiceUnavailable, dav.Name{}},
	calendar.MustWait:     {http.StatusTooManyRequests, dav.Name{}}, // RFC 6585 §4
}

// reasons are the answers where the Reason says more than the Kind.
var reasons = map[calendar.Reason]answer{
	calendar.ValidCalendarData:      {http.StatusForbidden, dav.C("valid-calendar-data")},
	calendar.ValidCalendarObject:    {http.StatusForbidden, dav.C("valid-calendar-object-resource")},
	calendar.SupportedCalendarData:  {http.StatusForbidden, dav.C("supported-calendar-data")},
	calendar.SupportedRScale:        {http.StatusForbidden, dav.C("supported-rscale")},
	calendar.SupportedComponent:     {http.StatusForbidden, dav.C("supported-calendar-component")},
	calendar.MaxResourceSize:        {http.StatusForbidden, dav.C("max-resource-size")},
	calendar.MinDateTime:            {http.StatusForbidden, dav.C("min-date-time")},
	calendar.MaxDateTime:            {http.StatusForbidden, dav.C("max-date-time")},
	calendar.MaxInstances:           {http.StatusForbidden, dav.C("max-instances")},
	calendar.MaxAttendees:           {http.StatusForbidden, dav.C("max-attendees-per-instance")},
	calendar.ValidFilter:            {http.StatusForbidden, dav.C("valid-filter")},
	calendar.SupportedFilter:        {http.StatusForbidden, dav.C("supported-filter")},
	calendar.SupportedCollation:     {http.StatusForbidden, dav.C("supported-collation")},
	calendar.ValidTimezone:          {http.StatusForbidden, dav.C("valid-timezone")},
	calendar.CollectionLocationOK:   {http.StatusForbidden, dav.C("calendar-collection-location-ok")},
	calendar.DiskFull:               {http.StatusInsufficientStorage, dav.D("sufficient-disk-space")},
	calendar.DefaultCalendarNeeded:  {http.StatusForbidden, dav.C("default-calendar-needed")},
	calendar.ValidDefaultCalendar:   {http.StatusForbidden, dav.C("valid-schedule-default-calendar-URL")},
	calendar.ValidSchedulingMessage: {http.StatusBadRequest, dav.C("valid-scheduling-message")},
	calendar.UniqueScheduling:       {http.StatusForbidden, dav.C("unique-scheduling-object-resource")},
	calendar.SameOrganizer:          {http.StatusForbidden, dav.C("same-organizer-in-all-components")},
	calendar.SendInvite:             {http.StatusForbidden, dav.D("need-privileges")},
	calendar.SendReply:              {http.StatusForbidden, dav.D("need-privileges")},
	calendar.OrganizerChange:        {http.StatusForbidden, dav.C("allowed-organizer-scheduling-object-change")},
	calendar.Disabled:               {http.StatusForbidden, dav.Name{}}, // no privilege would help
	calendar.Inherited:              {http.StatusForbidden, dav.Name{}},
	calendar.NoDestination:          {http.StatusConflict, dav.Name{}},
	calendar.InvalidSubscription:    {http.StatusForbidden, pushName("invalid-subscription")},
	calendar.PushNotAvailable:       {http.StatusForbidden, pushName("push-not-available")},
	calendar.NoSupportedTrigger:     {http.StatusForbidden, pushName("no-supported-trigger")},
	calendar.LockTokenMatches:       {http.StatusConflict, dav.D("lock-token-matches-request-uri")},
}

// translate turns an error into what the client is told.
func (rq *request) translate(err error) *dav.Error {
	var de *dav.Error
	if errors.As(err, &de) {
		return de
	}
	var ae *acl.DAVError
	if errors.As(err, &ae) {
		return dav.NewError(http.StatusForbidden, dav.D(ae.Precondition), ae.Reason)
	}
	kind := calendar.KindOf(err)
	a := kinds[kind]
	if special, ok := reasons[calendar.ReasonOf(err)]; ok && (a.status < 500 || kind == calendar.OverQuota) {
		a = special
	}
	de = dav.NewError(a.status, a.cond, calendar.MessageOf(err))
	switch kind {
	case calendar.Denied:
		if de.Condition.Name == dav.D("need-privileges") {
			path, priv := rq.lacking(), rq.needed()
			if r := calendar.ReasonOf(err); r == calendar.SendInvite || r == calendar.SendReply { // RFC 6638 §6.2
				path, priv = collectionPath(rq.at.id().Owner(), calendar.OutboxCollection.Rules().Name), dav.C(string(r))
			}
			de.Condition.Inner = needPrivileges(path, priv)
		}
	case calendar.UIDConflict:
		if href, ok := rq.hrefOf(err); ok {
			de.Condition.Inner = string(dav.AppendHref(nil, href))
		}
	}
	if de.Condition.Name == dav.C("unique-scheduling-object-resource") { // RFC 6638 §3.2.4.1
		if href, ok := rq.hrefOf(err); ok {
			de.Condition.Inner = string(dav.AppendHref(nil, href))
		}
	}
	return de
}

// needPrivileges is the content of DAV:need-privileges, RFC 3744 §7.1.1.
func needPrivileges(path string, priv dav.Name) string {
	b := append([]byte("<D:resource>"), dav.AppendHref(nil, path)...)
	prefix := "D:"
	if priv.Space == dav.NSCalDAV {
		prefix = "C:"
	}
	b = append(b, "<D:privilege><"+prefix+priv.Local+"/></D:privilege></D:resource>"...)
	return string(b)
}

// needed is the privilege that the method asks for. RFC 3744 appendix B.
func (rq *request) needed() dav.Name {
	switch rq.r.Method {
	case http.MethodPut:
		return dav.D("write-content")
	case http.MethodPost:
		if rq.at.name == calendar.OutboxCollection.Rules().Name {
			return dav.C("schedule-send-freebusy")
		}
		return dav.D("bind")
	case "MKCOL", "MKCALENDAR", "COPY":
		return dav.D("bind")
	case http.MethodDelete, "MOVE":
		return dav.D("unbind")
	case "PROPPATCH":
		return dav.D("write-properties")
	case "ACL":
		return dav.D("write-acl")
	}
	return dav.D("read")
}

// lacking is the resource on which it is asked for: what binds or unbinds a
// member needs it on the collection. RFC 3744 appendix B.
func (rq *request) lacking() string {
	if n := rq.needed(); (n == dav.D("bind") || n == dav.D("unbind")) && rq.r.Method != http.MethodPost &&
		(rq.at.place == atObject || rq.at.place == atCollection) {
		return rq.at.parent().path
	}
	return rq.at.path
}

// hrefOf finds the resource that an error of the model speaks of: its Ref is
// then calid/name.
func (rq *request) hrefOf(err error) (string, bool) {
	var e *calendar.Error
	if !errors.As(err, &e) {
		return "", false
	}
	id, name, ok := strings.Cut(e.Ref, "/")
	if !ok || name == "" {
		return "", false
	}
	return rq.pathOf(calendar.ID(id)) + name, true
}

// fail answers an error.
func (rq *request) fail(err error) {
	de := rq.translate(err)
	h := rq.w.Header()
	switch de.Status {
	case http.StatusUnauthorized:
		rq.challenge(err)
		return
	case http.StatusMethodNotAllowed:
		h.Set("Allow", allow(rq.at.place))
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		h.Set("Retry-After", rq.retryAfter)
		if n, ok := calendar.RetryAfter(err); ok {
			h.Set("Retry-After", strconv.FormatInt(n, 10))
		}
	case http.StatusRequestEntityTooLarge:
		h.Set("Connection", "close")
	}
	rq.note(err)
	dav.WriteError(rq.w, de)
}

// note logs a failure: ours as an error, the client's for debugging.
func (rq *request) note(err error) {
	kind := calendar.KindOf(err)
	var de *dav.Error
	var hungUp *net.OpError // the client takes no more of the answer; back ends report theirs as Unavailable
	if errors.As(err, &de) || errors.As(err, &hungUp) || kind != calendar.Internal {
		rq.log.DebugContext(rq.ctx, "caldav request refused", "req", calendar.RequestID(rq.ctx), "agent", calendar.Agent(rq.r.UserAgent()), "op", rq.r.Method, "user", rq.who.User, "kind", kind, "err", err)
		return
	}
	rq.log.ErrorContext(rq.ctx, "caldav request", "req", calendar.RequestID(rq.ctx), "agent", calendar.Agent(rq.r.UserAgent()), "op", rq.r.Method, "user", rq.who.User, "calid", rq.at.id(), "kind", kind, "err", err)
}
