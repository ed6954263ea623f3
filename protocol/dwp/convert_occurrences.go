package dwp

import (
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// Bits of the fourth number of an occurrence.
const (
	ridIsDate = 1 << iota
	noRID
	noStart
	partShift = iota
)

// toOccurrences packs a list into four numbers for each, which are mostly small.
func toOccurrences(list []calendar.Occurrence) []int64 {
	if len(list) == 0 {
		return nil
	}
	out := make([]int64, 0, 4*len(list))
	last := int64(-yearOne / 1_000_000)
	for i := range list {
		o := &list[i]
		bits := int64(o.Part) << partShift
		var start, length, rid int64
		from := last
		if o.Start.IsZero() {
			bits |= noStart
		} else {
			from = o.Start.Unix()
			start, length = from-last, o.End.Unix()-from
			last = from
		}
		switch {
		case o.RID.IsZero():
			bits |= noRID
		case o.RID.Kind == ical.Date:
			bits |= ridIsDate
			fallthrough
		default:
			rid = o.RID.Civil().Unix() - from
		}
		out = append(out, start, length, rid, bits)
	}
	return out
}

func fromOccurrences(m []int64) []calendar.Occurrence {
	if len(m) < 4 {
		return nil
	}
	list := make([]calendar.Occurrence, len(m)/4)
	last := int64(-yearOne / 1_000_000)
	for i := range list {
		n, o := m[4*i:4*i+4], &list[i]
		bits := n[3]
		o.Part = int(bits >> partShift)
		if bits&noStart == 0 {
			last += n[0]
			o.Start, o.End = time.Unix(last, 0).UTC(), time.Unix(last+n[1], 0).UTC()
		}
		if bits&noRID == 0 {
			kind := ical.UTC
			if bits&ridIsDate != 0 {
				kind = ical.Date
			}
			o.RID = ical.FromCivil(time.Unix(last+n[2], 0).UTC(), kind, "")
		}
	}
	return list
}
