package wcap

import (
	"slices"
	"sync"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// shown keeps how events were printed, since clients ask for the same month
// again and again, and turning an object into this wire's form costs more than
// copying the outcome. An entry belongs to one write of one object; it lives a
// few minutes, since the names of people come from the directory.
type shown struct {
	mu    sync.RWMutex
	pages map[pageKey]*page
	bytes int
}

// pageKey is what the text of an object depends on besides the object. A store
// that was begun anew counts its changes from the start: its calendars are told
// from those before by their incarnation.
type pageKey struct {
	id    calendar.ID
	born  int64 // Calendar.Incarnation
	form  format
	out   string // tzidout
	zone  string // of the calendar
	flags presentationFlags
}

// presentationFlags are the comparable parts of a presentation.
type presentationFlags struct {
	compressed, recurring, relative, mail bool
	attrset                               int
}

// page is how the objects of one calendar look in one presentation, by name: as they
// are, and masked.
type page [2]map[string]shownText

func (p *page) of(o *calendar.Object) *map[string]shownText {
	if o.Masked {
		return &p[1]
	}
	return &p[0]
}

type shownText struct {
	text   []byte // nothing may write to it
	made   time.Time
	change int64
}

const (
	shownBytes = 8 << 20
	shownAge   = 5 * time.Minute
	shownCost  = 200 // of an entry besides its text
)

// page finds a page, or begins one.
func (s *shown) page(k pageKey) *page {
	s.mu.RLock()
	p := s.pages[k]
	s.mu.RUnlock()
	if p != nil {
		return p
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p = s.pages[k]; p == nil {
		s.tidy()
		if s.pages == nil {
			s.pages = map[pageKey]*page{}
		}
		p = &page{}
		s.pages[k] = p
		s.bytes += shownCost
	}
	return p
}

func (s *shown) get(p *page, o *calendar.Object, now time.Time) []byte {
	s.mu.RLock()
	e := (*p.of(o))[o.Name]
	s.mu.RUnlock()
	if e.change != o.Change || now.Sub(e.made) >= shownAge {
		return nil
	}
	return e.text
}

// put keeps a text, and forgets everything when that is too much.
func (s *shown) put(p *page, o *calendar.Object, text []byte, now time.Time) {
	if len(text) > 64<<10 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tidy()
	m := p.of(o)
	if *m == nil {
		*m = map[string]shownText{}
	}
	old, ok := (*m)[o.Name]
	if !ok {
		s.bytes += shownCost
	}
	s.bytes += len(text) - len(old.text)
	(*m)[o.Name] = shownText{text, now, o.Change}
}

// tidy forgets everything when it is too much; s.mu is held.
func (s *shown) tidy() {
	if s.bytes <= shownBytes {
		return
	}
	for _, p := range s.pages {
		*p = page{} // somebody may be writing on it
	}
	s.pages, s.bytes = nil, 0
}

// fetchShown is fetch straight into the answer, through the memory of what was
// shown where that is possible: events of a range, unsorted and unfiltered.
// A fetch of everything does not crowd it out.
func (c *call) fetchShown(v *presentation, cal *calendar.Calendar, w calendar.Window) error {
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

func (c *call) queryShown(v *presentation, cal *calendar.Calendar, w calendar.Window) error {
	now := c.now()
	key := pageKey{id: cal.ID, born: cal.Incarnation, form: c.out.form, zone: c.zoneName(cal), flags: presentationFlags{v.compressed, v.recurring, v.relative, v.mail, v.attrset}}
	if v.out != nil {
		key.out = v.out.Name()
	}
	page := c.Handler.shown.page(key)
	one := *v
	one.events, one.todos = true, false
	s := c.shower(&one, cal)
	filter := &calendar.CompFilter{Name: "VCALENDAR", Comps: []calendar.CompFilter{{Name: "VEVENT", TimeRange: &w}}}
	return c.be.Query(c.ctx, c.who, calendar.QueryRequest{Calendar: cal.ID, Filter: filter}, func(o *calendar.Object) error {
		if text := c.Handler.shown.get(page, o, now); text != nil {
			c.out.buf = append(c.out.buf, text...)
			return c.out.flush()
		}
		from := len(c.out.buf)
		whole := true
		err := s.show(o, w, func(k *ical.Component) error {
			whole = whole && (v.recurring || k.Prop("RECURRENCE-ID") == nil) && !attached(k)
			if c.out.form == asXML {
				c.out.buf = appendXML(c.out.buf, k)
			} else {
				c.out.buf = k.Append(c.out.buf)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if text := c.out.buf[from:]; whole && len(text) > 0 { // not a choice of instances, which depends on the range
			c.Handler.shown.put(page, o, slices.Clone(text), now)
		}
		return c.out.flush()
	})
}
