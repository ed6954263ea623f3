package service

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"factotum/server/calendar"
)

// RegistrationOptions are what the site decided about who is told of changes.
type RegistrationOptions struct {
	// NoPush and NoHooks say that there are no such registrations. What is registered
	// stays, and nobody is told.
	NoPush, NoHooks bool
	// Check says what is wrong with an address of a kind; nil takes all.
	Check func(kind calendar.RegistrationKind, address string) error
	// ServerKey is the public key by which push services know this site.
	ServerKey string

	Life      time.Duration // of a push registration that is not renewed; 0 = 7 days
	PushLimit int           // push registrations of one user in one home; 0 = 50
	HookLimit int           // webhooks of one user in one home; 0 = 20
	Most      int           // registrations in one home; 0 = 2000
	Delay     time.Duration // how long changes are collected before push services are told; 0 = 2 s
}

func (o *RegistrationOptions) defaults() {
	o.Life = cmp.Or(o.Life, 7*24*time.Hour)
	o.PushLimit, o.HookLimit = cmp.Or(o.PushLimit, 50), cmp.Or(o.HookLimit, 20)
	o.Most = min(cmp.Or(o.Most, 2000), mostFollowing)
	o.Delay = cmp.Or(o.Delay, 2*time.Second)
}

func (o *RegistrationOptions) enabled(kind calendar.RegistrationKind) bool {
	switch kind {
	case calendar.PushRegistration:
		return !o.NoPush
	case calendar.HookRegistration:
		return !o.NoHooks
	}
	return false
}

// hookSecret is how many octets the secret of a webhook has; Standard Webhooks
// takes 24 to 64.
const hookSecret = 32

// Register has an address told of what changes in a calendar that who may read, or
// in his own home. What is registered already is renewed. WebDAV-Push,
// Subscription Registration, Subscription Updates.
func (s *Service) Register(ctx context.Context, who calendar.Actor, req calendar.RegisterRequest) (res calendar.RegisterResult, err error) {
	ctx = bind(ctx, who, req)
	const op = "register for changes"
	if err := s.checkRegistration(who, op, &req); err != nil {
		return res, err
	}
	if req.Calendar != "" {
		if _, _, err := s.look(ctx, who, op, req.Calendar, toRead); err != nil {
			return res, err
		}
	} else if err := s.known(ctx, op, req.Owner); err != nil {
		return res, err
	}
	secret := make([]byte, hookSecret)
	rand.Read(secret)
	err = s.write(ctx, who, op, req.Owner, &res, func(w *writer) error {
		res, err = w.register(&req, secret)
		return err
	})
	return res, err
}

// checkRegistration judges what can be judged without the store.
func (s *Service) checkRegistration(who calendar.Actor, op string, req *calendar.RegisterRequest) error {
	opt, ref := &s.opt.Registrations, cmp.Or(string(req.Calendar), string(req.Owner))
	switch {
	case who.User == "":
		return calendar.Failf(calendar.Denied, calendar.PushNotAvailable, op, ref, "who does not log in cannot be told of changes")
	case !opt.enabled(req.Kind):
		return calendar.Failf(calendar.Unsupported, calendar.PushNotAvailable, op, ref, "this server does not tell of changes in this way")
	case req.Calendar != "" && req.Calendar.Owner() != req.Owner:
		return calendar.Failf(calendar.Invalid, "", op, ref, "the calendar is not in this home")
	case req.Calendar == "" && !s.isOwner(who, req.Owner):
		return calendar.Failf(calendar.Denied, calendar.PushNotAvailable, op, ref, "only its owner can be told of all that changes in a home; register for a calendar")
	case req.Kind == calendar.PushRegistration && req.ServerKey != opt.ServerKey:
		s.log.Error("hosts of this site have different VAPID keys", "op", op)
		return calendar.Failf(calendar.Unsupported, calendar.PushNotAvailable, op, ref, "the hosts of this site have different keys for push services: factotum.push.vapid must name the same key on all of them")
	case req.Triggers == calendar.Triggers{}:
		return calendar.Failf(calendar.Invalid, calendar.NoSupportedTrigger, op, ref, "no update is asked for that this server can tell of")
	case req.Kind == calendar.HookRegistration && len(req.Secret) > 0 && (len(req.Secret) < 24 || len(req.Secret) > 64):
		return calendar.Failf(calendar.Invalid, calendar.InvalidSubscription, op, ref, "the secret has %d octets; it must have 24 to 64", len(req.Secret))
	}
	if opt.Check != nil {
		if err := opt.Check(req.Kind, req.Address); err != nil {
			return calendar.Failf(calendar.Invalid, calendar.InvalidSubscription, op, ref, "%s", err)
		}
	}
	return nil
}

