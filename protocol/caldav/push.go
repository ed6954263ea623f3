package caldav

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// nsPush is the namespace of WebDAV-Push.
const nsPush = "https://bitfire.at/webdav-push"

func pushName(local string) dav.Name { return dav.Name{Space: nsPush, Local: local} }

// pushProperties tell that one can be told of changes. WebDAV-Push, Push Properties.
var pushProperties = []property{
	{name: pushName("transports"), on: onPushed, get: getTransports},
	{name: pushName("topic"), on: onPushed, get: getTopic},
	{name: pushName("supported-triggers"), on: onPushed, get: getTriggers},
}

const onPushed = onCalendar | onPlain | onInbox | onHome

// pushed reports whether the user may register for changes of the resource.
func (s *subject) pushed() bool {
	return s.rq.push != nil && (s.cal != nil || strings.EqualFold(s.owner, s.rq.who.User))
}

func getTransports(mw *dav.Writer, s *subject) bool {
	if !s.pushed() {
		return false
	}
	name, transport := pushName("transports"), pushName("web-push")
	mw.Start(name)
	mw.Start(transport)
	key := pushName("vapid-public-key")
	mw.Start(key, "type", "p256ecdsa")
	mw.Chars(s.rq.push.PublicKey())
	mw.End(key)
	mw.End(transport)
	mw.End(name)
	return true
}

func getTopic(mw *dav.Writer, s *subject) bool {
	if !s.pushed() {
		return false
	}
	place := int64(0)
	if s.cal != nil {
		place = calendar.Place(s.cal.Kind, s.cal.Incarnation)
	}
	mw.Text(pushName("topic"), s.rq.push.Topic(calendar.TopicOf(calendar.Owner(s.owner), place)...))
	return true
}

func getTriggers(mw *dav.Writer, s *subject) bool {
	if !s.pushed() {
		return false
	}
	depth := "1"
	if s.cal == nil {
		depth = "infinity"
	}
	name := pushName("supported-triggers")
	mw.Start(name)
	for _, t := range []string{"content-update", "property-update"} {
		mw.Start(pushName(t))
		mw.Text(dav.D("depth"), depth)
		mw.End(pushName(t))
	}
	mw.End(name)
	return true
}

func badSubscription(text string) error {
	return dav.NewError(http.StatusForbidden, pushName("invalid-subscription"), text)
}

// postPushRegister registers a subscription, or renews one. WebDAV-Push,
// Subscription Registration.
func (rq *request) postPushRegister(root *dav.Node) error {
	if rq.push == nil {
		return dav.NewError(http.StatusForbidden, pushName("push-not-available"), "this server does not push")
	}
	req := calendar.RegisterRequest{Owner: rq.at.owner(), Kind: calendar.PushRegistration, ServerKey: rq.push.PublicKey()}
	deepest := calendar.DepthInfinity
	if rq.at.place == atCollection {
		req.Calendar, deepest = rq.at.id(), calendar.DepthMembers
	}
	if err := readSubscription(root, &req); err != nil {
		return err
	}
	var err error
	if req.Triggers, err = readTriggers(root, deepest); err != nil {
		return err
	}
	if n := root.Child(pushName("expires")); n != nil {
		if req.Expires, err = http.ParseTime(n.TrimText()); err != nil {
			return &dav.Error{Status: http.StatusBadRequest, Text: "expires is no date as HTTP has it, such as Wed, 02 Oct 2024 07:28:00 GMT"}
		}
	}
	res, err := rq.be.Register(rq.ctx, rq.who, req)
	if err != nil {
		if calendar.KindOf(err) == calendar.Denied {
			return dav.NewError(http.StatusForbidden, pushName("push-not-available"), calendar.MessageOf(err))
		}
		return err
	}
	h, status := rq.w.Header(), http.StatusNoContent
	if res.Created {
		status = http.StatusCreated
	}
	h.Set("Location", rq.registrationURL(calendar.PushPath, &res.Registration))
	h.Set("Expires", res.Registration.Expires.UTC().Format(http.TimeFormat))
	if status == http.StatusCreated {
		h.Set("Content-Length", "0")
	}
	rq.w.WriteHeader(status)
	return nil
}

// registrationURL is the address of a registration, the same each time.
func (rq *request) registrationURL(below string, r *calendar.Registration) string {
	base := rq.publicURL
	if base == "" {
		base = "http://" + rq.r.Host
		if rq.r.TLS != nil || strings.EqualFold(rq.r.Header.Get("X-Forwarded-Proto"), "https") {
			base = "https://" + rq.r.Host
		}
	}
	return base + (&url.URL{Path: below + string(r.Owner) + "/" + r.ID}).EscapedPath()
}

