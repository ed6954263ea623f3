package match

import (
	"strconv"

	"factotum/server/ical"
	"factotum/server/recur"
)

// Overlaps is the VEVENT rule of RFC 4791 §9.9: half open, but a zero-length
// instance counts at its start.
func Overlaps(start, end, from, to int64) bool {
	if start == end {
		return start >= from && start < to
	}
	return start < to && end > from
}

// TimezoneName returns the TZID of a CALDAV:calendar-timezone value.
func TimezoneName(text string) (string, error) {
	cal, err := ical.Parse([]byte(text), ical.Limits{})
	if err != nil {
		return "", err
	}
	var name string
	n := 0
	for _, c := range cal.Children {
		if c.Name == "VTIMEZONE" {
			name = recur.NameOf(c)
			n++
		}
	}
	if n != 1 || name == "" {
		return "", &ical.ParseError{Line: 1, Msg: "found " + strconv.Itoa(n) + " VTIMEZONE components"}
	}
	return name, nil
}
