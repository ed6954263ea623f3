package sqlstore

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"factotum/server/calendar"
)

// ahead is what a transaction has of its owner before it is asked: what the
// callers of its updates said they would read (calendar.Need), fetched in one
// round trip with the owner's row, and true since nobody else writes him; and
// what the updates make of it, one after the other. A nil one has nothing.
type ahead struct {
	calendars map[string]*calendar.CalendarRow // by name; nil: there is none
	objects   map[objectKey]*fetched
	uids      map[objectKey]string // the living object that has a UID, "" for none
	tokens    map[string][]byte    // nil: there is none
}

// objectKey is a name or a UID in a calendar.
type objectKey struct {
	cal int64
	id  string
}

// fetched is a row of objects with all that belongs to it; it is not changed.
type fetched struct {
	exists bool // as an object or a tombstone
	row    calendar.ObjectRow
	body   int64
	occ    []byte
	props  bool // it has dead properties, which few have
}

func (f *fetched) live() bool { return f.exists && f.row.Deleted.IsZero() }

func (f *fetched) stub(cal int64, name string) stub {
	return stub{known: true, cal: cal, name: name, exists: f.exists, body: f.body, size: int64(f.row.Size),
		deleted: f.exists && !f.live(), uid: f.row.UID, occ: f.occ, occKnown: true}
}

func newAhead() *ahead {
	return &ahead{map[string]*calendar.CalendarRow{}, map[objectKey]*fetched{}, map[objectKey]string{}, map[string][]byte{}}
}

// forget drops everything: what is there is not known any more.
func (a *ahead) forget() {
	if a != nil {
		*a = *newAhead()
	}
}

func (a *ahead) calendar(name string) (row *calendar.CalendarRow, known bool) {
	if a == nil {
		return nil, false
	}
	row, known = a.calendars[name]
	return row, known
}

// object is what was fetched of an object, nil if nothing was.
func (a *ahead) object(cal int64, name string) *fetched {
	if a == nil {
		return nil
	}
	return a.objects[objectKey{cal, name}]
}

// holder is the living object that has a UID, "" for none.
func (a *ahead) holder(cal int64, uid string) (name string, known bool) {
	if a == nil {
		return "", false
	}
	name, known = a.uids[objectKey{cal, uid}]
	return name, known
}

func (a *ahead) token(token string) (result []byte, known bool) {
	if a == nil {
		return nil, false
	}
	result, known = a.tokens[token]
	return result, known
}

// touch is TouchCalendar.
func (a *ahead) touch(id, change, modified int64) {
	if a == nil {
		return
	}
	for name, row := range a.calendars {
		if row != nil && row.ID == id {
			row := *row
			row.Change, row.Modified = change, fromMicros(modified)
			a.calendars[name] = &row
		}
	}
}

// put is an object that was written, whose row had the first stub before and
// the second after.
func (a *ahead) put(row *calendar.ObjectRow, old, is *stub) {
	if a == nil {
		return
	}
	was := a.object(row.Cal, row.Name)
	if was == nil && old.exists || !is.occKnown { // not all of it is known
		a.drop(row.Cal, row.Name)
	} else {
		f := &fetched{exists: true, row: *row, body: is.body, occ: is.occ}
		f.row.Created, f.row.Modified = fromMicros(micros(row.Created)), fromMicros(micros(row.Modified))
		if was != nil {
			f.props = was.props
		}
		a.objects[objectKey{row.Cal, row.Name}] = f
	}
	if old.exists && !old.deleted && old.uid != row.UID {
		clear(a.uids)
	}
	if row.UID != "" {
		a.uids[objectKey{row.Cal, row.UID}] = row.Name
	}
}

// drop forgets what is known of an object.
func (a *ahead) drop(cal int64, name string) {
	if a != nil {
		delete(a.objects, objectKey{cal, name})
		maps.DeleteFunc(a.uids, func(_ objectKey, holder string) bool { return holder == name })
	}
}

// bury is DeleteObject.
func (a *ahead) bury(cal int64, name string, when int64, uid string) {
	f := a.object(cal, name)
	a.drop(cal, name)
	if f != nil {
		gone := &fetched{exists: true, row: f.row, body: f.body}
		gone.row.Deleted = fromMicros(when)
		a.objects[objectKey{cal, name}] = gone
		a.uids[objectKey{cal, uid}] = ""
	}
}

// index is SetOccurrences.
func (a *ahead) index(cal int64, name string, occ []byte) {
	if f := a.object(cal, name); f != nil {
		f := *f
		f.occ = occ
		a.objects[objectKey{cal, name}] = &f
	}
}

func (a *ahead) setToken(token string, result []byte) {
	if a != nil {
		a.tokens[token] = octets(result)
	}
}