// readSubscription reads where messages go and how they are encrypted. WebDAV-Push,
// Web Push Transport; RFC 8291 §2.
func readSubscription(root *dav.Node, req *calendar.RegisterRequest) error {
	one := func(n *dav.Node, local string) *dav.Node {
		if n == nil || len(slices.Collect(only(n, local))) != 1 {
			return nil
		}
		return n.Child(pushName(local))
	}
	web := one(one(root, "subscription"), "web-push-subscription")
	if web == nil {
		return badSubscription("a push-register has one subscription with one web-push-subscription")
	}
	resource := one(web, "push-resource")
	if resource == nil {
		return badSubscription("a web-push-subscription has one push-resource")
	}
	req.Address = resource.TrimText()
	if e := web.Child(pushName("content-encoding")); e != nil && e.TrimText() != "aes128gcm" {
		return badSubscription("messages are encoded as aes128gcm only")
	}
	key, secret := one(web, "subscription-public-key"), one(web, "auth-secret")
	if key == nil || secret == nil {
		return badSubscription("messages are sent encrypted only: a web-push-subscription has one subscription-public-key and one auth-secret")
	}
	if kind, ok := key.Attr("type"); ok && kind != "p256dh" {
		return badSubscription("the type of a subscription-public-key is p256dh")
	}
	var err error
	if req.Key, err = decodeBase64(key.TrimText()); err == nil {
		req.Secret, err = decodeBase64(secret.TrimText())
	}
	if err != nil {
		return badSubscription("subscription-public-key and auth-secret are written in base64url")
	}
	return nil
}

// readTriggers reads which updates are asked for; deepest is how far the resource
// can tell. DAVx5 names none, and means the members of the collection.
func readTriggers(root *dav.Node, deepest calendar.Depth) (t calendar.Triggers, err error) {
	trigger := root.Child(pushName("trigger"))
	if trigger == nil {
		return calendar.Triggers{Content: calendar.DepthMembers}, nil
	}
	for local, to := range map[string]*calendar.Depth{"content-update": &t.Content, "property-update": &t.Properties} {
		n := trigger.Child(pushName(local))
		if n == nil {
			continue
		}
		*to = calendar.DepthSelf
		if local == "content-update" {
			*to = calendar.DepthMembers
		}
		if d := n.Child(dav.D("depth")); d != nil {
			switch strings.ToLower(d.TrimText()) {
			case "0":
				*to = calendar.DepthSelf
			case "1":
				*to = calendar.DepthMembers
			case "infinity":
				*to = calendar.DepthInfinity
			default:
				return t, &dav.Error{Status: http.StatusBadRequest, Text: "a DAV:depth is 0, 1 or infinity"}
			}
		}
		*to = min(*to, deepest)
	}
	if t == (calendar.Triggers{}) {
		return t, dav.NewError(http.StatusForbidden, pushName("no-supported-trigger"), "a trigger has content-update or property-update")
	}
	return t, nil
}

// registered answers for the paths of registrations, and of the history.
func (rq *request) registered(path string) (handled bool, err error) {
	if rest, ok := strings.CutPrefix(path, calendar.PushPath); ok {
		return true, rq.pushRegistration(rest)
	}
	if rest, ok := strings.CutPrefix(path+"/", calendar.HooksPath); ok {
		return true, rq.hooks(strings.Trim(rest, "/"))
	}
	if rest, ok := strings.CutPrefix(path+"/", calendar.HistoryPath); ok {
		return true, rq.history(strings.Trim(rest, "/"))
	}
	return false, nil
}

// pushRegistration answers for one push registration, which can be ended.
// WebDAV-Push, Subscription Removal.
func (rq *request) pushRegistration(rest string) error {
	owner, id, _ := strings.Cut(rest, "/")
	switch {
	case calendar.CheckOwner(calendar.Owner(owner)) != nil || id == "" || strings.Contains(id, "/"):
		return errNotFound
	case rq.r.Method == http.MethodOptions:
		h := rq.w.Header()
		h.Set("Allow", "OPTIONS, DELETE")
		h.Set("Content-Length", "0")
		rq.w.WriteHeader(http.StatusOK)
		return nil
	case rq.r.Method != http.MethodDelete:
		return errMethod
	}
	err := rq.be.Unregister(rq.ctx, rq.who, calendar.UnregisterRequest{Owner: calendar.Owner(rq.canonical(owner)), ID: id, Kind: calendar.PushRegistration})
	if err == nil {
		rq.w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// mostQuiet is how many registrations one request may name.
const mostQuiet = 100

// quietOnes are the registrations that a Push-Dont-Notify names, by their ids. What
// is none counts for nothing. WebDAV-Push, Suppressing Notifications.
func quietOnes(values []string) (ids []string) {
	for _, v := range values {
		if strings.TrimSpace(v) == "*" {
			return []string{"*"}
		}
		for len(ids) < mostQuiet {
			_, rest, ok := strings.Cut(v, `"`)
			if !ok {
				break
			}
			var quoted string
			if quoted, v, ok = strings.Cut(rest, `"`); !ok {
				break
			}
			if at := strings.Index(quoted, calendar.PushPath); at >= 0 {
				if _, id, ok := strings.Cut(quoted[at+len(calendar.PushPath):], "/"); ok && id != "" && len(id) < 64 {
					ids = append(ids, id)
				}
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// only are the children of a name.
func only(n *dav.Node, local string) func(func(*dav.Node) bool) {
	return func(yield func(*dav.Node) bool) {
		for c := range n.Children() {
			if c.Name == pushName(local) && !yield(c) {
				return
			}
		}
	}
}

// timeText is a time as JSON shows it, "" if there is none.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
