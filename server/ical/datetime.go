package ical

import (
	"errors"
	"strings"
	"time"
)

// Kind tells the forms of a date or date-time apart. RFC 5545 §3.3.4, §3.3.5.
type Kind uint8

const (
	Date     Kind = iota // a calendar date, VALUE=DATE
	Floating             // local time of whoever looks, form #1
	UTC                  // form #2, with Z
	Zoned                // form #3, with TZID
)

func (k Kind) String() string {
	switch k {
	case Date:
		return "date"
	case Floating:
		return "floating"
	case UTC:
		return "utc"
	case Zoned:
		return "zoned"
	}
	return "unknown"
}

// DateTime is a DATE or DATE-TIME as it was written: civil fields, to which no
// zone has been applied. It is comparable with ==.
type DateTime struct {
	Year           int
	Month          time.Month
	Day            int
	Hour, Min, Sec int // zero for Date; Sec may be 60
	Kind           Kind
	TZID           string // of Zoned
}

var errDateTime = errors.New("not a date (YYYYMMDD) or date-time (YYYYMMDDTHHMMSS, UTC with Z)")

// ParseDateTime reads a DATE or DATE-TIME value. With date, a DATE is promised:
// midnight is taken for the date, another time is one all the same, as it would
// not have been written otherwise. Without it, a value of eight digits is a DATE
// too, since many writers forget VALUE=DATE, also one with a Z. Z overrides tzid.
// RFC 5545 §3.3.4, §3.3.5.
func ParseDateTime(value, tzid string, date bool) (DateTime, error) {
	v := trimBlanks(value)
	var d DateTime
	if len(v) == 9 && v[8]|0x20 == 'z' {
		v = v[:8] // no zone changes what day that is
	}
	if len(v) != 8 && len(v) != 15 && len(v) != 16 {
		return d, errDateTime
	}
	y, ok1 := digits(v[0:4])
	m, ok2 := digits(v[4:6])
	day, ok3 := digits(v[6:8])
	if !ok1 || !ok2 || !ok3 {
		return d, errDateTime
	}
	if m < 1 || m > 12 || day < 1 || day > daysIn(y, time.Month(m)) {
		return d, errors.New("no such day in the calendar")
	}
	d = DateTime{Year: y, Month: time.Month(m), Day: day}
	if len(v) == 8 {
		return d, nil
	}
	h, ok1 := digits(v[9:11])
	min, ok2 := digits(v[11:13])
	s, ok3 := digits(v[13:15])
	if v[8]|0x20 != 't' || !ok1 || !ok2 || !ok3 || len(v) == 16 && v[15]|0x20 != 'z' {
		return DateTime{}, errDateTime
	}
	// 60 is a leap second. RFC 5545 §3.3.12.
	if h > 23 || min > 59 || s > 60 {
		return DateTime{}, errors.New("no such time of day")
	}
	if date && h+min+s == 0 {
		return d, nil
	}
	d.Hour, d.Min, d.Sec = h, min, s
	switch tzid = trimTZID(tzid); {
	case len(v) == 16:
		d.Kind = UTC
	case tzid != "":
		d.Kind, d.TZID = Zoned, tzid
	default:
		d.Kind = Floating
	}
	return d, nil
}

func trimTZID(s string) string {
	if s == "" || s[0] > '"' && s[len(s)-1] > '"' {
		return s
	}
	return strings.Trim(s, " \t\"")
}

func trimBlanks(s string) string {
	if s == "" || s[0] > ' ' && s[len(s)-1] > ' ' {
		return s
	}
	return strings.Trim(s, " \t")
}

// digits reads a number that has nothing but decimal digits.
func digits(s string) (int, bool) {
	n := 0
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int(c)
	}
	return n, true
}

func daysIn(year int, m time.Month) int {
	switch m {
	case time.April, time.June, time.September, time.November:
		return 30
	case time.February:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// String returns the value form: 20060102, 20060102T150405 or 20060102T150405Z.
// It has room for the years 0 to 9999.
func (d DateTime) String() string { return string(d.Append(make([]byte, 0, 16))) }

// Append prints the value form to dst.
func (d DateTime) Append(dst []byte) []byte {
	dst = two(two(dst, d.Year/100), d.Year%100)
	dst = two(two(dst, int(d.Month)), d.Day)
	if d.Kind == Date {
		return dst
	}
	dst = append(dst, 'T')
	dst = two(two(two(dst, d.Hour), d.Min), d.Sec)
	if d.Kind == UTC {
		dst = append(dst, 'Z')
	}
	return dst
}

func two(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10%10), byte('0'+n%10))
}

// IsZero reports whether d is the zero value, which is no date.
func (d DateTime) IsZero() bool { return d == DateTime{} }

// Civil returns the fields as a time.Time in UTC; no zone is applied. A leap
// second becomes the second before it. RFC 5545 §3.3.12.
func (d DateTime) Civil() time.Time {
	return time.Date(d.Year, d.Month, d.Day, d.Hour, d.Min, min(d.Sec, 59), 0, time.UTC)
}

// FromCivil is the reverse of Civil: it takes the fields of t as they are, in
// whichever location t is. The tzid counts for Zoned alone.
func FromCivil(t time.Time, k Kind, tzid string) DateTime {
	y, m, d := t.Date()
	dt := DateTime{Year: y, Month: m, Day: d, Kind: k}
	if k != Date {
		dt.Hour, dt.Min, dt.Sec = t.Clock()
	}
	if k == Zoned {
		dt.TZID = tzid
	}
	return dt
}

// TZID returns the TZID parameter without blanks and quotes, "" if there is
// none. A name has one value: one that was written without the quotes that its
// commas ask for is put together again. RFC 5545 §3.2.19.
func (p *Property) TZID() string {
	v := p.ParamValues("TZID")
	switch len(v) {
	case 0:
		return ""
	case 1:
		return trimTZID(v[0])
	}
	return trimTZID(strings.Join(v, ","))
}

// DateTime reads the value with the property's VALUE and TZID parameters.
func (p *Property) DateTime() (DateTime, error) {
	return ParseDateTime(p.Value, p.TZID(), p.valueIs("DATE"))
}

// DateTimes reads a comma list, as in EXDATE and RDATE; empty places in it,
// which some writers leave, are skipped. Of a list of periods it returns the
// starts.
func (p *Property) DateTimes() ([]DateTime, error) {
	tzid, date, period := p.TZID(), p.valueIs("DATE"), p.valueIs("PERIOD")
	list := make([]DateTime, 0, 1+strings.Count(p.Value, ","))
	for v := range strings.SplitSeq(p.Value, ",") {
		if strings.Trim(v, " \t") == "" {
			continue
		}
		if period {
			v, _, _ = strings.Cut(v, "/")
		}
		d, err := ParseDateTime(v, tzid, date)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// SetDateTime writes the value, and the VALUE and TZID parameters that it needs.
func (p *Property) SetDateTime(d DateTime) {
	p.Value = d.String()
	p.DelParam("TZID")
	p.DelParam("VALUE")
	switch d.Kind {
	case Date:
		p.SetParam("VALUE", "DATE")
	case Zoned:
		p.SetParam("TZID", d.TZID)
	}
}

// SetDateTime is Set for a DATE or DATE-TIME with its parameters.
func (c *Component) SetDateTime(name string, d DateTime) {
	p := Property{}
	p.SetDateTime(d)
	c.Set(name, p.Value, p.Params...)
}

// valueIs reports whether the VALUE parameter names that type.
func (p *Property) valueIs(typ string) bool {
	return p.ParamIs("VALUE", typ)
}
