package ical

import "fmt"

// Limits bound what one VCALENDAR may cost. A field that is zero or negative
// takes its value from DefaultLimits.
type Limits struct {
	MaxBytes      int // octets of input
	MaxDepth      int // components within components; VCALENDAR is the first
	MaxComponents int
	MaxProps      int // properties in all; their parameter values, too
	MaxLine       int // octets of one content line, unfolded
}

// DefaultLimits suit what clients store and mail; importing tools may raise them.
// Whoever takes in a text bounds its octets before: here is the largest object
// that a site can allow, and a line may be all of it.
var DefaultLimits = Limits{
	MaxBytes:      MaxObject,
	MaxDepth:      16,
	MaxComponents: 50_000,
	MaxProps:      150_000,
	MaxLine:       MaxObject,
}

// MaxObject is the largest calendar object that is read, in octets. A message
// of DWP holds it.
const MaxObject = 48 << 20

func (l Limits) orDefault() Limits {
	or := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	or(&l.MaxBytes, DefaultLimits.MaxBytes)
	or(&l.MaxDepth, DefaultLimits.MaxDepth)
	or(&l.MaxComponents, DefaultLimits.MaxComponents)
	or(&l.MaxProps, DefaultLimits.MaxProps)
	or(&l.MaxLine, DefaultLimits.MaxLine)
	return l
}

// ParseError says where the text stops being iCalendar and what to mend. It
// never quotes values, so it may be shown and logged.
type ParseError struct {
	Line int // of the input, counted from 1; of a folded line its first
	Msg  string
}

func (e *ParseError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Msg) }
