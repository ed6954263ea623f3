package recur

import "math"

// moment is an original start.
type moment struct {
	civ, key int64
	again    bool // the second time that civ is, when the clocks are put back
	period   bool // an RDATE with a length of its own
	length
}

// walker merges DTSTART, rules and RDATEs in civil order, without doubles,
// what EXDATE and EXRULE take out, and what overrides replace.
type walker struct {
	s          *Set
	zc         zoneCursor
	heads      []head
	exheads    []head
	start      bool // DTSTART is still to come
	rdate      int
	hiKey      int64 // keys from here on belong to another segment
	overridden bool  // yield what overrides replace, too
	steps      *int
}

// head is a rule with its next instance.
type head struct {
	cursor
	at int64
	ok bool
}

func (h *head) advance() { h.at, h.ok = h.next() }

// walk begins at the first original start at or after civ. Rules are not
// followed beyond hiCiv: one that never fires there costs as much as the window.
func (s *Set) walk(civ, hiCiv, hiKey int64, float Zone, steps *int) *walker {
	w := &walker{s: s, zc: s.master.cursor(float), start: s.master.civ >= civ, hiKey: hiKey, steps: steps}
	w.heads = s.heads(s.rules, civ, hiCiv, steps)
	w.exheads = s.heads(s.exrules, civ, hiCiv, steps)
	// Few objects have many RDATEs, but some have: halve the way to the window.
	lo, hi := 0, len(s.rdates)
	for lo < hi {
		if mid := (lo + hi) / 2; s.rdates[mid].civ < civ {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	w.rdate = lo
	return w
}

func (s *Set) heads(rules []*series, civ, hiCiv int64, steps *int) []head {
	if len(rules) == 0 {
		return nil
	}
	heads := make([]head, len(rules))
	for i, r := range rules {
		h := &heads[i]
		h.cursor = cursor{s: r, steps: steps, hi: hiCiv, okDay: math.MinInt64}
		h.bases = h.single[:0]
		h.seek(civ)
		h.advance()
	}
	return heads
}

func (w *walker) next() (moment, bool) {
	s := w.s
	for {
		m := moment{civ: math.MaxInt64}
		if w.start {
			m.civ = s.master.civ
		}
		for i := range w.heads {
			if h := &w.heads[i]; h.ok && h.at < m.civ {
				m.civ = h.at
			}
		}
		if w.rdate < len(s.rdates) && s.rdates[w.rdate].civ < m.civ {
			m.civ = s.rdates[w.rdate].civ
		}
		if m.civ == math.MaxInt64 {
			return m, false
		}
		regular := false
		if w.start && m.civ == s.master.civ {
			w.start, regular = false, true
		}
		for i := range w.heads {
			if h := &w.heads[i]; h.ok && h.at == m.civ {
				h.advance()
				regular = true
			}
		}
		m.key = m.civ
		if s.master.zone != nil {
			m.key, _ = w.zc.utc(m.civ)
		}
		if !regular && s.rdates[w.rdate].key != m.key {
			m.key, m.again = s.rdates[w.rdate].key, true
		}
		for ; w.rdate < len(s.rdates) && s.rdates[w.rdate].civ == m.civ && s.rdates[w.rdate].key == m.key; w.rdate++ {
			if rd := &s.rdates[w.rdate]; rd.period && (!m.period || rd.most() > m.most()) {
				m.period, m.length = true, rd.length
			}
		}
		if m.key >= w.hiKey {
			if m.again {
				continue
			}
			return m, false
		}
		if *w.steps--; *w.steps < 0 {
			return m, false
		}
		if s.excluded(m.civ, m.key) || w.excludedByRule(m.civ) {
			continue
		}
		if !w.overridden && len(s.overrides) > 0 && s.findOverride(m.key) != nil {
			continue
		}
		return m, true
	}
}

func (w *walker) excludedByRule(civ int64) bool {
	for i := range w.exheads {
		h := &w.exheads[i]
		if h.ok && h.at < civ {
			// A rule of another rhythm is far cheaper to seek than to follow.
			h.seek(civ)
			h.advance()
		}
		if h.ok && h.at == civ {
			return true
		}
	}
	return false
}

// segment is a run of original starts that are treated alike: up to the first
// THISANDFUTURE override, or from one to the next. RFC 5545 §3.8.4.4.
type segment struct {
	t            *timing
	loKey, hiKey int64
	loCiv        int64
	shift        int64     // from original to actual start, civil
	from         *override // the override that extends to it, nil for the master
}

func (s *Set) segments() []segment {
	list := make([]segment, 0, 1+len(s.futures))
	list = append(list, segment{t: &s.master, loKey: math.MinInt64, hiKey: math.MaxInt64, loCiv: math.MinInt64})
	for _, i := range s.futures {
		o := &s.overrides[i]
		list[len(list)-1].hiKey = o.key
		list = append(list, segment{t: &o.timing, loKey: o.key, hiKey: math.MaxInt64, loCiv: o.ridCiv,
			shift: o.civ - o.ridCiv, from: o})
	}
	return list
}
