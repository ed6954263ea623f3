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
	zone  string // of the calendar: what it is called
	float string // and what it is
	whose string // the domain of who looks, who may not learn who in others has an address
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

// pageOf is where the events of a calendar may have been shown before, nil
// where that is of no use: with a choice among them, in another order, or all
// that there are, which would crowd out the rest.
func (f *fetch) pageOf(h *calendar.OccurrencesResult) *page {
	c, v := f.c, f.v
	if f.req.Select != calendar.Overlapping || open(f.req.Window) || v.states != nil || v.order >= 0 || v.max > 0 || c.out.form == asJSON {
		return nil
	}
	key := pageKey{id: h.Calendar.ID, born: h.Calendar.Incarnation, form: c.out.form, zone: c.zoneName(h.Calendar), float: h.Float, whose: c.me.Domain,
		flags: presentationFlags{v.compressed, v.recurring, v.relative, v.mail, v.attrset}}
	if v.out != nil {
		key.out = v.out.Name()
	}
	return c.Handler.shown.page(key)
}

// remembered answers with an event that stands for itself.
func (f *fetch) remembered(o *calendar.Object) error {
	c, now := f.c, f.c.now()
	if text := c.Handler.shown.get(f.page, o, now); text != nil {
		f.n++
		c.out.buf = append(c.out.buf, text...)
		return c.out.flush()
	}
	from := len(c.out.buf)
	whole := true
	err := f.show.show(o, nil, func(k *ical.Component) error {
		f.n++
		whole = whole && !attached(k)
		if c.out.form == asXML {
			c.out.buf = appendXML(c.out.buf, k)
		} else {
			c.out.buf = k.Append(c.out.buf)
		}
		return nil
	})
	if text := c.out.buf[from:]; err == nil && whole && len(text) > 0 {
		c.Handler.shown.put(f.page, o, slices.Clone(text), now)
	}
	return c.out.flush()
}
