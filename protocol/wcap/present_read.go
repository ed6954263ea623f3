package wcap

import (
	"bytes"

	"factotum/server/ical"
	"factotum/server/zone"
)

// zoneText is the VTIMEZONEs of an object, as they are written, and what they say.
type zoneText struct {
	text  []byte
	zones *zone.Zones
}

// maxZoneTexts is how many zones a request remembers.
const maxZoneTexts = 8

// read parses an object. Half of many a text is time zones, the same in
// thousands of objects: those are taken out first, and parsed once.
func (s *shower) read(data []byte) (*ical.Component, *zone.Zones, error) {
	if zones, from, to := s.leadingZones(data); zones != nil {
		s.text = append(append(s.text[:0], data[:from]...), data[to:]...)
		tree, err := s.parse(s.text)
		if err == nil && tree.Child("VTIMEZONE") == nil {
			return tree, zones, nil
		}
	}
	tree, err := s.parse(data)
	return tree, zone.Of(tree), err
}

func (s *shower) parse(data []byte) (*ical.Component, error) {
	if s.passing() {
		return s.reader.Parse(data, ical.Limits{})
	}
	return ical.Parse(data, ical.Limits{})
}

const beginZone, endZone = "BEGIN:VTIMEZONE", "END:VTIMEZONE"

// leadingZones reads the VTIMEZONEs with which an object begins, before any
// other component: data[from:to]. zones is nil where there are none that are
// readable by themselves.
func (s *shower) leadingZones(data []byte) (zones *zone.Zones, from, to int) {
	for from < len(data) {
		line, next := lineAt(data, from)
		if string(line) == beginZone {
			break
		}
		if from > 0 && len(line) > 5 && line[0]|0x20 == 'b' && line[5] == ':' {
			return nil, 0, 0
		}
		from = next
	}
	for _, z := range s.zoneTexts {
		if rest, ok := bytes.CutPrefix(data[from:], z.text); ok && !bytes.HasPrefix(rest, []byte(beginZone)) {
			return z.zones, from, len(data) - len(rest)
		}
	}
	to = from
	for line, next := lineAt(data, to); string(line) == beginZone; line, next = lineAt(data, to) {
		for to = next; to < len(data) && string(line) != endZone; to = next {
			line, next = lineAt(data, to)
		}
	}
	if from == to {
		return nil, 0, 0
	}
	text := data[from:to]
	if cal, err := ical.Parse([]byte("BEGIN:VCALENDAR\r\n"+string(text)+"END:VCALENDAR\r\n"), ical.Limits{}); err == nil {
		zones = zone.Of(cal)
	}
	if len(s.zoneTexts) >= maxZoneTexts {
		s.zoneTexts = s.zoneTexts[:0]
	}
	s.zoneTexts = append(s.zoneTexts, zoneText{text, zones})
	return zones, from, to
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
