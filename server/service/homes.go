package service

import (
	"context"
	"errors"
	"slices"
	"strings"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/zone"
)

// loaded returns the owner's home with its calendars in memory.
func (s *Service) loaded(ctx context.Context, owner calendar.Owner) (*homeCache, error) {
	h := s.cache.home(owner)
	h.mu.RLock()
	ok := h.loaded
	h.mu.RUnlock()
	if ok {
		return h, nil
	}
	h.load.Lock()
	defer h.load.Unlock()
	for {
		h.mu.RLock()
		ok := h.loaded
		h.mu.RUnlock()
		if ok {
			return h, nil
		}
		done, err := s.loadHome(ctx, h)
		if err != nil {
			return nil, err
		}
		if done {
			return h, nil
		}
	}
}

func (s *Service) loadHome(ctx context.Context, h *homeCache) (done bool, err error) {
	var row calendar.HomeRow
	var exists bool
	byName, byID := map[string]*calCache{}, map[int64]*calCache{}
	err = s.store.View(ctx, h.owner, func(tx calendar.Tx) error {
		clear(byName)
		clear(byID)
		var err error
		if row, exists, err = tx.Home(); err != nil || !exists {
			return err
		}
		rows, err := tx.Calendars()
		if err != nil {
			return err
		}
		for _, r := range rows {
			m, err := newMeta(tx, h.owner, r)
			if err != nil {
				return err
			}
			c := &calCache{home: h, meta: m, change: r.Change, modified: r.Modified, objs: map[string]*calendar.Object{}, months: map[int32]*month{}}
			byName[r.Name], byID[r.ID] = c, c
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	h.mu.Lock()
	h.exists, h.change, h.bytes, h.byName, h.byID, h.since = exists, row.Change, row.Bytes, byName, byID, row.Change
	ok := h.replay(row.Change, func(e mutation) {
		h.applyOne(e)
		h.change = e.change
	})
	h.loaded = ok
	h.mu.Unlock()
	if ok {
		s.cache.grow(h, int64(len(byName))*metaCost)
	}
	return ok, nil
}

func newMeta(tx calendar.ReadTx, owner calendar.Owner, r calendar.CalendarRow) (*calMeta, error) {
	props, err := tx.Props(r.ID, "")
	if err != nil {
		return nil, err
	}
	m := &calMeta{id: calendar.NewID(owner, r.Name), row: r, props: props, coOwners: strings.Fields(r.CoOwners)}
	if r.Timezone != "" {
		m.zone = zone.OfText(r.Timezone)
	}
	if r.Components != "" {
		m.components = strings.Split(r.Components, ",")
	}
	return m, nil
}

// calendar finds a calendar and what who may do with it.
func (s *Service) calendar(ctx context.Context, who calendar.Actor, op string, id calendar.ID) (*homeCache, *calCache, calendar.Rights, error) {
	h, err := s.loaded(ctx, id.Owner())
	if err != nil {
		return nil, nil, calendar.Rights{}, wrap(op, string(id), err)
	}
	h.mu.RLock()
	c := h.byName[id.Name()]
	h.mu.RUnlock()
	if c == nil && id.Name() == calendar.DefaultName && s.provisions(who, id.Owner()) {
		if h, err = s.provision(ctx, who, id.Owner()); err != nil {
			return nil, nil, calendar.Rights{}, wrap(op, string(id), err)
		}
		h.mu.RLock()
		c = h.byName[id.Name()]
		h.mu.RUnlock()
	}
	if c == nil {
		return nil, nil, calendar.Rights{}, calendar.Fail(calendar.NoCalendar, op, string(id))
	}
	r := s.rights(who, id.Owner(), c.meta.coOwners, c.meta.row.ACL)
	if !r.CanSee() {
		return nil, nil, r, &calendar.Error{Kind: calendar.NoCalendar, Reason: calendar.Hidden, Op: op, Ref: string(id)}
	}
	if c.meta.row.Disabled && !who.Admin {
		return nil, nil, r, calendar.Failf(calendar.Denied, calendar.Disabled, op, string(id), "this calendar is disabled")
	}
	return h, c, r, nil
}

// describe returns the calendar as who sees it.
func (h *homeCache) describe(c *calCache, r calendar.Rights) calendar.Calendar {
	h.mu.RLock()
	change, modified, n := c.change, c.modified, -1
	if c.listed {
		n = len(c.list)
	}
	h.mu.RUnlock()
	cal := c.meta.describe(r)
	cal.Change, cal.Modified, cal.Count = change, modified, n
	return cal
}

func (m *calMeta) describe(r calendar.Rights) calendar.Calendar {
	row := &m.row
	c := calendar.Calendar{
		ID: m.id, Incarnation: row.ID, Change: row.Change, Kind: row.Kind,
		DisplayName: row.DisplayName, Description: row.Description, Color: row.Color, Order: row.Order,
		TZID: row.TZID, Timezone: row.Timezone, Components: m.components, CoOwners: m.coOwners, ACL: row.ACL,
		Transparent: row.Transparent, NoDoubles: row.NoDoubles, Disabled: row.Disabled,
		Categories: row.Categories, Charset: row.Charset, Language: row.Language,
		Created: row.Created, Modified: row.Modified, Count: -1, Props: m.props, Rights: r,
	}
	if !r.Owner && !r.Components.Has(acl.Read) && !r.Properties.Has(acl.Read) {
		// Who may see busy time only is not told what the calendar is about.
		c.DisplayName, c.Description, c.Categories, c.Props = "", "", "", nil
	}
	if !r.Owner && !r.Properties.Has(acl.Read) && !(r.Components | r.Properties).Has(acl.SelfAdmin) {
		// Nor does he learn who else may do what. RFC 3744 §3.6, DAV:read-acl.
		c.ACL, c.CoOwners = nil, nil
	}
	return c
}

// Home describes a home and the calendars in it that who may see.
func (s *Service) Home(ctx context.Context, who calendar.Actor, req calendar.HomeRequest) (calendar.Home, error) {
	const op = "home"
	if err := calendar.CheckOwner(req.Owner); err != nil {
		return calendar.Home{}, calendar.Failf(calendar.NoCalendar, "", op, string(req.Owner), "%v", err)
	}
	h, err := s.loaded(ctx, req.Owner)
	if err != nil {
		return calendar.Home{}, wrap(op, string(req.Owner), err)
	}
	own := who.Admin || strings.EqualFold(who.User, string(req.Owner)) && who.User != ""
	h.mu.RLock()
	def := h.byName[calendar.DefaultName]
	h.mu.RUnlock()
	if def == nil && s.provisions(who, req.Owner) {
		made, err := s.provision(ctx, who, req.Owner)
		if err != nil && calendar.KindOf(err) != calendar.NoCalendar {
			return calendar.Home{}, err
		}
		if err == nil {
			h = made
		}
	}
	h.mu.RLock()
	out := calendar.Home{Owner: req.Owner, Change: h.change, UsedBytes: h.bytes, MaxBytes: s.opt.Limits.HomeBytes}
	exists := h.exists
	cals := make([]*calCache, 0, len(h.byName))
	for _, c := range h.byName {
		cals = append(cals, c)
	}
	h.mu.RUnlock()
	if !exists {
		if err := s.known(ctx, op, req.Owner); err != nil {
			return calendar.Home{}, err
		}
	}
	if own {
		out.Rights = calendar.Rights{Components: acl.AllRights, Properties: acl.AllRights, Owner: true}
	} else { // how much someone has is nobody's business
		out.UsedBytes, out.MaxBytes = 0, 0
	}
	for _, c := range cals {
		r := s.rights(who, req.Owner, c.meta.coOwners, c.meta.row.ACL)
		if c.meta.row.Disabled && !who.Admin || !r.Owner && r.Components&(acl.Read|acl.Write|acl.FreeBusy) == 0 && !r.Properties.Has(acl.Read) {
			continue
		}
		cal := h.describe(c, r)
		if req.Counts && cal.Count < 0 {
			if cal.Count, err = s.count(ctx, req.Owner, c.meta.row.ID); err != nil {
				return calendar.Home{}, wrap(op, string(cal.ID), err)
			}
		}
		out.Calendars = append(out.Calendars, cal)
	}
	slices.SortFunc(out.Calendars, func(a, b calendar.Calendar) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out, nil
}

func (s *Service) count(ctx context.Context, owner calendar.Owner, cal int64) (n int, err error) {
	err = s.store.View(ctx, owner, func(tx calendar.Tx) error {
		var err error
		n, _, err = tx.CountObjects(cal)
		return err
	})
	return n, err
}

// known fails with NoCalendar when the directory has no such active owner.
func (s *Service) known(ctx context.Context, op string, owner calendar.Owner) error {
	_, err := s.person(ctx, op, owner)
	return err
}

func (s *Service) person(ctx context.Context, op string, owner calendar.Owner) (calendar.Person, error) {
	if s.people == nil {
		return calendar.Person{ID: string(owner), Kind: calendar.Individual, Active: true}, nil
	}
	p, err := s.people.Person(ctx, string(owner))
	switch {
	case errors.Is(err, calendar.NotFound) || err == nil && p.ID != string(owner):
		return p, calendar.Failf(calendar.NoCalendar, "", op, string(owner), "nobody of that name is in the directory")
	case err != nil:
		return p, wrap(op, string(owner), err)
	case !p.Active:
		return p, calendar.Failf(calendar.NoCalendar, "", op, string(owner), "this account is not active")
	}
	return p, nil
}

// newRow gives a calendar the defaults that ics.conf and the directory set.
func (s *Service) newRow(p calendar.Person, name string) calendar.CalendarRow {
	list := s.opt.DefaultACL
	switch p.Kind {
	case calendar.Resource, calendar.Room:
		list = s.opt.ResourceACL
	case calendar.Group:
		list = s.opt.GroupACL
	}
	if p.ACL != "" {
		if l, err := acl.Parse(p.ACL); err == nil {
			list = l
		}
	}
	if s.opt.PublicRead && name == calendar.DefaultName && p.Kind == calendar.Individual {
		list = append(slices.Clone(list), acl.MustParse("@^a^r^g")...)
	}
	owners := p.CoOwners
	if p.Owner != "" && p.Owner != p.ID {
		owners = append([]string{p.Owner}, owners...)
	}
	return calendar.CalendarRow{
		ID: s.newID(), Name: name, Components: strings.Join(calendar.CalendarCollection.Rules().Components, ","), ACL: list.WithOwner(s.opt.OwnerACL),
		TZID: p.TZID, CoOwners: strings.Join(owners, " "), NoDoubles: p.NoDoubles || p.Kind == calendar.Resource || p.Kind == calendar.Room,
	}
}

// SyncHome tells which calendars of a home changed since a token.
func (s *Service) SyncHome(ctx context.Context, who calendar.Actor, req calendar.SyncHomeRequest) (calendar.SyncHomeResult, error) {
	const op = "sync home"
	var since int64
	if req.Token != "" {
		inc, n, start, ok := calendar.ParseSyncToken(req.Token)
		if !ok || inc != 0 || start != 0 {
			return calendar.SyncHomeResult{}, calendar.Fail(calendar.BadSyncToken, op, string(req.Owner))
		}
		since = n
	}
	home, err := s.Home(ctx, who, calendar.HomeRequest{Owner: req.Owner})
	if err != nil {
		return calendar.SyncHomeResult{}, err
	}
	if since > home.Change {
		return calendar.SyncHomeResult{}, calendar.Fail(calendar.BadSyncToken, op, string(req.Owner))
	}
	res := calendar.SyncHomeResult{Token: home.SyncToken()}
	visible := map[calendar.ID]bool{}
	for _, c := range home.Calendars {
		visible[c.ID] = true
		if c.Change > since {
			res.Changed = append(res.Changed, c)
		}
	}
	if since == 0 || since == home.Change {
		return res, nil
	}
	if home.Rights.Owner {
		if res.Removed, err = s.disabledSince(ctx, req.Owner, visible, since); err != nil {
			return res, wrap(op, string(req.Owner), err)
		}
	} else {
		if hidden, err := s.hiddenSince(ctx, req.Owner, visible, since); err != nil {
			return res, wrap(op, string(req.Owner), err)
		} else if hidden {
			return calendar.SyncHomeResult{}, calendar.Fail(calendar.BadSyncToken, op, string(req.Owner))
		}
	}
	disabled := res.Removed
	err = s.store.View(ctx, req.Owner, func(tx calendar.Tx) error {
		res.Removed = slices.Clone(disabled)
		if row, _, err := tx.Home(); err != nil {
			return err
		} else if since < row.Purged { // removals that nobody remembers
			return calendar.Fail(calendar.BadSyncToken, op, string(req.Owner))
		}
		gone, err := tx.GoneCalendars(since)
		if err != nil {
			return err
		}
		if len(gone) > 0 && !home.Rights.Owner { // who could see them is not known any more: no names
			return calendar.Fail(calendar.BadSyncToken, op, string(req.Owner))
		}
		for _, g := range gone {
			if id := calendar.NewID(req.Owner, g.Name); !visible[id] && !slices.Contains(res.Removed, id) {
				res.Removed = append(res.Removed, id)
			}
		}
		return nil
	})
	return res, wrap(op, string(req.Owner), err)
}

// hiddenSince tells whether a calendar that is not visible had its properties,
// and so perhaps its list, changed since: it may have gone out of sight.
func (s *Service) hiddenSince(ctx context.Context, owner calendar.Owner, visible map[calendar.ID]bool, since int64) (bool, error) {
	h, err := s.loaded(ctx, owner)
	if err != nil {
		return false, err
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, c := range h.byName {
		if !visible[c.meta.id] && c.meta.row.MetaChange > since {
			return true, nil
		}
	}
	return false, nil
}

// disabledSince lists the calendars that were switched off since: their owner
// no longer sees them.
func (s *Service) disabledSince(ctx context.Context, owner calendar.Owner, visible map[calendar.ID]bool, since int64) (ids []calendar.ID, err error) {
	h, err := s.loaded(ctx, owner)
	if err != nil {
		return nil, err
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, c := range h.byName {
		if c.meta.row.Disabled && !visible[c.meta.id] && c.meta.row.MetaChange > since {
			ids = append(ids, c.meta.id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// Prefs returns a user's preferences: his own, or anyone's for the
// administrator. WCAP get_userprefs.
func (s *Service) Prefs(ctx context.Context, who calendar.Actor, owner calendar.Owner) (map[string]string, error) {
	const op = "read preferences"
	if !who.Admin && who.User != string(owner) {
		return nil, calendar.Fail(calendar.Denied, op, string(owner))
	}
	prefs := map[string]string{}
	err := s.store.View(ctx, owner, func(tx calendar.Tx) error {
		var err error
		prefs, err = tx.Prefs()
		return err
	})
	return prefs, wrap(op, string(owner), err)
}

// fresh reports whether the preferences to be changed are as the caller read them.
func fresh(req *calendar.SetPrefsRequest, have map[string]string) bool {
	same := func(k string) bool {
		now, is := have[k]
		was, had := req.Was[k]
		return is == had && now == was
	}
	for k := range req.Set {
		if !same(k) {
			return false
		}
	}
	return !slices.ContainsFunc(req.Remove, func(k string) bool { return !same(k) })
}

// SetPrefs changes a user's preferences, all or none. WCAP set_userprefs.
func (s *Service) SetPrefs(ctx context.Context, who calendar.Actor, req calendar.SetPrefsRequest) error {
	ctx = bind(ctx, who, req)
	const op = "set preferences"
	owner, set, remove := req.Owner, req.Set, req.Remove
	if !who.Admin && who.User != string(owner) {
		return calendar.Fail(calendar.Denied, op, string(owner))
	}
	if err := s.known(ctx, op, owner); err != nil {
		return err
	}
	lim := s.opt.Limits
	for k, v := range set {
		if k == "" || len(k) > 255 || len(v) > lim.PropSize || calendar.BadText(k) {
			return calendar.Failf(calendar.TooLarge, "", op, string(owner), "a preference name may have 255 octets and its value %d", lim.PropSize)
		}
	}
	return s.write(ctx, who, op, owner, nil, func(w *writer) error {
		have, err := w.Prefs()
		if err != nil {
			return err
		}
		if req.Compare && !fresh(&req, have) {
			return calendar.Failf(calendar.Stale, "", op, string(owner), "the preferences have been changed meanwhile")
		}
		if len(have)+len(set) > 10*lim.Props {
			return calendar.Failf(calendar.TooLarge, "", op, string(owner), "more than %d preferences", 10*lim.Props)
		}
		return w.setPrefs(set, remove)
	})
}
