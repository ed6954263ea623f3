package wcap

import (
	"sync"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// shown keeps how events were printed, since clients ask for the same month
// again and again, and turning an object into this wire's form costs far more
// than copying the outcome. An entry belongs to one write of one object; it
// lives a few minutes, since the names of people come from the directory.
type shown struct {
	mu    sync.RWMutex
	m     map[shownKey]shownText
	bytes int
}

// shownKey is all that the text depends on.
type shownKey struct {
	id     calendar.ID
	name   string
	change int64
	masked bool
	form   format
	out    string // tzidout
	zone   string // of the calendar
	flags  viewFlags
}

// viewFlags are the comparable parts of a view.
type viewFlags struct {
	compressed, recurring, relative, mail bool
	attrset                               int
}

type shownText struct {
	text []byte // nothing may write to it
	made time.Time
}

const (
	shownBytes = 8 << 20
	shownAge   = 5 * time.Minute
	shownCost  = 300 // of an entry besides its text
)

func (s *shown) get(k shownKey, now time.Time) ([]byte, bool) {
	s.mu.RLock()
	e, ok := s.m[k]
	s.mu.RUnlock()
	return e.text, ok && now.Sub(e.made) < shownAge
}

func (s *shown) put(k shownKey, text []byte, now time.Time) {
	if len(text) > 64<<10 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil || s.bytes > shownBytes {
		s.m, s.bytes = map[shownKey]shownText{}, 0
	}
	s.m[k] = shownText{text, now}
	s.bytes += len(text) + shownCost
}

// fetchShown is fetch straight into the answer, through the memory of what was
// shown where that is possible: events of a range, unsorted and unfiltered.
// A fetch of everything does not crowd it out.
func (c *call) fetchShown(v *view, cal *calendar.Calendar, w calendar.Window) error {
	if open(w) || v.states != nil || v.order >= 0 || v.max > 0 || c.out.form == asJSON {
		return c.fetch(v, cal, w, c.out.comp)
	}
	if v.takes("VEVENT") {
		if err := c.queryShown(v, cal, w); err != nil {
			return err
		}
	}
	if v.takes("VTODO") {
		return c.query(v, cal, "VTODO", w, c.out.comp)
	}
	return nil
}

func (c *call) queryShown(v *view, cal *calendar.Calendar, w calendar.Window) error {
	now := c.now()
	key := shownKey{id: cal.ID, form: c.out.form, zone: c.zoneName(cal), flags: viewFlags{v.compressed, v.recurring, v.relative, v.mail, v.attrset}}
	if v.out != nil {
		key.out = v.out.Name()
	}
	one := *v
	one.events, one.todos = true, false
	filter := &calendar.CompFilter{Name: "VCALENDAR", Comps: []calendar.CompFilter{{Name: "VEVENT", TimeRange: &w}}}
	return c.be.Query(c.ctx, c.who, calendar.QueryRequest{Calendar: cal.ID, Filter: filter}, func(o *calendar.Object) error {
		key.name, key.change, key.masked = o.Name, o.Change, o.Masked
		if text, ok := c.Handler.shown.get(key, now); ok {
			c.out.buf = append(c.out.buf, text...)
			return c.out.flush()
		}
		var text []byte
		whole := true
		err := c.show(&one, cal, o, w, func(k *ical.Component) error {
			whole = whole && (v.recurring || k.Prop("RECURRENCE-ID") == nil) && !attached(k)
			if c.out.form == asXML {
				text = appendXML(text, k)
			} else {
				text = k.Append(text)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if whole && text != nil { // not a choice of instances, which depends on the range
			c.Handler.shown.put(key, text, now)
		}
		c.out.buf = append(c.out.buf, text...)
		return c.out.flush()
	})
}
