// Package locale has the words in which people are told of their calendars:
// names of days and months, forms of dates and times, how often something is
// repeated, and what somebody answered, in English, French, German, Spanish and
// Japanese. It is pure: zones have been applied to what it is given, and the
// present is an argument.
//
// A time is a Moment: the fields that a clock on the wall shows, in the zone of
// whoever reads it.
package locale

import (
	"strings"
	"time"
)

// Locale is a language, with what its speakers expect of dates.
type Locale struct {
	Tag string // en, fr, de, es, ja

	days, shortDays     [7]string // Sunday first
	months, shortMonths [12]string
	am, pm              string
	first               string // how the first of a month is said; "" as other days

	order     Order
	separator byte
	clock     int    // 12 or 24
	clock12   string // %r, without seconds
	dateTime  string // %c, where %x is the date and %X the time
	stamp     string // date, time and zone: notifications.md §2.5
	stampDay  string // the same of a date
	long      string // Tuesday, 3 March 2026
	longMDY   string // the same of those who write the month first; "" as long
	short     string // Tue 3 March
	shortMDY  string
	year      string // what short has more in another year than this
	yearMDY   string // the same of shortMDY
	fullDate  string // 3 March 2026
	fullMDY   string

	between string // start and end
	before  string // date and time
	and     string // the last two of a list
	comma   string // others of a list

	rules rules
	Words Words
}

// Words are what people did, and what became of things.
type Words struct {
	PartStat map[string]string // ACCEPTED: "accepted"; RFC 5545 §3.2.12
	Heading  map[string]string // by Act: what a subject begins with
	Sentence map[string]string // by Act: {name} is who did it
	OneDate  string            // a message is about one instance of a series
	More     string            // {n} people more
	Nobody   string            // somebody whose name is not known
}

// Order is how the parts of a date follow one another. WCAP's ceDateOrder.
type Order uint8

// The orders.
const (
	OwnOrder Order = iota // the locale's
	DMY
	MDY
	YMD
)

// OrderOf reads a ceDateOrder such as M/D/Y; what it is not is the locale's own.
// ldap.md §4.
func OrderOf(s string) Order {
	switch strings.ToUpper(strings.TrimSpace(s)) {
	case "D/M/Y":
		return DMY
	case "M/D/Y":
		return MDY
	case "Y/M/D":
		return YMD
	}
	return OwnOrder
}

// Manner is a locale with what one reader asks of dates. Zero fields are as the
// locale has them.
type Manner struct {
	*Locale
	Clock     int   // 12 or 24 hours: ceClock
	Order     Order // ceDateOrder
	Separator byte  // of dates in figures: ceDateSeparator
}

// Moment is a time as a reader's clock shows it.
type Moment struct {
	Civil  time.Time     // fields of a time in UTC
	Zone   string        // name of the zone; "" where there is none
	Offset time.Duration // east of UTC
	Day    bool          // a date: there is no time
}

var locales = map[string]*Locale{"en": &english, "fr": &french, "de": &german, "es": &spanish, "ja": &japanese}

// Tags are the languages that there are words of.
func Tags() []string { return []string{"en", "fr", "de", "es", "ja"} }

// Find returns the locale of a language tag such as de-AT, with what is usual in
// its country; ok is false, and it is English, where there are no words of the
// language. RFC 5646.
func Find(tag string) (m Manner, ok bool) {
	lang, region, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(tag), "_", "-"), "-")
	l, ok := locales[lang]
	if !ok {
		return Manner{Locale: &english}, false
	}
	m.Locale = l
	if l == &english && (region == "us" || region == "ph") {
		m.Order, m.Clock = MDY, 12
	}
	if l == &spanish && region == "us" {
		m.Order, m.Clock = MDY, 12
	}
	return m, true
}

// With adds what a reader asks of dates; empty wishes change nothing. They are
// the preferences ceClock, ceDateOrder and ceDateSeparator of ldap.md §4.
func (m Manner) With(clock, order, separator string) Manner {
	switch strings.TrimSpace(clock) {
	case "12":
		m.Clock = 12
	case "24":
		m.Clock = 24
	}
	if o := OrderOf(order); o != OwnOrder {
		m.Order = o
	}
	if len(separator) == 1 && separator[0] > ' ' && separator[0] < 0x7f {
		m.Separator = separator[0]
	}
	return m
}

func (m Manner) twelve() bool {
	if m.Clock != 0 {
		return m.Clock == 12
	}
	return m.clock == 12
}

func (m Manner) dateOrder() Order {
	if m.Order != OwnOrder {
		return m.Order
	}
	return m.order
}

// List joins what is told one after another: a, b and c.
func (l *Locale) List(items []string) string {
	switch n := len(items); n {
	case 0:
		return ""
	case 1:
		return items[0]
	default:
		return strings.Join(items[:n-1], l.comma) + l.and + items[n-1]
	}
}