// register is Register's transaction.
func (w *writer) register(req *calendar.RegisterRequest, secret []byte) (res calendar.RegisterResult, err error) {
	cal := int64(0)
	if req.Calendar != "" {
		p, err := w.enter(req.Calendar, toRead)
		if err != nil {
			return res, err
		}
		cal = placeKey(&p.row)
	}
	rows, err := w.Registrations()
	if err != nil {
		return res, err
	}
	opt := &w.s.opt.Registrations
	mine := 0
	var row calendar.RegistrationRow
	for _, r := range rows {
		if r.Kind == req.Kind && strings.EqualFold(r.User, w.who.User) && calendar.SameEntry(r.Entry, w.who.Entry) {
			mine++
			if r.Cal == cal && r.Address == req.Address {
				row = r
			}
		}
	}
	if res.Created = row.ID == ""; res.Created {
		limit := opt.PushLimit
		if req.Kind == calendar.HookRegistration {
			limit = opt.HookLimit
		}
		if mine >= limit || len(rows) >= opt.Most {
			return res, calendar.Failf(calendar.TooMany, "", w.op, string(req.Owner), "at most %d registrations of this kind of one user in one home; end one that is not needed", limit)
		}
		row = calendar.RegistrationRow{ID: rand.Text(), Kind: req.Kind, Cal: cal}
		row.Created, row.User, row.Entry, row.Address = w.now, w.who.User, w.who.Entry, req.Address
	}
	row.Calendar, row.Triggers, row.Contents = req.Calendar, req.Triggers, req.Contents
	row.Failures, row.Since, row.Problem, row.Off = 0, time.Time{}, "", false
	switch req.Kind {
	case calendar.PushRegistration:
		row.Key, row.Secret = req.Key, req.Secret
		row.Expires = w.now.Add(opt.Life)
		if !req.Expires.IsZero() && req.Expires.Before(row.Expires) {
			row.Expires = req.Expires.UTC().Truncate(time.Second)
		}
		row.Expires = row.Expires.Truncate(time.Second) // as the client is told
		if !row.Expires.After(w.now) {
			return res, calendar.Failf(calendar.Invalid, calendar.InvalidSubscription, w.op, string(req.Owner), "the registration would have ended before it began")
		}
	case calendar.HookRegistration:
		switch {
		case len(req.Secret) > 0:
			row.Secret = req.Secret
		case res.Created:
			row.Secret = secret
		}
		if res.Created || !bytes.Equal(row.Secret, secret) {
			res.Secret = row.Secret
		}
		row.Expires = req.Expires
	}
	res.Registration = w.s.shownRegistration(w.who, w.owner, &row)
	return res, w.putRegistration(row)
}

func placeKey(row *calendar.CalendarRow) int64 { return calendar.Place(row.Kind, row.ID) }

// shownRegistration is a registration as who sees it. An address is a secret of
// whose it is.
func (s *Service) shownRegistration(who calendar.Actor, owner calendar.Owner, r *calendar.RegistrationRow) calendar.Registration {
	out := calendar.Registration{ID: r.ID, Owner: owner, Kind: r.Kind, Calendar: r.Calendar, User: r.User, Address: r.Address, Triggers: r.Triggers,
		Contents: r.Contents, Created: r.Created, Expires: r.Expires, Failures: r.Failures, Since: r.Since, Last: r.Last, Problem: r.Problem, Off: r.Off}
	if !strings.EqualFold(who.User, r.User) {
		out.Address = ""
		if u, err := url.Parse(r.Address); err == nil {
			out.Address = u.Scheme + "://" + u.Host
		}
	}
	return out
}

// Registrations lists those of who in a home, and to its owner all.
func (s *Service) Registrations(ctx context.Context, who calendar.Actor, req calendar.RegistrationsRequest) (list []calendar.Registration, err error) {
	const op = "list registrations"
	if who.User == "" && !who.Admin {
		return nil, calendar.Fail(calendar.Denied, op, string(req.Owner))
	}
	err = s.store.View(ctx, req.Owner, func(tx calendar.ReadTx) error {
		list = nil
		rows, err := tx.Registrations()
		if err != nil {
			return err
		}
		now := s.now()
		for i := range rows {
			r := &rows[i]
			if (req.Kind == "" || r.Kind == req.Kind) && !ended(r, now) && s.mayEnd(who, req.Owner, r) {
				list = append(list, s.shownRegistration(who, req.Owner, r))
			}
		}
		return nil
	})
	slices.SortStableFunc(list, func(a, b calendar.Registration) int { return a.Created.Compare(b.Created) })
	return list, wrap(op, string(req.Owner), err)
}

