package wcap

import (
	"bytes"

	"factotum/server/ical"
	"factotum/server/recur"
)

// zoneText is the VTIMEZONEs of an object, as they are written, and what they say.
type zoneText struct {
	text  []byte
	zones *recur.Zones
}

// maxZoneTexts is how many zones a request remembers.
const maxZoneTexts = 8

// read parses an object. Half of many a text is time zones, the same in
// thousands of objects: those are taken out first, and parsed once.
func (s *shower) read(data []byte) (*ical.Component, *recur.Zones, error) {
	if from, to := leadingZones(data); to > 0 {
		if zones := s.zonesOf(data[from:to]); zones != nil {
			s.text = append(append(s.text[:0], data[:from]...), data[to:]...)
			tree, err := s.parse(s.text)
			if err == nil && tree.Child("VTIMEZONE") == nil {
				return tree, zones, nil
			}
		}
	}
	tree, err := s.parse(data)
	return tree, recur.ZonesOf(tree), err
}

func (s *shower) parse(data []byte) (*ical.Component, error) {
	if s.passing() {
		return s.reader.Parse(data, ical.Limits{})
	}
	return ical.Parse(data, ical.Limits{})
}

// zonesOf reads VTIMEZONEs; nil if they are not readable by themselves.
func (s *shower) zonesOf(text []byte) *recur.Zones {
	for _, z := range s.zoneTexts {
		if string(z.text) == string(text) {
			return z.zones
		}
	}
	cal, err := ical.Parse([]byte("BEGIN:VCALENDAR\r\n"+string(text)+"END:VCALENDAR\r\n"), ical.Limits{})
	var zones *recur.Zones
	if err == nil {
		zones = recur.ZonesOf(cal)
	}
	if len(s.zoneTexts) >= maxZoneTexts {
		s.zoneTexts = s.zoneTexts[:0]
	}
	s.zoneTexts = append(s.zoneTexts, zoneText{text, zones})
	return zones
}

// leadingZones finds the VTIMEZONEs with which an object begins, before any other
// component: data[from:to]. to is 0 where there are none.
func leadingZones(data []byte) (from, to int) {
	const begin, end = "BEGIN:VTIMEZONE", "END:VTIMEZONE"
	for at := 0; at < len(data); {
		line, next := lineAt(data, at)
		switch {
		case string(line) == begin:
			if to == 0 {
				from = at
			}
			for at = next; at < len(data) && string(line) != end; at = next {
				line, next = lineAt(data, at)
			}
			if string(line) != end {
				return 0, 0
			}
			to = at
		case to > 0, at > 0 && len(line) > 5 && (line[0] == 'B' || line[0] == 'b') && line[5] == ':':
			return from, to
		default:
			at = next
		}
	}
	return 0, 0
}

// lineAt is the line of data that begins at a place, without its end, and the
// place of the next.
func lineAt(data []byte, at int) (line []byte, next int) {
	next = len(data)
	if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
		next = at + i + 1
	}
	return bytes.TrimRight(data[at:next], "\r\n"), next
}