const (
	// Without the texts of large ones, since there may be a hundred.
	selectAhead = `SELECT ` + objectColumns + `, CASE WHEN o.size <= 262144 THEN ` + bodyOf + ` END, o.occ,
cast(EXISTS (SELECT 1 FROM props p WHERE p.owner = $1 AND p.cal = $2 AND p.name = o.name) AS INTEGER)` + fromObjects

	selectUIDs   = `SELECT o.uid, o.name` + fromObjects
	selectTokens = `SELECT token, result FROM tokens WHERE owner = $1`

	// For one, and for any: with an array PostgreSQL makes a plan each time, which
	// costs more than all else that one write reads.
	aheadName, aheadNames   = ` AND o.name = $3`, ` AND o.name = ANY($3)`
	aheadUID, aheadUIDs     = ` AND o.uid = $3` + living, ` AND o.uid = ANY($3)` + living
	aheadToken, aheadTokens = ` AND token = $2`, ` AND token = ANY($2)`
	living                  = ` AND o.uid <> '' AND o.deleted = 0`
)

// fetch makes the queries that fill a for what the updates need.
func (a *ahead) fetch(owner string, group []*update) (list []pgQuery) {
	type place struct {
		name         string
		row          int64
		names        []string
		whole, light []string // of the UIDs
	}
	var places []*place
	var tokens []string
	for _, u := range group {
		n := calendar.NeedOf(u.ctx)
		if n == nil || string(n.Calendar.Owner()) != owner {
			continue
		}
		at := slices.IndexFunc(places, func(p *place) bool { return p.name == n.Calendar.Name() && p.row == n.Row })
		if at < 0 {
			at = len(places)
			places = append(places, &place{name: n.Calendar.Name(), row: n.Row})
		}
		p := places[at]
		p.names = append(p.names, n.Names...)
		if n.ByUID {
			p.whole = append(p.whole, n.UIDs...)
		} else {
			p.light = append(p.light, n.UIDs...)
		}
		if n.Token != "" {
			tokens = append(tokens, n.Token)
		}
	}
	ask := func(text, one, any string, key []any, names []string, read func(scanner) error) {
		if len(names) == 1 {
			list = append(list, pgQuery{text + one, append(key, names[0]), read})
		} else {
			list = append(list, pgQuery{text + any, append(key, names), read})
		}
	}
	for _, p := range places {
		a.calendars[p.name] = nil
		list = append(list, pgQuery{sqlCalendar, args(owner, p.name), func(r scanner) error {
			row := new(calendar.CalendarRow)
			a.calendars[p.name] = row
			return readCalendar(r, row)
		}})
		object := func(r scanner) error {
			f := &fetched{exists: true}
			var props int64
			if err := readObject(r, &f.row, &f.body, true, &f.occ, &props); err != nil {
				return err
			}
			f.props = props != 0
			if a.objects[objectKey{p.row, f.row.Name}] = f; f.row.Data == nil && f.row.Size > 0 { // it is read when it is asked for
				delete(a.objects, objectKey{p.row, f.row.Name})
			}
			if f.live() && f.row.UID != "" {
				a.uids[objectKey{p.row, f.row.UID}] = f.row.Name
			}
			return nil
		}
		if names := unique(p.names); len(names) > 0 {
			for _, n := range names {
				a.objects[objectKey{p.row, n}] = &fetched{}
			}
			ask(selectAhead, aheadName, aheadNames, args(owner, p.row), names, object)
		}
		if uids := unique(p.whole); len(uids) > 0 {
			for _, n := range uids {
				a.uids[objectKey{p.row, n}] = ""
			}
			ask(selectAhead, aheadUID, aheadUIDs, args(owner, p.row), uids, object)
		}
		if uids := unique(p.light); len(uids) > 0 {
			for _, n := range uids {
				a.uids[objectKey{p.row, n}] = ""
			}
			ask(selectUIDs, aheadUID, aheadUIDs, args(owner, p.row), uids, func(r scanner) error {
				var uid, name string
				err := r.scan(&uid, &name)
				a.uids[objectKey{p.row, uid}] = name
				return err
			})
		}
	}
	if tokens = unique(tokens); len(tokens) > 0 {
		for _, n := range tokens {
			a.tokens[n] = nil
		}
		ask(selectTokens, aheadToken, aheadTokens, args(owner), tokens, func(r scanner) error {
			var token string
			var result []byte
			err := r.scan(&token, &result)
			a.tokens[token] = octets(result)
			return err
		})
	}
	return list
}

// storable tells whether PostgreSQL takes a text.
func storable(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// unique sorts names, those that cannot be in the store left out: one of them
// would fail the whole question.
func unique(names []string) []string {
	names = slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == "" || !storable(s) })
	slices.Sort(names)
	return slices.Compact(names)
}