// mayEnd reports whether somebody may see and end a registration: his own, or one
// in his home.
func (s *Service) mayEnd(who calendar.Actor, owner calendar.Owner, r *calendar.RegistrationRow) bool {
	return s.isOwner(who, owner) || who.User != "" && strings.EqualFold(who.User, r.User)
}

func ended(r *calendar.RegistrationRow, now time.Time) bool {
	return !r.Expires.IsZero() && !now.Before(r.Expires)
}

// registration finds one that who may see.
func (w *writer) registration(kind calendar.RegistrationKind, id string) (calendar.RegistrationRow, error) {
	r, ok, err := w.Registration(id)
	if err == nil && (!ok || r.Kind != kind || ended(&r, w.now) || !w.s.mayEnd(w.who, w.owner, &r)) {
		err = calendar.Failf(calendar.NotFound, "", w.op, id, "there is no such registration")
	}
	return r, err
}

// Unregister ends a registration. WebDAV-Push, Subscription Removal.
func (s *Service) Unregister(ctx context.Context, who calendar.Actor, req calendar.UnregisterRequest) error {
	ctx = bind(ctx, who, req)
	return s.write(ctx, who, "end a registration", req.Owner, nil, func(w *writer) error {
		r, err := w.registration(req.Kind, req.ID)
		if err != nil {
			return err
		}
		return w.dropRegistration(r.ID)
	})
}

// TestHook sends something to a webhook that nothing but a test is about. One that
// was switched off is on again. An owner's have mostTests within testsTime: each is a
// request to whatever address he named.
func (s *Service) TestHook(ctx context.Context, who calendar.Actor, req calendar.TestHookRequest) error {
	ctx = bind(ctx, who, req)
	counted := false // fn may run twice
	return s.write(ctx, who, "test a webhook", req.Owner, nil, func(w *writer) error {
		r, err := w.registration(calendar.HookRegistration, req.ID)
		if err != nil {
			return err
		}
		if s.opt.Registrations.NoHooks {
			return calendar.Failf(calendar.Unsupported, calendar.PushNotAvailable, w.op, req.ID, "this server has no webhooks")
		}
		if !counted {
			if wait := s.tests.take(w.owner, w.now); wait > 0 {
				return &calendar.Error{Kind: calendar.MustWait, Op: w.op, Ref: req.ID, After: wait, Msg: "too many tests of webhooks: the last ones tell what there is to know"}
			}
			counted = true
		}
		if r.Off {
			r.Off, r.Failures, r.Since, r.Problem = false, 0, time.Time{}, ""
			if err := w.putRegistration(r); err != nil {
				return err
			}
		}
		job, err := hookJob(r.ID, &calendar.News{ID: "test-" + rand.Text(), What: calendar.NewsTest, When: w.now, Cal: r.Cal, CalID: r.Calendar, By: who.User})
		if err != nil {
			return err
		}
		return w.posted(task{Job: job})
	})
}

// How many tests of his webhooks an owner has, in which time.
const (
	mostTests = 10
	testsTime = 10 * time.Minute
)

// hookTests counts them.
type hookTests struct {
	mu    sync.Mutex
	times map[calendar.Owner][]time.Time
	swept time.Time
}

// take counts one more, or says how long to wait for it.
func (h *hookTests) take(owner calendar.Owner, now time.Time) (wait time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	old := func(t time.Time) bool { return now.Sub(t) >= testsTime }
	if old(h.swept) {
		h.swept = now
		maps.DeleteFunc(h.times, func(_ calendar.Owner, list []time.Time) bool { return old(list[len(list)-1]) })
	}
	list := slices.DeleteFunc(h.times[owner], old)
	if len(list) >= mostTests {
		h.times[owner] = list
		return testsTime - now.Sub(list[0])
	}
	if h.times == nil {
		h.times = map[calendar.Owner][]time.Time{}
	}
	h.times[owner] = append(list, now)
	return 0
}

// expireRegistrations drops those whose time is over.
func (w *writer) expireRegistrations() error {
	home, ok, err := w.Home()
	if err != nil || !ok || home.Registered == 0 {
		return err
	}
	rows, err := w.Registrations()
	if err != nil {
		return err
	}
	for i := range rows {
		if ended(&rows[i], w.now) {
			if err := w.dropRegistration(rows[i].ID); err != nil {
				return err
			}
		}
	}
	return nil
}
