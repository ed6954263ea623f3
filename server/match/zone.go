package match

import (
	"strconv"

	"factotum/server/ical"
	"factotum/server/recur"
)

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
