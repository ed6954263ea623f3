package recur

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"factotum/server/ical"
)

// Rules are the hours of all zones as a release of the zone database has them, from
// 1970 to 2050: what is kept of it, so that the next release can be compared.
type Rules struct {
	Version string             `json:"version"`
	Zones   map[string]string  `json:"zones"` // the digest of each name's hours
	Hours   map[string][]int64 `json:"hours"` // of a digest: the first offset, then seconds since the change before, and the offset from then on

	mu    sync.Mutex
	known map[string]*tz
}

// The time that rules are about.
var (
	rulesFrom  = daysOf(1970, 1, 1) * daySecs
	rulesUntil = daysOf(2051, 1, 1) * daySecs
)

// RulesOf reads the hours of a release, of all names or of some. A name that it does
// not have is left out; what cannot be read is an error.
func RulesOf(d *Data, names ...string) (*Rules, error) {
	r := &Rules{Zones: map[string]string{}, Hours: map[string][]int64{}}
	if d != nil {
		r.Version = d.Version
	}
	if len(names) == 0 {
		names = allNames()
	}
	var bad error
	for _, name := range names {
		loc, err := d.location(name)
		switch {
		case errors.Is(err, ErrNoZone) || err != nil && (d == nil || d.Load == nil):
			continue
		case err != nil:
			bad = errors.Join(bad, err)
			continue
		}
		list := ianaSource{loc}.onsets(rulesFrom, rulesUntil)
		hours := make([]int64, 1, 1+2*len(list))
		hours[0] = list[0].off
		at := rulesFrom
		for _, o := range list[1:] {
			if o.off != hours[len(hours)-1] {
				hours = append(hours, o.at-at, o.off)
				at = o.at
			}
		}
		h := fnv.New64a()
		for _, v := range hours {
			fmt.Fprintf(h, "%d ", v)
		}
		digest := hex.EncodeToString(h.Sum(nil))
		r.Zones[name], r.Hours[digest] = digest, hours
	}
	return r, bad
}

// ErrNoZone is what Data.Load answers for a zone that a release does not have.
var ErrNoZone = errors.New("there is no such zone")

// ID names the hours, whatever release they are of.
func (r *Rules) ID() string {
	h := fnv.New64a()
	for _, name := range slices.Sorted(maps.Keys(r.Zones)) {
		fmt.Fprintf(h, "%s %s\n", name, r.Zones[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Pack writes rules for ReadRules.
func (r *Rules) Pack() ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	err = z.Close()
	return b.Bytes(), err
}

// ReadRules reads what Pack wrote.
func ReadRules(data []byte) (*Rules, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read the rules of zones: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(z, 64<<20))
	if err != nil {
		return nil, fmt.Errorf("read the rules of zones: %w", err)
	}
	r := new(Rules)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("read the rules of zones: %w", err)
	}
	for name, digest := range r.Zones {
		if h := r.Hours[digest]; len(h)%2 != 1 {
			return nil, fmt.Errorf("read the rules of zones: those of %s are not whole", name)
		}
	}
	return r, nil
}

// tabled is a source of a list of onsets, the first at the beginning.
type tabled []onset

func (t tabled) onsets(from, to int64) []onset {
	list := []onset{{from, t[0].off}}
	for _, o := range t[1:] {
		switch {
		case o.at <= from:
			list[0].off = o.off
		case o.at < to:
			list = append(list, o)
		}
	}
	return list
}

func (r *Rules) zone(name string) *tz {
	r.mu.Lock()
	defer r.mu.Unlock()
	if z := r.known[name]; z != nil {
		return z
	}
	hours := r.Hours[r.Zones[name]]
	if len(hours) == 0 {
		return nil
	}
	list := tabled{{rulesFrom, hours[0]}}
	for i := 1; i+1 < len(hours); i += 2 {
		list = append(list, onset{list[len(list)-1].at + hours[i], hours[i+1]})
	}
	if r.known == nil {
		r.known = map[string]*tz{}
	}
	z := &tz{name: name, source: list}
	r.known[name] = z
	return z
}

// Window is a stretch of time in which two releases give a zone other hours.
type Window struct {
	From, To time.Time
	Old, New time.Duration // offsets to UTC
}

// ZoneChange is how the hours of a zone differ between two releases. Old and New
// are the zone as either has it.
type ZoneChange struct {
	Name     string
	Windows  []Window
	Old, New Zone
}

// Diff finds the zones whose hours differ, and gone names those that r has and the
// newer has not.
func (r *Rules) Diff(newer *Rules) (changed map[string]*ZoneChange, gone []string) {
	changed = map[string]*ZoneChange{}
	for name, digest := range r.Zones {
		switch other, ok := newer.Zones[name]; {
		case !ok:
			gone = append(gone, name)
		case other != digest:
			a, b := r.zone(name), newer.zone(name)
			if w := windowsBetween(a.source, b.source, rulesFrom, rulesUntil); len(w) > 0 {
				changed[name] = &ZoneChange{Name: name, Windows: w, Old: a, New: b}
			}
		}
	}
	slices.Sort(gone)
	return changed, gone
}

// windowsBetween lists where two sources differ, in order.
func windowsBetween(a, b tzSource, from, to int64) (out []Window) {
	la, lb := a.onsets(from, to), b.onsets(from, to)
	i, j := 0, 0
	for at := from; at < to; {
		next := to
		if i+1 < len(la) {
			next = min(next, la[i+1].at)
		}
		if j+1 < len(lb) {
			next = min(next, lb[j+1].at)
		}
		if la[i].off != lb[j].off {
			w := Window{time.Unix(at, 0).UTC(), time.Unix(next, 0).UTC(), time.Duration(la[i].off) * time.Second, time.Duration(lb[j].off) * time.Second}
			if n := len(out); n > 0 && out[n-1].To.Equal(w.From) && out[n-1].Old == w.Old && out[n-1].New == w.New {
				out[n-1].To = w.To
			} else if next > at {
				out = append(out, w)
			}
		}
		for i+1 < len(la) && la[i+1].at <= next {
			i++
		}
		for j+1 < len(lb) && lb[j+1].at <= next {
			j++
		}
		at = next
	}
	return out
}

// Moves tells whether a civil time means another moment by the new hours.
func (c *ZoneChange) Moves(civil time.Time) (was, is time.Time, moves bool) {
	was, is = c.Old.ToUTC(civil), c.New.ToUTC(civil)
	return was, is, !was.Equal(is)
}

// Hours tells whose hours a VTIMEZONE has.
type Hours uint8

const (
	OtherHours Hours = iota // neither of the two, or nothing that can be read
	OldHours
	NewHours
)

// Says compares what a VTIMEZONE itself says with both releases, in windows.
func (c *ZoneChange) Says(def *ical.Component, windows []Window) Hours {
	src, _ := readObservances(def)
	if len(src) == 0 {
		return OtherHours
	}
	begin, until := int64(endless), validUntil(def)
	for _, o := range src { // nothing is said of the time before the first
		begin = min(begin, o.dates[0]-o.from)
	}
	old, now, seen := true, true, false
	for _, w := range windows {
		from, to := max(w.From.Unix(), begin), min(w.To.Unix(), until)
		if from >= to {
			continue
		}
		seen = true
		for _, o := range src.onsets(from, to) {
			old = old && o.off == int64(w.Old/time.Second)
			now = now && o.off == int64(w.New/time.Second)
		}
	}
	switch {
	case !seen:
		return OtherHours
	case old:
		return OldHours
	case now:
		return NewHours
	}
	return OtherHours
}

// NamesOf are the names by which a VTIMEZONE may mean a zone of the database: its
// TZID, then what its text hints at. RFC 7808 §7.2.
func NamesOf(def *ical.Component) (names []string) {
	for _, prop := range [...]string{"TZID", "TZID-ALIAS-OF", "X-LIC-LOCATION"} {
		if name := cleanTZID(def.Text(prop)); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// Renew is a VTIMEZONE with the hours of the database for a zone of it, from a moment
// on, under its own name.
func Renew(def *ical.Component, name string, from time.Time) (*ical.Component, error) {
	fresh, err := VTimezone(name, from, time.Time{})
	if err != nil {
		return nil, err
	}
	out := &ical.Component{Name: def.Name}
	for i := range def.Props {
		switch p := &def.Props[i]; p.Name {
		case "LAST-MODIFIED", "TZURL", "TZUNTIL": // of what it was
		default:
			if !strings.HasPrefix(p.Name, "X-") || p.Name == "X-LIC-LOCATION" {
				out.Props = append(out.Props, p.Clone())
			}
		}
	}
	for _, c := range fresh.Children {
		out.AddChild(c)
	}
	return out, nil
}
